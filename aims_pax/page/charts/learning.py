"""How the error fell: with labels, and with time."""

from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, PALE_BLUE, counting, log_axis
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW: Final = 60
"""Points that are marked one by one."""

NO_EPOCHS: Final = "No member has been measured on validation structures yet."


def learning_by_labels(material: Material) -> Figure | Absent:
    """Force MAE on validation structures against training structures, of each member and of all."""
    title = "Error by labels"
    epochs = material.epochs
    measured = epochs[np.isfinite(epochs["force_mae_ev_per_ang"])]
    if not len(measured):
        return Absent("learning_by_labels", title, NO_EPOCHS)
    curves = {int(member): _curve(measured[measured["member"] == member]) for member in np.unique(measured["member"])}

    def draw(axes: "Axes") -> None:
        for size, mae in curves.values():
            axes.plot(size, mae, color=PALE_BLUE, lw=1.2, marker="o" if len(size) < FEW else None, ms=2.5)
        size, mae = _mean(list(curves.values()))
        axes.plot(size, mae, color=BLUE, lw=2.0, marker="o" if len(size) < FEW else None, ms=3.5)
        axes.set(xlabel="training structures of a member", ylabel="force MAE on validation (meV/Å)")
        counting(axes.xaxis)
        axes.legend(axes.get_lines()[:: max(1, len(curves))][:2], ["each member", "their mean"])
        log_axis(axes, np.concatenate([mae for _, mae in curves.values()]))

    return Figure(
        name="learning_by_labels",
        title=title,
        good="A good one falls and then becomes level: where it still falls at its right end, more labels help.",
        table=Table({name: epochs[name].copy() for name in epochs.dtype.names or ()}),
        panels=(Panel(draw),),
        note="Measured on the validation structures of that moment, which become more, and harder, as the run goes on.",
    )


def learning_by_time(material: Material) -> Figure | Absent | None:
    """The same against hours of work."""
    if material.has_rounds_alone:
        return None
    title, events = "Error by time", material.trainings
    events = events[np.isfinite(events["force_mae_ev_per_ang"])]
    if not len(events) or material.time is None:
        return Absent("learning_by_time", title, "The run has no training with a measured error yet.")
    hours, (unit, length_h) = material.time.hours(events["time"]), material.time.unit

    def draw(axes: "Axes") -> None:
        mae = 1000 * events["force_mae_ev_per_ang"]
        axes.plot(hours / length_h, mae, color=BLUE, lw=1.6, marker="o" if len(hours) < FEW else None, ms=3)
        axes.set(xlabel=f"{unit} of work", ylabel="force MAE on validation (meV/Å)", xlim=(0, None))
        log_axis(axes, mae)

    return Figure(
        name="learning_by_time",
        title=title,
        good="A good one falls steeply from the beginning: long level stretches are time in which nothing was learned.",
        table=Table(
            hours=hours,
            unix_time_s=events["time"].copy(),
            n_epochs=events["n_epochs"].copy(),
            force_mae_ev_per_ang=events["force_mae_ev_per_ang"].copy(),
        ),
        panels=(Panel(draw),),
        note="Mean over the members after each training of a stage that learns; interruptions are left out. "
        "The final convergence comes after it.",
    )


def _curve(epochs: np.ndarray[tuple[int], np.dtype[np.void]]) -> tuple[IntArray, FloatArray]:
    """Sizes of the training set (n,), and the last error that was measured with each, meV/Å (n,)."""
    sizes, first_from_behind = np.unique(epochs["n_train"][::-1], return_index=True)
    return sizes, 1000 * epochs["force_mae_ev_per_ang"][::-1][first_from_behind]


def _mean(curves: list[tuple[IntArray, FloatArray]]) -> tuple[IntArray, FloatArray]:
    """The mean error at the sizes that all members have had."""
    shared = set.intersection(*(set(sizes.tolist()) for sizes, _ in curves))
    sizes = np.array(sorted(shared), dtype=np.int64)
    found = [mae[np.searchsorted(own, sizes)] for own, mae in curves]
    return sizes, np.mean(found, axis=0)
