"""How well a score tells where errors are large: rates of what is flagged against thresholds, and ranks."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.errors import ShapeError
from aims_pax.evaluation.intervals import wilson
from aims_pax.frame import FloatArray, IntArray

LEAST_STRUCTURES: Final = 10
"""With fewer structures a rate is not worth a line."""

WORST: Final = 0.75
"""Errors above this quantile of theirs are those that ought to be found."""

N_THRESHOLDS: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Structures whose score exceeds a threshold, and those whose error exceeds a tolerance.

    Parameters
    ----------
    tolerance : float
        In the unit of the errors.
    thresholds : (n,)
        In the unit of the scores.
    n_structures, n_wrong : int
        All, and those with an error above the tolerance.
    n_flagged, n_right : (n,) int
        Those with a score above each threshold, and those of them that are wrong.

    Notes
    -----
    AiiDA-TrainsPot: true-positive rate n_right / n_wrong, positive predictive value n_right / n_flagged.
    """

    tolerance: float
    thresholds: FloatArray
    n_structures: int
    n_wrong: int
    n_flagged: IntArray
    n_right: IntArray

    @property
    def base_rate(self) -> float:
        """Share of the structures that are wrong: the predictive value of a score that knows nothing."""
        return self.n_wrong / self.n_structures

    def true_positive_rate(self) -> FloatArray:
        """(n, 3): share of the wrong ones that are flagged, and its 95 % interval; NaN where none is wrong."""
        return np.array([_rate(int(right), self.n_wrong) for right in self.n_right])

    def predictive_value(self) -> FloatArray:
        """(n, 3): share of the flagged ones that are wrong, and its 95 % interval; NaN where none is flagged."""
        pairs = zip(self.n_right, self.n_flagged, strict=True)
        return np.array([_rate(int(right), int(flagged)) for right, flagged in pairs])

    def columns(self) -> dict[str, NDArray[Any]]:
        """What a table tells of each threshold."""
        rates, values = self.true_positive_rate(), self.predictive_value()
        return {
            "tolerance": np.full(len(self.thresholds), self.tolerance),
            "threshold": self.thresholds,
            "n_flagged": self.n_flagged,
            "n_right": self.n_right,
            **{f"true_positive_rate{end}": rates[:, place] for place, end in enumerate(("", "_low", "_high"))},
            **{f"predictive_value{end}": values[:, place] for place, end in enumerate(("", "_low", "_high"))},
        }


def detect(score: FloatArray, error: FloatArray, *, tolerance: float, thresholds: FloatArray) -> Detection:
    """Count what scores (n_structures,) flag of errors (n_structures,) at each threshold (n,).

    Raises
    ------
    ShapeError
        There are not as many scores as errors.
    """
    _require_pairs(score, error)
    flagged, wrong = score[None, :] > thresholds[:, None], error > tolerance
    n_right = (flagged & wrong).sum(axis=1)
    return Detection(tolerance, thresholds, len(error), int(wrong.sum()), flagged.sum(axis=1), n_right)


def detect_worst(score: FloatArray, error: FloatArray) -> Detection:
    """What scores flag of the quarter with the largest errors, at thresholds over the whole range of scores (n,)."""
    thresholds = np.unique(np.quantile(score, np.linspace(0.0, 1.0, N_THRESHOLDS))[:-1])
    return detect(score, error, tolerance=float(np.quantile(error, WORST)), thresholds=thresholds)


def tau_of(score: FloatArray, error: FloatArray, *, tolerance: float) -> float:
    """The score that goes with a tolerance of errors: times the slope of scores over errors (n,), through zero.

    Notes
    -----
    AiiDA-TrainsPot. NaN where no error is above zero.
    """
    square = float(np.square(error).sum())
    return float((score * error).sum()) / square * tolerance if square else float("nan")


def rank_correlation(score: FloatArray, error: FloatArray) -> float | None:
    """Spearman's, of scores and errors (n,); None where one of them is the same for all.

    Raises
    ------
    ShapeError
        There are not as many scores as errors.
    """
    from scipy.stats import spearmanr

    _require_pairs(score, error)
    if len(score) < 3 or not np.ptp(score) or not np.ptp(error):
        return None
    return float(spearmanr(score, error).statistic)


def coverage_interval(shares: FloatArray) -> tuple[float, float, float]:
    """Share of errors within an interval, and its 95 % interval.

    Parameters
    ----------
    shares : (n_structures,)
        Of each structure's errors: zero or one where it has one.

    Notes
    -----
    Binomial (Wilson), with as many trials as structures: errors within one depend on each other.
    """
    mean, n = float(shares.mean()), len(shares)
    return mean, *wilson(round(mean * n), n)


def _rate(n_hits: int, n_trials: int) -> tuple[float, float, float]:
    if not n_trials:
        return float("nan"), float("nan"), float("nan")
    return n_hits / n_trials, *wilson(n_hits, n_trials)


def _require_pairs(score: FloatArray, error: FloatArray) -> None:
    if score.ndim != 1 or score.shape != error.shape:
        raise ShapeError(f"scores {score.shape} and errors {error.shape} do not belong together")
