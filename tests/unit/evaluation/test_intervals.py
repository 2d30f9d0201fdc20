"""Intervals against numbers that stand in books, and against their own promise."""

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.evaluation.intervals import mean_interval, rate_interval, ratio_interval, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(12, 12, 0.757, 1.0), (0, 12, 0.0, 0.243), (7, 12, 0.320, 0.807), (1, 1, 0.207, 1.0)],
)
def test_wilson_gives_the_published_intervals(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-3)


def test_a_rate_without_events_follows_the_rule_of_three() -> None:
    assert rate_interval(0, 100.0) == pytest.approx((0.0, 0.02996), abs=1e-4)
    low, high = rate_interval(4, 1.0)
    assert (low, high) == pytest.approx((1.09, 10.24), abs=0.01)  # Garwood's table


def test_the_mean_is_within_its_interval_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    samples = rng.normal(1.0, 0.3, (2000, 6))
    covered = [low <= 1.0 <= high for _, low, high in map(mean_interval, samples)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)  # three standard errors of 2000 trials


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ShapeError, match="two values or more"):
        mean_interval(np.array([1.0]))


def test_mean_of_blocks_of_one_size_has_the_interval_of_their_means() -> None:
    means = np.array([1.0, 2.0, 4.0, 1.5])
    _, low, high = mean_interval(means)
    assert ratio_interval(7 * means, np.full(4, 7.0)) == pytest.approx((low, high))


def test_a_large_block_counts_by_its_size() -> None:
    interval = ratio_interval(np.array([90.0, 2.0]), np.array([90.0, 1.0]))
    assert interval is not None
    assert sum(interval) / 2 == pytest.approx(92 / 91)
    assert ratio_interval(np.array([3.0]), np.array([2.0])) is None
