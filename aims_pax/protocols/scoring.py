"""What tells how unsure a committee is, and how wrong it may be."""

from dataclasses import dataclass
from typing import Protocol

from aims_pax.frame import CommitteePrediction, FloatArray
from aims_pax.protocols.learning import FramePrediction


class Score(Protocol):
    """A measure of how much a committee disagrees about one structure."""

    def __call__(self, said: FramePrediction, /) -> float:
        """Score of what all members say of the structure, in the unit of its kind; NaN where that can't be told."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class EstimatedErrors:
    """Errors of a committee's mean that are to be expected of one structure; None where nothing is known of a quantity.

    Parameters
    ----------
    energy, energy_interval : float, eV, or None
        Of the whole structure: the root mean square of the error, and the bound that it keeps in 90 % of cases.
    forces, forces_interval : (n_atoms,), eV/Å, or None
        The same two of a component of the force on each atom, whichever component.
    stress, stress_interval : float, eV/Å³, or None
        The same two of a component of the stress, whichever component.
    """

    energy: float | None = None
    energy_interval: float | None = None
    forces: FloatArray | None = None
    forces_interval: FloatArray | None = None
    stress: float | None = None
    stress_interval: float | None = None


class ErrorEstimator(Protocol):
    """Tells by a committee's disagreement how wrong its mean may be."""

    def errors_of(self, said: CommitteePrediction, /) -> EstimatedErrors:
        """What to expect of one structure."""
        ...
