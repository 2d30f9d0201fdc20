"""What the committee's deviation is worth: scores against true errors, of labels that it had not learned from.

aims-PAX, Fig. 2: uncertainty and error over a run, their correlation, and how that changes while the committee learns.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.dataset.store import RunStore
from aims_pax.frame import FloatArray
from aims_pax.learner.selectors import FixedSteps, RandomShare
from aims_pax.report.analysis import draw_analysis
from aims_pax.selection import max_atomic_error
from aims_pax.settings.stage import INITIAL

UNBIASED: Final = (FixedSteps.NAME, RandomShare.NAME)
"""Selectors that look at no score: correlations are those of what they had labelled."""

LEAST: Final = 5
"""With fewer labels nothing is said of a correlation."""

WINDOWS: Final = 5
"""Into so many parts of equal size a run is cut, to see how the correlation changes."""

FIGURE: Final = "analysis.png"


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Scores and true errors of the labels of a run, in the order in which they were asked for.

    Parameters
    ----------
    score, error : (n,), eV/Å
        Largest of any atom: the members' deviation (aims-PAX, Eq. 1), and the error of their mean in the same measure.
    trajectory : (n,) int
    is_unbiased : (n,) bool
        Whether the structure was labelled whatever its score.
    """

    score: FloatArray
    error: FloatArray
    trajectory: NDArray[np.int64]
    is_unbiased: NDArray[np.bool_]

    @property
    def correlation(self) -> float | None:
        """Pearson's, of the unbiased ones; None where there are too few."""
        return _pearson(self.score[self.is_unbiased], self.error[self.is_unbiased])

    @property
    def ratio(self) -> float | None:
        """Error over score of the unbiased ones, the geometric mean: 1 where the deviation is the error."""
        score, error = self.score[self.is_unbiased], self.error[self.is_unbiased]
        if len(score) < LEAST or min(score.min(), error.min()) <= 0:
            return None
        return float(np.exp(np.mean(np.log(error / score))))

    def windows(self) -> list[float | None]:
        """The correlation in successive parts of the run."""
        score, error = self.score[self.is_unbiased], self.error[self.is_unbiased]
        parts = zip(np.array_split(score, WINDOWS), np.array_split(error, WINDOWS), strict=True)
        return [_pearson(part_score, part_error) for part_score, part_error in parts]

    def record(self) -> dict[str, Any]:
        """Plain values for summary.json."""
        return {
            "n_labels": len(self.score),
            "n_unbiased": int(self.is_unbiased.sum()),
            "pearson": _rounded(self.correlation),
            "pearson_by_window": [_rounded(one) for one in self.windows()],
            "error_over_score": _rounded(self.ratio),
        }


def analysed(store: RunStore) -> Analysis | None:
    """Scores and errors of active learning, as far as they were kept; None where too few are unbiased."""
    points = [
        point
        for point in store.predicted()
        if point.stage != INITIAL and np.isfinite(point.prediction.max_atomic_deviation)
    ]
    unbiased = [point.source in UNBIASED for point in points]
    if sum(unbiased) < LEAST:
        return None
    return Analysis(
        score=np.array([point.prediction.max_atomic_deviation for point in points]),
        error=np.array([max_atomic_error(point.prediction.forces, point.label.forces) for point in points]),
        trajectory=np.array([point.frame.trajectory for point in points], dtype=np.int64),
        is_unbiased=np.array(unbiased, dtype=np.bool_),
    )


def write_analysis(store: RunStore, folder: Path) -> dict[str, Any] | None:
    """Draw analysis.png, and give what it shows as plain values; None where there is nothing to show."""
    found = analysed(store)
    if found is None:
        return None
    draw_analysis(
        folder / FIGURE,
        score=found.score,
        error=found.error,
        is_unbiased=found.is_unbiased,
        windows=found.windows(),
        correlation=found.correlation,
    )
    return found.record()


def _pearson(score: FloatArray, error: FloatArray) -> float | None:
    if len(score) < LEAST or score.std() == 0 or error.std() == 0:
        return None
    return float(np.corrcoef(score, error)[0, 1])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
