"""Errors as tables for a person: by quantity and method, and by group."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Final

from aims_pax.evaluation.parity import MARKS, QUANTITIES, Row
from aims_pax.evaluation.parity.condition import BOTH, DENSITY, TEMPERATURE
from aims_pax.evaluation.parity.quantity import COMPONENT, ENERGY, Quantity

MOST_SHOWN: Final = 12
"""Groups of one kind; all of them are in errors.csv."""

EXPLAINED: Final = (
    "50 to 95 %: so many of the absolute errors are below. In brackets: 95 % intervals, by blocks of trajectories."
)

By = Mapping[tuple[str, str, str, str], Row]
"""Rows by method, quantity, kind and name of the group."""


def quantity_table(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Errors of the whole set: a part for each quantity, a line for each method."""
    found = _by(rows)
    lines = [["", "R²", "MAE", "RMSE", *(f"{mark} %" for mark in MARKS), "largest"]]
    for quantity in QUANTITIES:
        own = [row for name in methods if (row := found.get((name, quantity.key, "all", "all"))) is not None]
        if own:
            lines.append([f"{quantity.title} ({quantity.shown_unit})", *[""] * (len(lines[0]) - 1)])
            lines += [_cells(row) for row in own]
    return f"{_aligned(lines)}\n{EXPLAINED}"


def _cells(row: Row) -> list[str]:
    one, quantity = row.measure, row.quantity
    return [
        f"  {row.method}",
        "-" if one.r2 is None else f"{one.r2:.6f}",
        _with_interval(quantity, one.mae, one.mae_interval),
        _with_interval(quantity, one.rmse, one.rmse_interval),
        *(_number(quantity, value) for value in (*(one.below[mark] for mark in MARKS), one.largest)),
    ]


def group_tables(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """A table for each way to part the set: errors of energy and forces, a line for each group and method."""
    kinds = list(dict.fromkeys(row.kind for row in rows if row.kind not in ("all", BOTH)))  # of both there is a figure
    found = _by(rows)
    tables = [_group_table(kind, largest_groups(rows, kind), found, methods) for kind in kinds]
    return "\n\n".join(table for table in tables if table)


def largest_groups(rows: Sequence[Row], kind: str) -> list[tuple[str, int]]:
    """Names of groups and how many force components (or energies) they have, the largest first.

    Elements are by symbol, densities and temperatures from the lowest.
    """
    sizes: dict[str, int] = {}
    for row in rows:
        if row.kind == kind:
            sizes[row.group] = max(sizes.get(row.group, 0), row.measure.n_values)
    if kind in (DENSITY, TEMPERATURE):
        return list(sizes.items())
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return sorted(ordered) if kind == "element" else ordered


def _group_table(kind: str, groups: Sequence[tuple[str, int]], found: By, methods: Sequence[str]) -> str:
    if len(groups) < 2:
        return ""
    shown = [COMPONENT] if kind == "element" else [ENERGY, COMPONENT]
    titles = {ENERGY.key: "energy", COMPONENT.key: "force"}
    header = [f"by {kind.replace('_', ' ')}", "n"]
    for quantity in shown:
        words = titles[quantity.key]
        header += [f"{words} MAE", f"{words} RMSE ({quantity.shown_unit})"]
    lines = [header]
    for group, _ in groups[:MOST_SHOWN]:
        for method in methods:
            own = [found.get((method, quantity.key, kind, group)) for quantity in shown]
            if not any(own):
                continue
            counted = next(row.measure.n_values for row in own if row)
            name = f"  {group}" if len(methods) == 1 else f"  {group}  {method}"
            cells = [name, str(counted)]
            for quantity, row in zip(shown, own, strict=True):
                cells += (
                    [_number(quantity, row.measure.mae), _number(quantity, row.measure.rmse)] if row else ["-", "-"]
                )
            lines.append(cells)
    further = len(groups) - MOST_SHOWN
    return _aligned(lines) + (f"\n  and {further} more, in errors.csv" if further > 0 else "")


def _by(rows: Sequence[Row]) -> By:
    return {(row.method, row.quantity.key, row.kind, row.group): row for row in rows}


def _number(quantity: Quantity, value: float) -> str:
    return plain_number(quantity.factor * value)


def plain_number(value: float) -> str:
    """Four digits, and at least those before the point: 0.07812, 12.34, 1743."""
    size = floor(log10(abs(value))) if value else 0
    return f"{value:.{min(6, max(0, 3 - size))}f}"


def _with_interval(quantity: Quantity, value: float, interval: tuple[float, float] | None) -> str:
    told = _number(quantity, value)
    if interval is None:
        return told
    low, high = (plain_number(quantity.factor * end) for end in interval)
    return f"{told} ({low} to {high})"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells below each other; a heading, which stands alone in its line, makes no column wider."""
    told = [line for line in lines if any(line[1:])]
    widths = [max(len(line[column]) for line in told) for column in range(len(told[0]))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )
