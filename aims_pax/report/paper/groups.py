"""Errors by group, several methods side by side: dots with their 95 % intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aims_pax.report.paper.sheet import PAGE_IN, PAPER_LOOK
from aims_pax.report.properties import COLOURS, MARKERS
from aims_pax.report.style import sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Dot:
    """A number and its interval, where there is one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, eq=False)
class GroupsPanel:
    """One quantity by group.

    Parameters
    ----------
    title, x_label : str
    groups : sequence of str
        From the top.
    dots : mapping of method to sequence of Dot or None
        In the order of `groups`.
    """

    title: str
    x_label: str
    groups: Sequence[str]
    dots: Mapping[str, Sequence[Dot | None]]


def draw_groups(panels: Sequence[GroupsPanel], stem: Path, *, methods: Sequence[str]) -> None:
    """Panels side by side, with the same groups on the lines of each."""
    from matplotlib.lines import Line2D

    n_lines = max(len(panel.groups) for panel in panels)
    height = 0.8 + n_lines * (0.12 + 0.09 * len(methods)) + (0.25 if len(methods) > 1 else 0.0)
    with sheet(PAGE_IN * min(1.0, 0.2 + 0.4 * len(panels)), height, look=PAPER_LOOK) as figure:
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw(axes, panel, methods)
        if len(methods) > 1:
            handles = [
                Line2D([], [], color=COLOURS[n % len(COLOURS)], lw=0.8, marker=MARKERS[n % len(MARKERS)], ms=4)
                for n in range(len(methods))
            ]
            figure.legend(handles, methods, loc="outside lower left", ncols=3)
        stem.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(stem.with_suffix(".png"))
        figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})


def _draw(axes: "Axes", panel: GroupsPanel, methods: Sequence[str]) -> None:
    places = np.arange(len(panel.groups))
    for number, method in enumerate(methods):
        shift = 0.6 * ((number + 0.5) / len(methods) - 0.5)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        for place, dot in zip(places, panel.dots.get(method, ()), strict=False):
            if dot is None:
                continue
            axes.plot(dot.value, place + shift, marker=marker, ms=4, color=colour, zorder=3)
            if dot.low is not None and dot.high is not None:
                axes.plot([dot.low, dot.high], [place + shift] * 2, color=colour, lw=0.8, zorder=2)
    axes.set_yticks(places, panel.groups)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0.0)
    axes.set(title=panel.title, xlabel=panel.x_label)
