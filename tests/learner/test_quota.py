from hypothesis import given
from hypothesis import strategies as st

from aims_pax.frame import Split
from aims_pax.learner.quota import Quota, SplitCounts


@given(st.floats(0.01, 0.99), st.integers(1, 400))
def test_split_never_leaves_its_quota_by_more_than_one(ratio: float, n_points: int) -> None:
    counts = SplitCounts()
    for n in range(1, n_points + 1):
        counts, _ = Quota(ratio).place(counts)
        assert counts.n_train + counts.n_valid == n
        assert abs(counts.n_valid - ratio * n) <= 1.0


def test_first_point_trains_and_second_validates() -> None:
    counts, first = Quota(0.1).place(SplitCounts())
    _, second = Quota(0.1).place(counts)
    assert (first, second) == (Split.TRAINING, Split.VALIDATION)
