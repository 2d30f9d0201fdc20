"""Numbers as Fortran prints them: in columns that may touch, with stars for what did not fit."""

import math
import re
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from aims_pax.frame import FloatArray


def values(text: str, places: Sequence[int]) -> list[float]:
    """Numbers of one row, also where columns touch (`12.345678901-3.210987654`); nan for stars.

    Parameters
    ----------
    text : str
    places : whole numbers
        Decimals of each column; those of the last one hold for all that follow.

    Raises
    ------
    ValueError
        Something stands there that is no number.
    """
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        pass
    found: list[float] = []
    rest = text.strip()
    while rest:
        match = _column(places[min(len(found), len(places) - 1)]).match(rest)
        if match is None:
            raise ValueError(f"{text!r} is no row of numbers")
        found.append(math.nan if "*" in match[0] else float(match[0]))
        rest = rest[match.end() :].lstrip()
    return found


@cache
def _column(places: int) -> re.Pattern[str]:
    return re.compile(rf"[-+]?\d*\.\d{{{places}}}|\*+|[-+]?nan|[-+]?inf(?:inity)?", re.IGNORECASE)


def table(rows: Iterable[str], shape: tuple[int, int], places: Sequence[int]) -> FloatArray | None:
    """A table of numbers; None when it lacks rows or columns, or anything that counts in it is no finite number.

    Parameters
    ----------
    rows : texts
    shape : two whole numbers
        How many rows there must be, and how many columns of each are kept; there may be more columns.
    places : whole numbers
        As in :func:`values`.
    """
    n_rows, n_columns = shape
    try:
        found = [values(row, places)[:n_columns] for row in rows]
    except ValueError:
        return None
    if n_rows < 1 or len(found) != n_rows or any(len(row) != n_columns for row in found):
        return None
    numbers = np.array(found, dtype=np.float64)
    return numbers if bool(np.isfinite(numbers).all()) else None


def number(text: str | None) -> float | None:
    """The number that a text begins with, blanks aside; None for stars, nan and anything else."""
    words = (text or "").split(maxsplit=1)
    try:
        value = float(words[0].rstrip(";,")) if words else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def whole(text: str | None) -> int | None:
    """The same as a whole number; None for one that isn't."""
    value = number(text)
    return None if value is None or value != round(value) else round(value)


def is_true(text: str | None) -> bool:
    """Whether a Fortran logical is true: T, .TRUE., true."""
    return (text or "").strip().lstrip(".").upper().startswith("T")
