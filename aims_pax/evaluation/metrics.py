"""Mean absolute and root-mean-square errors of a committee, per member and for its mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray, Label

PER_BLOCK: Final = 1024
"""Structures whose deviations are there at a time: those of all would be the whole set once more."""


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
    if not labels or len(labels) != len(predictions):
        raise ShapeError(f"{len(labels)} labels and {len(predictions)} predictions can't be compared")
    n_members = len(predictions[0].energies)
    energies, forces, stress = (_Sums.of(n_members + 1) for _ in range(3))
    for first in range(0, len(labels), PER_BLOCK):
        chosen = slice(first, first + PER_BLOCK)
        deviations = _deviations(labels[chosen], predictions[chosen])
        energies.add(deviations.energies)
        forces.add(deviations.forces)
        if deviations.stress is not None:
            stress.add(deviations.stress)
    rows = [_errors(energies, forces, stress, row) for row in range(n_members + 1)]
    return Evaluation(tuple(rows[:-1]), rows[-1])


@dataclass(slots=True, eq=False)
class _Sums:
    """Sums of deviations of each member, and of their mean in the last place."""

    n_values: int
    absolute: FloatArray
    squared: FloatArray

    @classmethod
    def of(cls, n_rows: int) -> "_Sums":
        return cls(0, np.zeros(n_rows), np.zeros(n_rows))

    def add(self, deviations: FloatArray) -> None:
        """Add those of some structures, (M, n)."""
        every = np.concatenate([deviations, deviations.mean(axis=0, keepdims=True)])
        self.n_values += every.shape[1]
        self.absolute += np.abs(every).sum(axis=1)
        self.squared += np.square(every).sum(axis=1)

    def mae(self, row: int) -> float:
        return float(self.absolute[row] / self.n_values)

    def rmse(self, row: int) -> float:
        return float(np.sqrt(self.squared[row] / self.n_values))


def _deviations(labels: Sequence[Label], predictions: Sequence[MemberPrediction]) -> _Deviations:
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


def _errors(energies: _Sums, forces: _Sums, stress: _Sums, row: int) -> Errors:
    return Errors(
        n_structures=energies.n_values,
        energy_mae_ev_per_atom=energies.mae(row),
        energy_rmse_ev_per_atom=energies.rmse(row),
        force_mae_ev_per_ang=forces.mae(row),
        force_rmse_ev_per_ang=forces.rmse(row),
        stress_mae_ev_per_ang3=stress.mae(row) if stress.n_values else None,
        stress_rmse_ev_per_ang3=stress.rmse(row) if stress.n_values else None,
    )
