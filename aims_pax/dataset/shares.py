"""Who learns from what: training or validation by quota, and each member's own part of the initial dataset."""

import numpy as np

from aims_pax.frame import IntArray, Split
from aims_pax.learner.quota import Quota, SplitCounts


def place_all(quota: Quota, counts: SplitCounts, n_points: int) -> tuple[SplitCounts, tuple[Split, ...]]:
    """The counts after the next `n_points` points, and their places, one after the other.

    After each of them ``abs(n_valid - ratio * n) <= 1`` holds, see :class:`aims_pax.learner.quota.Quota`.
    """
    splits = []
    for _ in range(n_points):
        counts, split = quota.place(counts)
        splits.append(split)
    return counts, tuple(splits)


def distribute(n_points: int, n_members: int, rng: np.random.Generator) -> tuple[IntArray, ...]:
    """Give each committee member its own random part of some points.

    Parameters
    ----------
    n_points : int
    n_members : int
    rng : numpy.random.Generator

    Returns
    -------
    tuple of (n,) int arrays
        Indices from 0 to ``n_points - 1``, for each member, in random order. Every point belongs to exactly one
        member; the sizes differ by one at most, and the first members get what does not divide evenly.
    """
    return tuple(part.astype(np.int64) for part in np.array_split(rng.permutation(n_points), n_members))
