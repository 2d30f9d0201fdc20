"""What moves atoms, and what moves trajectories."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.trajectory import Advanced, StatisticalEnsemble, TrajectoryCheckpoint

if TYPE_CHECKING:  # those who only name these types need no PyTorch
    from torch import Tensor

    from aims_pax.batch import AtomBatch
    from aims_pax.phase import Crowd, Felt, Noise, Phase


class Driver(Protocol):
    """What moves atoms: energies and forces of a whole batch of structures.

    A driver may offer more, and is asked for it by type: :class:`GivesStress`, :class:`AnswersLater`,
    :class:`ExplainsFailures`, :class:`ForgetsHistory`, :class:`KnowsLabels`.
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
class GivesStress(Protocol):
    """A driver that can move cells, too."""

    def energies_forces_stress(self, batch: "AtomBatch") -> "tuple[Tensor, Tensor, Tensor]":
        """The same as :meth:`Driver.energies_forces`, and stress (B, 6) in eV/Å³ with ASE's sign and order.

        NaN for the stress of a structure that has no volume, such as a molecule.
        """
        ...


@runtime_checkable
class AnswersLater(Protocol):
    """A driver that computes elsewhere, many structures side by side: each trajectory waits for its own alone."""

    def ask(self, batch: "AtomBatch") -> None:
        """Have the structures of a batch computed; returns at once."""
        ...

    def answers(self) -> "Mapping[int, tuple[Tensor, Tensor, Tensor]]":
        """Energies (1,), forces (n_atoms, 3) and stress (1, 6) by trajectory, of those that have come since.

        Waits until there is one, of those asked for; each is given once. NaN for what can't be computed, and for a
        stress that the method does not tell.
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


class Dynamics(Protocol):
    """How the atoms of one trajectory move: an ensemble with its settings, a frozen value."""

    @property
    def ensemble(self) -> StatisticalEnsemble:
        """What it keeps constant."""
        ...

    @property
    def keeps_momentum(self) -> bool:
        """Whether the momentum of the whole never changes, and is no degree of freedom."""
        ...

    @property
    def is_stochastic(self) -> bool:
        """Whether the same phase space goes on differently with other noise."""
        ...

    @property
    def wants_stress(self) -> bool:
        """Whether it moves the cell."""
        ...

    @property
    def relaxation_fs(self) -> float | None:
        """Within which kinetic energy comes to the temperature, fs; None where none is held."""
        ...

    @property
    def n_own(self) -> int:
        """How many numbers its integrator keeps for the trajectory."""
        ...

    @classmethod
    def together(cls, each: Sequence[Self], crowd: "Crowd") -> "Integrator":
        """What moves many structures of this kind as one batch, each by its own settings."""
        ...


class Integrator(Protocol):
    """What atoms of many structures do between two evaluations of their forces.

    Phase space is the sampler's, with a row of `own` numbers for each structure where an integrator keeps what is its
    own. Nothing is changed in place, for a step that goes wrong is not made. What a structure does depends to the last
    bit on its own rows alone.
    """

    @property
    def n_own(self) -> int:
        """How many numbers it keeps for a structure: the most that one of its dynamics has."""
        ...

    @property
    def wants_cell_noise(self) -> bool:
        """Whether a step needs noise for the cell."""
        ...

    def fresh(self) -> "Tensor":
        """What it keeps at the beginning of a segment, (B, n_own)."""
        ...

    def at(self, temperature_k: "Tensor", pressure: "Tensor") -> Self:
        """The same at other temperatures (B,) in K and pressures (B,) in eV/Å³."""
        ...

    def before_forces(self, phase: "Phase", felt: "Felt", noise: "Noise") -> "Phase":
        """The part of a step before the new forces; the momenta still lack :meth:`after_forces`.

        Parameters
        ----------
        phase : Phase
        felt : Felt
            At `phase`; with stress where the dynamics want it.
        noise : Noise
        """
        ...

    def after_forces(self, phase: "Phase", felt: "Felt") -> "Phase":
        """The end of the step, by what is felt at the new positions."""
        ...

    def conserved(self, phase: "Phase", felt: "Felt") -> "Tensor":
        """What would never change if time went on without steps, (B,), eV; with heat that noise has brought counted.

        NaN where there is no such quantity.
        """
        ...

    def at_rest(self, phase: "Phase", felt: "Felt") -> "Tensor | None":
        """Which structures (B,) have nothing more to do in this segment; None where that never happens."""
        ...


class Sampler(Protocol):
    """Moves many trajectories; each can be set back by itself.

    What a trajectory does depends on its start, its driver and its number alone: not on which others move with it, not
    on how many steps are asked for at a time, not on interruptions.
    """

    @property
    def cutoff(self) -> float | None:
        """Pairs up to this distance (Å) are in every batch; None: those of overlapping atoms alone."""
        ...

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

    def conserved_energy(self, trajectory: int) -> float:
        """What the dynamics of one trajectory conserves, eV: see :meth:`Integrator.conserved`."""
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
