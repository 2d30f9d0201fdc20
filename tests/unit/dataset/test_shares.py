"""Quota and distribution over any number of points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.dataset.shares import distribute, place_all
from aims_pax.frame import Split
from aims_pax.learner.quota import Quota, SplitCounts


@given(st.floats(0.01, 0.99), st.lists(st.integers(0, 30), max_size=6))
def test_quota_is_kept_over_any_sequence_of_rounds(ratio: float, rounds: list[int]) -> None:
    counts, splits = SplitCounts(), []
    for n_points in rounds:
        counts, placed = place_all(Quota(ratio), counts, n_points)
        splits += placed
        for n in range(1, len(splits) + 1):
            assert abs(splits[:n].count(Split.VALIDATION) - ratio * n) <= 1
    assert (counts.n_train, counts.n_valid) == (splits.count(Split.TRAINING), splits.count(Split.VALIDATION))


@given(st.floats(0.001, 0.999), st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_counts_after_many_points_are_those_of_one_by_one(ratio: float, n_train: int, n_valid: int, n: int) -> None:
    counts = SplitCounts(n_train, n_valid)
    assert Quota(ratio).after(counts, n) == place_all(Quota(ratio), counts, n)[0]


@given(st.integers(0, 200), st.integers(1, 9), st.integers(0, 2**32))
def test_every_point_belongs_to_exactly_one_member(n_points: int, n_members: int, seed: int) -> None:
    parts = distribute(n_points, n_members, np.random.default_rng(seed))
    assert sorted(np.concatenate(parts).tolist()) == list(range(n_points))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_distribution_follows_its_generator() -> None:
    one, again, other = (distribute(40, 4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
