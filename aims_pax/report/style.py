"""How every figure looks: one size, one palette, nothing that does not carry data."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from aims_pax.frame import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREEN: Final = "#009E73"
GREY: Final = "#8A8A8A"
PALE_BLUE: Final = "#B7CFE3"
INK: Final = "#222222"
"""Distinguishable with every common kind of colour vision: Okabe and Ito, Color Universal Design (2008)."""


MOST_SPANNED: Final = 1e4
"""Largest value on a logarithmic axis in smallest ones: deviations in a perfect crystal are all but zero."""

WIDE: Final = 500.0
"""The same, from which on an axis has no room for more than powers of ten."""

LINE_PITCH: Final = 1.7
"""From one line of a legend to the next, in sizes of its letters."""

GRID: Final = "#ECECEC"
PAPER: Final = "#FFFFFF"

LOOK: Final[Mapping[str, Any]] = {
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
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "aims_pax",
}
"""Settings of matplotlib, by its own names."""


@contextmanager
def sheet(width_in: float, height_in: float, *, look: Mapping[str, Any] = LOOK) -> "Iterator[Figure]":
    """An empty figure of this size in the common look, to be drawn on and saved while the context lasts.

    Draws without a display, and leaves matplotlib's global state alone.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(cast(Any, look)):  # the stubs of matplotlib want a literal of each name
        figure: Figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


@contextmanager
def panels(path: Path, *, n_columns: int, n_rows: int = 1, width_in: float, height_in: float) -> "Iterator[list[Axes]]":
    """Axes side by side, row after row, saved as a PNG at `path` when the context ends without an error."""
    with sheet(width_in, height_in) as figure:
        yield list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def log_axis(axes: "Axes", values: FloatArray) -> None:
    """A logarithmic y axis with plain numbers, where the values span enough for one; else one from zero.

    It ends :data:`MOST_SPANNED` below the largest value: what is smaller is beyond it.
    """
    positive = values[values > 0]
    if len(positive) and positive.max() > 5 * positive.min():
        axes.set_yscale("log")
        plain_log(axes.yaxis, is_wide=bool(positive.max() > WIDE * positive.min()))
        if positive.min() * MOST_SPANNED < positive.max():
            axes.set_ylim(bottom=float(positive.max()) / MOST_SPANNED)
    else:
        axes.set_ylim(bottom=0.0)


def counting(axis: "Axis") -> None:
    """Whole numbers alone on an axis of counts."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True))


def plain_log(axis: "Axis", *, is_wide: bool = False) -> None:
    """Numbers as 0.1, 0.2, 0.5 on a logarithmic axis; on a wide one powers of ten alone."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0,) if is_wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def legend_above(axes: "Axes", *, n_columns: int = 3) -> None:
    """Names of what was drawn between the title and the axes, where they cover no points however these lie."""
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=n_columns,
        borderaxespad=0.0,
        handlelength=1.2,
        handletextpad=0.5,
        columnspacing=1.4,
    )
    raise_title(axes, n_lines=ceil(len(legend.get_texts()) / n_columns))


def raise_title(axes: "Axes", *, n_lines: int = 1) -> None:
    """The title higher by lines of a legend: also where there is none, so that it stands level with those beside it."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    line_pt = LINE_PITCH * FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    axes.set_title(
        axes.get_title(loc=rcParams["axes.titlelocation"]), pad=rcParams["axes.titlepad"] + n_lines * line_pt
    )


def density_colours() -> "Colormap":
    """From faint to full blue: many points at one place can be told from few on white and on black alike."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    return LinearSegmentedColormap.from_list("density", [(*to_rgb(BLUE), 0.25), (*to_rgb(BLUE), 1.0)])


def plain(value: float) -> str:
    """Three digits, or all before the point: 0.0123, 12.3, 1234."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
