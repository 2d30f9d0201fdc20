"""Is the physics right? Temperature, energy drift and batched predictions, measured on models of a run.

    python benchmarks/physics.py examples/quickstart/results/*.model --structure examples/quickstart/ethanol.xyz

Prints what was measured beside what is asked for, and writes the same as JSON records with --json FILE. With --quick
the runs are short: the statistical error of the temperatures is then about 1 %, and the drift is not resolved.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import mace.calculators  # before e3nn is imported by anything else
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read

from aims_pax.committee import CommitteeForces, load_models
from aims_pax.frame import Frame
from aims_pax.protocols import Driver
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Langevin, TrajectoryStart
from aims_pax.testing.drivers import Tethers


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number, and the bound that it must keep."""

    what: str
    value: float
    bound: float
    unit: str


def frame_of(atoms: Atoms, trajectory: int = 0) -> Frame:
    """The structure as the sampler takes it."""
    return Frame(
        atoms.get_chemical_formula(),
        trajectory,
        0,
        0,
        np.array(atoms.numbers, dtype=np.int64),
        np.array(atoms.positions),
        np.array(atoms.cell.array),
        np.array(atoms.pbc),
    )


def temperature(
    forces: Driver, atoms: Atoms, *, what: str, target_k: float, n_trajectories: int, n_samples: int
) -> Measurement:
    """Relative deviation of the mean kinetic temperature from that of the thermostat."""
    start = TrajectoryStart.steady(frame_of(atoms), Langevin(0.02), target_k, 0.5, 7)
    sampler = BatchedSampler([start] * n_trajectories, forces)
    everyone = range(n_trajectories)
    sampler.advance(everyone, 800)  # eight relaxation times of the thermostat
    temperatures = []
    for _ in range(n_samples):
        stopped = [moved.problem for moved in sampler.advance(everyone, 50) if moved.problem is not None]
        if stopped:
            raise SystemExit(f"{what}: {stopped[0]}")
        temperatures += [sampler.kinetic_temperature(trajectory) for trajectory in everyone]
    return Measurement(f"kinetic temperature, {what}", abs(float(np.mean(temperatures)) / target_k - 1), 0.02, "")


def drift(forces: Driver, atoms: Atoms, *, n_trajectories: int, n_steps: int) -> Measurement:
    """Largest drift of the total energy in NVE at 0.5 fs."""
    start = TrajectoryStart.steady(frame_of(atoms), VELOCITY_VERLET, 300.0, 0.5, 3)
    sampler = BatchedSampler([start] * n_trajectories, forces)
    everyone, chunk = range(n_trajectories), 20
    energies = []
    for _ in range(n_steps // chunk):
        sampler.advance(everyone, chunk)
        energies.append([sampler.total_energy(trajectory) / len(atoms) for trajectory in everyone])
    times_ps = np.arange(1, len(energies) + 1) * chunk * 0.5e-3
    slopes = np.polyfit(times_ps, np.array(energies), 1)[0]
    return Measurement("NVE drift, MACE in float64, 0.5 fs", float(np.abs(slopes).max()), 1e-5, "eV/atom/ps")


def agreement(models: list[Path], structures: list[Atoms], *, dtype: str, bound: float) -> Measurement:
    """Largest difference between forces of one mixed batch and those of MACE's own calculator, one by one."""
    batched = load_models(models, device="cpu", dtype=dtype).predict([frame_of(atoms) for atoms in structures])
    worst = 0.0
    for index, path in enumerate(models):
        calculator = mace.calculators.MACECalculator(model_paths=str(path), device="cpu", default_dtype=dtype)
        for atoms, found in zip(structures, batched, strict=True):
            alone = atoms.copy()
            alone.calc = calculator
            worst = max(worst, float(np.abs(alone.get_forces() - found.forces[index]).max()))
    return Measurement(f"batched forces against MACECalculator, {dtype}", worst, bound, "eV/Å")


def mixed_structures(molecule: Atoms) -> list[Atoms]:
    """Distorted molecules and crystals of their first element."""
    rng = np.random.default_rng(5)
    crystal = bulk(molecule.get_chemical_symbols()[0], "diamond", a=3.6, cubic=True)
    structures = [molecule.copy(), crystal.copy(), molecule.copy(), crystal.copy()]
    for atoms in structures:
        atoms.positions += rng.normal(0.0, 0.05, atoms.positions.shape)
    return structures


def measurements(models: list[Path], molecule: Atoms, *, quick: bool) -> Iterator[Measurement]:
    """All measurements, one after the other."""
    n_samples = 20 if quick else 80
    carbon = Atoms("C", positions=[[0.0, 0.0, 0.0]])
    springs = Tethers(15.0)
    yield temperature(springs, carbon, what="harmonic", target_k=300, n_trajectories=400, n_samples=n_samples)
    single = CommitteeForces(load_models(models[:1], device="cpu", dtype="float64"))
    yield temperature(single, molecule, what="MACE", target_k=300, n_trajectories=16, n_samples=n_samples)
    yield drift(single, molecule, n_trajectories=4, n_steps=800 if quick else 20_000)
    structures = mixed_structures(molecule)
    yield agreement(models, structures, dtype="float32", bound=1e-4)
    yield agreement(models, structures, dtype="float64", bound=1e-9)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="model files of one run")
    parser.add_argument("--structure", type=Path, required=True, help="a molecule that the models know")
    parser.add_argument("--quick", action="store_true", help="short runs, about a minute")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    records = []
    for found in measurements(arguments.models, read(arguments.structure), quick=arguments.quick):
        word = "ok" if found.value <= found.bound else "MISSED"
        print(f"{found.what:50s} {found.value:9.2e}  <= {found.bound:7.1e} {found.unit:12s} {word}", flush=True)
        records.append(asdict(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
