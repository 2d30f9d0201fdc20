"""Tables in outputs: a lost, doubled or overflown number gives no table, where careless reading gives other numbers."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

import numpy as np

from aims_pax.frame import FailureReason, FloatArray
from aims_pax.reference.calculation import EngineFailed


def require_labels(rows: Sequence[re.Match[str]], labels: Iterable[object], *, what: str) -> None:
    """Do nothing when the first group of the rows is these labels, one after the other.

    Raises
    ------
    EngineFailed
        A row is missing, doubled, or not whole.
    """
    found, expected = [row.group(1) for row in rows], [str(label) for label in labels]
    if found != expected:
        n_whole = next((i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), None)
        n_whole = min(len(found), len(expected)) if n_whole is None else n_whole
        message = f"the output is cut short or damaged: {n_whole} of {len(expected)} rows of its {what} are in order"
        raise EngineFailed(FailureReason.CUT_SHORT, message)


def rows(lines: Iterable[str], pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """The lines from the first on that are rows of a table."""
    return [match for match in takewhile(bool, map(pattern.fullmatch, lines)) if match]


def numbers(found: Sequence[re.Match[str]]) -> FloatArray:
    """What stands in the rows after their labels: (n_rows, n_columns).

    Raises
    ------
    EngineFailed
        There are no numbers.
    """
    try:
        return np.array([[float(word) for word in row.group(2).split()] for row in found], dtype=np.float64)
    except ValueError as error:
        message = f"the output can't be read ({type(error).__name__}: {error})"
        raise EngineFailed(FailureReason.CRASHED, message) from error
