"""Errors that disagreement tells: how they lie, whether intervals hold them, and what a threshold would have found."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.evaluation.detection import LEAST_STRUCTURES, Detection, detect_worst, rank_correlation, tau_of
from aims_pax.frame import FloatArray
from aims_pax.outcome.calibrated.of_run import Told
from aims_pax.outcome.errors.analysis import UNBIASED
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.paper.rates import RatesPanel, draw_rates
from aims_pax.report.style import BLUE, GREEN, INK, ORANGE, PALE_BLUE, legend_above, plain, plain_log
from aims_pax.report.table import Table
from aims_pax.selection.calibration import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {Quantity.ENERGY: ORANGE, Quantity.FORCES: BLUE, Quantity.STRESS: GREEN}

UNITS: Final = {Quantity.ENERGY: "meV/atom", Quantity.FORCES: "meV/Å", Quantity.STRESS: "meV/Å³"}
"""What axes are in: a thousandth of the quantity's unit."""

COMPONENTS: Final = {Quantity.ENERGY: 1, Quantity.FORCES: 3, Quantity.STRESS: 6}
"""Errors that have one deviation in common."""

DENSE: Final = 1500
"""More points than this are drawn as pixels."""


def error_estimates(material: Material) -> Figure | Absent:
    """Errors of the finished models against their deviation, with what is told of them."""
    name, title = "error_estimates", "Errors told by disagreement"
    told = material.told
    if told is None:
        return Absent(name, title, _why(material))
    rules = told.kept.calibration.rules
    quantities = list(rules)
    said = ", ".join(f"{one}: {rules[one].estimate.NAME}" for one in quantities)
    return Figure(
        name=name,
        title=title,
        good="In a good one the points rise with the line, which is the error to expect, and nine of ten or more lie "
        "below the upper edge of the band; a level line says that disagreement tells nothing of the error.",
        table=_table_of(told, quantities),
        panels=tuple(Panel(partial(_points, told=told, quantity=one), height_in=3.8) for one in quantities),
        note=f"The mean of the models on {told.on}, of which they have learned nothing ({said}). Band: bounds of the "
        "errors, 50 to 90 %. A point is a structure; for forces an atom, with the root mean square of its three.",
    )


