"""Who learns from what: training or validation by quota, and each member's own part of the initial dataset."""

from collections.abc import Mapping, Sequence

import numpy as np

from aims_pax.frame import IntArray, Split
from aims_pax.learner.quota import Quota, SplitCounts

Part = Mapping[Split, IntArray]
"""Indices of the points that one member trains on and validates on."""


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


def cut(n_points: int, n_members: int, *, quota: Quota, rng: np.random.Generator) -> tuple[Part, ...]:
    """Cut a dataset into parts of the members, as :func:`distribute` does, and each part by the quota.

    A part of two points or more has both training and validation.
    """
    return tuple(_by_split(part, quota) for part in distribute(n_points, n_members, rng))


def thinned(
    n_points: int, n_members: int, *, left_out: float, quota: Quota, rng: np.random.Generator
) -> tuple[Part, ...]:
    """Give each member a random sample of a dataset, independent of the samples of the others.

    The dataset is divided by the quota before it is sampled: what one member validates on, no other trains on.

    Parameters
    ----------
    n_points, n_members : int
    left_out : float
        Fraction of the points that a member does not get, 0 <= left_out < 1. One of each split remains at least.
    quota : Quota
    rng : numpy.random.Generator
    """
    whole = _by_split(rng.permutation(n_points).astype(np.int64), quota)
    kept = {split: max(1, round((1 - left_out) * len(points))) for split, points in whole.items()}
    return tuple(
        {split: rng.permutation(points)[: kept[split]] for split, points in whole.items()} for _ in range(n_members)
    )


def with_common(parts: Sequence[Part], points: IntArray, common: IntArray) -> tuple[Part, ...]:
    """Parts of some points of a dataset by their places in it, with others besides, on which every member trains.

    Parameters
    ----------
    parts : sequence of Part
        Of which each index is one of `points`.
    points, common : (n,) int arrays
        Indices in the whole dataset.
    """
    return tuple(
        {
            Split.TRAINING: np.concatenate([points[part[Split.TRAINING]], common]),
            Split.VALIDATION: points[part[Split.VALIDATION]],
        }
        for part in parts
    )


def _by_split(points: IntArray, quota: Quota) -> Part:
    _, splits = place_all(quota, SplitCounts(), len(points))
    validates = np.array([split is Split.VALIDATION for split in splits], dtype=np.bool_)
    return {Split.TRAINING: points[~validates], Split.VALIDATION: points[validates]}
