"""Whether Brillouin zones of different cells are sampled equally densely."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray

VACUUM_ANG: Final = 5.0
"""Empty space across a direction from which on one k point along it says nothing."""

ROUNDING: Final = 1e-3
"""By which a spacing that is named may be off, as a part of it."""


@dataclass(frozen=True, slots=True)
class Density:
    """Distances of k points that a mesh may have been made of, 1/Å with 2 pi in it.

    Parameters
    ----------
    least, most : float
        A division more, or less, would do as well: programs round up, or to the nearest, or to even numbers.
    spacing : float
        The largest of the three directions, as it is; told.
    """

    least: float
    most: float
    spacing: float

    def holds(self, spacing: float) -> bool:
        """Whether this distance may be meant."""
        return self.least <= spacing <= self.most


def density_of_mesh(mesh: tuple[int, int, int], cell: FloatArray, empty: BoolArray) -> Density | None:
    """What a mesh of a cell tells; None for the Gamma point alone of something that is empty in all directions.

    Parameters
    ----------
    mesh : three int
    cell : (3, 3), Å
    empty : (3,) bool
        Directions across which there is vacuum, see :func:`empty_directions`.
    """
    vectors = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell), axis=0)
    told = [axis for axis in range(3) if not (empty[axis] and mesh[axis] == 1)]
    if not told:
        return None
    least = max(vectors[axis] / (mesh[axis] + 1) for axis in told)
    most = min(vectors[axis] / (mesh[axis] - 1) if mesh[axis] > 1 else np.inf for axis in told)
    spacing = max(vectors[axis] / mesh[axis] for axis in told)
    # Directions of one mesh that are not equally dense, which a person may have chosen: what they span.
    least, most = (float(least), float(most)) if least <= most else (float(most), float(least))
    return Density(least, most, float(spacing))


def density_of_spacing(spacing: float) -> Density:
    """What a distance tells that was named."""
    return Density(spacing * (1 - ROUNDING), spacing * (1 + ROUNDING), spacing)


def empty_directions(positions: FloatArray, cell: FloatArray) -> BoolArray:
    """Lattice vectors along which there is vacuum between the atoms and their images, (3,)."""
    inverse = np.linalg.inv(cell)
    heights = 1 / np.linalg.norm(inverse, axis=0)
    places = np.sort((positions @ inverse) % 1.0, axis=0)
    gaps = np.diff(places, axis=0, append=places[:1] + 1.0)
    found: BoolArray = gaps.max(axis=0) * heights > VACUUM_ANG
    return found


def common_spacing(densities: Sequence[Density], weights: Sequence[int]) -> float:
    """The distance that most of the weight may be meant by; 1/Å.

    Parameters
    ----------
    densities : sequence of Density
        At least one.
    weights : sequence of int
    """
    least, most = np.array([(one.least, one.most) for one in densities]).T
    # The best distance is where one of the ranges begins: further on none is added.
    begun, over = np.argsort(least), np.argsort(most)
    heavy = np.array(weights, dtype=np.int64)
    n_begun, n_over = (np.concatenate([[0], np.cumsum(heavy[order])]) for order in (begun, over))
    places = np.searchsorted(least[begun], least, side="right"), np.searchsorted(most[over], least, side="left")
    scores = n_begun[places[0]] - n_over[places[1]]
    best = scores == scores.max()
    return float(least[best].min())
