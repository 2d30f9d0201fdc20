"""The figure of a plan: how long it takes, and how well workers are used, by their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.frame import FloatArray, IntArray
from aims_pax.report.style import BLUE, GREEN, GREY, ORANGE, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False)
class PlanCurve:
    """One campaign on different numbers of workers.

    Parameters
    ----------
    name : str
        What is different from the other curves: ``32 trajectories``.
    n_workers : (n,)
    makespan_h : (n,), h
    ideal_h : (n,), h
        Labels alone, on workers that never wait.
    busy : (n,)
        Share of their time that the workers compute.
    """

    name: str
    n_workers: IntArray
    makespan_h: FloatArray
    ideal_h: FloatArray
    busy: FloatArray


def draw_plan(curves: Sequence[PlanCurve], path: Path, *, title: str, well_used: float) -> None:
    """Makespan and busy share against workers.

    Parameters
    ----------
    curves : sequence of PlanCurve
        At least one, at most three; the first is the one that was asked for.
    path : Path
    title : str
        What was simulated, in a line.
    well_used : float
        Busy share above which a worker counts as well used; drawn as a line.
    """
    with panels(path, n_columns=2, width_in=9.0, height_in=3.7) as (time_axes, busy_axes):
        asked = curves[0]
        time_axes.plot(asked.n_workers, asked.ideal_h, color=GREY, lw=1.2, ls="--", label="labels alone")
        for curve, color in zip(curves, (BLUE, ORANGE, GREEN), strict=False):
            time_axes.plot(curve.n_workers, curve.makespan_h, color=color, lw=1.8, marker="o", ms=4, label=curve.name)
            busy_axes.plot(curve.n_workers, 100 * curve.busy, color=color, lw=1.8, marker="o", ms=4, label=curve.name)
        busy_axes.axhline(100 * well_used, color=GREY, lw=1.2, ls=":")
        time_axes.set(title="Time until the goal is reached", ylabel="hours")
        time_axes.set_yscale("log")
        busy_axes.set(title="Workers that compute", ylabel="% of the time", ylim=(0, 103))
        _plain_numbers(time_axes)
        for axes in (time_axes, busy_axes):
            axes.set_xscale("log", base=2)
            axes.set_xticks(asked.n_workers, [str(n) for n in asked.n_workers])
            axes.minorticks_off()
            axes.set_xlabel("workers")
        time_axes.legend(loc="lower left")
        time_axes.figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=GREY)


def _plain_numbers(axes: "Axes") -> None:
    """Hours as 1, 2, 5, 10 on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
