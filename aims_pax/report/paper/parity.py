"""Predicted against labelled values, several methods and quantities side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aims_pax.report.paper.cloud import Cloud, diagonal, draw_cloud
from aims_pax.report.paper.sheet import printed


@dataclass(frozen=True, slots=True, eq=False)
class ParityPanel:
    """One quantity by one method.

    Parameters
    ----------
    title, x_label, y_label : str
    cloud : Cloud
        Label, prediction, in the unit that the labels name.
    limits : tuple of float
        Lowest and highest value of all methods: panels of one quantity have the same axes.
    words : tuple of str
        Numbers within it.
    """

    title: str
    x_label: str
    y_label: str
    cloud: Cloud
    limits: tuple[float, float]
    words: tuple[str, ...]


def draw_parities(panels: Sequence[ParityPanel], stem: Path, *, n_columns: int) -> None:
    """A panel for each, `n_columns` in a row."""
    with printed(stem, n_panels=len(panels), most_columns=n_columns, height_in=2.3) as every:
        figure = every[0].get_figure(root=True)
        if figure is not None:
            figure.set_layout_engine("compressed")  # squares leave no room empty around them
        for axes, panel in zip(every, panels, strict=True):
            diagonal(axes, *panel.limits)
            draw_cloud(axes, panel.cloud)
            axes.text(0.04, 0.97, "\n".join(panel.words), transform=axes.transAxes, va="top", fontsize=7)
            axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
