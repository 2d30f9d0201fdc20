"""Quota and distribution over any number of points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.dataset.shares import cut, distribute, place_all, thinned
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


@given(st.integers(1, 5), st.integers(0, 60), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_cut_gives_each_point_one_member_and_each_member_both_splits(
    n_members: int, n_more: int, ratio: float, seed: int
) -> None:
    n_points = 2 * n_members + n_more
    parts = cut(n_points, n_members, quota=Quota(ratio), rng=np.random.default_rng(seed))
    assert sorted(np.concatenate([points for part in parts for points in part.values()])) == list(range(n_points))
    for part in parts:
        n_train, n_valid = len(part[Split.TRAINING]), len(part[Split.VALIDATION])
        assert min(n_train, n_valid) >= 1
        assert abs(n_valid - ratio * (n_train + n_valid)) <= 1


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.floats(0, 0.99), st.integers(0, 2**32))
def test_thinned_leaves_out_points_and_validates_with_none_that_another_member_trains_on(
    n_points: int, ratio: float, left_out: float, seed: int
) -> None:
    parts = thinned(n_points, 3, left_out=left_out, quota=Quota(ratio), rng=np.random.default_rng(seed))
    trained, validated = (
        {int(point) for part in parts for point in part[split]} for split in (Split.TRAINING, Split.VALIDATION)
    )
    assert not trained & validated
    for part in parts:
        points = np.concatenate(list(part.values())).tolist()
        assert len(set(points)) == len(points)
        assert set(points) <= set(range(n_points))
        assert min(map(len, part.values())) >= 1
        assert abs(len(points) - (1 - left_out) * n_points) <= 2  # both splits are rounded, and keep one at least


def test_samples_of_thinned_differ_from_member_to_member() -> None:
    one, other = thinned(50, 2, left_out=0.2, quota=Quota(0.1), rng=np.random.default_rng(1))
    assert set(one[Split.TRAINING].tolist()) != set(other[Split.TRAINING].tolist())