def coverage(material: Material) -> Figure | Absent:
    """Percent of the errors within the intervals that are to hold 50, 80 and 90 % of them."""
    name, title = "coverage", "Do the intervals hold the errors?"
    if material.told is None:
        return Absent(name, title, _why(material))
    content = material.told.kept.content
    rows = [
        (name_of, one["estimate"], float(level), 100 * held["value"], 100 * held["low"], 100 * held["high"])
        for name_of, one in content["quantities"].items()
        for level, held in one["coverage"].items()
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    names = ("quantity", "estimate", "level_percent", "covered_percent", "low_percent", "high_percent")
    evidence = content["evidence"]
    return Figure(
        name=name,
        title=title,
        good="In a good one every bar crosses the line: intervals hold the share of the errors that they promise; "
        "below it they are too narrow, above it wider than need be.",
        table=Table(dict(zip(names, columns, strict=True))),
        panels=(Panel(lambda axes: _coverage(axes, rows), height_in=3.8),),
        note=f"{evidence['structures']}, each told by a fit without its block of the MD. Bars: 95 % (binomial, by "
        f"structures). {evidence['caution']}".rstrip(),
    )


def detection(material: Material) -> Figure | Absent:
    """True-positive rate and predictive value of deviations against thresholds."""
    name, title = "detection", "Would a threshold find the worst structures?"
    found, on = _scores_and_errors(material)
    enough = {quantity: pair for quantity, pair in found.items() if len(pair[0]) >= LEAST_STRUCTURES}
    if not enough:
        n_known = max((len(score) for score, _ in found.values()), default=0)
        return Absent(name, title, f"There are {n_known} structures that nobody has picked: too few.")
    panels, tables, ranks = [], [], []
    for quantity, (score, error) in enough.items():
        rates = detect_worst(score, error)
        tau = tau_of(score, error, tolerance=rates.tolerance)
        panels.append(Panel(partial(_rates, quantity=quantity, found=rates, tau=tau), height_in=3.8))
        n = len(rates.thresholds)
        tables.append({"quantity": np.full(n, f"{quantity} ({quantity.unit})"), **rates.columns()})
        rank = rank_correlation(score, error)
        ranks.append(f"{quantity} {'unknown' if rank is None else format(rank, '.2f')}")
    return Figure(
        name=name,
        title=title,
        good="In a good one both lines are high where they cross: most structures with large errors lie above the "
        "threshold, and most of what lies above it has a large error. The predictive value of a score that knows "
        "nothing stays on the dashed line.",
        table=Table({key: np.concatenate([one[key] for one in tables]) for key in tables[0]}),
        panels=tuple(panels),
        note=f"{on}; to be found is the quarter with the largest errors. Dotted: tau, the least of these errors times "
        "the slope of deviation over error. Bands: 95 % (binomial). Rank correlation with the error: "
        f"{', '.join(ranks)}.",
    )


def _why(material: Material) -> str:
    """Why there is no calibration, in a sentence."""
    if material.state:
        return "The finished models are calibrated at the end of the run."
    text = ((material.summary or {}).get("calibration") or {}).get("text")
    return (
        f"The run has left no calibration: {text.removeprefix('none: ')}."
        if text
        else "The run has left no calibration."
    )


# -- numbers --------------------------------------------------------------------------------------------------


def _scores_and_errors(material: Material) -> tuple[dict[Quantity, tuple[FloatArray, FloatArray]], str]:
    """Of whole structures: by the finished models; else of each random one's worst atom before it was learned from."""
    if material.told is None:
        rows = () if material.before is None else material.before.rows
        known = [row for row in rows if row.source in UNBIASED and np.isfinite(row.deviation)]
        score = np.array([row.deviation for row in known])
        error = np.array([float(row.atomic_error.max()) for row in known])
        return {Quantity.FORCES: (score, error)}, f"Of {len(known)} random structures the worst atom, before its label"
    found = {}
    for quantity in (Quantity.FORCES, Quantity.ENERGY):
        residuals = material.told.evidence.residuals(quantity)
        squares = [residuals.mean_by_structure(values**2) for values in (residuals.score, residuals.error)]
        found[quantity] = (np.sqrt(squares[0]), np.sqrt(squares[1]))
    return found, f"The mean of the finished models on {material.told.on}, root mean squares of each"


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """What is drawn of one quantity: of each structure, or of each atom for forces; in the quantity's unit.

    Parameters
    ----------
    label_id : (n,) int
    deviation, error, expected : (n,)
        The error is the root mean square over components.
    bounds : (n_levels, n)
        Of a component.
    """

    label_id: NDArray[np.int64]
    deviation: FloatArray
    error: FloatArray
    expected: FloatArray
    bounds: FloatArray

    @classmethod
    def of(cls, told: Told, quantity: Quantity) -> "_Points":
        rule = told.kept.calibration.rules[quantity]
        residuals = told.evidence.residuals(quantity, by=rule.by)
        every = slice(None, None, COMPONENTS[quantity])
        score, n_atoms = residuals.score[every], residuals.n_atoms[every]
        ids = np.array([told.label_ids[index] for index in told.evidence.known(quantity, by=rule.by)], dtype=np.int64)
        return cls(
            label_id=ids[residuals.structure[every]],
            deviation=score,
            error=np.sqrt(np.square(residuals.error.reshape(-1, COMPONENTS[quantity])).mean(axis=1)),
            expected=rule.estimate.expected(score, n_atoms),
            bounds=rule.estimate.half_widths(score, n_atoms),
        )


def _table_of(told: Told, quantities: Sequence[Quantity]) -> Table:
    points = {quantity: _Points.of(told, quantity) for quantity in quantities}
    names = [np.full(len(one.error), f"{quantity} ({quantity.unit})") for quantity, one in points.items()]
    rows = list(points.values())
    return Table(
        label_id=np.concatenate([one.label_id for one in rows]),
        quantity=np.concatenate(names),
        deviation=np.concatenate([one.deviation for one in rows]),
        error=np.concatenate([one.error for one in rows]),
        expected_error=np.concatenate([one.expected for one in rows]),
        bound_90_percent=np.concatenate([one.bounds[-1] for one in rows]),
    )


# -- drawing --------------------------------------------------------------------------------------------------


def _points(axes: "Axes", *, told: Told, quantity: Quantity) -> None:
    """Points, the expected error and the band of bounds, of structures of any size at their own."""
    points, unit = _Points.of(told, quantity), UNITS[quantity]
    order = np.argsort(points.deviation)
    x, low, high = 1000 * points.deviation[order], 1000 * points.bounds[0, order], 1000 * points.bounds[-1, order]
    axes.fill_between(x, low, high, color=PALE_BLUE, alpha=0.5, lw=0, label="bounds, 50 to 90 %")
    axes.plot(x, 1000 * points.expected[order], color=INK, lw=1.2, label="expected")
    axes.scatter(
        *(1000 * points.deviation, 1000 * points.error),
        s=10,
        color=COLOURS[quantity],
        alpha=0.6,
        lw=0,
        rasterized=len(x) > DENSE,
    )
    largest = max(float(points.error.max()), float(points.bounds[-1].max()))
    least = np.quantile(points.error[points.error > 0], 0.01) if points.error.any() else largest / 100
    axes.set(xscale="log", yscale="log", ylim=(500 * float(least), 1500 * largest))
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    by = told.kept.calibration.rules[quantity].by
    axes.set(title=str(quantity).capitalize(), ylabel=f"error of the mean ({unit})")
    axes.set_xlabel(f"deviation of the {by} ({UNITS[by]})")
    legend_above(axes)


def _coverage(axes: "Axes", rows: Sequence[tuple[str, str, float, float, float, float]]) -> None:
    axes.plot([0, 100], [0, 100], color=INK, lw=0.8)
    quantities = list(dict.fromkeys(name for name, *_ in rows))
    for place, name in enumerate(quantities):
        own = [row for row in rows if row[0] == name]
        levels = np.array([row[2] for row in own]) + 1.6 * (place - (len(quantities) - 1) / 2)
        covered, low, high = (np.array([row[column] for row in own]) for column in (3, 4, 5))
        axes.errorbar(
            *(levels, covered),
            yerr=[np.maximum(covered - low, 0.0), np.maximum(high - covered, 0.0)],
            color=COLOURS[Quantity(name)],
            lw=0,
            elinewidth=1.6,
            marker="o",
            ms=5,
            label=name,
        )
    axes.set(xlim=(40, 100), ylim=(20, 102), title="Held against promised", xlabel="promised (%)", ylabel="held (%)")
    legend_above(axes)


def _rates(axes: "Axes", *, quantity: Quantity, found: Detection, tau: float) -> None:
    draw_rates(
        axes,
        RatesPanel(
            title=f"{str(quantity).capitalize()}: errors above {plain(1000 * found.tolerance)} {UNITS[quantity]}",
            x_label=f"threshold of the deviation ({UNITS[quantity]})",
            thresholds=1000 * found.thresholds,
            true_positive_percent=100 * found.true_positive_rate(),
            predictive_percent=100 * found.predictive_value(),
            base_percent=100 * found.base_rate,
            tau=1000 * tau,
        ),
    )
