"""Functions of structures by two methods, over each other, with their 95 % intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, INK, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS: Final = 3

OF_METHODS: Final = (BLUE, INK)
"""Colours of the first method, and of what it is compared with."""

COUNTED: Final = ("neighbours", "atoms of a ring")
"""Axes whose places are whole numbers."""

LEAST_SHOWN: Final = 1e-4
"""Of the largest value: places of whole numbers where both are below are not shown."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFunction:
    """One function.

    Parameters
    ----------
    title, x_label, y_label : str
    x : (n,)
    values : tuple of two (n,)
        By both methods.
    half_widths : tuple of two (n,)
        Half of their 95 % intervals.
    """

    title: str
    x_label: str
    y_label: str
    x: FloatArray
    values: tuple[FloatArray, FloatArray]
    half_widths: tuple[FloatArray, FloatArray]


def draw_functions(drawn: Sequence[DrawnFunction], path: Path, *, methods: tuple[str, str], title: str) -> None:
    """A panel for each function: the second method in ink, the first in blue; bands are 95 % intervals."""
    from matplotlib.lines import Line2D

    n_columns = min(MOST_COLUMNS, len(drawn))
    n_rows = ceil(len(drawn) / n_columns)
    with panels(
        path, n_columns=n_columns, n_rows=n_rows, width_in=0.8 + 3.7 * n_columns, height_in=0.8 + 2.6 * n_rows
    ) as all_axes:
        for axes, one in zip(all_axes, drawn, strict=False):
            draw_function(axes, one)
        for axes in all_axes[len(drawn) :]:
            axes.set_axis_off()
        figure = all_axes[0].figure
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")
        handles = [Line2D([], [], color=colour, lw=2.0) for colour in OF_METHODS]
        figure.legend(handles, methods, loc="outside lower left", ncols=2)


def draw_function(axes: "Axes", one: DrawnFunction) -> None:
    """One function by both methods."""
    is_counted = one.x_label in COUNTED
    most = max(float(mean.max()) for mean in one.values) or 1.0
    seen = np.any([mean > LEAST_SHOWN * most for mean in one.values], axis=0)
    drawn = list(zip(one.values, one.half_widths, OF_METHODS, strict=True))
    for number, (mean, error, colour) in reversed(list(enumerate(drawn))):
        if is_counted:
            places = one.x[seen] + (0.2 if number else -0.2)
            axes.bar(places, mean[seen], width=0.36, color=colour, yerr=error[seen], ecolor="#8A8A8A")
        else:
            axes.fill_between(one.x, mean - error, mean + error, color=colour, alpha=0.25, lw=0)
            axes.plot(one.x, mean, color=colour, lw=2.0 if number else 1.1)
    axes.set(title=one.title, xlabel=one.x_label, ylabel=one.y_label)
    axes.set_ylim(bottom=0.0)
    if is_counted:
        axes.set_xticks(one.x[seen])
        axes.set_xlim(float(one.x[seen].min()) - 2.0, float(one.x[seen].max()) + 2.0)
