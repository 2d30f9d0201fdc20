"""Does metadynamics find the free energy that is there? A dihedral's, beside that of a long run without any bias.

    python benchmarks/bias.py --quick
    python benchmarks/bias.py --json bias.json

1,2-dichloroethane turns about its C-C bond. One small MACE model is the force field, so that both ways sample one and
the same energy: it learns from GFN1-xTB, from trajectories that a restraint holds at each angle. Then all trajectories
move as one batch, most of them free, the others each under hills of its own:

- free: minus kT times the logarithm of how often each angle was seen; its error from groups of trajectories;
- hills: what the hills of each trajectory say, and how far trajectories differ among each other.

The molecule and its mirror image are one, so that angles of both signs are counted together. Profiles have no zero in
common: their difference is told with its mean over the angles compared taken away. With --quick it takes some five
minutes on a core of its own, half an hour without.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from ase.optimize import BFGS
from ethanol import labels_of
from tblite.ase import TBLite

from aims_pax.atoms import frame_of
from aims_pax.committee import Committee, CommitteeForces
from aims_pax.frame import FloatArray, Frame, LabelledFrame, Split
from aims_pax.sampling import BatchedSampler, CalculatorForces, Langevin, Segment, TrajectoryStart
from aims_pax.sampling.bias import Dihedral, Metadynamics, Restraint, Tempering, free_energy
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.units import BOLTZMANN_EV_PER_K

TEMPERATURE_K, TIMESTEP_FS = 500.0, 1.0
KT = BOLTZMANN_EV_PER_K * TEMPERATURE_K
THERMOSTAT = Langevin(0.01)
TURN = Dihedral((2, 0, 1, 5))
"""Cl-C-C-Cl."""

HILLS = Metadynamics((TURN,), (0.15,), 0.25 * KT, 40, Tempering(6.0, TEMPERATURE_K))
EDGES = np.linspace(0, np.pi, 37)
CENTERS = (EDGES[1:] + EDGES[:-1]) / 2
N_GROUPS = 8
SETTINGS = {
    "general": {"name_exp": "bias"},
    "architecture": {
        "num_channels": 8,
        "max_L": 0,
        "max_ell": 2,
        "correlation": 2,
        "r_max": 4.0,
        "radial_MLP": [32, 32],
    },
    "training": {"lr": 0.02, "batch_size": 10},
}


@dataclass(frozen=True, slots=True)
class Bin:
    """Free energies near one angle, in kT, with their standard errors."""

    degrees: float
    free: float
    free_error: float
    hills: float
    hills_error: float


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of everything."""

    n_free: int
    n_biased: int
    n_steps: int
    n_epochs: int


QUICK, FULL = Budget(64, 24, 10_000, 40), Budget(64, 32, 40_000, 40)


def dichloroethane() -> Atoms:
    """The molecule at rest in trans, by GFN1-xTB."""
    atoms = molecule("C2H6")
    symbols = atoms.get_chemical_symbols()
    symbols[2] = symbols[5] = "Cl"
    atoms.set_chemical_symbols(symbols)
    for carbon, chlorine in ((0, 2), (1, 5)):
        atoms.set_distance(carbon, chlorine, 1.78, fix=0)
    atoms.calc = TBLite(method="GFN1-xTB", verbosity=0)
    BFGS(atoms, logfile=None).run(fmax=0.02)
    return atoms


def turned(atoms: Atoms, degrees: float) -> Frame:
    """The molecule with another angle about its bond."""
    copy = atoms.copy()
    copy.set_dihedral(*TURN.atoms, degrees, indices=[5, 6, 7])
    return frame_of(copy, system="dichloroethane", trajectory=0, md_step=0)


def start(frame: Frame, *biases: Restraint | Metadynamics, temperature_k: float, seed: int) -> TrajectoryStart:
    """A trajectory that does the same all the time."""
    return TrajectoryStart(frame, (Segment(THERMOSTAT, TIMESTEP_FS, temperature_k, biases=biases),), seed)


