"""Predictions against labels: point by point, and how many errors are larger than what."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.page.comparison import Compared, pairs
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.figures import draw_against
from aims_pax.report.style import BLUE, GREY, ORANGE, plain
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS: Final = (50, 80, 90, 95)
"""Shares of the errors that are marked, %."""

NOTHING_KEPT: Final = (
    "Nothing is kept of what models said of structures that they had not learned from: the store has it from the first "
    "label of active learning on, and results/ of the finished model, but not in runs of earlier versions."
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How one quantity is shown: its name, and its unit in thousandths of eV."""

    name: str
    unit: str
    column: str


QUANTITIES: Final = {
    "energy": Quantity("Energy", "meV/atom", "eV/atom"),
    "force": Quantity("Forces", "meV/Å", "eV/Å"),
    "stress": Quantity("Stress", "meV/Å³", "eV/Å³"),
}


def parity(material: Material) -> Figure | Absent:
    """Predicted energies, forces and stress against their labels."""
    name, title, comparison = "parity", "Predicted against reference", material.comparison
    if comparison is None:
        return Absent(name, title, NOTHING_KEPT)
    found = pairs(comparison.rows)
    usual = _usual_energies(comparison.rows, found["energy"][1])
    return Figure(
        name=name,
        title=title,
        good="In a good one all points lie on the line; a group beside it is a kind of structure that was not learned, "
        "a cloud that bends away at large forces was never seen.",
        table=_table(found),
        panels=tuple(
            Panel(
                partial(
                    _draw,
                    quantity=QUANTITIES[one],
                    reference=reference - (usual if one == "energy" else 0.0),
                    predicted=predicted - (usual if one == "energy" else 0.0),
                ),
                height_in=4.2,
            )
            for one, (_, reference, predicted) in found.items()
        ),
        note=f"By {comparison.of}. Energies from the mean of the labels of equal composition.",
    )


def cumulative(material: Material) -> Figure | Absent:
    """Which share of the errors is smaller than what."""
    name, title, comparison = "cumulative", "Cumulative errors", material.comparison
    if comparison is None:
        return Absent(name, title, NOTHING_KEPT)
    found = {
        one: np.sort(np.abs(predicted - reference)) for one, (_, reference, predicted) in pairs(comparison.rows).items()
    }
    rows = [(one, mark, float(np.percentile(errors, mark))) for one, errors in found.items() for mark in MARKS]
    return Figure(
        name=name,
        title=title,
        good="A good one rises steeply to the left: what matters is not the mean, but how large the worst tenth is.",
        table=Table(
            quantity=np.array([one for one, _, _ in rows], dtype=object),
            unit=np.array([QUANTITIES[one].column for one, _, _ in rows], dtype=object),
            percent_below=np.array([mark for _, mark, _ in rows], dtype=np.int64),
            absolute_error=np.array([value for _, _, value in rows]),
        ),
        panels=tuple(
            Panel(partial(_draw_cumulative, quantity=QUANTITIES[one], errors=errors)) for one, errors in found.items()
        ),
        note=f"By {comparison.of}. Marks: 50, 80, 90 and 95 % of the errors are smaller.",
    )


def _usual_energies(rows: Sequence[Compared], energies: FloatArray) -> FloatArray:
    """Mean energy per atom (n,) of the structures of the same composition: what no difference of energies feels."""
    known: dict[bytes, int] = {}
    place = np.array([known.setdefault(np.sort(row.frame.numbers).tobytes(), len(known)) for row in rows])
    usual: FloatArray = (np.bincount(place, weights=energies) / np.bincount(place))[place]
    return usual


def _table(found: dict[str, tuple[np.ndarray[tuple[int], np.dtype[np.int64]], FloatArray, FloatArray]]) -> Table:
    sizes = [len(ids) for ids, _, _ in found.values()]
    return Table(
        label_id=np.concatenate([ids for ids, _, _ in found.values()]),
        quantity=np.repeat(np.array(list(found), dtype=object), sizes),
        unit=np.repeat(np.array([QUANTITIES[one].column for one in found], dtype=object), sizes),
        reference=np.concatenate([reference for _, reference, _ in found.values()]),
        prediction=np.concatenate([predicted for _, _, predicted in found.values()]),
    )


def _draw(axes: "Axes", *, quantity: Quantity, reference: FloatArray, predicted: FloatArray) -> None:
    pair, error = 1000 * np.stack([reference, predicted]), 1000 * (predicted - reference)
    draw_against(axes, pair)
    mae, rmse = float(np.abs(error).mean()), float(np.sqrt(np.mean(error**2)))
    spread = float(np.sum((pair[0] - pair[0].mean()) ** 2))
    r2 = f"R² {1 - float(np.sum(error**2)) / spread:.4f}\n" if spread > 0 else ""
    words = f"{r2}MAE {plain(mae)}\nRMSE {plain(rmse)}"
    axes.text(0.04, 0.96, words, transform=axes.transAxes, va="top", fontsize=9)
    axes.set(title=f"{quantity.name} ({quantity.unit})", xlabel="reference", ylabel="predicted")
    axes.locator_params(nbins=5)
    axes.set_yticks(axes.get_xticks())
    axes.set_ylim(axes.get_xlim())


def _draw_cumulative(axes: "Axes", *, quantity: Quantity, errors: FloatArray) -> None:
    share = np.linspace(0.0, 100.0, 401)
    axes.plot(1000 * np.percentile(errors, share), share, color=BLUE, lw=1.8)
    most = 1000 * float(np.percentile(errors, 99))
    marked = [1000 * float(np.percentile(errors, mark)) for mark in MARKS]
    for mark, value in zip(MARKS, marked, strict=True):
        axes.plot([0, value, value], [mark, mark, 0], color=GREY, lw=0.7, ls=":")
        axes.plot(value, mark, color=ORANGE, marker="o", ms=4.5, zorder=3)
    words = "\n".join(f"{mark} %  below {plain(value)}" for mark, value in zip(MARKS, marked, strict=True))
    axes.text(0.97, 0.06, words, transform=axes.transAxes, ha="right", fontsize=9, linespacing=1.5)
    axes.set(title=f"{quantity.name} ({quantity.unit})", xlabel="absolute error", ylabel="% of errors below")
    axes.set(xlim=(0, 1.6 * most or 1.0), ylim=(0, 101))
