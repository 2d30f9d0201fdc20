"""The figures of an assessment, and the numbers that each of them shows."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.parity import MARKS, Matched, Method, Quantity, Row, curve_of
from aims_pax.evaluation.parity.condition import BOTH
from aims_pax.evaluation.parity.quantity import ANGLE, COMPONENT, DIFFERENCE, ENERGY, STRESS
from aims_pax.outcome.assessment.clouds import angles_panel, limits_of, parity_cloud, seen_of
from aims_pax.outcome.assessment.conditions import write_matrices
from aims_pax.outcome.assessment.tables import largest_groups, plain_number
from aims_pax.report.paper.angles import AnglesPanel, draw_angles
from aims_pax.report.paper.cloud import Cloud
from aims_pax.report.paper.cumulative import CurvesPanel, draw_cumulative
from aims_pax.report.paper.groups import Dot, GroupsPanel, draw_groups
from aims_pax.report.paper.parity import ParityPanel, draw_parities
from aims_pax.report.table import Table

MOST_DRAWN: Final = 6
"""Methods, for which there are colours; all of them are in the tables."""

MOST_GROUPS: Final = 20
"""Lines of one figure."""

SHARES: Final = np.unique(np.concatenate([np.linspace(0.0, 100.0, 401), MARKS]))
"""Percent, at which cumulative errors are drawn."""

Whole = Mapping[tuple[str, str], Row]
"""Measures of the whole set by method and quantity."""


def drawn_methods(matched: Matched) -> tuple[Method, ...]:
    """All of them, or the last one, which is their mean where there is one, after the first five."""
    every = matched.methods
    return every if len(every) <= MOST_DRAWN else (*every[: MOST_DRAWN - 1], every[-1])


def write_figures(matched: Matched, rows: Sequence[Row], folder: Path) -> list[Path]:
    """Each as PNG, PDF and CSV; what there is nothing of is left out."""
    methods = drawn_methods(matched)
    whole = {(row.method, row.quantity.key): row for row in rows if row.kind == "all"}
    written = _parity(matched, methods, whole, folder / "parity")
    written += _cumulative(matched, methods, whole, folder / "cumulative")
    written += _angles(matched, methods, folder / "force_angles")
    written += write_matrices(matched, methods, rows, folder / f"errors_by_{BOTH}")
    for kind in dict.fromkeys(row.kind for row in rows if row.kind not in ("all", BOTH)):
        written += _groups(rows, kind, methods, folder / f"errors_by_{kind}")
    return written


def _kept(stem: Path, table: Table) -> list[Path]:
    """The numbers beside a figure, and the names of its files."""
    table.write_csv(stem.with_suffix(".csv"))
    return [stem.with_suffix(ending) for ending in (".png", ".pdf", ".csv")]


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Words as objects and numbers as such, so that every digit is kept."""
    return Table({name: np.array([row[place] for row in rows], dtype=object) for place, name in enumerate(columns)})


def _parity(matched: Matched, methods: Sequence[Method], whole: Whole, stem: Path) -> list[Path]:
    shown = [one for one in (ENERGY, COMPONENT, STRESS) if any((method.name, one.key) in whole for method in methods)]
    drawing = {one.key: seen_of(matched, one) for one in shown}
    limits = {one.key: limits_of(matched, methods, one, drawing[one.key][0]) for one in shown}
    panels, table = [], []
    for method, quantity in product(methods, shown):
        row = whole.get((method.name, quantity.key))
        if row is None:
            continue
        seen, origin = drawing[quantity.key]
        cloud = parity_cloud(
            matched, method, quantity, seen=seen, limits=limits[quantity.key], n_values=row.measure.n_values
        )
        panels.append(
            ParityPanel(
                title=quantity.title if len(methods) == 1 else f"{method.name}\n{quantity.title}",
                x_label=f"label{origin} ({quantity.shown_unit})",
                y_label=f"predicted ({quantity.shown_unit})",
                cloud=cloud,
                limits=limits[quantity.key],
                words=_words(row),
            )
        )
        table += [(method.name, quantity.key, quantity.shown_unit, *point) for point in _points(cloud)]
    draw_parities(panels, stem, n_columns=len(shown))
    return _kept(stem, _table(("method", "quantity", "unit", "reference", "predicted", "n_values"), table))


