"""What the committee was unsure of along each trajectory, and what was picked."""

from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREY, MOST_SPANNED, ORANGE, log_axis
from aims_pax.report.table import Table
from aims_pax.settings.stages.uncertainty import UncertaintyKind, kind_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TRAJECTORIES: Final = 12
"""Panels of one figure; the table has all."""

MOST_POINTS: Final = 3000
"""Of one panel that were not picked; more are thinned out evenly, and hide nothing that is to be seen."""

LONGEST: Final = 26
"""Letters of a line beside a panel."""

DENSE: Final = 600
"""More points than this are drawn as pixels."""


def scores_by_trajectory(material: Material) -> Figure | Absent | None:
    """Scores, threshold and picks against MD steps, a panel for each trajectory."""
    if material.has_rounds_alone:
        return None
    name, title, scores = "scores", "Scores, threshold and picks", material.scores
    if not len(scores):
        return Absent(name, title, "No uncertainty has been estimated yet.")
    numbers, counts = np.unique(scores["series"], return_counts=True)
    leading = int(numbers[np.argmax(counts)])
    shown, series = scores[scores["series"] == leading], material.series[leading]
    trajectories = np.unique(shown["trajectory"])
    most_picks = np.argsort([-shown["picked"][shown["trajectory"] == one].sum() for one in trajectories], kind="stable")
    chosen = np.sort(trajectories[most_picks[:MOST_TRAJECTORIES]]).tolist()
    limits = _limits(shown)
    panels = tuple(
        Panel(
            partial(
                _draw, scores=shown[shown["trajectory"] == one], title=f"trajectory {one}", limits=limits, kind=kind
            ),
            width_in=3.4,
            height_in=2.5,
        )
        for kind in [kind_named(series.kind)]
        for one in chosen
    )
    left_out = len(trajectories) - len(chosen)
    note = f"{kind_named(series.kind).axis[:1].upper()}{kind_named(series.kind).axis[1:]}, stage {series.stage}."
    note += " Blue: threshold; orange: picked for a label."
    note += f" The {len(chosen)} trajectories with most picks; the table has {left_out} more." if left_out else ""
    names = {one: [getattr(material.series[n], one) for n in scores["series"].tolist()] for one in _SERIES}
    columns = {field: scores[field].copy() for field in scores.dtype.names or () if field != "series"}
    return Figure(
        name=name,
        title=title,
        good="In a good one scores fall and become level below the threshold, and picks become rare towards the end "
        "in every trajectory.",
        table=Table({one: np.array(values, dtype=object) for one, values in names.items()} | columns),
        panels=panels,
        note=note,
    )


_SERIES = ("stage", "selector", "kind")


def _limits(scores: NDArray[np.void]) -> NDArray[np.float64]:
    """The same y axis for all panels."""
    known = scores["score"][np.isfinite(scores["score"]) & (scores["score"] > 0)]
    return (
        np.array([max(known.min(), known.max() / MOST_SPANNED) / 1.3, known.max() * 1.3])
        if len(known)
        else np.array([0.0, 1.0])
    )


def _draw(
    axes: "Axes", *, scores: NDArray[np.void], title: str, limits: NDArray[np.float64], kind: UncertaintyKind
) -> None:
    picked = scores[scores["picked"]]
    others = scores[~scores["picked"]]
    others = others[:: max(1, len(others) // MOST_POINTS)]
    axes.scatter(others["md_step"], others["score"], s=6, color=GREY, alpha=0.5, lw=0, rasterized=len(others) > DENSE)
    known = scores[np.isfinite(scores["threshold"])]
    known = known[:: max(1, len(known) // MOST_POINTS)]
    axes.plot(known["md_step"], known["threshold"], color=BLUE, lw=1.4)
    axes.scatter(
        picked["md_step"],
        picked["score"],
        s=16 if len(picked) < 100 else 5,
        color=ORANGE,
        lw=0,
        zorder=3,
        rasterized=len(picked) > DENSE,
    )
    axes.set(title=title, xlabel="MD step")
    axes.set_ylabel("\n".join(wrap(kind.unit or kind.what, LONGEST)))
    log_axis(axes, limits)
    if axes.get_yscale() == "log":
        axes.set_ylim(*limits)
    axes.locator_params(axis="x", nbins=4)
