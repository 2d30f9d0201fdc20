"""Properties of materials by several methods: curves over each other, or how far numbers are from a reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, GREEN, GREY, INK, ORANGE, counting, panels, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

COLOURS: Final = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
MARKERS: Final = ("o", "s", "D", "^", "v", "P")
"""Of models, in their order; the reference is drawn in ink. With a seventh model they begin anew."""

MOST_COLUMNS: Final = 3
"""Of structures that have one panel each."""

MOST_KINDS: Final = 4
"""Panels of one structure side by side; where it has more, they go on below."""

LEAST_SPAN_PERCENT: Final = 1.0
"""What the axis of deviations shows at least, to both sides: smaller ones look as small as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnLine:
    """Curves of one method in one panel.

    Parameters
    ----------
    method : str
    x : (n,)
    y : (n,) or (n, k)
    marks : bool
        Whether they are points that were computed.
    half_width : (n,) or None
        Half of the 95 % interval of each value, drawn as a band, or as bars of points.
    """

    method: str
    x: FloatArray
    y: FloatArray
    marks: bool
    half_width: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPanel:
    """One panel: of one structure, by all methods.

    Parameters
    ----------
    title, x_label, y_label : str
    ticks : sequence of float and str
        Named places of the x axis, in the place of numbers.
    lines : sequence of DrawnLine
    is_logarithmic : bool
        Of both axes.
    """

    title: str
    x_label: str
    y_label: str
    ticks: Sequence[tuple[float, str]]
    lines: Sequence[DrawnLine]
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Methods:
    """Who is drawn, and how: models in colours, the reference in ink.

    Parameters
    ----------
    models : tuple of str
    reference : str or None
    """

    models: tuple[str, ...]
    reference: str | None

    def colour(self, method: str) -> str:
        """Of a method."""
        return INK if method == self.reference else COLOURS[self.models.index(method) % len(COLOURS)]

    def marker(self, method: str) -> str:
        """Of a method's points."""
        return "o" if method == self.reference else MARKERS[self.models.index(method) % len(MARKERS)]


def draw_curves(rows: Sequence[Sequence[DrawnPanel]], path: Path, *, title: str, methods: Methods) -> None:
    """Panels by structure (rows) and kind (columns).

    Parameters
    ----------
    rows : sequence of sequences of DrawnPanel
        Not empty, nor any of them.
    """
    n_kinds = max(map(len, rows))
    n_columns = min(len(rows), MOST_COLUMNS) if n_kinds == 1 else min(n_kinds, MOST_KINDS)
    n_rows = ceil(len(rows) / n_columns) if n_kinds == 1 else sum(ceil(len(row) / n_columns) for row in rows)
    size = {"width_in": 2.0 + 4.4 * n_columns, "height_in": 0.7 + 3.5 * n_rows}
    with panels(path, n_columns=n_columns, n_rows=n_rows, **size) as every:
        first, used = 0, set[int]()
        for row in rows:
            for place, panel in enumerate(row, start=first):
                draw_panel(every[place], panel, methods)
                if panel.y_label == row[0].y_label and panel.x_label != row[0].x_label:
                    every[place].set_ylim(every[first].get_ylim())  # one axis, seen twice: bands beside their density
                used.add(place)
            first += len(row) if n_kinds == 1 else n_columns * ceil(len(row) / n_columns)
        for place in set(range(len(every))) - used:
            every[place].set_axis_off()
        shown = {line.method for row in rows for panel in row for line in panel.lines}
        _head(every[0], title, methods, shown)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnNumbers:
    """Numbers that have one axis.

    Parameters
    ----------
    x_label : str
    names : sequence of str
        What is counted, from the top.
    values : mapping of str to sequence of float or None
        By method, in the order of `names`.
    half_widths : mapping of str to sequence of float or None
        Half of their 95 % intervals, of methods that have some.
    """

    x_label: str
    names: Sequence[str]
    values: Mapping[str, Sequence[float | None]]
    half_widths: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def draw_numbers(groups: Sequence[DrawnNumbers], path: Path, *, title: str, methods: Methods) -> None:
    """Numbers of one property as points, one line a number: how far they are from the reference, or what they are.

    Parameters
    ----------
    groups : sequence of DrawnNumbers
        One of deviations where there is a reference; else one for each unit.
    """
    counts = [len(group.names) for group in groups]
    with sheet(7.5, 1.0 + 0.34 * sum(counts) + 0.6 * len(groups)) as figure:
        every = figure.subplots(len(groups), 1, squeeze=False, height_ratios=counts).ravel()
        for axes, group in zip(every, groups, strict=True):
            draw_group(axes, group, methods)
        pairs = [pair for group in groups for pair in group.values.items()]
        shown = {method for method, some in pairs if any(one is not None for one in some)}
        _head(every[0], title, methods, shown, is_points=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def draw_group(axes: "Axes", group: DrawnNumbers, methods: Methods) -> None:
    """Numbers of one axis as points, one line a number."""
    places = np.arange(len(group.names))
    for number, (method, values) in enumerate(group.values.items()):
        shift = 0.16 * (number - (len(group.values) - 1) / 2)
        known = [(value, place + shift) for value, place in zip(values, places, strict=True) if value is not None]
        axes.plot(
            [value for value, _ in known],
            [place for _, place in known],
            ls="none",
            marker=methods.marker(method),
            ms=6.5,
            mec="white",
            mew=0.8,
            color=methods.colour(method),
            zorder=3,
        )
        bars = zip(values, group.half_widths.get(method, ()), places, strict=False)
        for value, half, place in bars:
            if value is not None and half is not None:
                axes.plot([value - half, value + half], [place + shift] * 2, color=methods.colour(method), lw=1.0)
    axes.set_yticks(places, group.names)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.12)
    axes.set_xlabel(group.x_label)
    if methods.reference is not None:
        axes.axvline(0.0, color=INK, lw=1.2, zorder=2)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -LEAST_SPAN_PERCENT), max(high, LEAST_SPAN_PERCENT))