def force_field(atoms: Atoms, *, n_epochs: int) -> Committee:
    """A model that knows the molecule at every angle, and warmer than it will be."""
    angles = np.arange(0, 360, 15)
    held = [Restraint(TURN, float(np.deg2rad(angle)), 2.0) for angle in angles]
    starts = [
        start(turned(atoms, float(angle)), one, temperature_k=700.0, seed=1)
        for angle, one in zip(angles, held, strict=True)
    ]
    sampler = BatchedSampler(starts, CalculatorForces(lambda: TBLite(method="GFN1-xTB", verbosity=0)))
    everyone, frames = range(len(starts)), list[Frame]()
    for _ in range(16):
        assert not any(one.problem for one in sampler.advance(everyone, 25))
        frames += [sampler.frame(trajectory) for trajectory in everyone]
    labels = labels_of(frames, "GFN1-xTB")
    n_train = len(frames) * 7 // 8
    points = [
        LabelledFrame(index + 1, frame, label, Split.TRAINING if index < n_train else Split.VALIDATION)
        for index, (frame, label) in enumerate(zip(frames, labels, strict=True))
    ]
    committee = Committee.build(MaceSettings.model_validate(SETTINGS), points, seeds=[1])
    committee.train(n_epochs)
    error = committee.errors()[0]
    print(f"force field: {n_train} structures, {n_epochs} epochs; errors {error}", flush=True)
    return committee


def angles_of(positions: FloatArray) -> FloatArray:
    """Dihedrals of structures (B, n_atoms, 3), by another formula than the package's."""
    i, j, k, m = (positions[:, atom] for atom in TURN.atoms)
    bond = (k - j) / np.linalg.norm(k - j, axis=1, keepdims=True)
    front, rear = i - j, m - k
    front = front - (front * bond).sum(axis=1, keepdims=True) * bond
    rear = rear - (rear * bond).sum(axis=1, keepdims=True) * bond
    angles: FloatArray = np.arctan2((np.cross(bond, front) * rear).sum(axis=1), (front * rear).sum(axis=1))
    return angles


