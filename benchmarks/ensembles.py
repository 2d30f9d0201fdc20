"""Do ensembles have the fluctuations that they must have? Argon crystals, many side by side, against theory and ASE.

    python benchmarks/ensembles.py [--quick] [--json ensembles.json]
    python benchmarks/ensembles.py --model FILE.model --structure crystal.xyz --temperature 300

Of each thermostat: mean and variance of the kinetic energy beside those of its distribution. Of each barostat: mean and
variance of the volume beside those that the equation of state gives (pressures at five fixed volumes by Langevin
dynamics: V where they meet the pressure asked for, and kT V / B), and beside ASE's IsotropicMTKNPT on the same
potential. A cell that may change its shape is larger by the entropy of its shear, some 5/2 kT/(B V) (-dlnG/dlnV),
which no equation of state at fixed shape has: mtk is shown beside it, and c-rescale is compared to mtk. With --model a
MACE model and a cubic crystal take the place of argon: barostats alone, without ASE's. Berendsen's barostat is shown to
be wrong in its variance, as it is known to be. An interval is twice the standard error over replicas.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.io import read
from ase.md.nose_hoover_chain import IsotropicMTKNPT

from aims_pax.atoms import frame_of
from aims_pax.batch import AtomBatch
from aims_pax.committee import CommitteeForces, load_models
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import Dynamics
from aims_pax.sampling import BatchedSampler, Langevin, Segment, TrajectoryStart
from aims_pax.sampling.dynamics import Bussi, CellRescaling, MartynaTobiasKlein, NoseHoover, Shape
from aims_pax.testing.drivers import LennardJones
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

EAGER = Langevin(0.02)
N_EAGER = 500


@dataclass(frozen=True, slots=True)
class Material:
    """A cubic crystal and what it moves by.

    Parameters
    ----------
    start : Frame
    driver : Driver
        That gives stress.
    temperature_k, timestep_fs : float
    pressure : float, eV/Å³
    softness : float, Å³/eV
        Its compressibility, roughly.
    spread : float
        Relative lengths of the equation of state around that of the start.
    """

    start: Frame
    driver: Any
    temperature_k: float
    timestep_fs: float
    pressure: float
    softness: float
    spread: float

    @property
    def kt(self) -> float:
        """Thermal energy, eV."""
        return BOLTZMANN_EV_PER_K * self.temperature_k

    @property
    def masses(self) -> FloatArray:
        """Of its atoms, eV fs²/Å²."""
        return np.asarray(atomic_masses[self.start.numbers] * AMU_ANG2_PER_FS2_EV)

    def strained(self, factor: float) -> Frame:
        """The start, longer by a factor along all directions."""
        return replace(self.start, positions=self.start.positions * factor, cell=self.start.cell * factor)


@dataclass(frozen=True, slots=True)
class Row:
    """One number beside what it should be."""

    what: str
    found: float
    interval: float
    expected: float
    is_right: bool = True

    @property
    def words(self) -> str:
        """For a person."""
        off = (self.found / self.expected - 1) * 100
        room = self.interval / self.expected * 100
        return f"{self.what:44s} {self.found:10.4g}   expected {self.expected:10.4g}   {off:+6.2f} ± {room:.2f} %"


def argon() -> Material:
    """32 atoms, fcc, as a Lennard-Jones crystal."""
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites = np.concatenate([basis + shift for shift in np.ndindex(2, 2, 2)]) / 2 * 10.5
    start = Frame("argon", 0, 0, 0, np.full(32, 18), sites, 10.5 * np.eye(3), np.ones(3, dtype=bool))
    return Material(start, LennardJones(), 20.0, 4.0, 6e-4, 60.0, 0.0152)


def modelled(model: Path, structure: Path, temperature_k: float) -> Material:
    """A crystal from a file, by a model; it is brought to the length at which that has least energy."""
    atoms = read(structure)
    assert isinstance(atoms, Atoms)
    driver = CommitteeForces(load_models([model], device="cpu"))
    material = Material(frame_of(atoms, system="crystal"), driver, temperature_k, 2.0, 0.0, 8.0, 0.02)
    factors = np.linspace(0.95, 1.05, 21)
    energies = driver.energies_forces(
        AtomBatch.from_frames([material.strained(factor) for factor in factors], driver.cutoff)
    )[0].numpy()
    best = int(energies[1:-1].argmin()) + 1
    a, b, _ = np.polyfit(factors[best - 1 : best + 2], energies[best - 1 : best + 2], 2)
    return replace(material, start=material.strained(float(-b / (2 * a)) + 0.005))  # it expands a little


def watched(
    material: Material,
    dynamics: Dynamics,
    look: Callable[[Material, BatchedSampler, int], float],
    *,
    n_replicas: int,
    n_looks: int,
    start: Frame | None = None,
) -> FloatArray:
    """What is seen of each replica every ten steps, (n_replicas, n_looks), once it is in equilibrium.

    It comes there by dynamics that lose their past soon; a fifth of what follows is let go, too.
    """
    eager = CellRescaling(Shape(isotropic=True), 50.0, 250.0, material.softness) if dynamics.wants_stress else EAGER
    program = tuple(
        Segment(one, material.timestep_fs, material.temperature_k, n_steps, pressure_ev_per_ang3=material.pressure)
        for one, n_steps in ((eager, N_EAGER), (dynamics, None))
    )
    begin = TrajectoryStart(start or material.start, program, 1)
    sampler = BatchedSampler([begin] * n_replicas, material.driver)
    everyone, seen = range(n_replicas), []
    sampler.advance(everyone, N_EAGER + 2 * n_looks)
    for _ in range(n_looks):
        moved = sampler.advance(everyone, 10)
        assert not any(one.problem for one in moved), moved
        seen.append([look(material, sampler, replica) for replica in everyone])
    return np.array(seen).T


def rows_of(name: str, seen: FloatArray, mean: float, variance: float, *, is_right: bool = True) -> list[Row]:
    """Mean and variance of what was seen."""
    means, variances = seen.mean(axis=1), ((seen - seen.mean()) ** 2).mean(axis=1)
    error = 2 / np.sqrt(len(seen))
    return [
        Row(f"{name}: mean", float(means.mean()), float(means.std(ddof=1) * error), mean),
        Row(f"{name}: variance", float(variances.mean()), float(variances.std(ddof=1) * error), variance, is_right),
    ]


def kinetic(material: Material, sampler: BatchedSampler, replica: int) -> float:
    """Kinetic energy, eV."""
    momenta = sampler.checkpoint(replica).momenta
    return float((momenta**2 / (2 * material.masses[:, None])).sum())


def volume(material: Material, sampler: BatchedSampler, replica: int) -> float:
    """Volume, Å³."""
    return float(abs(np.linalg.det(sampler.frame(replica).cell)))


def pressure(material: Material, sampler: BatchedSampler, replica: int) -> float:
    """Pressure at this moment, eV/Å³."""
    stress = material.driver.energies_forces_stress(sampler.batch([replica]))[2][0, :3].numpy().mean()
    momentum_flux = 2 * kinetic(material, sampler, replica) / 3
    return float(momentum_flux / volume(material, sampler, replica) - stress)


def equation_of_state(material: Material, *, n_replicas: int, n_looks: int) -> tuple[float, float]:
    """Volume at the pressure asked for, and kT V / B there."""
    factors = np.linspace(1 - material.spread, 1 + material.spread, 5)
    volumes = np.array([abs(np.linalg.det(material.strained(factor).cell)) for factor in factors])
    pressures = [
        watched(
            material,
            Langevin(0.005),
            pressure,
            n_replicas=n_replicas,
            n_looks=n_looks,
            start=material.strained(factor),
        ).mean()
        for factor in factors
    ]
    fit = np.polynomial.Polynomial.fit(volumes, np.array(pressures) - material.pressure, 2)
    roots = fit.roots()
    (found,) = roots[(roots > volumes[0] * 0.97) & (roots < volumes[-1] * 1.03)]
    modulus = -found * fit.deriv()(found)
    # A volume that fluctuates by 1.5 % feels the curvature of the equation of state: the mean of exp(-A(V)/kT).
    grid = np.linspace(volumes[0] * 0.97, volumes[-1] * 1.03, 4001)
    free = -np.concatenate(([0.0], np.cumsum((fit(grid[1:]) + fit(grid[:-1])) / 2 * np.diff(grid))))
    weights = np.exp(-(free - free.min()) / material.kt)
    mean = float((weights * grid).sum() / weights.sum())
    variance = float((weights * (grid - mean) ** 2).sum() / weights.sum())
    width = material.kt * found / modulus
    print(f"equation of state: V {found:.1f} Å³, B {modulus * 160.2:.2f} GPa; kT V / B {width:.0f} Å⁶", flush=True)
    return mean, variance


class Argon(Calculator):  # type: ignore[misc]
    """The same potential for ASE."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = ()
    ) -> None:
        """All three."""
        super().calculate(atoms, properties, system_changes or all_changes)
        numbers = self.atoms.numbers.astype(np.int64)
        frame = Frame("argon", 0, 0, 0, numbers, self.atoms.positions, self.atoms.cell.array, self.atoms.pbc)
        energy, forces, stress = LennardJones().energies_forces_stress(AtomBatch.from_frames([frame], 7.0))
        self.results = {"energy": float(energy[0]), "forces": forces.numpy(), "stress": stress[0].numpy()}


