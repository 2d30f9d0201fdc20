"""What moves atoms, and what moves trajectories."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.trajectory import Advanced, TrajectoryCheckpoint

if TYPE_CHECKING:  # those who only name these types need no PyTorch
    from torch import Tensor

    from aims_pax.batch import AtomBatch


class Driver(Protocol):
    """What moves atoms: energies and forces of a whole batch of structures.

    A driver may offer more, and is asked for it by type: :class:`AnswersLater`, :class:`ExplainsFailures`,
    :class:`ForgetsHistory`, :class:`KnowsLabels`.
    """

    @property
    def generation(self) -> int:
        """Changes whenever the same structure would get other forces than before."""
        ...

    @property
    def cutoff(self) -> float | None:
        """Pairs up to this distance (Å) must be in the batch; None when the driver needs no pairs."""
        ...

    def energies_forces(self, batch: "AtomBatch") -> "tuple[Tensor, Tensor]":
        """Energies (B,) in eV and forces (N, 3) in eV/Å, float64, without gradients, on the batch's device.

        Pairs beyond the cutoff may be in the batch, and change nothing. A structure that can't be computed gets NaN;
        the others are not affected by it.
        """
        ...


@runtime_checkable
class AnswersLater(Protocol):
    """A driver that computes elsewhere, many structures side by side: each trajectory waits for its own alone."""

    def ask(self, batch: "AtomBatch") -> None:
        """Have the structures of a batch computed; returns at once."""
        ...

    def answers(self) -> "Mapping[int, tuple[Tensor, Tensor]]":
        """Energies (1,) in eV and forces (n_atoms, 3) in eV/Å by trajectory, of those that have come since.

        Waits until there is one, of those asked for; each is given once. NaN for what can't be computed.
        """
        ...


@runtime_checkable
class ExplainsFailures(Protocol):
    """A driver that computes structure by structure, and knows why one of them got no forces."""

    def failure_of(self, trajectory: int) -> str | None:
        """Why the newest structure of a trajectory got none, in words; None when it got some."""
        ...


@runtime_checkable
class ForgetsHistory(Protocol):
    """A driver whose forces depend a little on the steps before, such as by the wave functions of the last one."""

    def forget(self) -> None:
        """Begin the next step of every trajectory without its past, as after an interruption."""
        ...


@runtime_checkable
class KnowsLabels(Protocol):
    """A driver that is a reference: each of its steps is a label."""

    def result_of(self, frame: Frame) -> Label | LabelFailure | None:
        """What it said of this very structure; None when it knows nothing of it, or no longer."""
        ...


class Integrator(Protocol):
    """One ensemble: what atoms do between two evaluations of their forces, for all atoms of a batch at once.

    Phase space is the sampler's. An integrator holds what is its own, one row for each atom; nothing is changed in
    place, for a step that goes wrong is not made.
    """

    def select(self, atoms: "Tensor") -> Self:
        """The same for some of the atoms, by their indices."""
        ...

    def before_forces(
        self, positions: "Tensor", momenta: "Tensor", forces: "Tensor", noise: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        """The part of a step before the new forces.

        Parameters
        ----------
        positions : (N, 3), Å
        momenta : (N, 3), eV fs/Å
        forces : (N, 3), eV/Å
            At `positions`.
        noise : (N, 3)
            Standard normal numbers; those who need none leave them.

        Returns
        -------
        positions, momenta : (N, 3)
            The new positions, and momenta that lack :meth:`after_forces`.
        """
        ...

    def after_forces(self, momenta: "Tensor", forces: "Tensor") -> "Tensor":
        """Momenta (N, 3) at the end of the step, by the forces (N, 3) at the new positions."""
        ...


class Sampler(Protocol):
    """Moves many trajectories; each can be set back by itself.

    What a trajectory does depends on its start, its driver and its number alone: not on which others move with it, not
    on how many steps are asked for at a time, not on interruptions.
    """

    def advance(self, trajectories: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move some trajectories on by a number of steps; what became of each, in the order asked for.

        One that becomes unphysical, or gets no forces, stays at its last sound structure and says why; the others go
        on.

        Raises
        ------
        ShapeError
            A number of steps below zero.
        """
        ...

    def frame(self, trajectory: int) -> Frame:
        """Where a trajectory stands: a copy, with the steps that it has made and the generation of its driver."""
        ...

    def batch(self, trajectories: Sequence[int]) -> "AtomBatch":
        """The structures where some trajectories stand, with all pairs up to the driver's cutoff."""
        ...

    def kinetic_temperature(self, trajectory: int) -> float:
        """Temperature of the momenta of one trajectory, K."""
        ...

    def total_energy(self, trajectory: int) -> float:
        """Kinetic plus potential energy of one trajectory, eV: what NVE conserves. NaN where it has no forces."""
        ...

    def checkpoint(self, trajectory: int) -> TrajectoryCheckpoint:
        """Where a trajectory stands in phase space: a copy."""
        ...

    def rewind(self, trajectory: int, checkpoint: TrajectoryCheckpoint) -> None:
        """Put a trajectory back to a point of phase space.

        Its steps go on counting, and from there it takes another way than before, so that it does not fail again at
        the same place.

        Raises
        ------
        ShapeError
            The checkpoint belongs to a structure of another size.
        """
        ...

    def save(self) -> bytes:
        """Everything that :meth:`load` needs to go on exactly as if there had been no interruption."""
        ...

    def load(self, content: bytes) -> None:
        """Go on from what :meth:`save` of a sampler of the same starts gave.

        Raises
        ------
        StoreError
            It is damaged, or of other structures.
        """
        ...
