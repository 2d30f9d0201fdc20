"""How figures for a paper look, and how they are saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.report.style import LOOK, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN_IN: Final = 3.5
PAGE_IN: Final = 7.2
"""Width of one column and of two, inches: 89 and 183 mm, as most journals have them."""

WITHIN_PAGE_IN: Final = 5.0
"""Of two panels side by side."""

DPI: Final = 300
"""Of PNG; whoever wants more takes the PDF."""

PAPER_LOOK: Final[dict[str, Any]] = {
    **LOOK,
    "savefig.dpi": DPI,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.titlepad": 5,
    "axes.linewidth": 0.7,
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
}
"""Settings of matplotlib. Letters of 7 and 8 points in print, and text in PDF that stays text."""


@contextmanager
def printed(stem: Path, *, n_panels: int, most_columns: int, height_in: float) -> "Iterator[list[Axes]]":
    """Axes row after row, saved as PNG and PDF when the context ends without an error.

    Parameters
    ----------
    stem : Path
        Without the ending: ``evaluation/parity``.
    n_panels : int
        That are needed. Places of the last row that none of them takes are empty.
    most_columns : int
        One panel alone is as wide as a column, three are as the page.
    height_in : float
        Of one row.
    """
    n_columns = min(n_panels, most_columns)
    n_rows = ceil(n_panels / n_columns)
    width = COLUMN_IN if n_columns == 1 else WITHIN_PAGE_IN if n_columns == 2 else PAGE_IN
    with sheet(width, height_in * n_rows + 0.35, look=PAPER_LOOK) as figure:
        every = list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
        for unused in every[n_panels:]:
            unused.set_axis_off()
        yield every[:n_panels]
        stem.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(stem.with_suffix(".png"))
        figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})
