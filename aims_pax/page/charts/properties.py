"""Properties of materials, where a stage has looked at them: how far the model is from the reference, and curves."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.evaluation.properties.comparison import CROSSED
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.properties import (
    DrawnLine,
    DrawnNumbers,
    DrawnPanel,
    Methods,
    draw_group,
    draw_panel,
    legend_handles,
)
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NUMBERS: Final = 24
"""That one panel shows, those that are farthest off; the table has all."""

Found = Mapping[str, Any]
"""What one stage has found, as its properties.json has it."""


def properties(material: Material) -> Figure | Absent:
    """Numbers by the model beside those by the reference, a panel for each property; then curves over each other."""
    name, title = "properties", "Properties of materials"
    if not any(found["comparison"] for found in material.validated.values()):
        why = "No stage validate has computed any. aims-pax validate does so for any model."
        return Absent(name, title, why)
    panels = [panel for found in material.validated.values() for panel in _panels(found)]
    if not panels:
        return Absent(name, title, "No number is known by a model and the reference, and no curve was computed.")
    sentences = [sentence for found in material.validated.values() for sentence in found["sentences"]]
    return Figure(
        name=name,
        title=title,
        good="In a good one points lie within a few percent of the reference, and curves upon each other; what is far "
        "off is a kind of deformation that the dataset lacks.",
        table=_table(material.validated),
        panels=tuple(panels),
        note=" ".join(sentences),
    )


def _panels(found: Found) -> Iterator[Panel]:
    methods = Methods(tuple(found["models"]), found["reference"])
    for key, title in found["titles"].items():
        rows = [
            row for row in found["comparison"] if row["property"] == key and not row["quantity"].startswith(CROSSED)
        ]
        told = [row for row in rows if row["deviation_percent"]]
        told = sorted(told, key=lambda row: -max(map(abs, row["deviation_percent"].values())))[:MOST_NUMBERS]
        if told:
            height_in = 1.3 + 0.3 * len(told)
            yield Panel(partial(_draw_numbers, rows=told, title=title, methods=methods), height_in=height_in)
        for drawn in _curves(found, key, title):
            yield Panel(partial(_draw_curves, panel=drawn, methods=methods), width_in=5.4)


def _draw_numbers(axes: "Axes", *, rows: Sequence[Found], title: str, methods: Methods) -> None:
    names = [f"{row['words']}, {row['structure']}" for row in rows]
    values = {model: [row["deviation_percent"].get(model) for row in rows] for model in methods.models}
    halves = {model: [_half_percent(row, model) for row in rows] for model in methods.models}
    draw_group(axes, DrawnNumbers(f"deviation from {methods.reference} (%)", names, values, halves), methods)
    axes.set_title(title)
    if len(methods.models) > 1:
        axes.legend(*legend_handles(methods, set(methods.models), is_points=True))


def _half_percent(row: Found, model: str) -> float | None:
    """Half of the 95 % interval of a deviation, relative to the reference; None where nothing of it is chance."""
    half = row.get("chance", {}).get("difference_half_widths", {}).get(model)
    return None if half is None or not row["reference"] else 100 * float(half) / abs(float(row["reference"]))


def _draw_curves(axes: "Axes", *, panel: DrawnPanel, methods: Methods) -> None:
    draw_panel(axes, panel, methods)
    axes.legend(*legend_handles(methods, {line.method for line in panel.lines}), loc="best")


def _curves(found: Found, key: str, title: str) -> Iterator[DrawnPanel]:
    """Of one property: by structure and kind, the lines of all methods."""
    drawn: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for entry in found["results"]:
        if entry["property"] == key:
            for curve in entry.get("curves", ()):
                drawn.setdefault((entry["structure"], curve["name"]), []).append((entry["method"], curve))
    for (structure, kind), those in drawn.items():
        first = those[0][1]
        lines = [
            DrawnLine(
                method,
                _numbers(line["x"]),
                _numbers(line["y"]),
                bool(line["computed"]),
                _numbers(line["half_width"]) if "half_width" in line else None,
            )
            for method, curve in those
            for line in curve["lines"]
        ]
        ticks = [(float(place), str(name)) for place, name in first["places"]]
        yield DrawnPanel(f"{title}, {structure}: {first.get('title') or kind}", first["x"], first["y"], ticks, lines)


def _numbers(listed: Any) -> Any:
    """An array of numbers in which null is none."""
    return np.array(listed, dtype=np.float64)


def _table(validated: Mapping[str, Found]) -> Table:
    rows = [
        (stage, row, model)
        for stage, found in validated.items()
        for row in found["comparison"]
        for model in found["models"]
    ]

    def number(value: float | None) -> float:
        return nan if value is None else value

    texts = {
        "stage": [stage for stage, _, _ in rows],
        **{key: [row[key] for _, row, _ in rows] for key in ("property", "structure", "quantity", "unit")},
        "model": [model for _, _, model in rows],
    }
    return Table(
        {key: np.array(values, dtype=object) for key, values in texts.items()}
        | {
            "value": np.array([number(row["values"].get(model)) for _, row, model in rows]),
            "reference": np.array([number(row["reference"]) for _, row, _ in rows]),
            "deviation_percent": np.array([number(row["deviation_percent"].get(model)) for _, row, model in rows]),
        }
    )
