"""The mesh of a list of k points: pw.x prints the irreducible points, and not what they were made of."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

_DIVISIONS: Final = 96
"""Finest denominator that seven decimals can tell with certainty."""
_FRACTION_TOL: Final = 2e-5
_WEIGHT_TOL: Final = 2e-2


def mesh_of(points: Sequence[Sequence[float]], axes: FloatArray) -> tuple[int, int, int] | None:
    """Divisions of the mesh, if the points can be those of one and of no other.

    Parameters
    ----------
    points : n rows of kx, ky, kz (2 pi/alat) and the weight
    axes : (3, 3), alat

    Notes
    -----
    A coordinate of a mesh of N divisions is j/N, or (2j + 1)/2N where it is shifted; the weight of each point is a
    whole number of N1 N2 N3 parts of all weights. A mesh that is not shifted has the origin, with one part. Symmetry
    may leave out a direction, which then has the divisions of another one as long. A list that misses any of this has
    no mesh: a path, points by hand, a shifted mesh that symmetry has turned out of itself.
    """
    data = np.asarray(points, dtype=float)
    if data[:, 3].sum() <= 0.0:
        return None
    fractions = data[:, :3] @ axes.T
    first = np.sort(np.unique(np.round(fractions, 5), axis=0, return_index=True)[1])
    fractions, weights = fractions[first], data[first, 3] / data[first, 3].sum()
    found = [_divisions(column) for column in fractions.T]
    if any(one is None for one in found):
        return None
    told = [one for one in found if one is not None]
    divisions, shifted = [one for one, _ in told], np.array([one for _, one in told])
    lengths = np.linalg.norm(axes, axis=1)
    alike = [
        max(one for one, other in zip(divisions, lengths, strict=True) if abs(other - length) < 1e-4)
        for length in lengths
    ]
    origin = np.all(np.abs(fractions) < _FRACTION_TOL, axis=1)
    if not (shifted.any() or origin.any()):
        return None
    for n_1, n_2, n_3 in (divisions, alike):
        parts = weights * (n_1 * n_2 * n_3)
        if _are_whole(parts) and np.all(np.round(parts[origin]) == 1):
            return n_1, n_2, n_3
    return None


def _are_whole(parts: FloatArray) -> bool:
    return bool(np.all(np.abs(parts - np.round(parts)) <= _WEIGHT_TOL * np.maximum(parts, 1.0)) and np.all(parts > 0.5))


def _divisions(coordinates: FloatArray) -> tuple[int, bool] | None:
    """Divisions of one direction, and whether it is shifted."""
    fractions = [Fraction(float(one)).limit_denominator(_DIVISIONS) for one in coordinates]
    if any(abs(float(found) - one) > _FRACTION_TOL for found, one in zip(fractions, coordinates, strict=True)):
        return None
    common = lcm(*(one.denominator for one in fractions))
    if common > 2 * _DIVISIONS:
        return None
    is_shifted = common % 2 == 0 and all((one * common).numerator % 2 for one in fractions)
    return (common // 2, True) if is_shifted else (common, False)
