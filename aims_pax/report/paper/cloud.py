"""Points, each for itself where they are few, and how many lie in each cell of a grid where they are many."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, GREY, density_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS: Final = 4000
"""That are drawn one by one: more would hide one another, and make a PDF of hundreds of MB."""

N_CELLS: Final = 110
"""Of a grid, along each axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Points, or counts of them.

    Parameters
    ----------
    x, y : (n,)
        Places of points, or the middles of the cells that hold some.
    counts : (n,) or None
        How many points lie in each cell; None of points.
    x_edges, y_edges : (k + 1,), (l + 1,) or None
        Of the cells.
    """

    x: FloatArray
    y: FloatArray
    counts: FloatArray | None = None
    x_edges: FloatArray | None = None
    y_edges: FloatArray | None = None


def cloud_of_counts(counts: FloatArray, x_edges: FloatArray, y_edges: FloatArray) -> Cloud:
    """Of a grid (k, l) that was counted."""
    row, column = np.nonzero(counts)
    x, y = (x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2
    return Cloud(x[row], y[column], counts[row, column], x_edges, y_edges)


def draw_cloud(axes: "Axes", cloud: Cloud, *, colour: str = BLUE) -> None:
    """Points as dots; cells as pixels, the more points the darker, by the logarithm."""
    if cloud.counts is None or cloud.x_edges is None or cloud.y_edges is None:
        size = 4 if len(cloud.x) > 100 else 9
        axes.scatter(cloud.x, cloud.y, s=size, color=colour, alpha=0.5, lw=0, zorder=2, rasterized=len(cloud.x) > 500)
        return
    from matplotlib.colors import LogNorm

    grid = np.full((len(cloud.x_edges) - 1, len(cloud.y_edges) - 1), np.nan)
    places = (
        np.searchsorted(edges, values) - 1 for edges, values in ((cloud.x_edges, cloud.x), (cloud.y_edges, cloud.y))
    )
    grid[tuple(places)] = cloud.counts
    norm = LogNorm(1.0, max(2.0, float(cloud.counts.max())))
    axes.pcolormesh(
        cloud.x_edges, cloud.y_edges, grid.T, norm=norm, cmap=density_colours(), rasterized=True, lw=0, zorder=2
    )


def diagonal(axes: "Axes", low: float, high: float) -> None:
    """Equal axes, with the line on which both are the same."""
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, lw=0.7, zorder=1)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.locator_params(nbins=4)
    axes.set_yticks(axes.get_xticks())
    axes.set(xlim=limits, ylim=limits)
