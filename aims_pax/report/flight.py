"""The figure of a flight: did the models stay within their tolerances, and how often was it asked?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from aims_pax.learner.checks import Differences
from aims_pax.report.style import BLUE, GREY, INK, ORANGE, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES: Final = {
    "ediff": ("energy", "meV/atom"),
    "fmax": ("largest force component", "meV/Å"),
    "frmse": ("forces, RMS", "meV/Å"),
    "vmax": ("virial", "meV/atom"),
}
"""Words and unit of each difference for a person, who reads thousandths."""

HEADROOM: Final = 1.4
"""Of the largest value, for the legend above it."""


class Compared(Protocol):
    """One comparison with the reference."""

    @property
    def step(self) -> int: ...

    @property
    def differences(self) -> Differences: ...

    @property
    def interval(self) -> int: ...

    @property
    def learned(self) -> bool: ...

    @property
    def trajectory(self) -> int: ...


def draw_flight(path: Path, checks: Sequence[Compared], tolerances: Mapping[str, float | None]) -> None:
    """Errors at checks over the steps, a panel for each that has a tolerance, and the intervals between checks.

    Parameters
    ----------
    path : Path
    checks : sequence
    tolerances : mapping of str to float or None
        By the names of :class:`~aims_pax.learner.checks.Differences`.
    """
    names = [name for name, limit in tolerances.items() if limit is not None]
    with panels(path, n_columns=len(names) + 1, width_in=4.1 * (len(names) + 1), height_in=3.6) as (*errors, intervals):
        for axes, name in zip(errors, names, strict=True):
            draw_differences(axes, checks=checks, name=name, limit=tolerances[name] or 0.0)
        draw_intervals(intervals, checks=checks)


def draw_differences(axes: "Axes", *, checks: Sequence[Compared], name: str, limit: float) -> None:
    """One kind of errors over the steps, and their tolerance."""
    steps = np.array([check.step for check in checks])
    learned = np.array([check.learned for check in checks], dtype=bool)
    told = [getattr(check.differences, name) for check in checks]
    found = 1000 * np.array([np.nan if one is None else one for one in told])
    axes.axhline(1000 * limit, color=INK, lw=0.9)
    axes.scatter(steps[~learned], found[~learned], s=16, color=BLUE, lw=0, label="checked")
    axes.scatter(steps[learned], found[learned], s=24, color=ORANGE, lw=0, label="then learned")
    words, unit = MEASURES[name]
    axes.set(title=f"Error of the {words}", xlabel="MD step", ylabel=f"{words} ({unit})")
    axes.set_ylim(0, HEADROOM * max([1000 * limit, *found[np.isfinite(found)]]))
    axes.annotate(
        "tolerance", (1.0, 1000 * limit), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY
    )
    axes.legend(loc="upper left", ncols=2)


def draw_intervals(axes: "Axes", *, checks: Sequence[Compared]) -> None:
    """Steps from each check to the next, a line for each trajectory."""
    trajectories = sorted({check.trajectory for check in checks})
    for index in trajectories:
        own = [check for check in checks if check.trajectory == index]
        label = "one line for each trajectory" if index == trajectories[0] else None
        axes.plot(
            [check.step for check in own],
            [check.interval for check in own],
            color=BLUE,
            marker="o",
            ms=3.5 if len(trajectories) == 1 else 2.0,
            lw=0.9,
            alpha=1.0 if len(trajectories) == 1 else 0.5,
            label=label,
        )
    axes.set(title="Steps to the next check", xlabel="MD step", ylabel="interval (steps)")
    axes.set_ylim(bottom=0)
    if len(trajectories) > 1:
        axes.legend(loc="upper left")
