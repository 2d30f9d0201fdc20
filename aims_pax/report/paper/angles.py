"""By what angle predicted forces point elsewhere, against how large the labelled ones are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aims_pax.frame import FloatArray
from aims_pax.report.paper.cloud import Cloud, draw_cloud
from aims_pax.report.paper.sheet import printed
from aims_pax.report.style import ORANGE, plain_log


@dataclass(frozen=True, slots=True, eq=False)
class AnglesPanel:
    """Of one method.

    Parameters
    ----------
    title : str
    cloud : Cloud
        Logarithm (base 10) of the labelled force in eV/Å, and of the angle in degrees.
    force, median : (k,), eV/Å and °
        The median angle where the labelled force is about this large.
    """

    title: str
    cloud: Cloud
    force: FloatArray
    median: FloatArray


def draw_angles(panels: Sequence[AnglesPanel], stem: Path) -> None:
    """A panel for each method, both axes logarithmic."""
    with printed(stem, n_panels=len(panels), most_columns=3, height_in=2.3) as every:
        low = min(float(10 ** panel.cloud.y.min()) for panel in panels)
        for axes, panel in zip(every, panels, strict=True):
            one = panel.cloud
            edges = [None if ends is None else 10**ends for ends in (one.x_edges, one.y_edges)]
            axes.set(xscale="log", yscale="log")
            draw_cloud(axes, Cloud(10**one.x, 10**one.y, one.counts, *edges))
            axes.plot(panel.force, panel.median, color=ORANGE, lw=1.2, zorder=3, label="median")
            axes.set(title=panel.title, xlabel="labelled force (eV/Å)", ylabel="angle (°)")
            axes.set_ylim(max(low, 1e-3), 200.0)
            axes.legend(loc="lower left")
            least, most = axes.get_xlim()
            plain_log(axes.xaxis, is_wide=most > 100 * least)
            plain_log(axes.yaxis, is_wide=True)
