"""Do ensembles have the fluctuations that they must have? Argon crystals, many side by side, against theory and ASE.

    python benchmarks/ensembles.py [--quick] [--json ensembles.json]

Of each thermostat: mean and variance of the kinetic energy beside those of its distribution. Of each barostat: mean and
variance of the volume beside those that the equation of state gives (pressures at five fixed volumes by Langevin
dynamics: V where they meet the pressure asked for, and kT V / B), and beside ASE's IsotropicMTKNPT on the same
potential. Berendsen's barostat is shown to be wrong in its variance, as it is known to be. An interval is twice the
standard error over replicas.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

from aims_pax.batch import AtomBatch
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import Dynamics
from aims_pax.sampling import BatchedSampler, Langevin, Segment, TrajectoryStart
from aims_pax.sampling.dynamics import Bussi, CellRescaling, MartynaTobiasKlein, NoseHoover, Shape
from aims_pax.testing.drivers import LennardJones
from aims_pax.units import BOLTZMANN_EV_PER_K

TEMPERATURE_K, TIMESTEP_FS, PRESSURE = 20.0, 4.0, 6e-4
KT = BOLTZMANN_EV_PER_K * TEMPERATURE_K
SOFTNESS = 60.0  # Å³/eV, some 0.4 /GPa


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


def crystal(length: float = 10.5) -> Frame:
    """32 atoms of argon, fcc."""
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites = np.concatenate([basis + shift for shift in np.ndindex(2, 2, 2)]) / 2 * length
    return Frame("argon", 0, 0, 0, np.full(32, 18), sites, length * np.eye(3), np.ones(3, dtype=bool))


def watched(
    dynamics: Dynamics, look: Callable[[BatchedSampler, int], float], *, n_replicas: int, n_looks: int, start: Frame
) -> FloatArray:
    """What is seen of each replica every ten steps, (n_replicas, n_looks), after a fifth that is let go."""
    segment = Segment(dynamics, TIMESTEP_FS, TEMPERATURE_K, pressure_ev_per_ang3=PRESSURE)
    sampler = BatchedSampler([TrajectoryStart(start, (segment,), 1)] * n_replicas, LennardJones())
    everyone, seen = range(n_replicas), []
    sampler.advance(everyone, 2 * n_looks)
    for _ in range(n_looks):
        moved = sampler.advance(everyone, 10)
        assert not any(one.problem for one in moved), moved
        seen.append([look(sampler, replica) for replica in everyone])
    return np.array(seen).T


def rows_of(name: str, seen: FloatArray, mean: float, variance: float, *, is_right: bool = True) -> list[Row]:
    """Mean and variance of what was seen."""
    means, variances = seen.mean(axis=1), ((seen - seen.mean()) ** 2).mean(axis=1)
    error = 2 / np.sqrt(len(seen))
    return [
        Row(f"{name}: mean", float(means.mean()), float(means.std(ddof=1) * error), mean),
        Row(f"{name}: variance", float(variances.mean()), float(variances.std(ddof=1) * error), variance, is_right),
    ]


def kinetic(sampler: BatchedSampler, replica: int) -> float:
    """Kinetic energy, eV."""
    momenta = sampler.checkpoint(replica).momenta
    return float((momenta**2).sum() / (2 * 39.948 * 103.642696562))


def volume(sampler: BatchedSampler, replica: int) -> float:
    """Volume, Å³."""
    return float(abs(np.linalg.det(sampler.frame(replica).cell)))


def pressure(sampler: BatchedSampler, replica: int) -> float:
    """Pressure at this moment, eV/Å³."""
    batch = sampler.batch([replica])
    stress = LennardJones().energies_forces_stress(batch)[2][0, :3].numpy().mean()
    return float(2 * kinetic(sampler, replica) / 3 / volume(sampler, replica) - stress)


def equation_of_state(*, n_replicas: int, n_looks: int) -> tuple[float, float]:
    """Volume at the pressure asked for, and kT V / B there."""
    lengths = np.linspace(10.36, 10.68, 5)
    volumes = lengths**3
    pressures = [
        watched(Langevin(0.005), pressure, n_replicas=n_replicas, n_looks=n_looks, start=crystal(length)).mean()
        for length in lengths
    ]
    fit = np.polynomial.Polynomial.fit(volumes, np.array(pressures) - PRESSURE, 2)
    roots = fit.roots()
    (found,) = roots[(roots > volumes[0]) & (roots < volumes[-1])]
    modulus = -found * fit.deriv()(found)
    # A volume that fluctuates by 1.5 % feels the curvature of the equation of state: the mean of exp(-A(V)/kT).
    grid = np.linspace(volumes[0] * 0.97, volumes[-1] * 1.03, 4001)
    free = -np.concatenate(([0.0], np.cumsum((fit(grid[1:]) + fit(grid[:-1])) / 2 * np.diff(grid))))
    weights = np.exp(-(free - free.min()) / KT)
    mean = float((weights * grid).sum() / weights.sum())
    variance = float((weights * (grid - mean) ** 2).sum() / weights.sum())
    print(f"equation of state: V {found:.1f} Å³, B {modulus * 160.2:.2f} GPa; kT V / B {KT * found / modulus:.0f} Å⁶")
    return mean, variance


class Argon(Calculator):
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


def by_ase(*, n_replicas: int, n_looks: int) -> FloatArray:
    """Volumes by ASE's barostat, as by :func:`watched`."""
    seen = []
    for replica in range(n_replicas):
        start = crystal()
        atoms = Atoms(numbers=start.numbers, positions=start.positions, cell=start.cell, pbc=True, calculator=Argon())
        rng = np.random.default_rng(replica)
        MaxwellBoltzmannDistribution(atoms, temperature_K=TEMPERATURE_K, rng=rng)
        Stationary(atoms)
        dynamics = IsotropicMTKNPT(
            atoms, TIMESTEP_FS * units.fs, TEMPERATURE_K, PRESSURE, tdamp=200 * units.fs, pdamp=1000 * units.fs
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
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin, rows = time.perf_counter(), list[Row]()
    n_looks, n_replicas = (80, 16) if arguments.quick else (600, 24)

    def say(more: list[Row]) -> None:
        rows.extend(more)
        for row in more:
            print(row.words, flush=True)

    for name, thermostat, degrees in (
        ("Langevin", Langevin(0.005), 96),
        ("Nosé-Hoover", NoseHoover(200.0), 93),
        ("Bussi", Bussi(200.0), 93),
    ):
        seen = watched(thermostat, kinetic, n_replicas=n_replicas, n_looks=n_looks, start=crystal())
        say(rows_of(f"kinetic energy, {name}", seen, degrees / 2 * KT, degrees / 2 * KT**2))
    mean, variance = equation_of_state(n_replicas=n_replicas, n_looks=n_looks // 2)
    alike, free = Shape(isotropic=True), Shape(isotropic=False)
    for name, barostat in (
        ("isomtk", MartynaTobiasKlein(alike, 200.0, 1000.0)),
        ("mtk", MartynaTobiasKlein(free, 200.0, 1000.0)),
        ("iso-c-rescale", CellRescaling(alike, 200.0, 1000.0, SOFTNESS)),
        ("c-rescale", CellRescaling(free, 200.0, 1000.0, SOFTNESS)),
        ("berendsen", CellRescaling(alike, 200.0, 1000.0, SOFTNESS, is_stochastic=False)),
    ):
        seen = watched(barostat, volume, n_replicas=n_replicas, n_looks=n_looks, start=crystal())
        say(rows_of(f"volume, {name}", seen, mean, variance, is_right=name != "berendsen"))
    say(rows_of("volume, ASE's IsotropicMTKNPT", by_ase(n_replicas=4, n_looks=n_looks), mean, variance))
    wrong = [row.what for row in rows if row.is_right and abs(row.found - row.expected) > 1.5 * row.interval]
    print(f"beyond three standard errors: {', '.join(wrong) or 'none'}; {time.perf_counter() - begin:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
