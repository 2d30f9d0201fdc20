"""Errors of the models by the round of an exploration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, GREEN, GREY, INK, ORANGE, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS: Final = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
"""In which errors are drawn: thousandths of their own units."""

MOST_TICKS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCourse:
    """Errors of one quantity on one set of structures, by the round.

    Parameters
    ----------
    label : str
        What the set is called.
    rounds : (n,) int
        0 is before the first.
    members : (n, n_members)
        Root mean square errors of each, in the unit of the figure.
    mean : (n,)
        Of the members' mean.
    is_first : bool
        Whether the structures are the same in all rounds: drawn with dashes.
    is_training : bool
        Whether models are trained on them.
    """

    label: str
    rounds: FloatArray
    members: FloatArray
    mean: FloatArray
    is_first: bool = False
    is_training: bool = False


def draw_rounds(courses: Mapping[str, Sequence[ErrorCourse]], path: Path, *, title: str) -> None:
    """A panel for each quantity: each member faint, the members' mean strong.

    Parameters
    ----------
    courses : mapping of str to sequence of ErrorCourse
        By quantity, with at least one course each.
    path : Path
    title : str
    """
    with panels(path, n_columns=len(courses), width_in=4.2 * len(courses), height_in=3.7) as axes:
        for one, (quantity, some) in zip(axes, courses.items(), strict=True):
            draw_course(one, quantity=quantity, courses=some)
            one.set_title(quantity.capitalize())
        handles, labels = axes[0].get_legend_handles_labels()
        axes[0].figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
        axes[0].figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")


def draw_course(axes: "Axes", *, quantity: str, courses: Sequence[ErrorCourse]) -> None:
    """One quantity: each member faint, the members' mean strong."""
    for course in courses:
        _draw(axes, course, GREEN if course.is_training else ORANGE if course.is_first else BLUE)
    axes.set(xlabel="round", ylabel=f"RMSE of {quantity} ({UNITS[quantity]})")
    axes.set_ylim(bottom=0.0)
    numbers = sorted({int(number) for course in courses for number in course.rounds})
    axes.set_xticks(numbers[:: 1 + len(numbers) // MOST_TICKS])


def _draw(axes: "Axes", course: ErrorCourse, color: str) -> None:
    style = (0, (4, 2)) if course.is_first else "-"
    for member in course.members.T:
        axes.plot(course.rounds, member, color=color, lw=0.9, alpha=0.35, ls=style)
    axes.plot(course.rounds, course.mean, color=color, lw=2.2, marker="o", ms=4.5, ls=style, label=course.label)
    if not np.isfinite(course.mean).any():
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=GREY)
