"""How every figure looks: one size, one palette, nothing that does not carry data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREEN: Final = "#009E73"
GREY: Final = "#8A8A8A"
PALE_BLUE: Final = "#B7CFE3"
INK: Final = "#222222"
"""Distinguishable with every common kind of colour vision: Okabe and Ito, Color Universal Design (2008)."""


@contextmanager
def panels(path: Path, *, n_columns: int, n_rows: int = 1, width_in: float, height_in: float) -> "Iterator[list[Axes]]":
    """Axes side by side, row after row, saved as a PNG at `path` when the context ends without an error.

    Draws without a display, and leaves matplotlib's global state alone.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(
        {
            "figure.dpi": 100,
            "savefig.dpi": 160,
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": "#ECECEC",
            "grid.linewidth": 0.8,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "lines.solid_capstyle": "round",
            "legend.frameon": False,
            "legend.fontsize": 9,
        }
    ):
        figure: Figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasAgg(figure)
        yield list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
