"""Conformers: the parts of a space of one or two dihedrals in which a molecule is most of the time.

Clusters are hills of the density, cut from each other along its valleys; all of it goes on across ±180°.
"""

from dataclasses import dataclass
from itertools import product
from math import pi
from typing import Final, Self

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray, IntArray

N_BINS: Final = 36
"""Of each angle: ten degrees, a third of the width of a usual well at room temperature."""

SMOOTHED_BINS: Final = 1.0
"""Standard deviation of the Gaussian that takes the noise of counts away."""

DEPTH: Final = 2.0
"""A hill is one by itself that is so many times as high as the pass to a higher one: a barrier of 0.7 kT from there."""

SMALLEST: Final = 0.01
"""A cluster with a smaller share of what is seen, in each of the models, is none."""

NOWHERE: Final = -1
"""In the place of the number of a cluster."""


@dataclass(frozen=True, slots=True, eq=False)
class Conformers:
    """K clusters, those that are seen most first.

    Parameters
    ----------
    cluster : (36,) or (36, 36) int
        Of each cell of the grid; -1 where there is none.
    core : the same of bool
        Cells at least half as dense as the densest of their cluster: who is there has arrived.
    centers : (K, 1) or (K, 2), rad
        Densest cells.
    """

    cluster: IntArray
    core: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"
    centers: FloatArray

    @classmethod
    def of(cls, *samples: FloatArray) -> Self:
        """Of what several models have sampled, each of which counts as much.

        Parameters
        ----------
        samples : (n, d), rad
            d: 1 or 2; n may differ.
        """
        shares = [counts_of(sample) / max(1, len(sample)) for sample in samples]
        density = _smoothed(np.mean(shares, axis=0))
        hills = _hills(density)
        kept = [
            hill
            for hill in np.unique(hills[hills >= 0])
            if max(share[hills == hill].sum() for share in shares) > SMALLEST
        ]
        kept.sort(key=lambda hill: -float(np.mean([share[hills == hill].sum() for share in shares])))
        cluster, core = np.full(density.shape, NOWHERE), np.zeros(density.shape, dtype=np.bool_)
        centers = []
        for number, hill in enumerate(kept):
            cluster[hills == hill] = number
            top = density.ravel()[hill]
            core |= (hills == hill) & (density >= top / 2)
            centers.append([center_of(place) for place in np.unravel_index(hill, density.shape)])
        return cls(cluster, core, np.array(centers, dtype=np.float64).reshape(-1, density.ndim))

    @property
    def n(self) -> int:
        """K."""
        return len(self.centers)

    def of_each(self, angles: FloatArray) -> IntArray:
        """The cluster of each of some points (n, d), rad; (n,)."""
        found: IntArray = self.cluster[tuple(bins_of(angles).T)]
        return found

    def n_passages(self, angles: FloatArray) -> int:
        """How often a run, points (n, d) one after another, has left the core of one cluster for that of another.

        Who turns back on the way has not passed: else each swing across the line between two would count.
        """
        cells = tuple(bins_of(angles).T)
        arrived = self.cluster[cells][self.core[cells]]
        return int((np.diff(arrived) != 0).sum())


def bins_of(angles: FloatArray) -> IntArray:
    """Which bins angles of any shape, rad, fall into; also those a turn away."""
    bins: IntArray = np.floor((np.asarray(angles) + pi) * (N_BINS / (2 * pi))).astype(np.int64) % N_BINS
    return bins


def center_of(place: int) -> float:
    """The middle of a bin, rad."""
    return (int(place) + 0.5) * 2 * pi / N_BINS - pi


def counts_of(angles: FloatArray) -> FloatArray:
    """How many points (n, d), rad, are in each cell of the grid.

    Raises
    ------
    ShapeError
        There are not one or two angles.
    """
    if angles.ndim != 2 or angles.shape[1] not in (1, 2):
        raise ShapeError(f"clusters are made in a space of one or two angles, not of {angles.shape}")
    n_angles = angles.shape[1]
    flat = np.ravel_multi_index(tuple(bins_of(angles).T), (N_BINS,) * n_angles)
    return np.bincount(flat, minlength=N_BINS**n_angles).astype(np.float64).reshape((N_BINS,) * n_angles)


def _smoothed(density: FloatArray) -> FloatArray:
    from scipy.ndimage import gaussian_filter

    smoothed: FloatArray = gaussian_filter(density, SMOOTHED_BINS, mode="wrap")
    return smoothed


def _hills(density: FloatArray) -> IntArray:
    """The top of the hill that each cell belongs to, as its place in the flattened grid; -1 where nothing is.

    Notes
    -----
    ToMATo: Chazal, Guibas, Oudot & Skraba, J. ACM 60, 41 (2013): from dense to thin every cell joins the highest hill
    that it touches; hills that meet there become one if the lower of them is not :data:`DEPTH` times as high as that.
    """
    flat, shape = density.ravel(), density.shape
    joined = np.full(flat.size, NOWHERE)

    def top(cell: int) -> int:
        while joined[cell] != cell:
            cell = int(joined[cell])
        return cell

    for cell in np.argsort(-flat, kind="stable").tolist():
        if flat[cell] <= 0:
            break
        tops = {top(near) for near in _around(cell, shape) if joined[near] != NOWHERE}
        highest = max(tops, key=lambda one: (flat[one], -one), default=cell)
        joined[cell] = highest
        for other in tops - {highest}:
            if flat[other] < DEPTH * flat[cell]:
                joined[other] = highest
    return np.array([NOWHERE if joined[cell] == NOWHERE else top(cell) for cell in range(flat.size)]).reshape(shape)


def _around(cell: int, shape: tuple[int, ...]) -> list[int]:
    """Cells that touch one, also at a corner, and across the end of the turn."""
    place = np.unravel_index(cell, shape)
    steps = [step for step in product((-1, 0, 1), repeat=len(shape)) if any(step)]
    around = [[int(at + by) for at, by in zip(place, step, strict=True)] for step in steps]
    return [int(np.ravel_multi_index(tuple(near), shape, mode="wrap")) for near in around]
