"""How wrong a committee is about structures whose labels are known."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import CommitteePrediction, Label
from aims_pax.protocols import FramePrediction, MemberErrors

if TYPE_CHECKING:
    from aims_pax.protocols import Committee

UNITS: Final = {"forces": ("meV/Å", 1e3), "energy": ("meV per atom", 1e3), "both": ("meV/Å and meV per atom", 1e3)}
"""How an error is told, by `error_type`: its unit, and the factor to it."""


def error_of(said: FramePrediction, label: Label, error_type: str) -> float:
    """Error of one structure, eV/Å or eV per atom: the mean over the members, each of which has its own.

    The mean of the members' predictions is nearer to the label than they are; validation errors are of members, too.
    """
    forces = float(np.abs(said.forces - label.forces).mean())
    energy = float(np.abs(said.energies - label.energy).mean()) / len(label.forces)
    return _of_type(forces, energy, error_type)


def validation_error(committee: "Committee", error_type: str) -> float | None:
    """The same of the validation structures, the mean over the members; None where there are none."""
    measured = [one for one in committee.errors() if one is not None]
    return _mean([_of_member(one, error_type) for one in measured]) if measured else None


def prediction_of(said: FramePrediction, generation: int) -> CommitteePrediction:
    """What a run keeps of what its committee had said of a structure before it learned from it."""
    return CommitteePrediction.of_members(said.energies, said.forces, said.stress, generation=generation)


def _of_member(errors: MemberErrors, error_type: str) -> float:
    return _of_type(errors.force_mae_ev_per_ang, errors.energy_mae_ev_per_atom, error_type)


def _of_type(forces: float, energy: float, error_type: str) -> float:
    return {"forces": forces, "energy": energy, "both": (forces + energy) / 2}[error_type]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
