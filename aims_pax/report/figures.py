"""The figures of a run, from plain arrays: how it learned, what it picked, how far its models are off."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.frame import FloatArray, IntArray
from aims_pax.report.style import BLUE, GREEN, GREY, INK, ORANGE, PALE_BLUE, counting, density_colours, log_axis, panels
from aims_pax.settings.stages.uncertainty import UncertaintyKind, kind_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST: Final = 38
"""Letters of a line beside an axis."""

DENSE: Final = 4000
"""More points than this are drawn as a density, for single dots would hide one another."""


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """Reference and prediction of the same structures.

    Parameters
    ----------
    title : str
        What was predicted on what: ``committee mean, 200 held-out structures``.
    energy_per_atom : (2, n_structures), eV
        Reference, prediction.
    forces : (2, n_components), eV/Å
        Reference, prediction.
    stress : (2, n_components), eV/Å³, or None
        Reference, prediction; None where nothing has a stress.
    """

    title: str
    energy_per_atom: FloatArray
    forces: FloatArray
    stress: FloatArray | None = None


def draw_run(
    folder: Path,
    *,
    epochs: NDArray[np.void],
    scores: NDArray[np.void],
    busy_s: Mapping[str, float],
    wall_s: float,
    product: tuple[str, int] | None = None,
    kinds: Mapping[int, str] | None = None,
) -> list[Path]:
    """Draw every figure of a run for which there are data.

    Parameters
    ----------
    folder : Path
        Where the PNGs go; made when missing.
    epochs : (n_epochs,), fields of :data:`aims_pax.dataset.records.EPOCH_DTYPE`
    scores : (n_scores,), fields of :data:`aims_pax.dataset.records.SCORE_DTYPE`
    busy_s : mapping of activity to seconds
    wall_s : float
        Wall time of the whole run.
    product : tuple of str and int, or None
        Name and index of the member that is handed over; None where that is not decided.
    kinds : mapping of int to str, or None
        What was measured, by the number of a series of scores; deviations of forces where nothing is said.

    Returns
    -------
    list of Path
        The figures that were written.
    """
    drawn = []
    measured = epochs[np.isfinite(epochs["force_mae_ev_per_ang"])]
    if len(measured):
        drawn.append(folder / "learning_curve.png")
        draw_learning_curve(measured, drawn[-1], product=product)
    if len(scores):
        drawn.append(folder / "uncertainty.png")
        draw_scores(scores, drawn[-1], kinds=kinds or {})
    if any(busy_s.values()):
        drawn.append(folder / "time.png")
        draw_time(busy_s, wall_s, drawn[-1])
    return drawn


def draw_learning_curve(epochs: NDArray[np.void], path: Path, *, product: tuple[str, int] | None = None) -> None:
    """Force MAE on the validation set against training structures, and against epochs; members and their mean.

    Parameters
    ----------
    epochs : (n_epochs,), fields of :data:`aims_pax.dataset.records.EPOCH_DTYPE`
        At least one, all with measured errors.
    path : Path
    product : tuple of str and int, or None
        Name and index of the member that is handed over, which is drawn on top.
    """
    mae = 1000 * epochs["force_mae_ev_per_ang"]
    with panels(path, n_columns=2, width_in=9.0, height_in=3.6) as (by_size, by_epoch):
        for member in np.unique(epochs["member"]):
            own = epochs["member"] == member
            n_train = epochs["n_train"][own]
            last = _last_of_each(n_train)
            by_size.plot(n_train[last], mae[own][last], color=PALE_BLUE, lw=1.0)
            by_epoch.plot(epochs["epoch"][own], mae[own], color=PALE_BLUE, lw=1.0)
        shared, mean_mae = _mean_over_members(epochs, mae)
        _, mean_size = _mean_over_members(epochs, epochs["n_train"])
        last = _last_of_each(mean_size)
        by_size.plot(mean_size[last], mean_mae[last], color=BLUE, lw=2.0, marker="o", ms=3.5)
        by_epoch.plot(shared, mean_mae, color=BLUE, lw=2.0)
        if product is not None:
            own = epochs["member"] == product[1]
            last = _last_of_each(epochs["n_train"][own])
            by_size.plot(epochs["n_train"][own][last], mae[own][last], color=ORANGE, lw=1.2)
            by_epoch.plot(epochs["epoch"][own], mae[own], color=ORANGE, lw=1.2)
        by_size.set(title="Error while the dataset grows", xlabel="training structures per member")
        by_epoch.set(title="Error while the models are trained", xlabel="epochs")
        by_size.set_ylabel("force MAE on validation (meV/Å)")
        for axes in (by_size, by_epoch):
            counting(axes.xaxis)
            log_axis(axes, mae)
        _legend_of_members(by_epoch, product)


def draw_scores(scores: NDArray[np.void], path: Path, *, kinds: Mapping[int, str] = MappingProxyType({})) -> None:
    """Committee deviation of every estimate, with the threshold and the structures that were picked.

    What has another unit, or is of molecules, has a panel of its own.

    Parameters
    ----------
    scores : (n_scores,), fields of :data:`aims_pax.dataset.records.SCORE_DTYPE`
        At least one, series by series in the order they were made.
    path : Path
    kinds : mapping of int to str
        What was measured, by the number of a series.
    """
    names = np.array([kinds.get(int(number), "") for number in scores["series"]], dtype=object)
    found = list(dict.fromkeys(names.tolist()))
    with panels(path, n_columns=len(found), width_in=9.0 * len(found), height_in=3.6) as all_axes:
        for axes, name in zip(all_axes, found, strict=True):
            _draw_scores_of(axes, scores[names == name], kind_named(name))


def _draw_scores_of(axes: "Axes", scores: NDArray[np.void], kind: UncertaintyKind) -> None:
    index = np.arange(1, len(scores) + 1)
    score, threshold, picked = scores["score"], scores["threshold"], scores["picked"]
    axes.scatter(index[~picked], score[~picked], s=7, color=GREY, alpha=0.45, lw=0, label="estimate")
    axes.scatter(index[picked], score[picked], s=22, color=ORANGE, lw=0, zorder=3, label="picked")
    known = np.isfinite(threshold)
    axes.plot(index[known], threshold[known], color=BLUE, lw=1.8, label="threshold")
    axes.set(
        title=f"{picked.sum()} structures picked in {_thousands(len(scores), 0)} uncertainty estimates",
        xlabel="uncertainty estimate",
        ylabel="\n".join(wrap(kind.axis, LONGEST)),
    )
    log_axis(axes, score)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, markerscale=1.4)


def draw_parity(parity: Parity, path: Path) -> None:
    """Predicted against reference energies per atom, force and stress components, with mean absolute errors."""
    energies_ev = parity.energy_per_atom - parity.energy_per_atom[0].mean()
    n_columns = 2 if parity.stress is None else 3
    with panels(path, n_columns=n_columns, width_in=4.3 * n_columns, height_in=4.2) as (energies, forces, *stresses):
        draw_against(energies, 1000 * energies_ev)
        energies.set(
            title=f"Energy: MAE {1000 * _mae(energies_ev):.2f} meV/atom",
            xlabel="reference, from its mean (meV/atom)",
            ylabel="predicted (meV/atom)",
        )
        draw_against(forces, parity.forces)
        forces.set(
            title=f"Forces: MAE {1000 * _mae(parity.forces):.1f} meV/Å",
            xlabel="reference (eV/Å)",
            ylabel="predicted (eV/Å)",
        )
        if parity.stress is not None:
            (stress,) = stresses
            draw_against(stress, 1000 * parity.stress)
            stress.set(
                title=f"Stress: MAE {1000 * _mae(parity.stress):.2f} meV/Å³",
                xlabel="reference (meV/Å³)",
                ylabel="predicted (meV/Å³)",
            )
        energies.figure.suptitle(parity.title, x=0.01, ha="left", fontsize=10, color=GREY)


def draw_time(busy_s: Mapping[str, float], wall_s: float, path: Path) -> None:
    """Seconds that each activity took, longest first.

    Parameters
    ----------
    busy_s : mapping of activity to seconds
    wall_s : float
        Wall time of the whole run.
    path : Path
    """
    with panels(path, n_columns=1, width_in=7.0, height_in=0.9 + 0.38 * len(busy_s)) as (axes,):
        draw_bars(axes, busy_s, wall_s)
        axes.set_title(f"Wall time by activity: {_thousands(wall_s, 0)} s in all")


def draw_bars(axes: "Axes", busy_s: Mapping[str, float], wall_s: float) -> None:
    """Seconds of each activity as bars, longest first, with their shares of the whole wall time."""
    rows = sorted(busy_s.items(), key=lambda row: row[1])
    shares = [_share(seconds / wall_s) for _, seconds in rows]
    bars = axes.barh([name for name, _ in rows], [seconds for _, seconds in rows], color=GREEN, height=0.62)
    texts = [f"{_thousands(row[1], 1)} s   {share}" for row, share in zip(rows, shares, strict=True)]
    axes.bar_label(bars, texts, padding=5, color=INK)
    axes.set(xlim=(0, 1.28 * max(busy_s.values())))
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.grid(visible=False)


def draw_against(axes: "Axes", pair: FloatArray) -> None:
    """Prediction over reference on equal axes, with the diagonal."""
    low, high = float(pair.min()), float(pair.max())
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, lw=1.0, zorder=1)
    if pair.shape[1] > DENSE:
        axes.hexbin(
            pair[0],
            pair[1],
            gridsize=90,
            bins="log",
            mincnt=1,
            extent=(*limits, *limits),
            cmap=density_colours(),
            lw=0.1,
            rasterized=True,
        )
    else:
        axes.scatter(pair[0], pair[1], s=9 if pair.shape[1] > 100 else 22, color=BLUE, alpha=0.5, lw=0, zorder=2)
    axes.set_yticks(axes.get_xticks())
    axes.set(xlim=limits, ylim=limits, aspect="equal")


def _legend_of_members(axes: "Axes", product: tuple[str, int] | None) -> None:
    from matplotlib.lines import Line2D

    lines = [("each member", PALE_BLUE, 1.5), ("mean of their errors", BLUE, 2.0)]
    if product is not None:
        lines.append((f"{product[0]}, handed over", ORANGE, 1.5))
    axes.legend([Line2D([], [], color=color, lw=width) for _, color, width in lines], [name for name, *_ in lines])


def _last_of_each(sizes: NDArray[Any]) -> IntArray:
    """Indices of the last row before `sizes` changes."""
    return np.flatnonzero(np.append(np.diff(sizes) != 0, True))


def _mean_over_members(epochs: NDArray[np.void], values: NDArray[Any]) -> tuple[IntArray, FloatArray]:
    """Epochs that all members have made, ascending, and the mean of the values after each.

    Epochs that only some members have made, as when the best one alone is converged, have no mean.
    """
    unique, inverse = np.unique(epochs["epoch"], return_inverse=True)
    n_rows = np.bincount(inverse)
    complete = n_rows == len(np.unique(epochs["member"]))
    return unique[complete], np.bincount(inverse, weights=values)[complete] / n_rows[complete]


def _mae(pair: FloatArray) -> float:
    return float(np.abs(np.diff(pair, axis=0)).mean())


def _share(fraction: float) -> str:
    return f"{fraction:.0%}" if fraction == 0 or fraction >= 0.005 else "<1%"


def _thousands(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace(",", " ")
