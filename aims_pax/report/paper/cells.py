"""Errors by density and temperature: a cell for each pair, with its number in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.report.paper.sheet import printed
from aims_pax.report.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DARK: Final = 0.6
"""Of the largest value; from there on letters are white."""

MOST_BESIDE: Final = 6
"""Columns of a panel that has room beside another."""


@dataclass(frozen=True, slots=True, eq=False)
class CellsPanel:
    """One error of one method.

    Parameters
    ----------
    title, label : str
        The label is that of the colours, with the unit.
    values : (n_temperatures, n_densities)
        NaN where there is no structure.
    counts : (n_temperatures, n_densities) int
        Structures.
    densities : sequence of str, g/cm³
    temperatures : sequence of str
        From below.
    """

    title: str
    label: str
    values: FloatArray
    counts: IntArray
    densities: Sequence[str]
    temperatures: Sequence[str]


def draw_matrices(panels: Sequence[CellsPanel], stem: Path, *, n_columns: int) -> None:
    """Panels row after row, wide ones below each other; those of one error have the same colours."""
    n_columns = n_columns if len(panels[0].densities) <= MOST_BESIDE else 1
    height = 1.1 + 0.3 * len(panels[0].temperatures)
    largest = {panel.label: 0.0 for panel in panels}
    for panel in panels:
        largest[panel.label] = max(largest[panel.label], float(np.nanmax(panel.values)))
    with printed(stem, n_panels=len(panels), most_columns=n_columns, height_in=max(2.0, height)) as every:
        for axes, panel in zip(every, panels, strict=True):
            draw_cells(axes, panel, largest=largest[panel.label], letters=5.5)


def draw_cells(axes: "Axes", panel: CellsPanel, *, largest: float, letters: float = 8) -> None:
    """Cells in the colour of their value, the darkest for `largest`, with the value and the number of structures."""
    shown = axes.imshow(panel.values, origin="lower", aspect="auto", cmap="Blues", vmin=0.0, vmax=largest)
    dark = DARK * largest
    for (row, column), n in np.ndenumerate(panel.counts):
        if n:
            colour = "white" if panel.values[row, column] > dark else INK
            text = f"{panel.values[row, column]:.3g}\n({n})"
            axes.text(column, row, text, ha="center", va="center", fontsize=letters, color=colour)
    axes.set_xticks(range(len(panel.densities)), panel.densities)
    if any(" to " in words for words in panel.densities):
        axes.tick_params(axis="x", labelrotation=90)  # side by side they would run into each other
    axes.set_yticks(range(len(panel.temperatures)), panel.temperatures)
    axes.set(title=panel.title, xlabel="density (g/cm³)")
    axes.grid(visible=False)
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.02)
    bar.set_label(panel.label)
