"""Whether energies and forces of a path belong together: the work along it is what the energy loses."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from aims_pax.calculations.step import Step
from aims_pax.frame import FloatArray

NEAR_ANG: Final = 0.2
"""How far a component of a position may move between two steps: the mean of two forces says nothing of longer ways."""
STILL_ANG: Final = 1e-5
"""Shorter ways are those of rounding: programs print positions with five decimals."""
SAME_CELL_ANG: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Work:
    """How well a path closes.

    Parameters
    ----------
    n_pairs : int
        Steps that follow each other at one cell, and are near.
    residual_ev : float
        Median over pairs of |E(i+1) - E(i) + mean force . displacement|; nan without a pair.
    change_ev : float
        Median over pairs of |E(i+1) - E(i)|; nan without a pair.
    """

    n_pairs: int
    residual_ev: float
    change_ev: float


def work_of(steps: Sequence[Step]) -> Work:
    """How well energies and forces of consecutive steps of one file belong together.

    Forces of another step, another energy than the one that they derive from, or a wrong unit show as a residual of
    the size of the change itself. Steps that lack something or did not converge, and what comes after a change of the
    cell, of the method or of the atoms, make no pair.

    Parameters
    ----------
    steps : steps in the order of their file

    Notes
    -----
    The trapezoidal rule of dE = - F . dx: its error is of third order in the displacement.
    """
    pairs = [pair for one, other in pairwise(steps) if (pair := _closed(one, other)) is not None]
    if not pairs:
        return Work(0, float("nan"), float("nan"))
    residuals, changes = np.abs(np.array(pairs)).T
    return Work(len(pairs), float(np.median(residuals)), float(np.median(changes)))


def _closed(one: Step, other: Step) -> tuple[float, float] | None:
    """Residual and change of the energy between two steps, eV; None when they are no pair."""
    if one.energy is None or other.energy is None or one.forces is None or other.forces is None:
        return None
    if any(step.flaws or not step.convergence.is_believed for step in (one, other)) or one.method != other.method:
        return None
    moved = _displacement(one, other)
    if moved is None or not STILL_ANG <= abs(moved).max() <= NEAR_ANG:
        return None
    change = other.energy - one.energy
    return change + float((0.5 * (one.forces + other.forces) * moved).sum()), change


def _displacement(one: Step, other: Step) -> FloatArray | None:
    """(n_atoms, 3) shortest ways from one step to the other, Å; None when atoms or cell differ."""
    if one.numbers is None or one.positions is None or one.cell is None:
        return None
    if other.numbers is None or other.positions is None or other.cell is None:
        return None
    is_same = np.array_equal(one.numbers, other.numbers) and one.pbc == other.pbc
    if not is_same or abs(one.cell - other.cell).max() > SAME_CELL_ANG:
        return None
    moved: FloatArray = other.positions - one.positions
    periodic = np.array(one.pbc)
    if not periodic.any() or not abs(np.linalg.det(one.cell)) > 0:
        return moved
    fractional = moved @ np.linalg.inv(one.cell)
    return moved - np.where(periodic, np.round(fractional), 0.0) @ one.cell
