"""Eq. 2 of the paper, and nothing else."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner.threshold import MIN_CHECKS, WINDOW, Threshold

scores = st.lists(st.floats(0.0, 1e3), min_size=0, max_size=WINDOW + 50)


def threshold_after(values: list[float], c_x: float = 0.0) -> Threshold:
    threshold = Threshold(c_x)
    for value in values:
        threshold = threshold.after(value)
    return threshold


def test_threshold_is_infinite_until_more_than_ten_checks() -> None:
    assert math.isinf(threshold_after([1.0] * MIN_CHECKS).value)
    assert threshold_after([1.0] * (MIN_CHECKS + 1)).value == 1.0


@given(scores, st.floats(-0.5, 0.5))
def test_threshold_is_the_scaled_mean_of_the_last_400_scores(values: list[float], c_x: float) -> None:
    value = threshold_after(values, c_x).value
    if len(values) <= MIN_CHECKS:
        assert math.isinf(value)
    else:
        last = values[-WINDOW:]
        assert value == pytest.approx((1 + c_x) * sum(last) / len(last), rel=1e-12)


@given(st.lists(st.floats(0.0, 10.0), min_size=11, max_size=60), st.lists(st.floats(0.0, 10.0), max_size=30))
def test_frozen_threshold_does_not_move(before: list[float], after: list[float]) -> None:
    frozen = threshold_after(before).freeze()
    value = frozen.value
    for score in after:
        frozen = frozen.after(score)
    assert frozen.value == value
    assert frozen.freeze() is frozen


def test_infinite_threshold_cannot_be_frozen() -> None:
    assert threshold_after([1.0]).freeze().frozen_at is None