def draw_panel(axes: "Axes", panel: DrawnPanel, methods: Methods) -> None:
    """Curves of all methods in one pair of axes, those of the reference beneath."""
    for line in sorted(panel.lines, key=lambda one: one.method != methods.reference):
        is_reference = line.method == methods.reference
        colour = methods.colour(line.method)
        if line.marks:
            axes.plot(
                line.x,
                line.y,
                ls="none",
                marker=methods.marker(line.method),
                ms=6.5 if is_reference else 4.5,
                mfc="white" if is_reference else colour,
                mec=colour,
                mew=1.2 if is_reference else 0.5,
            )
            if line.half_width is not None:
                axes.errorbar(line.x, line.y, yerr=line.half_width, fmt="none", ecolor=colour, elinewidth=0.8)
        else:
            axes.plot(line.x, line.y, color=colour, lw=2.0 if is_reference else 1.2)
            if line.half_width is not None:
                least = 0.0 if np.all(line.y >= 0.0) else -np.inf  # what is nowhere negative has no band below zero
                low, high = np.maximum(line.y - line.half_width, least), line.y + line.half_width
                axes.fill_between(line.x, low, high, color=colour, alpha=0.2, lw=0)
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    if panel.is_logarithmic:
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    if all(np.array_equal(line.x, np.round(line.x)) for line in panel.lines):  # counts, such as of neighbours
        counting(axes.xaxis)
    if panel.ticks:
        _name_places(axes, panel.ticks)
    if not panel.lines:
        axes.text(0.5, 0.5, "no numbers", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _name_places(axes: "Axes", ticks: Sequence[tuple[float, str]]) -> None:
    axes.set_xticks([place for place, _ in ticks], [name for _, name in ticks])
    axes.set_xlim(ticks[0][0], ticks[-1][0])
    axes.grid(axis="x", color=GREY, lw=0.6)
    axes.axhline(0.0, color=GREY, lw=0.8)


def legend_handles(methods: Methods, shown: set[str], *, is_points: bool = False) -> "tuple[list[Line2D], list[str]]":
    """What a legend shows of some methods, and their names, models first."""
    from matplotlib.lines import Line2D

    order = [*methods.models, *([methods.reference] if methods.reference else [])]
    known = [one for one in order if one in shown]
    handles = [
        Line2D(
            [],
            [],
            color=methods.colour(one),
            lw=0.0 if is_points else 2.0,
            marker=methods.marker(one) if is_points else "none",
        )
        for one in known
    ]
    return handles, known


def _head(axes: "Axes", title: str, methods: Methods, shown: set[str], *, is_points: bool = False) -> None:
    """Title and legend of the whole figure."""
    handles, known = legend_handles(methods, shown, is_points=is_points)
    axes.figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")
    axes.figure.legend(handles, known, loc="outside lower left", ncols=min(4, max(1, len(known))))
