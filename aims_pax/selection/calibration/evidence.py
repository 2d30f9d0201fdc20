"""Errors beside the scores that were there to tell them, of structures that the models had not learned from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import BoolArray, CommitteePrediction, FloatArray, IntArray, Label
from aims_pax.selection.calibration.deviations import Quantity, deviation_of

LEVELS: Final = (0.5, 0.8, 0.9)
"""Shares of the errors that intervals are to hold."""

FOLDS: Final = 5
"""Parts that evidence is cut into; each is told by what was fitted to the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Structures with their labels and what a committee said of them without having learned from them.

    Parameters
    ----------
    said : sequence of CommitteePrediction
    labels : sequence of Label
    block : (n_structures,) int
        Structures of one block resemble each other, as those of one trajectory do: they are never on both sides of a
        cross-validation.

    Raises
    ------
    ShapeError
        They are not equally many.
    """

    said: Sequence[CommitteePrediction]
    labels: Sequence[Label]
    block: IntArray

    def __post_init__(self) -> None:
        if not len(self.said) == len(self.labels) == len(self.block):
            raise ShapeError(
                f"{len(self.said)} predictions, {len(self.labels)} labels and {len(self.block)} blocks do not belong "
                "together"
            )

    def known(self, quantity: Quantity, *, by: Quantity | None = None) -> list[int]:
        """Places of the structures that :meth:`residuals` are of."""
        return [index for index, *_ in self._rows(quantity, by or quantity)]

    def _rows(self, quantity: Quantity, by: Quantity) -> list[tuple[int, FloatArray, FloatArray]]:
        return [
            (index, *numbers)
            for index, (said, label) in enumerate(zip(self.said, self.labels, strict=True))
            if (numbers := _numbers(said, label, quantity, by)) is not None
        ]

    def residuals(self, quantity: Quantity, *, by: Quantity | None = None) -> "Residuals":
        """Scores and errors of one quantity, of the structures that have both, in their order.

        Parameters
        ----------
        quantity : Quantity
            Of the errors.
        by : Quantity or None
            Whose deviation the score is; its own when None.
        """
        rows = self._rows(quantity, by or quantity)
        lengths = [len(errors) for _, _, errors in rows]
        n_atoms = [len(self.said[index].forces) for index, *_ in rows]
        return Residuals(
            score=np.concatenate([score for _, score, _ in rows]) if rows else np.zeros(0),
            error=np.concatenate([error for _, _, error in rows]) if rows else np.zeros(0),
            n_atoms=np.repeat(np.array(n_atoms, dtype=np.int64), lengths),
            structure=np.repeat(np.arange(len(rows)), lengths),
            block=np.repeat(np.array([self.block[index] for index, *_ in rows], dtype=np.int64), lengths),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Errors of the mean of one quantity, each with its score: one of a structure, three of an atom, or six of a cell.

    Parameters
    ----------
    score : (n,)
        The members' deviation: of the force of an atom (aims-PAX, Eq. 1), the same for its components; of the energy
        per atom, the stress or all forces of the structure, the same for all its errors.
    error : (n,), in the quantity's unit
        Absolute.
    n_atoms, structure, block : (n,) int
        Of the structure, its number from 0, and its block.
    """

    score: FloatArray
    error: FloatArray
    n_atoms: IntArray
    structure: IntArray
    block: IntArray

    @property
    def n_structures(self) -> int:
        return int(self.structure.max()) + 1 if len(self.structure) else 0

    @property
    def n_blocks(self) -> int:
        return len(np.unique(self.block))

    @property
    def weight(self) -> FloatArray:
        """(n,): of each error, so that structures count alike; their sum is one."""
        weight: FloatArray = 1 / (np.bincount(self.structure)[self.structure] * self.n_structures)
        return weight

    def mean_by_structure(self, values: FloatArray) -> FloatArray:
        """(n_structures,): the mean over its errors of a number (n,) of each."""
        found: FloatArray = np.bincount(self.structure, weights=values) / np.bincount(self.structure)
        return found

    def part(self, chosen: BoolArray) -> "Residuals":
        """Those of whole structures, numbered anew."""
        structure = np.unique(self.structure[chosen], return_inverse=True)[1]
        return Residuals(self.score[chosen], self.error[chosen], self.n_atoms[chosen], structure, self.block[chosen])

    def folds(self) -> list[BoolArray]:
        """Which errors (n,) belong to each part of a cross-validation: whole blocks, in turn."""
        number = np.unique(self.block, return_inverse=True)[1] % FOLDS
        return [number == fold for fold in range(min(FOLDS, self.n_blocks))]

    def told_by_others(self, fit: Callable[["Residuals"], Callable[[FloatArray, IntArray], FloatArray]]) -> FloatArray:
        """(n,): what is told of each error by a fit to the other parts."""
        told = np.full(len(self.score), np.nan)
        for fold in self.folds():
            told[fold] = fit(self.part(~fold))(self.score[fold], self.n_atoms[fold])
        return told


def structure_quantile(residuals: Residuals, values: FloatArray, level: float) -> float:
    """What a value of a structure still to come stays below, with this probability.

    Parameters
    ----------
    residuals : Residuals
    values : (n,)
        Of its errors.
    level : float

    Returns
    -------
    float
        The largest value where there are too few structures for so high a level.

    Notes
    -----
    Split conformal for groups: each of n structures shares a weight of 1 / (n + 1) among its values, and the one to
    come has its weight at infinity (CDF pooling). Dunn, Wasserman & Ramdas, J. Am. Stat. Assoc. 118, 2491 (2023).
    """
    order = np.argsort(values, kind="stable")
    n = residuals.n_structures
    reached = np.cumsum(residuals.weight[order]) * n / (n + 1)
    place = np.searchsorted(reached, level - 1e-12)
    return float(values[order[min(int(place), len(values) - 1)]])


def _numbers(
    said: CommitteePrediction, label: Label, quantity: Quantity, by: Quantity
) -> tuple[FloatArray, FloatArray] | None:
    """Scores and absolute errors of one structure; None where one of them is not known."""
    score, error = scores_of(said, quantity, by=by), _errors(said, label, quantity)
    if score is None or error is None or not (np.isfinite(score).all() and np.isfinite(error).all()):
        return None
    return np.repeat(score, len(error) // len(score)), error


def scores_of(said: CommitteePrediction, quantity: Quantity, *, by: Quantity) -> FloatArray | None:
    """What errors of a quantity are told by, in the unit of `by`; None where it is not known.

    Of forces the deviation of each atom (n_atoms,); of the energy per atom or the stress that deviation of the whole
    structure (1,).
    """
    if quantity is Quantity.FORCES:
        deviations: FloatArray = np.sqrt(np.square(said.forces_deviation).mean(axis=1))
        return deviations
    deviation = deviation_of(said).of(by)
    return None if deviation is None else np.array([deviation])


def _errors(said: CommitteePrediction, label: Label, quantity: Quantity) -> FloatArray | None:
    if quantity is Quantity.ENERGY:
        return np.array([abs(said.energy - label.energy) / len(said.forces)])
    if quantity is Quantity.FORCES:
        return np.abs(said.forces - label.forces).ravel()
    if said.stress is None or label.stress is None:
        return None
    return np.abs(said.stress - label.stress)
