"""Where the models are wrong: by how dense a structure is, and how hot it was."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.evaluation.blocks import Interval
from aims_pax.evaluation.density import density_of, edges_of, has_density, places_in, words_of
from aims_pax.frame import FloatArray, IntArray
from aims_pax.page.charts.parity import NOTHING_KEPT
from aims_pax.page.comparison import Compared, Comparison
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.paper.cells import CellsPanel, draw_cells
from aims_pax.report.style import BLUE, PALE_BLUE
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNKNOWN: Final = "not from MD"


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """Structures of one bin of densities, and of one temperature; both as words, too."""

    low_g_per_cm3: float
    high_g_per_cm3: float
    temperature: str
    rows: IntArray
    rmse: Interval


def errors_by_density(material: Material) -> Figure | Absent:
    """Force RMSE by density, and by density and temperature of the MD that structures come from."""
    name, title, comparison = "errors_by_density", "Where it is wrong, by density and temperature", material.comparison
    if comparison is None:
        return Absent(name, title, NOTHING_KEPT)
    dense = [index for index, row in enumerate(comparison.rows) if has_density(row.frame)]
    if not dense:
        return Absent(name, title, "No structure is periodic in three directions: molecules and slabs have no density.")
    density = np.array([density_of(comparison.rows[index].frame) for index in dense])
    chosen = [comparison.rows[index] for index in dense]
    words = [material.temperature(row.stage, row.frame.trajectory) or UNKNOWN for row in chosen]
    edges = edges_of(density)
    place = places_in(edges, density)
    temperatures = sorted(set(words), key=_degrees)
    all_of = _cells(comparison, np.array(dense), place, edges)
    parted = [
        one
        for temperature in temperatures
        for one in _cells(comparison, np.array(dense), place, edges, words=words, temperature=temperature)
    ]
    panels = [Panel(partial(_draw_line, cells=all_of), height_in=3.0)]
    if len(temperatures) > 1:
        panels.append(
            Panel(partial(_draw_map, cells=parted, edges=edges, densities=words_of(edges, density)), height_in=3.0)
        )
    return Figure(
        name=name,
        title=title,
        good="In a good one errors grow slowly towards the densest and hottest structures; one place that stands out "
        "was hardly sampled.",
        table=_table([*all_of, *parted]),
        panels=tuple(panels),
        note=f"Force RMSE of {comparison.of}; bars are 95 % intervals by blocks of trajectories.",
    )


def _cells(
    comparison: Comparison,
    rows: IntArray,
    place: IntArray,
    edges: FloatArray,
    *,
    words: list[str] | None = None,
    temperature: str = "",
) -> list[_Cell]:
    found = []
    for number in range(len(edges) - 1):
        chosen = place == number
        if words is not None:
            chosen &= np.array([one == temperature for one in words])
        if chosen.any():
            rmse = _root(comparison.interval(rows[chosen].tolist(), _mean_square))
            found.append(_Cell(float(edges[number]), float(edges[number + 1]), temperature, rows[chosen], rmse))
    return found


def _mean_square(row: Compared) -> float:
    return float(np.square(row.force_error).mean())


def _root(square: Interval) -> Interval:
    low, high = square.low, square.high
    return Interval(
        float(np.sqrt(square.value)),
        None if low is None else float(np.sqrt(max(0.0, low))),
        None if high is None else float(np.sqrt(high)),
    )


def _degrees(words: str) -> tuple[int, float, str]:
    first = words.split(" ")[0]
    return (0, float(first), words) if first.replace(".", "", 1).isdigit() else (1, 0.0, words)


def _table(cells: list[_Cell]) -> Table:
    def bound(value: float | None) -> float:
        return float("nan") if value is None else value

    return Table(
        density_from_g_per_cm3=np.array([one.low_g_per_cm3 for one in cells]),
        density_to_g_per_cm3=np.array([one.high_g_per_cm3 for one in cells]),
        temperature=np.array([one.temperature or "all" for one in cells], dtype=object),
        n_structures=np.array([len(one.rows) for one in cells], dtype=np.int64),
        force_rmse_ev_per_ang=np.array([one.rmse.value for one in cells]),
        low_ev_per_ang=np.array([bound(one.rmse.low) for one in cells]),
        high_ev_per_ang=np.array([bound(one.rmse.high) for one in cells]),
    )


def _draw_line(axes: "Axes", *, cells: list[_Cell]) -> None:
    middles = np.array([(one.low_g_per_cm3 + one.high_g_per_cm3) / 2 for one in cells])
    values = 1000 * np.array([one.rmse.value for one in cells])
    for middle, one in zip(middles, cells, strict=True):
        if one.rmse.low is not None and one.rmse.high is not None:
            axes.plot([middle, middle], [1000 * one.rmse.low, 1000 * one.rmse.high], color=PALE_BLUE, lw=4)
    axes.plot(middles, values, color=BLUE, lw=1.2, marker="o", ms=6)
    axes.set(title="By density", xlabel="density (g/cm³)", ylabel="force RMSE (meV/Å)")
    axes.set_ylim(0.0, 2.2 * float(values.max()) or 1.0)


def _draw_map(axes: "Axes", *, cells: list[_Cell], edges: FloatArray, densities: tuple[str, ...]) -> None:
    temperatures = sorted({one.temperature for one in cells}, key=_degrees)
    values = np.full((len(temperatures), len(densities)), np.nan)
    counts = np.zeros(values.shape, dtype=np.int64)
    for one in cells:
        place = (temperatures.index(one.temperature), int(np.searchsorted(edges, one.low_g_per_cm3)))
        values[place], counts[place] = 1000 * one.rmse.value, len(one.rows)
    title, label = "By density and temperature", "force RMSE (meV/Å)"
    panel = CellsPanel(title, label, values, counts, densities, temperatures)
    draw_cells(axes, panel, largest=float(np.nanmax(values)))
