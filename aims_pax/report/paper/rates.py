"""What thresholds of a score find: true-positive rate and predictive value."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.frame import FloatArray
from aims_pax.report.paper.sheet import printed
from aims_pax.report.style import BLUE, GREY, INK, ORANGE, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False)
class RatesPanel:
    """Rates of one quantity, in percent.

    Parameters
    ----------
    title, x_label : str
    thresholds : (n,)
        In the unit of the axis.
    true_positive_percent, predictive_percent : (n, 3)
        Value and 95 % interval.
    base_percent : float
        Predictive value of a score that knows nothing.
    tau : float
        A threshold that is marked.
    """

    title: str
    x_label: str
    thresholds: FloatArray
    true_positive_percent: FloatArray
    predictive_percent: FloatArray
    base_percent: float
    tau: float


def draw_detections(panels: Sequence[RatesPanel], stem: Path) -> None:
    """Panels side by side."""
    with printed(stem, n_panels=len(panels), most_columns=3, height_in=2.3) as every:
        for axes, panel in zip(every, panels, strict=True):
            draw_rates(axes, panel)


def draw_rates(axes: "Axes", panel: RatesPanel) -> None:
    """Both rates with their bands over a logarithmic axis of thresholds."""
    drawn = (
        ("true-positive rate", BLUE, panel.true_positive_percent),
        ("predictive value", ORANGE, panel.predictive_percent),
    )
    for label, colour, rates in drawn:
        axes.plot(panel.thresholds, rates[:, 0], color=colour, lw=1.6, label=label)
        axes.fill_between(panel.thresholds, rates[:, 1], rates[:, 2], color=colour, alpha=0.15, lw=0)
    axes.axhline(panel.base_percent, color=GREY, lw=1.0, ls="--")
    axes.axvline(panel.tau, color=INK, lw=1.0, ls=":")
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel="%", ylim=(0, 103), xscale="log")
    plain_log(axes.xaxis)
    axes.legend(loc="best")
