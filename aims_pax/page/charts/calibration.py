"""Is the committee unsure where it is wrong? True errors against what was said before learning."""

from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray
from aims_pax.outcome.errors.analysis import UNBIASED
from aims_pax.page.comparison import blocked_correlation
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREY, INK, ORANGE, legend_above, log_axis, plain_log, raise_title
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DENSE: Final = 1500
"""More points than this are drawn as pixels."""

LEAST: Final = 5
"""With fewer labels there is nothing to see."""

BIN: Final = 6
"""Labels that a point of the calibration needs; at most :data:`MOST_BINS` points."""

MOST_BINS: Final = 8


def error_against_score(material: Material) -> Figure | Absent:
    """True error against deviation, calibration, and both along the run."""
    name, title = "calibration", "True error against deviation"
    rows = [] if material.before is None else [row for row in material.before.rows if np.isfinite(row.deviation)]
    if len(rows) < LEAST:
        return Absent(
            name, title, f"The store holds what the committee said before it learned from {len(rows)} labels: too few."
        )
    deviation = np.array([row.deviation for row in rows])
    error = np.array([float(row.atomic_error.max()) for row in rows])
    unbiased = np.array([row.source in UNBIASED for row in rows], dtype=np.bool_)
    enough = unbiased.sum() >= LEAST
    used = unbiased if enough else np.ones(len(rows), dtype=np.bool_)
    frames = [row.frame for row, is_used in zip(rows, used, strict=True) if is_used]
    found = blocked_correlation(frames, deviation[used], error[used])
    told = "no correlation can be told"
    if found is not None:
        told = f"correlation {found.value:.2f}"
        told += "" if found.low is None else f" (95 %: {found.low:.2f} to {found.high:.2f})"
    of = f"of {used.sum()} labels that were not picked for their deviation" if enough else "of picked labels, mostly"

    return Figure(
        name=name,
        title=title,
        good="In a good one the points rise along the line, for the committee is unsure where it is wrong and by as "
        "much; points above the line are errors that it did not expect.",
        table=Table(
            label_id=np.array([row.label_id for row in rows], dtype=np.int64),
            origin=np.array([row.origin for row in rows], dtype=object),
            trajectory=np.array([row.frame.trajectory for row in rows], dtype=np.int64),
            md_step=np.array([row.frame.md_step for row in rows], dtype=np.int64),
            max_atomic_deviation_ev_per_ang=deviation,
            max_atomic_error_ev_per_ang=error,
            energy_error_ev_per_atom=np.array([row.energy_error_per_atom for row in rows]),
        ),
        panels=(
            Panel(lambda axes: _scatter(axes, deviation, error, unbiased), height_in=3.8),
            Panel(lambda axes: _calibration(axes, deviation[used], error[used]), height_in=3.8),
            Panel(lambda axes: _course(axes, deviation, error), height_in=3.8),
        ),
        note=f"Largest of any atom (aims-PAX, Eq. 1), of {len(rows)} labels before they were learned from; {told}, "
        f"{of}. Intervals: whole trajectories drawn again.",
    )


def _scatter(axes: "Axes", deviation: FloatArray, error: FloatArray, unbiased: BoolArray) -> None:
    is_dense = len(error) > DENSE
    for own, words, size, colour, alpha in (
        (~unbiased, "picked", 12, GREY, 0.5),
        (unbiased, "not picked for it", 16, BLUE, 0.8),
    ):
        if own.any():
            axes.scatter(
                deviation[own], error[own], s=size, color=colour, alpha=alpha, lw=0, label=words, rasterized=is_dense
            )
    _on_equal_axes(axes, np.concatenate([deviation, error]))
    axes.set(title="Each label", xlabel="deviation before (eV/Å)", ylabel="true error (eV/Å)")
    legend_above(axes)


def _calibration(axes: "Axes", deviation: FloatArray, error: FloatArray) -> None:
    """Root mean square of both, in bins of equal numbers of labels."""
    n_bins = max(1, min(MOST_BINS, len(error) // BIN))
    parts = np.array_split(np.argsort(deviation, kind="stable"), n_bins)
    said = np.array([np.sqrt(np.mean(deviation[part] ** 2)) for part in parts])
    true = np.array([np.sqrt(np.mean(error[part] ** 2)) for part in parts])
    axes.plot(said, true, color=BLUE, lw=1.4, marker="o", ms=5)
    _on_equal_axes(axes, np.concatenate([said, true]))
    labels = f"{min(map(len, parts))} labels" if n_bins > 1 else "all labels"
    axes.set(title=f"Calibration, {labels} a point", xlabel="deviation, RMS (eV/Å)", ylabel="true error, RMS (eV/Å)")
    raise_title(axes)


def _course(axes: "Axes", deviation: FloatArray, error: FloatArray) -> None:
    number, is_dense = np.arange(1, len(error) + 1), len(error) > DENSE
    axes.scatter(number, error, s=10, color=ORANGE, lw=0, alpha=0.8, label="true error", rasterized=is_dense)
    axes.scatter(number, deviation, s=10, color=BLUE, lw=0, alpha=0.8, label="deviation", rasterized=is_dense)
    axes.set(title="While the committee learns", xlabel="label, in the order asked for", ylabel="eV/Å")
    log_axis(axes, np.concatenate([deviation, error]))
    legend_above(axes)


def _on_equal_axes(axes: "Axes", values: FloatArray) -> None:
    positive = values[values > 0]
    ends = np.array([positive.min() / 1.3, positive.max() * 1.3]) if len(positive) else np.array([0.01, 1.0])
    axes.plot(ends, ends, color=INK, lw=0.8, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
