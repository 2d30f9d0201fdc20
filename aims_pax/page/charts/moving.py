"""Structures that models move beside those that another method moves, where `aims-pax verify` has compared them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.structure import OF_METHODS, DrawnFunction, draw_function
from aims_pax.report.style import BLUE, GREY, INK
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WIDTHS: Final = 5.0
"""What the axis of differences shows at most, in half widths of intervals: what is farther off stands at its end."""

Found = Mapping[str, Any]
"""One system at one temperature, as verify.json has it."""


def structures_in_motion(material: Material) -> Figure | Absent:
    """Which numbers differ by more than chance; then radial distributions, angles, neighbours and rings of both."""
    name, title = "structures_in_motion", "Structures of two methods"
    compared: Sequence[Found] = (material.verified or {}).get("structures", [])
    if not compared:
        why = "aims-pax verify --structure --against ... compares distances, angles, neighbours and rings of MD."
        return Absent(name, title, why)
    return Figure(
        name=name,
        title=title,
        good="In a good one differences lie within the band, one in twenty beside it, and curves upon each other.",
        table=_table(compared),
        panels=tuple(panel for found in compared for panel in _panels(found)),
        note=" ".join(f"{_where(found)}: {found['sentence']}" for found in compared),
    )


def _where(found: Found) -> str:
    return f"{found['system']} at {found['temperature_k']:g} K"


def _panels(found: Found) -> Iterator[Panel]:
    height_in = 1.3 + 0.3 * len(found["numbers"])
    yield Panel(partial(_draw_differences, found=found), height_in=height_in)
    for curve in found.get("curves", ()):
        sides = (curve["first"], curve["second"])
        first, second = (np.array(side["values"], dtype=np.float64) for side in sides)
        halves = tuple(np.array(side["half_widths"], dtype=np.float64) for side in sides)
        drawn = DrawnFunction(
            *(curve["title"], curve["x_label"], curve["y_label"], np.array(curve["x"], dtype=np.float64)),
            (first, second),
            (halves[0], halves[1]),
        )
        yield Panel(partial(_draw_curve, drawn=drawn, methods=found["methods"]))


def _draw_differences(axes: "Axes", *, found: Found) -> None:
    """Each number's difference in half widths of its interval: within one either way it may be chance."""
    told = [(one["words"], widths) for one in found["numbers"].values() if (widths := _in_widths(one)) is not None]
    first, second = found["methods"]
    places = np.arange(len(told))
    axes.axvspan(-1.0, 1.0, color=GREY, alpha=0.25, lw=0)
    axes.axvline(0.0, color=INK, lw=1.2)
    axes.plot(
        [np.clip(one, -MOST_WIDTHS, MOST_WIDTHS) for _, one in told], places, "o", ms=6.5, mec="white", color=BLUE
    )
    axes.set_yticks(places, [words for words, _ in told])
    axes.set(xlim=(-1.08 * MOST_WIDTHS, 1.08 * MOST_WIDTHS), ylim=(max(len(told), 1) - 0.5, -0.5), title=_where(found))
    axes.set_xlabel(f"{first} less {second}, in half widths of 95 % intervals")
    axes.grid(axis="y", visible=False)


def _in_widths(one: Found) -> float | None:
    """None where a single block says nothing; zero where both are the same without any chance."""
    value, low, high = (one["difference"][key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return None
    half = (high - low) / 2
    return float(value / half) if half > 0 else float(np.sign(value) * MOST_WIDTHS)


def _draw_curve(axes: "Axes", *, drawn: DrawnFunction, methods: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    draw_function(axes, drawn)
    axes.legend([Line2D([], [], color=colour, lw=2.0) for colour in OF_METHODS], methods, loc="best")


def _table(compared: Sequence[Found]) -> Table:
    rows = [(found, key, one) for found in compared for key, one in found["numbers"].items()]

    def column(which: str, key: str) -> Any:
        values = [one[which][key] for _, _, one in rows]
        return np.array([nan if value is None else value for value in values], dtype=np.float64)

    texts = {
        "system": [found["system"] for found, _, _ in rows],
        "first": [found["methods"][0] for found, _, _ in rows],
        "second": [found["methods"][1] for found, _, _ in rows],
        "quantity": [key for _, key, _ in rows],
        "unit": [one["unit"] for _, _, one in rows],
        "likeness": [one["likeness"] for _, _, one in rows],
    }
    numbers = {"temperature_k": np.array([float(found["temperature_k"]) for found, _, _ in rows])}
    for which in ("first", "second", "difference"):
        for key in ("value", "low", "high"):
            numbers[f"{which}_{key}"] = column(which, key)
    return Table({key: np.array(values, dtype=object) for key, values in texts.items()} | numbers)
