"""Models that predict, and models that are trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np

from aims_pax.frame import FloatArray, Frame, LabelledFrame

if TYPE_CHECKING:  # those who only name these types need no PyTorch
    import torch
    from torch import Tensor

    from aims_pax.batch import AtomBatch


Molecules: TypeAlias = Mapping[str, Sequence[Sequence[int]]]
"""Atoms of each of some molecules, by the name of their system."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What M members say of a batch of B structures with N atoms; float64, without gradients.

    Parameters
    ----------
    energies : (M, B), eV
    forces : (M, N, 3), eV/Å
    stress : (M, B, 6), eV/Å³, or None when it was not asked for
        ASE's sign and Voigt order; NaN for structures without a periodic cell.
    """

    energies: "Tensor"
    forces: "Tensor"
    stress: "Tensor | None"

    def by_structure(self, n_atoms: Sequence[int]) -> "list[FramePrediction]":
        """The same structure by structure; `n_atoms` are the numbers of their atoms."""
        energies, forces = self.energies.cpu().numpy(), self.forces.cpu().numpy()
        stress = None if self.stress is None else self.stress.cpu().numpy()
        found = []
        for row, of_one in enumerate(np.split(forces, np.cumsum(n_atoms)[:-1], axis=1)):
            own = None if stress is None or np.isnan(stress[:, row]).any() else stress[:, row]
            found.append(FramePrediction(energies[:, row], of_one, own))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class FramePrediction:
    """What M members say of one frame.

    Parameters
    ----------
    energies : (M,), eV
    forces : (M, n_atoms, 3), eV/Å
    stress : (M, 6), eV/Å³, or None
        ASE's sign and Voigt order; None when not asked for, and for structures without a periodic cell.
    """

    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None


@dataclass(frozen=True, slots=True)
class MemberErrors:
    """Errors of one member on its validation set after an epoch.

    Parameters
    ----------
    loss : float
        Validation loss, in the loss function's own unit.
    energy_mae_ev_per_atom, force_mae_ev_per_ang : float
    stress_mae_ev_per_ang3 : float or None
    """

    loss: float
    energy_mae_ev_per_atom: float
    force_mae_ev_per_ang: float
    stress_mae_ev_per_ang3: float | None = None


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch of one member.

    Parameters
    ----------
    member : int
    epoch : int
        Epochs that this member has been trained in all, this one included.
    train_loss : float
        Mean loss of the epoch's batches, taken before each step, with the weights as they were.
    errors : MemberErrors or None
        On the validation set, with averaged weights; None for an epoch that was not validated.
    """

    member: int
    epoch: int
    train_loss: float
    errors: MemberErrors | None


@dataclass(frozen=True, slots=True)
class RandomSubset:
    """Train on a random part of the data, always including what is new.

    Parameters
    ----------
    n_train : int
        Points of one epoch, drawn anew each time without repetition.
    n_valid : int
        Points that errors are measured on, drawn anew each time.
    fresh_epochs : int
        A point is part of every epoch until it has been trained on this often.
    """

    n_train: int
    n_valid: int
    fresh_epochs: int = 1


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """What belongs to each epoch of a training.

    Parameters
    ----------
    schedule : bool
        Let the learning rate fall.
    valid_skip : int
        Validate every so many epochs.
    validates_last : bool
        Validate the last epoch of each call in any case.
    replay : RandomSubset or None
        Train on a part of the points; on all when None.
    """

    schedule: bool = False
    valid_skip: int = 1
    validates_last: bool = True
    replay: RandomSubset | None = None


EVERY_EPOCH: Final = EpochPlan()
"""All points, validated after every epoch, at a learning rate that stays."""


class Predictor(Protocol):
    """M models of one generation that predict for whole batches."""

    @property
    def n_members(self) -> int:
        """M."""
        ...

    @property
    def generation(self) -> int:
        """Grows whenever a prediction would come out differently than before; 0 before any training."""
        ...

    @property
    def cutoff(self) -> float | None:
        """Pairs up to this distance (Å) must be in a batch; None when the models need no pairs."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements that the models know, ascending."""
        ...

    @property
    def device(self) -> "torch.device":
        """Where batches come from and predictions are."""
        ...

    def evaluate(
        self, batch: "AtomBatch", *, members: Sequence[int] | None = None, want_stress: bool = False
    ) -> Prediction:
        """Energies, forces and stress of a batch by some members (all of them when None), in their order.

        Pairs beyond the cutoff do no harm.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        ...

    def opinions(self, batch: "AtomBatch", *, want_stress: bool = False) -> Prediction:
        """Energies, forces and stress of a batch by all members; cheap when the same structures come again."""
        ...

    def predict(self, frames: Sequence[Frame], *, want_stress: bool = False) -> list[FramePrediction]:
        """Predictions of all members for each of some frames, in their order."""
        ...

    def descriptors(self, frames: Sequence[Frame]) -> FloatArray:
        """What models see of each structure, (n_frames, n_features) numbers without a unit.

        Turning and moving a structure, and exchanging atoms of one element, leave them as they are.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        ...


