"""Which share of the errors is below what, by method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.paper.sheet import printed
from aims_pax.report.properties import COLOURS, MARKERS
from aims_pax.report.style import GREY, MOST_SPANNED, plain, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False)
class CurvesPanel:
    """Errors of one quantity.

    Parameters
    ----------
    title, x_label : str
    shares : (k,), %
    errors : mapping of method to (k,)
        What these shares of its absolute errors are below.
    """

    title: str
    x_label: str
    shares: FloatArray
    errors: Mapping[str, FloatArray]


def draw_cumulative(panels: Sequence[CurvesPanel], stem: Path, *, methods: Sequence[str], marks: Sequence[int]) -> None:
    """A panel for each quantity, with a logarithmic axis, and where each curve passes the marks (%)."""
    from matplotlib.lines import Line2D

    n_columns = 2 if len(panels) in (2, 4) else 3
    with printed(stem, n_panels=len(panels), most_columns=n_columns, height_in=2.2) as every:
        for axes, panel in zip(every, panels, strict=True):
            _draw(axes, panel, methods, marks)
        if len(methods) > 1:
            handles = [
                Line2D([], [], color=_colour(number), lw=1.3, marker=_marker(number), ms=3.5)
                for number in range(len(methods))
            ]
            every[0].figure.legend(handles, methods, loc="outside lower left", ncols=3)


def _draw(axes: "Axes", panel: CurvesPanel, methods: Sequence[str], marks: Sequence[int]) -> None:
    for mark in marks:
        axes.axhline(mark, color=GREY, lw=0.5, ls=":", zorder=1)
    lowest, highest = np.inf, 0.0
    for number, method in enumerate(methods):
        if method not in panel.errors:
            continue
        errors = panel.errors[method]
        positive = errors > 0
        if not positive.any():
            continue
        lowest = min(lowest, float(np.interp(1.0, panel.shares[positive], errors[positive])))
        highest = max(highest, float(errors.max()))
        axes.plot(errors[positive], panel.shares[positive], color=_colour(number), lw=1.3, zorder=2)
        passed = np.interp(marks, panel.shares, errors)
        if len(methods) == 1:
            for value, mark in zip(passed, marks, strict=True):
                axes.annotate(
                    plain(value),
                    (value, mark),
                    (-4, 1),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=6,
                )
        axes.plot(passed, marks, ls="none", marker=_marker(number), ms=3.5, color=_colour(number), zorder=3)
    axes.set(title=panel.title, xlabel=panel.x_label, ylim=(0, 101))
    axes.set_yticks([0, 20, *marks], ["0", "20", *(f"{mark}" for mark in marks)])
    axes.grid(axis="y", visible=False)
    axes.set_ylabel("% of errors below")
    if highest > 0:
        axes.set_xscale("log")
        lowest = max(lowest, highest / MOST_SPANNED)
        axes.set_xlim(lowest, 1.15 * highest)
        plain_log(axes.xaxis, is_wide=highest > 60 * lowest)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]
