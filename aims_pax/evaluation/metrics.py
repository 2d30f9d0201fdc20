"""Mean absolute and root-mean-square errors of a committee, per member and for its mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray, Label


class MemberPrediction(Protocol):
    """What M members say of one structure."""

    @property
    def energies(self) -> FloatArray:
        """(M,), eV."""
        ...

    @property
    def forces(self) -> FloatArray:
        """(M, n_atoms, 3), eV/Å."""
        ...

    @property
    def stress(self) -> FloatArray | None:
        """(M, 6), eV/Å³, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors over a set of labelled structures.

    Parameters
    ----------
    n_structures : int
    energy_mae_ev_per_atom, energy_rmse_ev_per_atom : float
        Over structures, of the total energy divided by the number of atoms.
    force_mae_ev_per_ang, force_rmse_ev_per_ang : float
        Over all force components.
    stress_mae_ev_per_ang3, stress_rmse_ev_per_ang3 : float or None
        Over all six components of the structures for which both label and prediction have a stress; None without any.
    """

    n_structures: int
    energy_mae_ev_per_atom: float
    energy_rmse_ev_per_atom: float
    force_mae_ev_per_ang: float
    force_rmse_ev_per_ang: float
    stress_mae_ev_per_ang3: float | None = None
    stress_rmse_ev_per_ang3: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Errors of every member, and of the committee's mean prediction."""

    members: tuple[Errors, ...]
    mean: Errors


@dataclass(frozen=True, slots=True, eq=False)
class _Deviations:
    """Prediction minus label: energies (M, n) in eV/atom, forces (M, components), stress (M, components) or None."""

    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None


def evaluate(labels: Sequence[Label], predictions: Sequence[MemberPrediction]) -> Evaluation:
    """Errors of some predictions against their labels, pair by pair.

    Raises
    ------
    ShapeError
        Nothing to compare, or labels and predictions that do not belong together.
    """
    deviations = _deviations(labels, predictions)
    mean = _Deviations(
        deviations.energies.mean(axis=0, keepdims=True),
        deviations.forces.mean(axis=0, keepdims=True),
        None if deviations.stress is None else deviations.stress.mean(axis=0, keepdims=True),
    )
    n_members = len(deviations.energies)
    return Evaluation(tuple(_errors(deviations, row) for row in range(n_members)), _errors(mean, 0))


def _deviations(labels: Sequence[Label], predictions: Sequence[MemberPrediction]) -> _Deviations:
    if not labels or len(labels) != len(predictions):
        raise ShapeError(f"{len(labels)} labels and {len(predictions)} predictions can't be compared")
    for label, prediction in zip(labels, predictions, strict=True):
        if prediction.forces.shape[1:] != label.forces.shape:
            raise ShapeError(f"predicted forces {prediction.forces.shape} do not fit labelled {label.forces.shape}")
    pairs = list(zip(labels, predictions, strict=True))
    energies = [(prediction.energies - label.energy) / len(label.forces) for label, prediction in pairs]
    forces = [(prediction.forces - label.forces).reshape(len(prediction.forces), -1) for label, prediction in pairs]
    stress = [
        prediction.stress - label.stress
        for label, prediction in pairs
        if prediction.stress is not None and label.stress is not None
    ]
    return _Deviations(
        np.stack(energies, axis=1),
        np.concatenate(forces, axis=1),
        np.concatenate(stress, axis=1) if stress else None,
    )


def _errors(deviations: _Deviations, row: int) -> Errors:
    energies, forces = deviations.energies[row], deviations.forces[row]
    stress = None if deviations.stress is None else deviations.stress[row]
    return Errors(
        n_structures=len(energies),
        energy_mae_ev_per_atom=_mae(energies),
        energy_rmse_ev_per_atom=_rmse(energies),
        force_mae_ev_per_ang=_mae(forces),
        force_rmse_ev_per_ang=_rmse(forces),
        stress_mae_ev_per_ang3=None if stress is None else _mae(stress),
        stress_rmse_ev_per_ang3=None if stress is None else _rmse(stress),
    )


def _mae(deviations: FloatArray) -> float:
    return float(np.mean(np.abs(deviations)))


def _rmse(deviations: FloatArray) -> float:
    return float(np.sqrt(np.mean(deviations**2)))
