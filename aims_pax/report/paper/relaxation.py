"""Relaxations by ionic step: energy, forces and pressure, several of them over each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.paper.sheet import printed
from aims_pax.report.properties import COLOURS
from aims_pax.report.style import GREY, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR_GPA: Final = 50.0
"""Pressures beyond are drawn logarithmically from 1 GPa on."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRelaxation:
    """One relaxation, (n_steps,) each; NaN where there is nothing.

    Parameters
    ----------
    name : str
    energy_difference : meV/atom
        From the step before, without sign.
    mean_force, max_force : eV/Å
    pressure : GPa
    """

    name: str
    energy_difference: FloatArray
    mean_force: FloatArray
    max_force: FloatArray
    pressure: FloatArray


def draw_relaxations(drawn: Sequence[DrawnRelaxation], stem: Path) -> None:
    """Panels for energy, forces and, where there is any, pressure."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    has_pressure = any(np.isfinite(one.pressure).any() for one in drawn)
    with printed(stem, n_panels=3 if has_pressure else 2, most_columns=3, height_in=2.2) as every:
        energy, force = every[:2]
        for number, one in enumerate(drawn):
            colour = COLOURS[number % len(COLOURS)]
            step = np.arange(1, len(one.max_force) + 1)
            energy.plot(step, _positive(one.energy_difference), color=colour, lw=1.0, marker="o", ms=1.8)
            force.plot(step, _positive(one.max_force), color=colour, lw=1.2)
            force.plot(step, _positive(one.mean_force), color=colour, lw=1.0, ls="--")
            if has_pressure:
                every[2].plot(step, one.pressure, color=colour, lw=1.2)
        energy.set(title="energy", ylabel="|change by step| (meV/atom)")
        force.set(title="forces", ylabel="force (eV/Å)")
        lines = [Line2D([], [], color=GREY, lw=1.2), Line2D([], [], color=GREY, lw=1.0, ls="--")]
        force.legend(lines, ("largest", "mean"), loc="upper right")
        if has_pressure:
            every[2].axhline(0.0, color=GREY, lw=0.7)
            every[2].set(title="pressure", ylabel="pressure (GPa)")
            if max(float(np.nanmax(np.abs(one.pressure), initial=0.0)) for one in drawn) > LINEAR_GPA:
                every[2].set_yscale("symlog", linthresh=1.0)  # what a bad start has would hide all that follows
        _logarithmic(energy, [one.energy_difference for one in drawn])
        _logarithmic(force, [values for one in drawn for values in (one.max_force, one.mean_force)])
        for axes in every:
            axes.set_xlabel("ionic step")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
        if len(drawn) > 1:
            handles = [Line2D([], [], color=COLOURS[n % len(COLOURS)], lw=1.3) for n in range(len(drawn))]
            every[0].figure.legend(handles, [one.name for one in drawn], loc="outside lower left", ncols=3)


def _positive(values: FloatArray) -> FloatArray:
    """Without what a logarithmic axis can't show."""
    return np.where(values > 0, values, np.nan)


def _logarithmic(axes: "Axes", values: Sequence[FloatArray]) -> None:
    every = np.concatenate(values)
    positive = every[np.isfinite(every) & (every > 0)]
    if len(positive):
        axes.set_yscale("log")
        plain_log(axes.yaxis, is_wide=bool(positive.max() > 100 * positive.min()))
