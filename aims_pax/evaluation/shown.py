"""An evaluation as a table for a person, and as JSON for a program."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aims_pax.evaluation.metrics import Errors, Evaluation

_COLUMNS = (
    ("energy MAE", "energy_mae_ev_per_atom"),
    ("energy RMSE", "energy_rmse_ev_per_atom"),
    ("force MAE", "force_mae_ev_per_ang"),
    ("force RMSE", "force_rmse_ev_per_ang"),
    ("stress MAE", "stress_mae_ev_per_ang3"),
    ("stress RMSE", "stress_rmse_ev_per_ang3"),
)
_UNITS = {"energy": "meV/atom", "force": "meV/Å", "stress": "meV/Å³"}


def evaluation_table(evaluation: Evaluation, *, names: Sequence[str], product: tuple[str, int] | None = None) -> str:
    """Errors in meV: a row for the product, one for each member, and one for the mean; no stress columns without any.

    Parameters
    ----------
    names : sequence of str
        What each member is called.
    product : tuple of str and int, or None
        Name of the model that is handed over, and which member it is.
    """
    columns = [column for column in _COLUMNS if getattr(evaluation.mean, column[1]) is not None]
    header = ["", *(title for title, _ in columns)]
    units = ["", *(_UNITS[title.split()[0]] for title, _ in columns)]
    rows = [[name, *_cells(errors, columns)] for name, errors in zip(names, evaluation.members, strict=True)]
    rows.append(["committee mean", *_cells(evaluation.mean, columns)])
    if product is not None:
        name, member = product
        rows.insert(0, [f"{name} (is {names[member]})", *_cells(evaluation.members[member], columns)])
    widths = [max(len(row[column]) for row in [header, units, *rows]) for column in range(len(header))]
    return "\n".join(_line(row, widths) for row in [header, units, *rows])


def evaluation_json(
    evaluation: Evaluation, *, names: Sequence[str], product: tuple[str, int] | None = None
) -> dict[str, Any]:
    """The same as plain values: ``{"product": {...}, "mean": {...}, "members": {name: {...}}}``, units in the keys."""
    members = {name: asdict(errors) for name, errors in zip(names, evaluation.members, strict=True)}
    handed_over = {} if product is None else {"product": {"model": product[0], **members[names[product[1]]]}}
    return {**handed_over, "mean": asdict(evaluation.mean), "members": members}


def _cells(errors: Errors, columns: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{1000 * getattr(errors, field):.2f}" for _, field in columns]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells).rstrip()
