"""Functions of structures by two methods, over each other, with what blocks of runs spread."""

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
    values : tuple of two (n_blocks, n)
        By both methods.
    """

    title: str
    x_label: str
    y_label: str
    x: FloatArray
    values: tuple[FloatArray, FloatArray]


def draw_functions(drawn: Sequence[DrawnFunction], path: Path, *, methods: tuple[str, str], title: str) -> None:
    """A panel for each function: the second method in ink, the first in blue; bands are twice the standard errors."""
    from matplotlib.lines import Line2D

    n_columns = min(MOST_COLUMNS, len(drawn))
    n_rows = ceil(len(drawn) / n_columns)
    with panels(
        path, n_columns=n_columns, n_rows=n_rows, width_in=0.8 + 3.7 * n_columns, height_in=0.8 + 2.6 * n_rows
    ) as all_axes:
        for axes, one in zip(all_axes, drawn, strict=False):
            _draw(axes, one)
        for axes in all_axes[len(drawn) :]:
            axes.set_axis_off()
        figure = all_axes[0].figure
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")
        handles = [Line2D([], [], color=colour, lw=2.0) for colour in (BLUE, INK)]
        figure.legend(handles, methods, loc="outside lower left", ncols=2)


def _draw(axes: "Axes", one: DrawnFunction) -> None:
    is_counted = one.x_label in COUNTED
    most = max(float(values.mean(axis=0).max()) for values in one.values) or 1.0
    seen = np.any([values.mean(axis=0) > LEAST_SHOWN * most for values in one.values], axis=0)
    for number, (values, colour) in reversed(list(enumerate(zip(one.values, (BLUE, INK), strict=True)))):
        mean = values.mean(axis=0)
        error = 2 * values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.zeros(len(mean))
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
