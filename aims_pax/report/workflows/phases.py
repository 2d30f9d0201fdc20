"""Structures of phases, seen from the side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.report.style import GREY, INK, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN: Final = 2.9
"""Width of a picture."""

TALLEST_IN: Final = 2.5
TEXT_IN: Final = 0.85
"""Of a row: its name above, two lines of words below."""

WORDS_IN: Final = 0.5
"""Of that below."""

LEGEND_IN: Final = 0.35
"""Below all rows."""

MOST_SHAPES: Final = 1500
"""Atoms in one picture; more are drawn as pixels where it is made of shapes, for a page would be slow with them."""

BALL: Final = 0.7
"""Radii of atoms in covalent radii: what lies behind is to be seen."""

MARGIN_ANG: Final = 0.2
"""Around all that is to be seen."""

FADED: Final = 0.55
"""Part of white in the colour of the farthest atoms."""

WHITEST: Final = 254 / 255
"""Of colours of atoms: white itself is the paper of a page, which is dark at night."""

BELOW_ANG: Final = 1.0
"""An atom this far below the cell stays there, and is not moved to its other end: those of a slab's foot vibrate."""

MOST_NAMES: Final = 6
"""Elements side by side in a legend."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Structures row by row, all in one scale.

    Parameters
    ----------
    names : tuple of str
        Of the rows; at least one.
    scenes : tuple of tuple of Frame or Scene
        By row, side by side.
    views : tuple of tuple of View
        The same as they are seen.
    """

    names: tuple[str, ...]
    scenes: tuple[tuple[Frame | Scene, ...], ...]
    views: tuple[tuple[View, ...], ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Gallery":
        """Rows as they are seen from the side."""
        scenes = tuple(tuple(one for one in row[1:] if not isinstance(one, str)) for row in rows)
        views = tuple(tuple(view_of(_frame(one)) for one in row) for row in scenes)
        return cls(tuple(str(row[0]) for row in rows), scenes, views)

    @property
    def n_columns(self) -> int:
        """Structures in the longest row."""
        return max(len(row) for row in self.views)

    @property
    def n_atoms(self) -> int:
        """Of all structures together."""
        return sum(len(view.numbers) for row in self.views for view in row)

    @property
    def inches_per_ang(self) -> float:
        """By which the widest and the tallest have room."""
        sizes = np.array([view.high - view.low for row in self.views for view in row]).max(axis=0)
        return float(min(PANEL_IN / sizes[0], TALLEST_IN / sizes[1]))

    @property
    def tallest_ang(self) -> list[float]:
        """Height of each row of structures."""
        return [max(float((view.high - view.low)[1]) for view in row) for row in self.views]

    @property
    def width_in(self) -> float:
        """Of the whole picture."""
        return PANEL_IN * self.n_columns + 0.2

    @property
    def height_in(self) -> float:
        """Of the whole picture."""
        return sum(TEXT_IN + self.inches_per_ang * each for each in self.tallest_ang) + LEGEND_IN


def draw_phases(path: Path, rows: Sequence[Row]) -> None:
    """Structures row by row, all in one scale.

    Parameters
    ----------
    path : Path
        Of the PNG.
    rows : sequence of tuple
        At least one: a name, then one or more structures, each a Frame or what has a `frame` and `words`.
    """
    gallery = Gallery.of(rows)
    with panels(path, n_columns=1, width_in=gallery.width_in, height_in=gallery.height_in) as (axes,):
        draw_gallery(axes, gallery=gallery)


def draw_gallery(axes: "Axes", *, gallery: Gallery) -> None:
    """Structures within the place of some axes, which show nothing themselves."""
    _bare(axes)
    scale, width, height = gallery.inches_per_ang, gallery.width_in, gallery.height_in
    below = height
    for name, scenes, views, tallest in zip(
        gallery.names, gallery.scenes, gallery.views, gallery.tallest_ang, strict=True
    ):
        below -= TEXT_IN + scale * tallest
        for column, (scene, view) in enumerate(zip(scenes, views, strict=True)):
            place = (column * PANEL_IN / width, (below + WORDS_IN) / height, PANEL_IN / width, scale * tallest / height)
            own = axes.inset_axes(place)
            draw_structure(own, view, size=(0.97 * PANEL_IN / scale, tallest), as_pixels=gallery.n_atoms > MOST_SHAPES)
            own.set_title(_title(name, column, len(scenes)), fontsize=10)
            own.set_xlabel("\n".join(_lines(_words(scene, scenes[:column]))), fontsize=9, color=GREY)
    _draw_legend(axes, sorted({int(one) for row in gallery.views for view in row for one in view.numbers}))


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


def draw_structure(
    axes: "Axes", view: View, *, size: tuple[float, float] | None = None, as_pixels: bool = False
) -> None:
    """A view on axes, without any numbers.

    Parameters
    ----------
    size : tuple of two floats, Å, or None
        Width and height of what is shown, its middle that of the view; None: as much as the view needs.
    as_pixels : bool
        Whether atoms are pixels also in a picture that is made of shapes.
    """
    from ase.data import covalent_radii
    from ase.data.colors import jmol_colors
    from matplotlib.collections import EllipseCollection, LineCollection

    numbers = view.numbers.astype(np.int64)
    white = FADED * (1.0 - view.depths)[:, None]
    colours = np.minimum(jmol_colors[numbers] * (1 - white) + white, WHITEST)
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
        rasterized=as_pixels,
    )
    axes.add_collection(balls)
    middle = (view.low + view.high) / 2
    across, up = (view.high - view.low if size is None else np.array(size)) / 2
    axes.set(xlim=(middle[0] - across, middle[0] + across), ylim=(middle[1] - up, middle[1] + up), aspect="equal")
    _bare(axes)


def _bare(axes: "Axes") -> None:
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


def _draw_legend(axes: "Axes", numbers: Sequence[int]) -> None:
    from ase.data import chemical_symbols
    from ase.data.colors import jmol_colors
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 8, "mec": INK, "mew": 0.5}
    colours = np.minimum(jmol_colors, WHITEST)
    balls = [Line2D([], [], mfc=tuple(colours[one]), label=chemical_symbols[one], **look) for one in numbers]
    axes.legend(handles=balls, loc="lower left", ncols=min(len(balls), MOST_NAMES), handletextpad=0.1, borderaxespad=0)


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
