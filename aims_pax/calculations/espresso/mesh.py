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
    whole number of N1 N2 N3 parts of all weights, and the origin is one of them. Symmetry may leave out a direction,
    which then has the divisions of another one as long. A list that misses either (a path, points by hand) has no mesh.
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
    divisions = [one for one in found if one is not None]
    lengths = np.linalg.norm(axes, axis=1)
    alike = [
        max(one for one, other in zip(divisions, lengths, strict=True) if abs(other - length) < 1e-4)
        for length in lengths
    ]
    for n_1, n_2, n_3 in (divisions, alike):
        if _fits(fractions, weights * (n_1 * n_2 * n_3)):
            return n_1, n_2, n_3
    return None


def _fits(fractions: FloatArray, parts: FloatArray) -> bool:
    """Whether all weights are whole numbers of points, and that of the origin is one."""
    origin = np.all(np.abs(fractions) < _FRACTION_TOL, axis=1)
    is_whole = np.all(np.abs(parts - np.round(parts)) <= _WEIGHT_TOL * np.maximum(parts, 1.0)) and np.all(parts > 0.5)
    return bool(is_whole and np.all(np.round(parts[origin]) == 1))


def _divisions(coordinates: FloatArray) -> int | None:
    fractions = [Fraction(float(one)).limit_denominator(_DIVISIONS) for one in coordinates]
    if any(abs(float(found) - one) > _FRACTION_TOL for found, one in zip(fractions, coordinates, strict=True)):
        return None
    common = lcm(*(one.denominator for one in fractions))
    if common > 2 * _DIVISIONS:
        return None
    shifted = common % 2 == 0 and all((one * common).numerator % 2 for one in fractions)
    return common // 2 if shifted else common
