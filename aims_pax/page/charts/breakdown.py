"""Where the models are wrong: by element, temperature, system and origin."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.evaluation.blocks import Interval
from aims_pax.frame import IntArray
from aims_pax.page.charts.parity import NOTHING_KEPT
from aims_pax.page.comparison import Compared, Comparison
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, PALE_BLUE
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_GROUPS: Final = 14
"""Of each kind that are drawn, those with the largest errors; the table has all."""


@dataclass(frozen=True, slots=True)
class Group:
    """The force MAE of some structures, or of the atoms of one element in them."""

    kind: str
    name: str
    n_structures: int
    mae: Interval


def errors_by_group(material: Material) -> Figure | Absent:
    """Force MAE with its interval, in groups of four kinds."""
    name, title, comparison = "errors_by_group", "Where it is wrong", material.comparison
    if comparison is None:
        return Absent(name, title, NOTHING_KEPT)
    groups = list(_groups(comparison, material))
    kinds = list(dict.fromkeys(group.kind for group in groups))
    shown = {kind: _largest([group for group in groups if group.kind == kind]) for kind in kinds}
    return Figure(
        name=name,
        title=title,
        good="In a good one no group stands out by more than its interval; one that does needs labels of its own.",
        table=_table(groups),
        panels=tuple(
            Panel(partial(_draw, groups=found, kind=kind), height_in=1.2 + 0.3 * len(found))
            for kind, found in shown.items()
        ),
        note=f"Force MAE of {comparison.of}; 95 % intervals by blocks of trajectories.",
    )


def _groups(comparison: Comparison, material: Material) -> Iterable[Group]:
    rows = comparison.rows
    for number in sorted({int(one) for row in rows for one in row.frame.numbers}):
        chosen = [index for index, row in enumerate(rows) if number in row.frame.numbers]
        mae = comparison.interval(chosen, partial(_mae_of_element, number=number))
        yield Group("element", _symbol(number), len(chosen), mae)
    kinds: Mapping[str, Callable[[Compared], str | None]] = {
        "temperature": lambda row: material.temperature(row.stage, row.frame.trajectory),
        "system": lambda row: row.frame.system,
        "origin": lambda row: row.origin,
    }
    for kind, name_of in kinds.items():
        names = [name_of(row) for row in rows]
        for name in sorted({one for one in names if one is not None}):
            chosen = [index for index, one in enumerate(names) if one == name]
            yield Group(kind, name, len(chosen), comparison.interval(chosen, _mae))


def _mae(row: Compared) -> float:
    return float(np.abs(row.force_error).mean())


def _mae_of_element(row: Compared, *, number: int) -> float:
    chosen: IntArray = np.flatnonzero(row.frame.numbers == number)
    return float(np.abs(row.force_error[chosen]).mean())


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])


def _largest(groups: list[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: -group.mae.value)[:MOST_GROUPS]


def _table(groups: list[Group]) -> Table:
    def bound(value: float | None) -> float:
        return float("nan") if value is None else value

    return Table(
        kind=np.array([group.kind for group in groups], dtype=object),
        name=np.array([group.name for group in groups], dtype=object),
        n_structures=np.array([group.n_structures for group in groups], dtype=np.int64),
        force_mae_ev_per_ang=np.array([group.mae.value for group in groups]),
        low_ev_per_ang=np.array([bound(group.mae.low) for group in groups]),
        high_ev_per_ang=np.array([bound(group.mae.high) for group in groups]),
    )


def _draw(axes: "Axes", *, groups: list[Group], kind: str) -> None:
    places = np.arange(len(groups))[::-1]
    values = 1000 * np.array([group.mae.value for group in groups])
    most = float(values.max()) or 1.0
    for place, group in zip(places, groups, strict=True):
        if group.mae.low is not None and group.mae.high is not None:
            low, high = 1000 * max(0.0, group.mae.low), 1000 * group.mae.high
            axes.plot([low, high], [place, place], color=PALE_BLUE, lw=4, solid_capstyle="butt")
    axes.plot(values, places, color=BLUE, lw=0, marker="o", ms=6)
    names = [f"{_short(group.name)} ({group.n_structures})" for group in groups]
    axes.set_yticks(places, names)
    axes.set(title=f"By {kind}", xlabel="force MAE (meV/Å)", xlim=(0, 2.2 * most), ylim=(-0.6, len(groups) - 0.4))
    axes.grid(visible=False, axis="y")
    axes.tick_params(left=False)


def _short(name: str) -> str:
    name = name.replace("picked where the committee was unsure", "picked, unsure")
    return name if len(name) <= 24 else f"{name[:23]}…"