def sampled(atoms: Atoms, committee: Committee, budget: Budget) -> tuple[FloatArray, list[FloatArray]]:
    """Angles seen without bias, (n_looks, n_free), after a tenth that is let go; and the hills of the others."""
    places = [turned(atoms, degrees) for degrees in (180.0, 70.0, 290.0)]
    free = [start(places[k % 3], temperature_k=TEMPERATURE_K, seed=k) for k in range(budget.n_free)]
    biased = [start(places[k % 3], HILLS, temperature_k=TEMPERATURE_K, seed=k) for k in range(budget.n_biased)]
    sampler = BatchedSampler(free + biased, CommitteeForces(committee))
    everyone, sound = range(len(free + biased)), {k: sampler.checkpoint(k) for k in range(len(free + biased))}
    seen, n_wrecked = list[FloatArray](), 0
    for step in range(0, budget.n_steps, 10):
        for moved in sampler.advance(everyone, 10):
            if moved.problem is not None:
                sampler.rewind(moved.trajectory, sound[moved.trajectory])
                n_wrecked += 1
            elif step % 500 == 0:
                sound[moved.trajectory] = sampler.checkpoint(moved.trajectory)
        positions = sampler.batch(everyone).positions.reshape(len(everyone), len(atoms), 3)
        seen.append(angles_of(positions[: budget.n_free].numpy()))
    print(f"{n_wrecked} times a trajectory was stopped and set back", flush=True)
    hills = [sampler.learned(budget.n_free + k)[HILLS] for k in range(budget.n_biased)]
    return np.array(seen[len(seen) // 10 :]), hills


def seen_in_bins(angles: FloatArray) -> FloatArray:
    """Which fraction of angles, of any shape, is in each bin."""
    return np.histogram(np.abs(angles), EDGES)[0] / angles.size


def bins_of(angles: FloatArray, hills: list[FloatArray], *, below_kt: float) -> tuple[list[Bin], FloatArray]:
    """Both profiles, and which of the bins are compared."""
    groups = np.array([seen_in_bins(angles[:, group::N_GROUPS]) for group in range(N_GROUPS)])
    seen = groups.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        free, free_errors = -np.log(seen), groups.std(axis=0, ddof=1) / np.sqrt(N_GROUPS) / seen
    compared = free - free.min() < below_kt

    def both_signs(own: FloatArray) -> FloatArray:
        # What a bin holds is the mean of the density over it and its mirror image.
        fine = np.linspace(EDGES[:-1], EDGES[1:], 9)[:, None] * np.array([1.0, -1.0])[:, None]
        energies = free_energy(HILLS, own, fine[..., None]) / KT
        both: FloatArray = -np.log(np.exp(-energies).mean(axis=(0, 1)))
        return both

    learned = np.array([both_signs(own) for own in hills])
    learned -= learned[:, compared].mean(axis=1, keepdims=True)
    free, found = free - free[compared].mean(), learned.mean(axis=0)
    least = free[compared].min()
    errors = learned.std(axis=0, ddof=1) / np.sqrt(len(learned))
    columns = np.rad2deg(CENTERS), free - least, free_errors, found - least, errors
    return [Bin(*map(float, row)) for row in zip(*columns, strict=True)], compared


def words(bins: list[Bin], compared: FloatArray, *, below_kt: float) -> Iterator[str]:
    """For a person."""
    yield "  angle    free            hills           hills - free   (kT)"
    for one, counts in zip(bins, compared, strict=True):
        mark = "" if counts else "   not compared"
        yield (
            f"{one.degrees:6.1f}°  {one.free:6.2f} ± {one.free_error:4.2f}   {one.hills:6.2f} ± {one.hills_error:4.2f}"
            f"   {one.hills - one.free:+6.2f}{mark}"
        )
    chosen = [one for one, counts in zip(bins, compared, strict=True) if counts]
    off = np.array([one.hills - one.free for one in chosen])
    errors = np.array([(one.free_error, one.hills_error) for one in chosen])
    free_error, hills_error = np.sqrt((errors**2).mean(axis=0))
    ratio = np.sqrt(((off / np.hypot(*errors.T)) ** 2).mean())
    kt = f"one kT: {KT * 1000:.1f} meV, {TEMPERATURE_K:g} K"
    yield f"{len(chosen)} bins where free energies are below {below_kt:g} kT ({kt}):"
    yield f"  hills - free: mean of its size {np.abs(off).mean():.3f} kT, largest {np.abs(off).max():.3f} kT"
    yield f"  standard errors: free {free_error:.3f}, hills {hills_error:.3f} kT"
    yield f"  root mean square of the difference over its standard error: {ratio:.2f}"


def main() -> None:
    """Train, sample, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the steps")
    parser.add_argument("--below", type=float, default=4.0, help="kT below which profiles are compared")
    parser.add_argument("--json", type=Path, help="also write the bins to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    budget = QUICK if arguments.quick else FULL
    wall, cpu = time.perf_counter(), time.process_time()
    atoms = dichloroethane()
    committee = force_field(atoms, n_epochs=budget.n_epochs)
    print(f"{time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of a core", flush=True)
    angles, hills = sampled(atoms, committee, budget)
    per_ps = budget.n_steps * TIMESTEP_FS / 1000
    print(f"{budget.n_free} trajectories free, {budget.n_biased} under {len(hills[0])} hills each; {per_ps:g} ps each")
    bins, compared = bins_of(angles, hills, below_kt=arguments.below)
    print("\n".join(words(bins, compared, below_kt=arguments.below)))
    print(f"{time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of a core")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in bins], indent=1))


if __name__ == "__main__":
    main()
