"""Query by committee: scores from the spread of the members' forces."""

from collections.abc import Mapping

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray
from aims_pax.protocols import Score


def _atomic_deviations(forces: FloatArray) -> FloatArray:
    """Deviation of each atom, (n_atoms,), eV/Å: sqrt(1/(3M) sum over members and components of (F - mean F)²)."""
    if forces.ndim != 3 or forces.shape[2] != 3 or forces.shape[1] == 0:
        raise ShapeError(f"forces must be (n_members, n_atoms, 3), not {forces.shape}")
    n_members = forces.shape[0]
    if n_members < 2:
        raise ShapeError("a deviation needs at least two committee members")
    squared = (forces - forces.mean(axis=0)) ** 2
    deviations: FloatArray = np.sqrt(squared.sum(axis=(0, 2)) / (3 * n_members))
    return deviations


def max_atomic_sd(forces: FloatArray) -> float:
    """Largest per-atom committee deviation of one structure.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/Å

    Returns
    -------
    float
        max over atoms of sqrt(sum over members and components of squared deviation / (3 M)), eV/Å.

    Raises
    ------
    ShapeError
        Fewer than two members: a deviation is undefined.

    Notes
    -----
    aims-PAX, Eq. 1.
    """
    return float(_atomic_deviations(forces).max())


def mean_atomic_sd(forces: FloatArray) -> float:
    """Per-atom committee deviation of :func:`max_atomic_sd`, averaged over the atoms, eV/Å."""
    return float(_atomic_deviations(forces).mean())


def ensemble_sd(forces: FloatArray) -> float:
    """Root mean square deviation over members, atoms and components, eV/Å: one spread for the whole structure."""
    return float(np.sqrt((_atomic_deviations(forces) ** 2).mean()))


def max_atomic_error(predicted: FloatArray, reference: FloatArray) -> float:
    """Largest per-atom error of one structure, in the measure of :func:`max_atomic_sd`, eV/Å.

    Parameters
    ----------
    predicted, reference : (n_atoms, 3), eV/Å

    Raises
    ------
    ShapeError
        They are of different structures.
    """
    if predicted.shape != reference.shape:
        raise ShapeError(f"forces {predicted.shape} and {reference.shape} do not belong together")
    return float(np.sqrt(np.square(predicted - reference).sum(axis=1) / 3).max())


SCORES: Mapping[str, Score] = {
    "max_atomic_sd": max_atomic_sd,
    "mean_atomic_sd": mean_atomic_sd,
    "ensemble_sd": ensemble_sd,
}
"""Scores by their name in ACTIVE_LEARNING.uncertainty_type."""
