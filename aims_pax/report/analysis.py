"""The figure of an analysis: is the committee unsure where it is wrong?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, GREY, INK, ORANGE, legend_above, panels, raise_title


def draw_analysis(
    path: Path,
    *,
    score: FloatArray,
    error: FloatArray,
    is_unbiased: NDArray[np.bool_],
    windows: Sequence[float | None],
    correlation: float | None,
) -> None:
    """Error and deviation over the run; one against the other; their correlation in parts of the run.

    Parameters
    ----------
    path : Path
    score, error : (n,), eV/Å
        In the order in which labels were asked for.
    is_unbiased : (n,) bool
        Whether a structure was labelled whatever its score.
    windows : sequence of float or None
        Pearson's correlation of the unbiased ones in successive parts of the run.
    correlation : float or None
        Of all of them.
    """
    with panels(path, n_columns=3, width_in=12.0, height_in=3.9) as (course, scatter, parts):
        number = np.arange(1, len(score) + 1)
        course.plot(number, error, color=ORANGE, lw=0, marker="o", ms=3.5, label="true error")
        course.plot(number, score, color=BLUE, lw=0, marker="o", ms=3.5, label="deviation")
        course.set(
            title="While the committee learns", xlabel="label of active learning", ylabel="largest of any atom (eV/Å)"
        )
        course.set_yscale("log")
        legend_above(course)
        scatter.scatter(score[~is_unbiased], error[~is_unbiased], s=14, color=GREY, alpha=0.5, lw=0, label="picked")
        scatter.scatter(score[is_unbiased], error[is_unbiased], s=22, color=BLUE, lw=0, label="not picked for it")
        both = np.concatenate([score, error])
        ends = np.array([both[both > 0].min() / 1.2, both.max() * 1.2])
        scatter.plot(ends, ends, color=INK, lw=0.8)
        scatter.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        told = "too few for a correlation" if correlation is None else f"correlation {correlation:.2f}"
        scatter.set(title=f"Unsure where it is wrong? {told}", xlabel="deviation before the label (eV/Å)")
        scatter.set_ylabel("true error (eV/Å)")
        legend_above(scatter)
        known = [(index + 1, value) for index, value in enumerate(windows) if value is not None]
        if known:
            parts.bar([part for part, _ in known], [value for _, value in known], color=BLUE, width=0.7)
        parts.axhline(0.0, color=INK, lw=0.8)
        parts.set(title="Correlation over the run", xlabel="part of the run", ylabel="Pearson correlation")
        raise_title(parts)
        parts.set(ylim=(-1, 1), xlim=(0.4, len(windows) + 0.6), xticks=range(1, len(windows) + 1))
