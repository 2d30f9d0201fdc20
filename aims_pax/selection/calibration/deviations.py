"""How far members are from their mean, and how far they are from the reference, of a whole structure.

AiiDA-TrainsPot: D_a = sqrt((1/M) sum over members of (L_j - mean L)²) and e_a = sqrt((1/M) sum over members of
(L_j - L_DFT)²), where a is the energy per atom, the forces or the stress.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import CommitteePrediction, FloatArray, Label
from aims_pax.protocols import FramePrediction

_TWICE_OFF_DIAGONAL: Final = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) / 9
"""Weights of Voigt's six components in a mean over the nine of a symmetric tensor, which turns with no axes."""


class Quantity(StrEnum):
    """What of a structure is predicted."""

    ENERGY = "energy", "eV/atom"
    """Energy over the number of atoms."""
    FORCES = "forces", "eV/Å"
    """A component of the force on an atom."""
    STRESS = "stress", "eV/Å³"
    """A component of the stress."""

    unit: str

    def __new__(cls, value: str, unit: str = "") -> "Quantity":
        member = str.__new__(cls, value)
        member._value_ = value
        member.unit = unit
        return member


@dataclass(frozen=True, slots=True)
class Amounts:
    """One number of a structure for each quantity: a deviation, an error, a slope's tolerance.

    Parameters
    ----------
    energy_ev_per_atom : float
    forces_ev_per_ang : float
    stress_ev_per_ang3 : float or None
        None where there is no stress.
    """

    energy_ev_per_atom: float
    forces_ev_per_ang: float
    stress_ev_per_ang3: float | None = None

    def of(self, quantity: Quantity) -> float | None:
        """The number of one quantity, in its unit."""
        return {
            Quantity.ENERGY: self.energy_ev_per_atom,
            Quantity.FORCES: self.forces_ev_per_ang,
            Quantity.STRESS: self.stress_ev_per_ang3,
        }[quantity]


def deviation_of(said: CommitteePrediction) -> Amounts:
    """D_a: the root mean square of what the members differ from their mean.

    Forces: over members, atoms and components; stress: over members and the nine components.
    """
    return Amounts(
        said.energy_deviation / len(said.forces),
        float(np.sqrt(np.square(said.forces_deviation).mean())),
        None if said.stress_deviation is None else _root_mean_square(said.stress_deviation),
    )


def error_of_mean(said: CommitteePrediction, label: Label) -> Amounts:
    """Of the members' mean, which is what the models are used by; in the measures of :func:`deviation_of`.

    Raises
    ------
    ShapeError
        The label is of another number of atoms.
    """
    if said.forces.shape != label.forces.shape:
        raise ShapeError(
            f"forces {said.forces.shape} and those of the label {label.forces.shape} do not belong together"
        )
    both = said.stress is not None and label.stress is not None
    return Amounts(
        abs(said.energy - label.energy) / len(said.forces),
        float(np.sqrt(np.square(said.forces - label.forces).mean())),
        _root_mean_square(said.stress - label.stress) if both else None,  # type: ignore[operator]
    )


def error_of_members(said: CommitteePrediction, label: Label) -> Amounts:
    """e_a: the root mean square of what the members differ from the reference.

    Raises
    ------
    ShapeError
        The label is of another number of atoms.

    Notes
    -----
    A mean and a deviation are enough for it: (1/M) sum (L_j - L_DFT)² = D² + (mean L - L_DFT)².
    """
    deviation, of_mean = deviation_of(said), error_of_mean(said, label)
    stress = (deviation.stress_ev_per_ang3, of_mean.stress_ev_per_ang3)
    return Amounts(
        float(np.hypot(deviation.energy_ev_per_atom, of_mean.energy_ev_per_atom)),
        float(np.hypot(deviation.forces_ev_per_ang, of_mean.forces_ev_per_ang)),
        None if stress[0] is None or stress[1] is None else float(np.hypot(stress[0], stress[1])),
    )


def together(said: FramePrediction, *, generation: int = 0) -> CommitteePrediction:
    """Mean and deviation of what several members say.

    Raises
    ------
    ShapeError
        Fewer than two members: a deviation is undefined.
    """
    return CommitteePrediction.of_members(said.energies, said.forces, said.stress, generation=generation)


def _root_mean_square(stress: FloatArray) -> float:
    """Over the nine components of a symmetric tensor (6,) in Voigt's order."""
    return float(np.sqrt((np.square(stress) * _TWICE_OFF_DIAGONAL).sum()))
