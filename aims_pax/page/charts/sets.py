"""Errors of every member, and of their mean, on what was learned and on what was not."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREEN, GREY, INK, ORANGE
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {"training": BLUE, "validation": ORANGE, "test": GREEN}

KINDS: Final = (
    ("force_rmse_ev_per_ang", "force RMSE (meV/Å)"),
    ("energy_rmse_ev_per_atom", "energy RMSE (meV/atom)"),
    ("stress_rmse_ev_per_ang3", "stress RMSE (meV/Å³)"),
)

COLUMNS: Final = (
    *("energy_mae_ev_per_atom", "energy_rmse_ev_per_atom"),
    *("force_mae_ev_per_ang", "force_rmse_ev_per_ang"),
    *("stress_mae_ev_per_ang3", "stress_rmse_ev_per_ang3"),
)

Row = Mapping[str, Any]


def errors_by_set(material: Material) -> Figure | Absent:
    """RMSE by set, member and mean, of a finished run."""
    name, title = "errors_by_set", "What was learned, and what was not"
    rows: Sequence[Row] = (material.summary or {}).get("errors_by_set", ())
    if not rows:
        why = "Errors of each member on each set are measured when a run ends."
        return Absent(name, title, why)
    kinds = [(key, words) for key, words in KINDS if any(row[key] is not None for row in rows)]
    product = str((material.summary or {}).get("product", {}).get("member", ""))
    return Figure(
        name=name,
        title=title,
        good="In a good one test errors are hardly above those of training; several times as much says that the model "
        "knows by heart what it has seen, and more structures help.",
        table=_table(rows),
        panels=tuple(
            Panel(partial(_draw, rows=rows, key=key, words=words, product=product), height_in=2.6)
            for key, words in kinds
        ),
        note=f"{_counts(rows)}. Training structures are those of all members; without a final convergence some are of "
        "one member alone. The product is marked by a ring.",
    )


def _counts(rows: Sequence[Row]) -> str:
    counts = {str(row["set"]): int(row["n_structures"]) for row in rows}
    return ", ".join(f"{n} {name} structures" for name, n in counts.items())


def _table(rows: Sequence[Row]) -> Table:
    def numbers(key: str) -> Any:
        return np.array([nan if row[key] is None else float(row[key]) for row in rows])

    return Table(
        {
            "set": np.array([row["set"] for row in rows], dtype=object),
            "model": np.array([row["model"] for row in rows], dtype=object),
            "n_structures": np.array([row["n_structures"] for row in rows], dtype=np.int64),
        }
        | {key: numbers(key) for key in COLUMNS}
    )


def _draw(axes: "Axes", *, rows: Sequence[Row], key: str, words: str, product: str) -> None:
    names = list(dict.fromkeys(str(row["model"]) for row in rows))
    places = {name: len(names) - 1 - n for n, name in enumerate(names)}
    for name, colour in COLOURS.items():
        own = [row for row in rows if row["set"] == name and row[key] is not None]
        x, y = [1000 * row[key] for row in own], [places[row["model"]] for row in own]
        axes.plot(x, y, ls="none", marker="o", ms=7, color=colour, label=name)
        chosen = [(value, place) for value, place in zip(x, y, strict=True) if place == places.get(product)]
        axes.plot(
            [value for value, _ in chosen],
            [place for _, place in chosen],
            ls="none",
            marker="o",
            ms=12,
            mfc="none",
            mec=INK,
        )
    for place in places.values():
        axes.axhline(place, color=GREY, lw=0.4, zorder=0)
    axes.set_yticks(list(places.values()), names)
    axes.set(xlabel=words, ylim=(-0.6, len(names) - 0.4))
    axes.set_xlim(0.0, 1080 * max(float(row[key]) for row in rows if row[key] is not None) or 1.0)
    axes.grid(visible=False, axis="y")
    axes.tick_params(left=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
