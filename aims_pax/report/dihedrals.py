"""Dihedrals by two models: distributions of each, and maps of two with their clusters (aims-PAX, Fig. 2 d)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.report.style import BLUE, GREEN, GREY, INK, ORANGE, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS: Final = 3
"""Distributions side by side."""

CLUSTERS: Final = (BLUE, GREEN, ORANGE, "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito; more clusters than these begin anew."""

MOST_POINTS: Final = 4000
"""Of a map, evenly taken: more hide each other."""

BEHIND: Final = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75}
"""What numbers stand on, over points."""

TICKS: Final = (-180, -90, 0, 90, 180)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnTurning:
    """One dihedral: shares (2, n) of n bins from -180° by both models, with the bounds of both, and what they say."""

    name: str
    shares: FloatArray
    low: FloatArray
    high: FloatArray
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMap:
    """Two dihedrals by both models.

    Parameters
    ----------
    names : tuple of two str
    angles : tuple of two (n, 2) arrays, rad
        By each model.
    clusters : tuple of two (n,) int arrays
        Of each point; -1 for none.
    centers : (K, 2), rad
    populations : tuple of K (float, float)
    assigned : tuple of two float
        Share of the points that is in a cluster.
    """

    names: tuple[str, str]
    angles: tuple[FloatArray, FloatArray]
    clusters: tuple[IntArray, IntArray]
    centers: FloatArray
    populations: tuple[tuple[float, float], ...]
    assigned: tuple[float, float]


def draw_turnings(turnings: Sequence[DrawnTurning], path: Path, *, models: tuple[str, str], title: str) -> None:
    """A panel for each dihedral: how often each angle was seen, with the 95 % interval as a band."""
    n_columns = min(COLUMNS, len(turnings))
    n_rows = ceil(len(turnings) / n_columns)
    with panels(
        path, n_columns=n_columns, n_rows=n_rows, width_in=3.6 * n_columns + 0.6, height_in=3.0 * n_rows + 0.9
    ) as all_axes:
        for axes, one in zip(all_axes, turnings, strict=False):
            edges = np.linspace(-180, 180, one.shares.shape[1] + 1)
            for share, low, high, colour, model in zip(
                one.shares, one.low, one.high, (BLUE, ORANGE), models, strict=True
            ):
                axes.stairs(100 * high, edges, baseline=100 * low, fill=True, color=colour, alpha=0.18, lw=0)
                axes.stairs(100 * share, edges, baseline=None, color=colour, lw=1.5, label=model)
            axes.set(title=f"{one.name}\n{one.words}", xlabel="angle (degrees)", xlim=(-180, 180), xticks=TICKS)
            axes.set_ylim(bottom=0.0)
        for axes in all_axes[len(turnings) :]:
            axes.set_axis_off()
        for axes in all_axes[::n_columns]:
            axes.set_ylabel("share of the time (% per 10°)")
        figure = all_axes[0].figure
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2)


def draw_maps(maps: Sequence[DrawnMap], path: Path, *, models: tuple[str, str], title: str) -> None:
    """A row for each map, a column for each model: points in the colours of their clusters, and their populations."""
    with panels(path, n_columns=2, n_rows=len(maps), width_in=8.4, height_in=3.9 * len(maps) + 0.5) as all_axes:
        for row, one in enumerate(maps):
            for column, model in enumerate(models):
                axes = all_axes[2 * row + column]
                _points(axes, one, column)
                axes.set(xlim=(-180, 180), ylim=(-180, 180), xticks=TICKS, yticks=TICKS, aspect="equal")
                axes.set(xlabel=f"{one.names[0]} (degrees)", ylabel=f"{one.names[1]} (degrees)")
                if row == 0:
                    axes.set_title(model)
        all_axes[0].figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, fontweight="bold")


def _points(axes: "Axes", one: DrawnMap, column: int) -> None:
    """Points of one model; each population stands at the center of its cluster, the assigned share in the corner."""
    angles, clusters = np.degrees(one.angles[column]), one.clusters[column]
    chosen = np.linspace(0, len(angles) - 1, min(MOST_POINTS, len(angles))).astype(np.int64)
    colours = np.array([CLUSTERS[cluster % len(CLUSTERS)] if cluster >= 0 else GREY for cluster in clusters[chosen]])
    axes.scatter(angles[chosen, 0], angles[chosen, 1], s=3, c=colours, alpha=0.35, lw=0, rasterized=True)
    for center, populations in zip(np.degrees(one.centers), one.populations, strict=True):
        place = np.clip(center, -150, 150)
        axes.annotate(
            f"{100 * populations[column]:.0f} %",
            place,
            ha="center",
            va="center",
            fontweight="bold",
            color=INK,
            bbox=BEHIND,
        )
    words = f"{100 * one.assigned[column]:.0f} % in clusters"
    axes.text(0.02, 0.02, words, transform=axes.transAxes, color=GREY, va="bottom", bbox=BEHIND)
