from hypothesis import given
from hypothesis import strategies as st

from aims_pax.frame import Split
from aims_pax.learner.quota import Quota


@given(st.floats(0.01, 0.99), st.integers(1, 400))
def test_split_never_leaves_its_quota_by_more_than_one(ratio: float, n_points: int) -> None:
    quota = Quota(ratio)
    for n in range(1, n_points + 1):
        quota, _ = quota.place()
        assert quota.n_train + quota.n_valid == n
        assert abs(quota.n_valid - ratio * n) <= 1.0


def test_first_point_trains_and_second_validates() -> None:
    quota, first = Quota(0.1).place()
    _, second = quota.place()
    assert (first, second) == (Split.TRAINING, Split.VALIDATION)
