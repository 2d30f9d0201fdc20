"""Molecular dynamics as it was watched: temperature, deviation and strain against time, failures marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, GREY, INK, ORANGE, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED_PS: Final = 0.25
"""Temperatures of few atoms are shown as a mean over this time: their fluctuation is not what is looked for."""

FAR_STRAIN: Final = 2.2
"""Longer bonds are drawn at this length: how far off an atom flew is no matter."""


@dataclass(frozen=True, slots=True, eq=False)
class RunTrace:
    """One run.

    Parameters
    ----------
    time_ps, temperature_k, strain : (n,)
        Strain: longest bond in lengths at the start; NaN where there are no bonds.
    deviation_time_ps, deviation_ev_per_ang : (m,)
    failure : str or None
        What ended it, in a word.
    """

    time_ps: FloatArray
    temperature_k: FloatArray
    strain: FloatArray
    deviation_time_ps: FloatArray
    deviation_ev_per_ang: FloatArray
    failure: str | None = None


def draw_stability(runs: Sequence[RunTrace], path: Path, *, title: str) -> None:
    """Three panels with a line for each run; runs that failed stand out and end with a cross.

    Parameters
    ----------
    runs : sequence of RunTrace
        At least one.
    path : Path
    title : str
    """
    with panels(path, n_columns=3, width_in=12.0, height_in=3.9) as (temperature, deviation, strain):
        for run in sorted(runs, key=lambda run: run.failure is not None):
            _line(temperature, run, run.time_ps, _smoothed(run.time_ps, run.temperature_k))
            _line(deviation, run, run.deviation_time_ps, run.deviation_ev_per_ang)
            _line(strain, run, run.time_ps, np.minimum(run.strain, FAR_STRAIN))
        temperature.set(title="Temperature", xlabel="time (ps)", ylabel="kinetic temperature (K)")
        deviation.set(title="Committee deviation", xlabel="time (ps)", ylabel="of the forces (eV/Å)")
        strain.set(title="Longest bond", xlabel="time (ps)", ylabel="length over usual length")
        for axes in (temperature, deviation, strain):
            axes.set_xlim(left=0.0)
        for axes in (temperature, deviation):
            axes.set_ylim(bottom=0.0)
        _end_strain(strain, runs)
        if not any(len(run.deviation_time_ps) for run in runs):
            _say_nothing(deviation, "one model: no deviation")
        _legend(strain, runs)
        temperature.figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")


def _line(axes: "Axes", run: RunTrace, x: FloatArray, y: FloatArray) -> None:
    failed = run.failure is not None
    axes.plot(x, y, color=ORANGE if failed else BLUE, lw=1.2 if failed else 0.8, alpha=0.95 if failed else 0.45)
    if failed and len(x) and np.isfinite(y[-1]):
        axes.plot(x[-1:], y[-1:], color=ORANGE, marker="X", ms=8, mec="white", mew=0.8, zorder=5, clip_on=False)


def _end_strain(axes: "Axes", runs: Sequence[RunTrace]) -> None:
    """The axis, and where a bond counts as broken."""
    seen = np.concatenate([run.strain[np.isfinite(run.strain)] for run in runs])
    if not len(seen):
        _say_nothing(axes, "no bonds of molecules")
        return
    axes.axhline(1.5, color=GREY, lw=0.9, ls=(0, (4, 3)))
    axes.text(
        0.99, 1.5, "broken if it stays", transform=axes.get_yaxis_transform(), ha="right", va="bottom", color=GREY
    )
    axes.set_ylim(min(1.0, float(seen.min())), min(FAR_STRAIN, max(1.6, 1.05 * float(seen.max()))))


def _say_nothing(axes: "Axes", words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _legend(axes: "Axes", runs: Sequence[RunTrace]) -> None:
    from matplotlib.lines import Line2D

    handles: list[Line2D] = []
    words: list[str] = []
    if any(run.failure is None for run in runs):
        handles, words = [Line2D([], [], color=BLUE, lw=1.6, alpha=0.6)], ["held"]
    for failure in sorted({run.failure for run in runs if run.failure is not None}):
        handles.append(Line2D([], [], color=ORANGE, lw=1.6, marker="X", mec="white"))
        words.append(failure)
    axes.figure.legend(handles, words, loc="outside upper right", ncols=len(words))


def _smoothed(times: FloatArray, values: FloatArray) -> FloatArray:
    """A running mean over SMOOTHED_PS, shorter at the beginning."""
    if len(times) < 2:
        return values
    n = max(1, round(SMOOTHED_PS / float(np.median(np.diff(times)))))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(1, len(values) + 1) - n, 0)
    smoothed: FloatArray = (sums[1:] - sums[first]) / (np.arange(1, len(values) + 1) - first)
    return smoothed