class Committee(Predictor, Protocol):
    """Models that go on learning: training always continues from the present weights.

    A committee that was loaded, and was given its points again in their order, is the committee that was saved, to the
    last bit of everything that it predicts and learns later.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """What each member is called everywhere: ``{name}_{seed}``."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """What the members differ by."""
        ...

    @property
    def devices(self) -> "tuple[torch.device, ...]":
        """Where members are; the first is :attr:`device`."""
        ...

    def n_train(self, member: int) -> int:
        """Points that a member is trained on."""
        ...

    def n_valid(self, member: int) -> int:
        """Points that a member's errors are measured on."""
        ...

    def add(self, labelled: Sequence[LabelledFrame]) -> None:
        """Give points to their member, or to all members.

        Points for testing, which no committee is to know, and points that are known already (by label_id) are left out.
        Predictions stay what they are until training.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        ...

    def share_points(self, *, validation_trains: bool = False) -> None:
        """Give every member all points, those that were one member's own included, in the order of their labels.

        With `validation_trains` the validation points become training points, and nothing is left to measure on.
        """
        ...

    def train(
        self, n_epochs: int, *, members: Sequence[int] | None = None, plan: EpochPlan = EVERY_EPOCH
    ) -> list[EpochReport]:
        """Go on training some members (all when None) for some epochs; the next generation is then in use.

        Returns
        -------
        list of EpochReport
            By epoch, then by member.

        Raises
        ------
        ShapeError
            A member has no training point.
        """
        ...

    def errors(self, members: Sequence[int] | None = None) -> list[MemberErrors | None]:
        """Errors on the validation points, now; None for a member that has no validation point."""
        ...

    def reset_optimizer(self, member: int) -> None:
        """Start a member's optimizer afresh, at the learning rate of the settings; its weights stay."""
        ...

    def set_learning_rate(self, member: int, *, factor: float) -> None:
        """Let a member learn at a part of the rate of the settings from now on."""
        ...

    def weigh_molecules(self, molecules: Molecules, *, weight: float) -> None:
        """Learn the forces on whole molecules, too, from now on and in what is saved, where the loss is one of them.

        Parameters
        ----------
        molecules : mapping of str to sequence of sequence of int
            Their atoms, by system.
        weight : float
            Of the squared error of the force on a molecule in the loss.
        """
        ...

    @property
    def weighed(self) -> tuple[Molecules, float]:
        """The molecules whose forces are learned, too, and their weight; none and 0 where they are not."""
        ...

    def begin_convergence(self, members: Sequence[int] | None = None) -> None:
        """From now on keep each member's weights of least validation loss."""
        ...

    def begin_stage_two(self, member: int) -> None:
        """Train a member by the loss of stage two until :meth:`end_convergence`, and keep its best weights by that.

        Where it is trained so already, nothing happens.
        """
        ...

    def end_convergence(self) -> None:
        """Go back to the best weights since :meth:`begin_convergence`, or stage two; a new generation."""
        ...

    def centre_energies(self) -> None:
        """Let the mean energy error per atom of each member vanish on its training points; a new generation."""
        ...

    def relabelled(
        self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float] | None = None
    ) -> "Committee":
        """The same models for points with other labels, which they receive; their energies are on the scale of these.

        It is the next generation. `atomic_energies_ev` are those of isolated atoms by the reference of these labels.

        Raises
        ------
        ShapeError
            There are no points.
        """
        ...

    @property
    def n_epochs(self) -> int:
        """Epochs that were made, of the member that has made most."""
        ...

    def succeed(self, generation: int, *, n_epochs: int = 0) -> None:
        """Be the generation after another one, whatever models that had; epochs are counted on from its own."""
        ...

    def save(self, path: Path) -> None:
        """Write everything that training depends on, apart from the points; the file appears complete or not at all.

        Raises
        ------
        OSError
            The folder can't be written to.
        """
        ...

    def export(self, folder: Path, name: str, *, members: Sequence[int] | None = None) -> list[Path]:
        """Write ``{name}_{seed}.model`` of each member: a file that predicts what the member predicts now."""
        ...
