"""What a child is told before its first step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from ase.data import atomic_masses, chemical_symbols
from numpy.typing import NDArray

from aims_pax.errors import Problem, SettingsError
from aims_pax.frame import FloatArray
from aims_pax.sampling.lammps.child import Message
from aims_pax.sampling.lammps.orientation import Orientation
from aims_pax.sampling.lammps.standing import Standing
from aims_pax.settings.motion.lammps_lines import LammpsLines, default_lines
from aims_pax.trajectory import StatisticalEnsemble, TrajectoryStart
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K, PASCAL_EV_PER_ANG3

FS_PER_PS = 1000.0
BAR_EV_PER_ANG3 = 1e5 * PASCAL_EV_PER_ANG3
MOST_SEEDS = 900_000_000
"""LAMMPS's generators take seeds from 1 to this."""
MARGIN_ANG = 1.0
"""Between the outermost atoms and the faces of a box that LAMMPS shrinks around them."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One trajectory as LAMMPS is to move it.

    Parameters
    ----------
    trajectory : int
    start : TrajectoryStart
    lines : LammpsLines
    orientation : Orientation
    masses : (n_atoms,), eV fs²/Å²
    """

    trajectory: int
    start: TrajectoryStart
    lines: LammpsLines
    orientation: Orientation
    masses: FloatArray

    @classmethod
    def of(cls, trajectory: int, start: TrajectoryStart, lines: LammpsLines) -> Self:
        """The plan of a start."""
        masses = atomic_masses[start.frame.numbers] * AMU_ANG2_PER_FS2_EV
        return cls(trajectory, start, lines, Orientation.of(start.frame), masses)

    def momenta_of(self, velocities: FloatArray) -> FloatArray:
        """Momenta (n_atoms, 3), eV fs/Å, of velocities in LAMMPS, Å/ps."""
        return self.orientation.out_of(velocities) * self.masses[:, None] / FS_PER_PS

    def drawn(self, noise: FloatArray) -> FloatArray:
        """Momenta (n_atoms, 3), eV fs/Å, of the temperature by standard normal numbers; none for a way downhill."""
        if self.lines.minimizes:
            return np.zeros_like(noise)
        kt = BOLTZMANN_EV_PER_K * self.start.program[0].temperature_k
        momenta: FloatArray = np.sqrt(self.masses * kt)[:, None] * noise
        if len(momenta) > 1:
            momenta -= self.masses[:, None] / self.masses.sum() * momenta.sum(axis=0)
        return momenta

    def kinetic_energy(self, momenta: FloatArray) -> float:
        """Of momenta (n_atoms, 3), eV."""
        return float((np.square(momenta).sum(axis=1) / self.masses).sum() / 2)

    def temperature_of(self, momenta: FloatArray) -> float:
        """Of momenta (n_atoms, 3), K; the whole is no degree of freedom where nothing pushes it."""
        n_atoms = len(momenta)
        n_degrees = 3 * n_atoms - (3 if self.lines.keeps_momentum and n_atoms > 1 else 0)
        return 2 * self.kinetic_energy(momenta) / (n_degrees * BOLTZMANN_EV_PER_K)

    def beginning(self, standing: Standing, *, scratch: str) -> Message:
        """All that a child needs to begin where a trajectory stands."""
        numbers = self.start.frame.numbers
        kinds = np.unique(numbers)
        facts: dict[str, Any] = {
            "scratch": scratch,
            "n_atoms": len(numbers),
            "masses": [float(atomic_masses[number]) for number in kinds],
            "symbols": [str(chemical_symbols[number]) for number in kinds],
            "log": f"log.{standing.n_begun}.lammps" if standing.n_begun else "log.lammps",
            "wants_stress": self.lines.wants_stress,
            "tilting": self.lines.tilts,
            "minimizes": self.lines.minimizes,
            "run": next((line for _, line in self.lines.commands if line.split()[0] == "minimize"), ""),
            "lines": [[n, line] for n, line in self.lines.commands if line.split()[0] != "minimize"],
            "names": self._names(standing),
        }
        positions = self.orientation.into(standing.positions)
        velocities = self.orientation.into(standing.momenta / self.masses[:, None]) * FS_PER_PS
        arrays: dict[str, NDArray[Any]] = {"types": np.searchsorted(kinds, numbers) + 1, "positions": positions}
        if not len(standing.restart):
            facts |= self._box(standing, positions)
            arrays["velocities"] = velocities
        else:
            arrays["restart"] = standing.restart
            if standing.takes_momenta:
                arrays["velocities"] = velocities
        return Message("begin", facts, arrays)

    def _names(self, standing: Standing) -> dict[str, str]:
        segment = self.start.program[0]
        entropy = np.random.SeedSequence((self.start.seed, self.trajectory, standing.n_begun))
        return {
            "temperature": repr(float(segment.temperature_k)),
            "pressure": repr(segment.pressure_ev_per_ang3 / BAR_EV_PER_ANG3),
            "timestep": repr(segment.timestep_fs / FS_PER_PS),
            "seed": str(1 + int(entropy.generate_state(1)[0]) % MOST_SEEDS),
            "trajectory": str(self.trajectory),
            "begin": str(standing.n_begun),
            "inputs": self.lines.folder,
        }

    def _box(self, standing: Standing, positions: FloatArray) -> dict[str, Any]:
        pbc, turned = self.orientation.pbc, self.orientation.turned.copy()
        if not np.array_equal(standing.cell, self.orientation.cell):
            turned[pbc] = np.tril(self.orientation.into(standing.cell))[pbc]
        low = np.where(pbc, 0.0, positions.min(axis=0) - MARGIN_ANG)
        lengths = np.where(pbc, np.diag(turned), np.ptp(positions, axis=0) + 2 * MARGIN_ANG)
        return {
            "low": low.tolist(),
            "lengths": lengths.tolist(),
            "tilts": [float(turned[1, 0]), float(turned[2, 0]), float(turned[2, 1])],
            "boundary": " ".join("p" if periodic else "s" for periodic in pbc),
        }


def nearest_lines(start: TrajectoryStart) -> LammpsLines:
    """The lines that do about the same as the dynamics of a start."""
    dynamics = start.program[0].dynamics
    if dynamics.ensemble is StatisticalEnsemble.NVT and dynamics.is_stochastic:
        return default_lines("langevin")
    return default_lines(dynamics.ensemble.value)


def require_plain(starts: Sequence[TrajectoryStart]) -> None:
    """See that nothing is asked for that LAMMPS would not do.

    Raises
    ------
    SettingsError
        Segments, ramps, held atoms or biases.
    """
    problems = list[Problem]()
    for trajectory, start in enumerate(starts):
        where, first = f"trajectory {trajectory}", start.program[0]
        if len(start.program) > 1 or first.ramps or first.held or first.biases:
            found = "has segments, ramps, held atoms or biases, of which LAMMPS knows nothing."
            problems.append(Problem(where, found, advice="Write them as lines of LAMMPS."))
    if problems:
        raise SettingsError(problems)
