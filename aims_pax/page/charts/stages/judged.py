"""Was a frame as wrong as its deviation said? Labels of an exploration, by the round that asked for them."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray, IntArray
from aims_pax.learner.exploration import Beyond, Exploration
from aims_pax.outcome.explored import JudgedFrame, missed_in
from aims_pax.page.charts.seen import PALEST, ROUND_COLOURS
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.exploration import UNITS
from aims_pax.report.style import GREY, INK, legend_above, plain_log
from aims_pax.report.table import Table
from aims_pax.selection.calibration import Quantity
from aims_pax.stages.exploring.telling import missed_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME: Final = "errors_by_deviation"
TITLE: Final = "Errors against deviations of explored frames"

DENSE: Final = 1500
"""More points than this are drawn as pixels."""

MOST_NAMED: Final = 6
"""Rounds that are named one by one; of more, the first and the last are."""


def errors_by_deviation(material: Material) -> Figure | Absent | None:
    """Error of each labelled frame before it was learned, with slope, tolerance and threshold; None without rounds."""
    if not material.explorations:
        return None
    name, state = list(material.explorations.items())[-1]
    frames = [one for one in material.judged if one.stage == name]
    beyond = [(Quantity(one.quantity), one) for one in _last_judged(state)]
    shown = [(quantity, one) for quantity, one in beyond if _known(frames, quantity).any()]
    if not shown:
        return Absent(NAME, TITLE, "No frame was labelled of which all members had said something.")
    return Figure(
        name=NAME,
        title=TITLE,
        good="In a good one the points lie along the line: errors are as large as was expected. What is above the "
        "level line and left of the upright one is wrong beyond the tolerance and was not found.",
        table=_table(frames, beyond),
        panels=tuple(Panel(partial(_draw, frames=frames, beyond=one), height_in=3.8) for _, one in shown),
        note=f"Of {name}: {len(frames)} labels, by what was said before they were learned; a ring is a frame drawn at "
        f"random from all. Line: slope of the last round, dotted: tolerance and threshold. {_rates(state)}",
    )


def _last_judged(state: Exploration) -> tuple[Beyond, ...]:
    """Of the last round whose frames were judged."""
    return next((one.beyond for one in reversed(state.rounds) if one.beyond), ())


def _rates(state: Exploration) -> str:
    """What thresholds have found and missed, of all rounds together."""
    missed = [missed_words(one) for one in missed_in(state.rounds)]
    if missed:
        return f"By the thresholds of their rounds: {'. '.join(missed)}."
    truths = [one for each in state.rounds for one in each.truths]
    rates = []
    for quantity in dict.fromkeys(one.quantity for one in truths):
        own = [one for one in truths if one.quantity == quantity]
        rates.append(f"{quantity} {sum(one.n_beyond for one in own)} of {sum(one.n_labelled for one in own)}")
    told = f"Truly beyond the tolerance: {', '.join(rates)}. " if rates else ""
    return f"{told}What thresholds miss is known where num_random_frames has other frames labelled, too."


def _values(frames: Sequence[JudgedFrame], quantity: Quantity) -> tuple[FloatArray, FloatArray]:
    """Deviations and errors (n,), in the quantity's unit; NaN where a structure has none."""
    pairs = [(one.deviation.of(quantity), one.error.of(quantity)) for one in frames]
    values = np.array([[np.nan if value is None else value for value in pair] for pair in pairs]).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def _known(frames: Sequence[JudgedFrame], quantity: Quantity) -> BoolArray:
    """Of which both can be drawn on logarithmic axes."""
    deviations, errors = _values(frames, quantity)
    positive: BoolArray = np.isfinite(deviations) & np.isfinite(errors) & (deviations > 0) & (errors > 0)
    return positive


def _draw(axes: "Axes", frames: Sequence[JudgedFrame], beyond: Beyond) -> None:
    from matplotlib import colormaps

    quantity = Quantity(beyond.quantity)
    known = _known(frames, quantity)
    deviations, errors = (1000 * values[known] for values in _values(frames, quantity))
    rounds: IntArray = np.array([one.round for one in frames], dtype=np.int64)[known]
    is_random = np.array([one.is_random for one in frames], dtype=np.bool_)[known]
    numbers = np.unique(rounds)
    scale = colormaps[ROUND_COLOURS](np.linspace(0.0, PALEST, len(numbers)))
    for number, colour in zip(numbers.tolist(), scale, strict=True):
        own = rounds == number
        is_named = len(numbers) <= MOST_NAMED or number in (numbers[0], numbers[-1])
        axes.scatter(
            *(deviations[own], errors[own]),
            s=15,
            lw=0,
            alpha=0.8,
            color=tuple(map(float, colour)),
            label=f"round {number}" if is_named else None,
            rasterized=len(errors) > DENSE,
        )
    axes.scatter(deviations[is_random], errors[is_random], s=42, facecolors="none", edgecolors=GREY, lw=0.9)
    _lines(axes, deviations, beyond)
    axes.set(xscale="log", yscale="log", title=str(quantity).capitalize())
    axes.set(xlabel=f"deviation ({UNITS[quantity]})", ylabel=f"error ({UNITS[quantity]})")
    for axis, values in ((axes.xaxis, deviations), (axes.yaxis, errors)):
        plain_log(axis, is_wide=bool(values.max() > 50 * values.min()))
    legend_above(axes)


def _lines(axes: "Axes", deviations: FloatArray, beyond: Beyond) -> None:
    """The error that goes with a deviation, what is tolerated of it, and above which deviation it is expected to be."""
    axes.axhline(1000 * beyond.tolerance, color=GREY, lw=1.0, ls=":")
    axes.axvline(1000 * beyond.threshold, color=GREY, lw=1.0, ls=":")
    ends = np.array([min(deviations.min(), 1000 * beyond.threshold), max(deviations.max(), 1000 * beyond.threshold)])
    axes.plot(ends, ends / (beyond.slope or 1.0), color=INK, lw=1.0)


def _table(frames: Sequence[JudgedFrame], beyond: Sequence[tuple[Quantity, Beyond]]) -> Table:
    columns: dict[str, FloatArray] = {}
    for quantity, _ in beyond:
        unit = quantity.unit.replace("/", "_per_").replace("Å", "ang").replace("³", "3").replace("eV", "ev")
        deviations, errors = _values(frames, quantity)
        columns |= {f"{quantity}_deviation_{unit}": deviations, f"{quantity}_error_{unit}": errors}
    return Table(
        label_id=np.array([one.label_id for one in frames], dtype=np.int64),
        round=np.array([one.round for one in frames], dtype=np.int64),
        at_random=np.array([one.is_random for one in frames], dtype=np.bool_),
        **columns,
    )
