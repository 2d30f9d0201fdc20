"""Errors by how dense structures are and how hot they were: in words, and as cells of a matrix."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.evaluation.parity import Matched, Method, Row
from aims_pax.evaluation.parity.condition import BOTH, Condition, cell_name
from aims_pax.evaluation.parity.quantity import COMPONENT, ENERGY
from aims_pax.outcome.assessment.tables import plain_number
from aims_pax.report.paper.cells import CellsPanel, draw_matrices
from aims_pax.report.table import Table

_WITHOUT: Final = {
    "density": "no structure is periodic in three directions",
    "temperature": "the files tell none",
}


def condition_lines(matched: Matched, rows: Sequence[Row]) -> list[str]:
    """Where the forces of the last method are worst and best by density and temperature; or why that is not told."""
    return [_line(one, matched.methods[-1], rows) for one in (matched.density, matched.temperature)]


def _line(condition: Condition, method: Method, rows: Sequence[Row]) -> str:
    kind = condition.kind
    if not condition.known:
        return f"Errors by {kind}: {_WITHOUT[kind]}."
    told = {
        row.group: COMPONENT.factor * row.measure.rmse
        for row in rows
        if (row.method, row.kind, row.quantity) == (method.name, kind, COMPONENT) and row.group in condition.known
    }
    if len(told) < 2:
        return f"Errors by {kind}: all structures that tell it are of {condition.known[0]}."
    worst, best = max(told, key=lambda name: told[name]), min(told, key=lambda name: told[name])
    ends = [f"{name} ({plain_number(told[name])} {COMPONENT.shown_unit})" for name in (worst, best)]
    return f"Errors by {kind}: the force RMSE of {method.name} is largest at {ends[0]} and least at {ends[1]}."


def write_matrices(matched: Matched, methods: Sequence[Method], rows: Sequence[Row], stem: Path) -> list[Path]:
    """RMSE of energies and forces by density and temperature as PNG, PDF and CSV; nothing where one of them is one.

    Notes
    -----
    Stenczel et al., hybrid-md, Fig. 4(c) and (d).
    """
    density, temperature = matched.density, matched.temperature
    if min(len(density.known), len(temperature.known)) < 2:
        return []
    counts = np.zeros((len(temperature.names), len(density.names)), dtype=np.int64)
    np.add.at(counts, (temperature.codes, density.codes), 1)
    panels, records = [], []
    for method, quantity in product(methods, (ENERGY, COMPONENT)):
        chosen = (BOTH, method.name, quantity.key)
        found = {row.group: row for row in rows if (row.kind, row.method, row.quantity.key) == chosen}
        values = np.full((len(temperature.names), len(density.known)), np.nan)
        for place in np.ndindex(values.shape):
            names = temperature.names[place[0]], density.names[place[1]]
            if (row := found.get(cell_name(*reversed(names)))) is not None:
                values[place] = quantity.factor * row.measure.rmse
                said = (
                    method.name,
                    quantity.key,
                    quantity.shown_unit,
                    *names,
                    int(counts[place]),
                    float(values[place]),
                )
                records.append(said)
        if np.isfinite(values).any():
            panels.append(
                CellsPanel(
                    title=quantity.title if len(methods) == 1 else f"{method.name}\n{quantity.title}",
                    label=f"RMSE ({quantity.shown_unit})",
                    values=values,
                    counts=counts[:, : len(density.known)],
                    densities=[name.removesuffix(" g/cm³") for name in density.known],
                    temperatures=temperature.names,
                )
            )
    if not panels:
        return []
    draw_matrices(panels, stem, n_columns=len({panel.label for panel in panels}))
    columns = ("method", "quantity", "unit", "temperature", "density", "n_structures", "rmse")
    table = {name: np.array([one[place] for one in records], dtype=object) for place, name in enumerate(columns)}
    Table(table).write_csv(stem.with_suffix(".csv"))
    return [stem.with_suffix(ending) for ending in (".png", ".pdf", ".csv")]
