"""Models that predict, and models that are trained on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aims_pax.frame import FloatArray

if TYPE_CHECKING:  # those who only name these types need no PyTorch
    from torch import Tensor


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
