"""Rates of what scores flag, against counts by hand."""

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.evaluation.detection import coverage_interval, detect, detect_worst, rank_correlation, tau_of
from aims_pax.evaluation.intervals import wilson

SCORE, ERROR = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.9, 0.2, 0.8])


def test_rates_are_counts_of_structures_above_threshold_and_tolerance() -> None:
    found = detect(SCORE, ERROR, tolerance=0.5, thresholds=np.array([0.0, 2.5, 3.5, 9.0]))
    assert (found.n_structures, found.n_wrong, found.base_rate) == (4, 2, 0.5)
    assert found.n_flagged.tolist() == [4, 2, 1, 0]
    assert found.n_right.tolist() == [2, 1, 1, 0]
    np.testing.assert_allclose(found.true_positive_rate()[:, 0], [1.0, 0.5, 0.5, 0.0])
    np.testing.assert_allclose(found.predictive_value()[:3, 0], [0.5, 0.5, 1.0])
    assert np.isnan(found.predictive_value()[3]).all()
    assert tuple(found.true_positive_rate()[1, 1:]) == wilson(1, 2)


def test_worst_quarter_is_what_ought_to_be_found() -> None:
    error = np.arange(1.0, 21.0)
    found = detect_worst(2 * error, error)
    assert (found.n_wrong, found.tolerance) == (5, 15.25)
    assert tau_of(2 * error, error, tolerance=found.tolerance) == pytest.approx(30.5)
    assert found.true_positive_rate()[0, 0] == 1.0, "nearly all lie above the lowest threshold"
    assert found.columns()["threshold"].tolist() == found.thresholds.tolist()


def test_without_errors_no_score_goes_with_a_tolerance() -> None:
    assert np.isnan(tau_of(SCORE, np.zeros(4), tolerance=1.0))


def test_where_nothing_is_wrong_there_is_no_rate() -> None:
    assert np.isnan(detect(SCORE, ERROR, tolerance=1.0, thresholds=np.array([0.0])).true_positive_rate()).all()


def test_ranks_do_not_look_at_sizes() -> None:
    assert rank_correlation(SCORE, SCORE**5) == pytest.approx(1.0)
    assert rank_correlation(SCORE, -SCORE) == pytest.approx(-1.0)
    assert rank_correlation(SCORE, np.ones(4)) is None


def test_scores_of_other_structures_are_refused() -> None:
    with pytest.raises(ShapeError, match="do not belong together"):
        rank_correlation(SCORE, ERROR[:3])


def test_coverage_counts_structures() -> None:
    assert coverage_interval(np.array([1.0, 1.0, 0.0, 1.0])) == (0.75, *wilson(3, 4))
    assert coverage_interval(np.array([0.5, 1.0, 0.5, 1.0])) == (0.75, *wilson(3, 4))
