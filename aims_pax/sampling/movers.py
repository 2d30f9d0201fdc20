"""What moves trajectories in the segments that they are in."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import BoolArray, FloatArray
from aims_pax.phase import Crowd, Rows
from aims_pax.protocols import Integrator
from aims_pax.sampling.course import Course
from aims_pax.sampling.dynamics import integrator_of
from aims_pax.trajectory import Segment
from aims_pax.units import BOLTZMANN_EV_PER_K


class Movers:
    """Integrators of any trajectories, and momenta to begin with.

    Parameters
    ----------
    structures : AtomBatch
        Of all trajectories.
    masses : (N,), eV fs²/Å²
        Of all their atoms.
    course : Course
        Where they are in their programs.
    """

    def __init__(self, structures: AtomBatch, masses: Tensor, course: Course) -> None:
        self._structures = structures
        self._masses = masses
        self._course = course
        self._last: tuple[tuple[tuple[int, int], ...], Integrator] | None = None

    def rows(self, trajectories: Sequence[int]) -> Rows:
        """Which structures they are, and which atoms."""
        chosen = torch.as_tensor(trajectories, dtype=torch.int64, device=self._masses.device)
        return Rows(chosen, self._structures.atoms_of(chosen))

    def integrator(self, trajectories: Sequence[int]) -> Integrator:
        """What moves them; of the same ones again, the same."""
        key = tuple((k, self._course.place(k)[0]) for k in trajectories)
        if self._last is None or self._last[0] != key:
            each = [self._course.segment(k).dynamics for k in trajectories]
            self._last = key, integrator_of(each, self.crowd(trajectories))
        return self._last[1]

    def crowd(self, trajectories: Sequence[int]) -> Crowd:
        """What is known of them, as at the beginning of their segments."""
        segments = [self._course.segment(k) for k in trajectories]
        batch = self._structures.select(trajectories)
        free = None
        if any(one.held for one in segments):
            sizes = batch.n_atoms.tolist()
            each = [_held(one, n_atoms)[0] for one, n_atoms in zip(segments, sizes, strict=True)]
            free = torch.as_tensor(~np.concatenate(each), device=self._masses.device)
        return Crowd(
            masses=self._masses[self.rows(trajectories).atoms],
            structure=batch.structure,
            n_atoms=batch.n_atoms,
            pbc=batch.pbc,
            timestep_fs=self._column([one.timestep_fs for one in segments]),
            temperature_k=self._column([one.temperature_k for one in segments]),
            pressure=self._column([one.pressure_ev_per_ang3 for one in segments]),
            free=free,
        )

    def drawn(self, trajectory: int, noise: Tensor) -> Tensor:
        """Momenta (n_atoms, 3) of a trajectory at the temperature of the place where it is, eV fs/Å.

        Those of the whole are none, but where an atom is alone or atoms are held; what is held moves as is said.

        Parameters
        ----------
        trajectory : int
        noise : (n_atoms, 3)
            Standard normal numbers.
        """
        segment, (_, step) = self._course.segment(trajectory), self._course.place(trajectory)
        temperature = segment.temperature_at(step - 1) if step else segment.temperature_k
        crowd = self.crowd([trajectory])
        momenta = (crowd.masses * BOLTZMANN_EV_PER_K * temperature).sqrt().unsqueeze(1) * noise
        if len(momenta) > 1:
            whole = crowd.masses.unsqueeze(1) / crowd.masses.sum() * momenta.sum(dim=0)
            momenta = momenta - torch.where(crowd.conserves[0], whole, 0.0)
        return self.led(trajectory, momenta)

    def led(self, trajectory: int, momenta: Tensor) -> Tensor:
        """The same momenta (n_atoms, 3), eV fs/Å, but those of what is held."""
        segment = self._course.segment(trajectory)
        if not segment.held:
            return momenta
        is_held, velocities = (torch.as_tensor(each, device=momenta.device) for each in _held(segment, len(momenta)))
        masses = self._masses[self.rows([trajectory]).atoms].unsqueeze(1)
        return torch.where(is_held, masses * velocities, momenta)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float64, device=self._masses.device)


def _held(segment: Segment, n_atoms: int) -> tuple[BoolArray, FloatArray]:
    """Which components of atoms (n_atoms, 3) are held, and their velocities, Å/fs."""
    is_held, velocities = np.zeros((n_atoms, 3), dtype=np.bool_), np.zeros((n_atoms, 3))
    for one in segment.held:
        atoms, along = np.array(one.atoms), np.flatnonzero(one.directions)
        is_held[np.ix_(atoms, along)] = True
        velocities[np.ix_(atoms, along)] = np.array(one.velocity_ang_per_fs)[along]
    return is_held, velocities
