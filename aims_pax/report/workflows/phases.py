"""Structures of phases, seen from the side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.report.style import GREY, INK, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_IN: Final = 2.9
"""Width of a picture."""

TALLEST_IN: Final = 2.5
TEXT_IN: Final = 0.85
"""Of a row: its name above, two lines of words below."""

BALL: Final = 0.7
"""Radii of atoms in covalent radii: what lies behind is to be seen."""

MARGIN_ANG: Final = 0.2
"""Around all that is to be seen."""

FADED: Final = 0.55
"""Part of white in the colour of the farthest atoms."""

BELOW_ANG: Final = 1.0
"""An atom this far below the cell stays there, and is not moved to its other end: those of a slab's foot vibrate."""

LINE: Final = 46
"""Letters of a line of words."""

MOST_LINES: Final = 2


class Scene(Protocol):
    """A structure, and what it is in a line."""

    @property
    def frame(self) -> Frame: ...

    @property
    def words(self) -> str: ...


Row = tuple[str | Frame | Scene, ...]
"""A name, and structures side by side: what a phase begins with, and what it has come to."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A structure as it is seen against y: x goes to the right, z up.

    Parameters
    ----------
    places : (n_atoms, 2), Å
        From the farthest atom to the nearest.
    depths : (n_atoms,)
        0 for the farthest, 1 for the nearest.
    numbers : (n_atoms,) int
    edges : (n_edges, 2, 2), Å
        Of the cell.
    low, high : (2,), Å
        Corners of all that is to be seen.
    """

    places: FloatArray
    depths: FloatArray
    numbers: FloatArray
    edges: FloatArray
    low: FloatArray
    high: FloatArray


def draw_phases(path: Path, rows: Sequence[Row]) -> None:
    """Structures row by row, all in one scale.

    Parameters
    ----------
    path : Path
        Of the PNG.
    rows : sequence of tuple
        At least one: a name, then one or more structures, each a Frame or what has a `frame` and `words`.
    """
    names = [str(row[0]) for row in rows]
    scenes = [[one for one in row[1:] if not isinstance(one, str)] for row in rows]
    views = [[view_of(_frame(one)) for one in row] for row in scenes]
    sizes = np.array([view.high - view.low for row in views for view in row]).max(axis=0)
    inches = min(PANEL_IN / sizes[0], TALLEST_IN / sizes[1])
    tallest = [max(float((view.high - view.low)[1]) for view in row) for row in views]
    heights = [TEXT_IN + inches * each for each in tallest]
    n_columns = max(len(row) for row in views)
    with sheet(PANEL_IN * n_columns + 0.2, sum(heights) + 0.6) as figure:
        grid = figure.add_gridspec(len(rows), n_columns, height_ratios=heights)
        for number, (name, own, seen) in enumerate(zip(names, scenes, views, strict=True)):
            for column, (scene, view) in enumerate(zip(own, seen, strict=True)):
                axes = figure.add_subplot(grid[number, column])
                draw_structure(axes, view, size=(0.97 * PANEL_IN / inches, tallest[number]))
                axes.set_title(_title(name, column, len(own)), fontsize=10)
                words = _words(scene, own[:column])
                axes.set_xlabel("\n".join(_lines(words)), fontsize=9, color=GREY)
        _draw_legend(figure, sorted({int(one) for row in views for view in row for one in view.numbers}))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def view_of(frame: Frame) -> View:
    """A structure from the side, its atoms within the cell where it is periodic."""
    from ase.data import covalent_radii

    positions = wrapped(frame)
    order = np.argsort(-positions[:, 1], kind="stable")
    behind = positions[order, 1]
    spread = float(np.ptp(behind)) or 1.0
    places = positions[order][:, [0, 2]]
    edges = _edges(frame.cell)
    radius = BALL * float(covalent_radii[frame.numbers].max()) + MARGIN_ANG
    corners = np.concatenate([places - radius, places + radius, edges.reshape(-1, 2)])
    return View(
        places,
        (behind.max() - behind) / spread,
        frame.numbers[order].astype(np.float64),
        edges,
        corners.min(axis=0),
        corners.max(axis=0),
    )


