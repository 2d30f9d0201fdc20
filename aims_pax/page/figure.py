"""A figure: what it shows in words, its data, and how it is drawn; as a picture, a table, or a part of a page."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.errors import Problem, UserError
from aims_pax.page.svg import themed
from aims_pax.report.style import sheet
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS: Final = 3
"""Panels side by side in a picture."""

WIDEST_IN: Final = 17.0
"""Of a picture; panels that need more room than this side by side stand below one another."""

RASTER_DPI: Final = 150
"""Of what is drawn as pixels within a page: clouds of points that would be megabytes as shapes."""

SUFFIXES: Final = (".png", ".svg", ".csv")


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One pair of axes.

    Parameters
    ----------
    draw : callable
        Draws on the axes that it is given.
    width_in, height_in : float
        A panel of the usual width can be read on a phone; a wider one is moved sideways there.
    """

    draw: "Callable[[Axes], None]"
    width_in: float = 4.6
    height_in: float = 3.4


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Something to look at.

    Parameters
    ----------
    name : str
        Of its files: ``learning_curve``.
    title : str
    good : str
        One sentence: what a good one looks like.
    table : Table
        Its data.
    panels : tuple of Panel
    note : str
        What it was made from, where that is not plain.
    """

    name: str
    title: str
    good: str
    table: Table
    panels: tuple[Panel, ...]
    note: str = ""

    def draw(self, axes: "Axes", panel: int = 0) -> None:
        """Draw one of the panels on axes of your own."""
        self.panels[panel].draw(axes)

    def svg(self, *, prefix: str = "") -> list[str]:
        """Each panel as SVG, to be put into a page: its colours are variables of CSS.

        Parameters
        ----------
        prefix : str
            For names within it, where several runs have this figure on one page.
        """
        names = [f"{prefix}{self.name}{n}-" for n in range(len(self.panels))]
        return [themed(_drawn(one, "svg").decode(), prefix=name) for one, name in zip(self.panels, names, strict=True)]

    def png(self) -> bytes:
        """All panels as one picture, on white."""
        widest = max(panel.width_in for panel in self.panels)
        n_columns = max(1, min(MOST_COLUMNS, len(self.panels), int(WIDEST_IN // widest)))
        rows = [self.panels[first : first + n_columns] for first in range(0, len(self.panels), n_columns)]
        width = max(sum(panel.width_in for panel in row) for row in rows)
        heights = [max(panel.height_in for panel in row) for row in rows]
        with sheet(width, sum(heights) + 0.3) as figure:
            figure.suptitle(self.title, x=0.01, ha="left", fontsize=11, fontweight="bold")
            grid = figure.add_gridspec(
                len(rows), n_columns, height_ratios=heights, width_ratios=[panel.width_in for panel in rows[0]]
            )
            for n, panel in enumerate(self.panels):
                panel.draw(figure.add_subplot(grid[n // n_columns, n % n_columns]))
            return _saved(figure, "png")

    def save(self, path: str | Path) -> Path:
        """Write it as ``.png``, as ``.svg`` (its first panel), or its data as ``.csv``.

        Raises
        ------
        UserError
            The name ends otherwise.
        """
        path = Path(path).expanduser()
        if path.suffix not in SUFFIXES:
            raise UserError(Problem(str(path), "This is no kind of file for a figure.", ", ".join(SUFFIXES)))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            self.table.write_csv(path)
        else:
            path.write_bytes(self.png() if path.suffix == ".png" else _drawn(self.panels[0], "svg"))
        return path

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return self.png()


@dataclass(frozen=True, slots=True)
class Absent:
    """A figure that this run has no data for.

    Parameters
    ----------
    name, title : str
        Of the figure that would stand there.
    why : str
        A sentence.
    """

    name: str
    title: str
    why: str


def _drawn(panel: Panel, kind: str) -> bytes:
    with sheet(panel.width_in, panel.height_in) as figure:
        panel.draw(figure.add_subplot())
        return _saved(figure, kind)


def _saved(figure: object, kind: str) -> bytes:
    from matplotlib.figure import Figure as Drawn

    assert isinstance(figure, Drawn)
    buffer = io.BytesIO()
    if kind == "svg":
        figure.savefig(buffer, format="svg", transparent=True, dpi=RASTER_DPI, metadata={"Date": None})
    else:
        figure.savefig(buffer, format=kind)
    return buffer.getvalue()