def by_ase(material: Material, *, n_replicas: int, n_looks: int) -> FloatArray:
    """Volumes of argon by ASE's barostat, as by :func:`watched`."""
    seen = []
    eager = CellRescaling(Shape(isotropic=True), 50.0, 250.0, material.softness)
    segment = Segment(eager, material.timestep_fs, material.temperature_k, pressure_ev_per_ang3=material.pressure)
    sampler = BatchedSampler([TrajectoryStart(material.start, (segment,), 1)] * n_replicas, material.driver)
    sampler.advance(range(n_replicas), N_EAGER)
    for replica in range(n_replicas):
        begin = sampler.checkpoint(replica)
        atoms = Atoms(numbers=material.start.numbers, positions=begin.positions, cell=begin.cell, pbc=True)
        atoms.calc = Argon()
        atoms.set_momenta(begin.momenta / AMU_ANG2_PER_FS2_EV / units.fs)
        dynamics = IsotropicMTKNPT(
            atoms,
            material.timestep_fs * units.fs,
            material.temperature_k,
            material.pressure,
            tdamp=200 * units.fs,
            pdamp=1000 * units.fs,
        )
        dynamics.run(2 * n_looks)
        volumes = []
        for _ in range(n_looks):
            dynamics.run(10)
            volumes.append(atoms.get_volume())
        seen.append(volumes)
    return np.array(seen)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, three times the intervals")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--model", type=Path, help="a MACE model, in the place of argon")
    parser.add_argument("--structure", type=Path, help="with --model: a cubic crystal")
    parser.add_argument("--temperature", type=float, default=300.0, metavar="K", help="with --model")
    parser.add_argument("--replicas", type=int, help="crystals side by side")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin, rows = time.perf_counter(), list[Row]()
    n_looks, n_replicas = (80, 16) if arguments.quick else (600, 24)
    n_replicas = arguments.replicas or n_replicas
    material = argon()
    if arguments.model is not None:
        material = modelled(arguments.model, arguments.structure, arguments.temperature)

    def say(more: list[Row]) -> None:
        rows.extend(more)
        for row in more:
            print(row.words, flush=True)

    for name, thermostat, degrees in (
        ("Langevin", Langevin(0.005), 3 * material.start.n_atoms),
        ("Nosé-Hoover", NoseHoover(200.0), 3 * material.start.n_atoms - 3),
        ("Bussi", Bussi(200.0), 3 * material.start.n_atoms - 3),
    ):
        if arguments.model is None:
            seen = watched(material, thermostat, kinetic, n_replicas=n_replicas, n_looks=n_looks)
            say(rows_of(f"kinetic energy, {name}", seen, degrees / 2 * material.kt, degrees / 2 * material.kt**2))
    mean, variance = equation_of_state(material, n_replicas=n_replicas, n_looks=max(n_looks // 2, 20))
    alike, free = Shape(isotropic=True), Shape(isotropic=False)
    theory = found = mean, variance
    for name, barostat in (
        ("isomtk", MartynaTobiasKlein(alike, 200.0, 1000.0)),
        ("mtk", MartynaTobiasKlein(free, 200.0, 1000.0)),
        ("iso-c-rescale", CellRescaling(alike, 200.0, 1000.0, material.softness)),
        ("c-rescale", CellRescaling(free, 200.0, 1000.0, material.softness)),
        ("berendsen", CellRescaling(alike, 200.0, 1000.0, material.softness, is_stochastic=False)),
    ):
        seen = watched(material, barostat, volume, n_replicas=n_replicas, n_looks=n_looks)
        expected = found if name == "c-rescale" else theory
        say(rows_of(f"volume, {name}", seen, *expected, is_right=name not in ("berendsen", "mtk")))
        if name == "mtk":
            found = rows[-2].found, rows[-1].found
    if arguments.model is None:
        seen = by_ase(material, n_replicas=4, n_looks=n_looks)
        say(rows_of("volume, ASE's IsotropicMTKNPT", seen, mean, variance))
    wrong = [row.what for row in rows if row.is_right and abs(row.found - row.expected) > 1.5 * row.interval]
    print(f"beyond three standard errors: {', '.join(wrong) or 'none'}; {time.perf_counter() - begin:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