def wrapped(frame: Frame) -> FloatArray:
    """(n_atoms, 3), Å: positions within the cell along the vectors along which it is periodic, and a little below."""
    vectors = np.flatnonzero(frame.pbc & frame.cell.any(axis=1))
    if not len(vectors) or abs(np.linalg.det(frame.cell)) < 1e-6:
        return frame.positions
    shares = np.linalg.solve(frame.cell.T, frame.positions.T).T
    below = BELOW_ANG / np.linalg.norm(frame.cell[vectors], axis=1)
    own = shares[:, vectors]
    shares[:, vectors] = np.where((own >= -below) & (own < 1.0), own, own % 1.0)
    inside: FloatArray = shares @ frame.cell
    return inside


def draw_structure(axes: "Axes", view: View, *, size: tuple[float, float] | None = None) -> None:
    """A view on axes, without any numbers.

    Parameters
    ----------
    size : tuple of two floats, Å, or None
        Width and height of what is shown, its middle that of the view; None: as much as the view needs.
    """
    from ase.data import covalent_radii
    from ase.data.colors import jmol_colors
    from matplotlib.collections import EllipseCollection, LineCollection

    numbers = view.numbers.astype(np.int64)
    white = FADED * (1.0 - view.depths)[:, None]
    colours = jmol_colors[numbers] * (1 - white) + white
    sizes = 2 * BALL * covalent_radii[numbers]
    axes.add_collection(LineCollection(list(view.edges), colors=GREY, linewidths=0.8, zorder=1))
    balls = EllipseCollection(
        sizes,
        sizes,
        np.zeros(len(sizes)),
        units="xy",
        offsets=view.places,
        offset_transform=axes.transData,
        facecolors=colours,
        edgecolors=INK,
        linewidths=0.4 if len(sizes) < 300 else 0.2,
        zorder=2,
    )
    axes.add_collection(balls)
    middle = (view.low + view.high) / 2
    across, up = (view.high - view.low if size is None else np.array(size)) / 2
    axes.set(xlim=(middle[0] - across, middle[0] + across), ylim=(middle[1] - up, middle[1] + up), aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)


def _edges(cell: FloatArray) -> FloatArray:
    """(n_edges, 2, 2): the edges of a cell along x and z; none where there is no cell."""
    vectors = [vector for vector in cell if vector.any()]
    found = []
    for number, vector in enumerate(vectors):
        others = [other for place, other in enumerate(vectors) if place != number]
        for signs in product((0, 1), repeat=len(others)):
            start = sum((sign * other for sign, other in zip(signs, others, strict=True)), start=np.zeros(3))
            found.append([start[[0, 2]], (start + vector)[[0, 2]]])
    return np.array(found, dtype=np.float64).reshape(-1, 2, 2)


def _draw_legend(figure: "Figure", numbers: Sequence[int]) -> None:
    from ase.data import chemical_symbols
    from ase.data.colors import jmol_colors
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 8, "mec": INK, "mew": 0.5}
    balls = [Line2D([], [], mfc=tuple(jmol_colors[one]), label=chemical_symbols[one], **look) for one in numbers]
    figure.legend(handles=balls, loc="outside lower left", ncols=len(balls), handletextpad=0.1)


def _frame(one: Frame | Scene) -> Frame:
    return one if isinstance(one, Frame) else one.frame


def _title(name: str, column: int, n_columns: int) -> str:
    if n_columns == 1:
        return name
    return f"{name} begins" if column == 0 else f"{name} ends" if column == n_columns - 1 else ""


def _words(scene: Frame | Scene, before: Sequence[Frame | Scene]) -> str:
    """What it is; what has been said already is not said again."""
    said = {one.words for one in before if not isinstance(one, Frame)}
    if isinstance(scene, Frame) or scene.words in said or not scene.words:
        return _formula(_frame(scene))
    return scene.words


def _formula(frame: Frame) -> str:
    """``Cu32``, and the edges of its cell."""
    from ase.formula import Formula

    atoms = str(Formula.from_list([_symbol(one) for one in frame.numbers]).convert("hill"))
    if not frame.cell.any():
        return atoms
    edges = " x ".join(f"{edge:.1f}" for edge in np.linalg.norm(frame.cell, axis=1))
    return f"{atoms} in {edges} Å"


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[int(number)])


def _lines(words: str) -> list[str]:
    lines = wrap(words, LINE)
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1][: LINE - 2]} …"]