def _points(cloud: Cloud) -> Iterator[tuple[float, float, int]]:
    """Places, and how many values each stands for."""
    counts = np.ones(len(cloud.x)) if cloud.counts is None else cloud.counts
    return zip(cloud.x.tolist(), cloud.y.tolist(), counts.astype(np.int64).tolist(), strict=True)


def _words(row: Row) -> tuple[str, ...]:
    one, factor = row.measure, row.quantity.factor
    r2 = () if one.r2 is None else (f"R² {one.r2:.4f}",)
    return (*r2, f"MAE {plain_number(factor * one.mae)}", f"RMSE {plain_number(factor * one.rmse)}")


def _cumulative(matched: Matched, methods: Sequence[Method], whole: Whole, stem: Path) -> list[Path]:
    panels, table = [], []
    for quantity in (ENERGY, COMPONENT, DIFFERENCE, ANGLE, STRESS):
        own = [method for method in methods if (method.name, quantity.key) in whole]
        if not own:
            continue
        curves = {method.name: quantity.factor * curve_of(matched, method, quantity, SHARES) for method in own}
        panels.append(CurvesPanel(quantity.title, _error_label(quantity), SHARES, curves))
        for name, errors in curves.items():
            pairs = zip(SHARES.tolist(), errors.tolist(), strict=True)
            table += [(name, quantity.key, quantity.shown_unit, *pair) for pair in pairs]
    draw_cumulative(panels, stem, methods=[method.name for method in methods], marks=MARKS)
    return _kept(stem, _table(("method", "quantity", "unit", "percent_below", "absolute_error"), table))


def _error_label(quantity: Quantity) -> str:
    words = {DIFFERENCE.key: "|difference|", ANGLE.key: "angle"}.get(quantity.key, "absolute error")
    return f"{words} ({quantity.shown_unit})"


def _angles(matched: Matched, methods: Sequence[Method], stem: Path) -> list[Path]:
    found = [angles_panel(matched, method) for method in methods]
    panels: list[AnglesPanel] = [one for one in found if one is not None]
    if not panels:
        return []
    draw_angles(panels, stem)
    table: list[tuple[Any, ...]] = []
    for panel in panels:
        table += [(panel.title, "angle", 10**x, 10**y, n_values) for x, y, n_values in _points(panel.cloud)]
        medians = zip(panel.force.tolist(), panel.median.tolist(), strict=True)
        table += [(panel.title, "median angle", *place, "") for place in medians]
    return _kept(stem, _table(("method", "what", "force_ev_per_ang", "angle_degree", "n_values"), table))


def _groups(rows: Sequence[Row], kind: str, methods: Sequence[Method], stem: Path) -> list[Path]:
    groups = [name for name, _ in largest_groups(rows, kind)][:MOST_GROUPS]
    if len(groups) < 2:
        return []
    found = {(row.method, row.quantity.key, row.group): row for row in rows if row.kind == kind}
    wanted = ((COMPONENT, "MAE"), (COMPONENT, "RMSE")) if kind == "element" else ((ENERGY, "MAE"), (COMPONENT, "RMSE"))
    panels, table = [], []
    for quantity, error in wanted:
        dots: dict[str, list[Dot | None]] = {}
        for method in methods:
            own = [found.get((method.name, quantity.key, group)) for group in groups]
            dots[method.name] = [None if row is None else _dot(row, error) for row in own]
            table += [
                (method.name, group, quantity.key, quantity.shown_unit, error, dot.value, dot.low, dot.high)
                for group, dot in zip(groups, dots[method.name], strict=True)
                if dot is not None
            ]
        panels.append(GroupsPanel(quantity.title, f"{error} ({quantity.shown_unit})", groups, dots))
    draw_groups(panels, stem, methods=[method.name for method in methods])
    return _kept(stem, _table(("method", "group", "quantity", "unit", "error", "value", "low", "high"), table))


def _dot(row: Row, error: str) -> Dot:
    one, factor = row.measure, row.quantity.factor
    value, interval = (one.mae, one.mae_interval) if error == "MAE" else (one.rmse, one.rmse_interval)
    low, high = interval or (None, None)
    return Dot(factor * value, None if low is None else factor * low, None if high is None else factor * high)
