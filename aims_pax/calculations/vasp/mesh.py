"""Divisions of the Brillouin zone, from the points that symmetry leaves of them."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

MAX_DIVISIONS: Final = 200
PRINTED: Final = 2e-6
"""Points are printed with six decimals."""


def mesh_of(points: Sequence[Sequence[float]]) -> tuple[int, int, int] | None:
    """The mesh that irreducible points belong to; None when they belong to none, as those along a line.

    Parameters
    ----------
    points : rows of four
        Fractional coordinates, and how many points of the mesh one stands for.

    Notes
    -----
    On each axis a mesh of N divisions has the coordinates n / N, or (n + 1/2) / N. Of the few N that fit on each axis
    those are the mesh whose product is the number of all points.
    """
    table = np.asarray(points, dtype=np.float64)
    if table.ndim != 2 or table.shape[1:] != (4,) or not np.isfinite(table).all():
        return None
    n_points = round(float(table[:, 3].sum()))
    along_a, along_b, along_c = (tuple(_fitting(table[:, axis], n_points)) for axis in range(3))
    found = {mesh for mesh in product(along_a, along_b, along_c) if np.prod(mesh) == n_points}
    return found.pop() if len(found) == 1 else None


def _fitting(coordinates: FloatArray, n_points: int) -> Iterator[int]:
    """The smallest number of divisions with a point at the centre, and the smallest without."""
    for shift in (0.0, 0.5):
        for divisions in range(1, min(MAX_DIVISIONS, n_points) + 1):
            steps = coordinates * divisions - shift
            if bool((abs(steps - np.round(steps)) < PRINTED * divisions).all()):
                yield divisions
                break
