"""Numbers as Fortran prints them: run together, in columns that touch, with D exponents, stars for what did not fit."""

import math
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?")
_RUN_TOGETHER: Final = re.compile(r"(?<=\d)-(?=[\d.])")
"""A minus that follows a digit begins another number: `-1.234-5.678`; that of an exponent follows a letter."""
_ENDS: Final = re.compile(r"[,()]")
_TRIPLE: Final = 3


def number(text: str | None) -> float | None:
    """The number that a text begins with, blanks aside; None for stars, nan and anything else."""
    words = (text or "").split(maxsplit=1)
    found = _finite([words[0].rstrip(";,")]) if words else None
    return None if found is None else found[0]


def whole(text: str | None) -> int | None:
    """The same as a whole number; None for one that isn't."""
    value = number(text)
    return None if value is None or value != round(value) else round(value)


def number_after(text: str, mark: str) -> float | None:
    """The number that follows a mark in a text, up to a blank, comma or bracket; None without one."""
    return number(_ENDS.sub(" ", text.partition(mark)[2]))


def is_true(text: str | None) -> bool:
    """Whether a Fortran logical is true: T, .TRUE., true."""
    return (text or "").strip().lstrip(".").upper().startswith("T")


def numbers(text: str) -> list[float]:
    """All numbers of a text, whatever else stands there, also of those that run together."""
    return [float(word.replace("D", "E").replace("d", "e")) for word in _NUMBER.findall(text)]


def reals(text: str, count: int) -> list[float] | None:
    """The numbers of a text; None if there are not as many, or one overflowed (`*****`) or is NaN."""
    words = _RUN_TOGETHER.sub(" -", text).split()
    return _finite(words) if len(words) == count else None


def even_reals(text: str, count: int) -> list[float] | None:
    """The same of numbers that have equally many decimals: a number that a file's end cut through has fewer."""
    words = _RUN_TOGETHER.sub(" -", text).split()
    is_even = len(words) == count and len({len(word.partition(".")[2]) for word in words}) == 1
    return _finite(words) if is_even else None


def stacked(rows: Sequence[Sequence[float] | None], n_rows: int | None) -> FloatArray | None:
    """Rows of numbers as an array; None if one could not be read, or there are not as many as there should be."""
    if not rows or (n_rows is not None and len(rows) != n_rows) or any(row is None for row in rows):
        return None
    return np.array(rows, dtype=np.float64)


def triples(texts: Sequence[str]) -> FloatArray | None:
    """(n, 3) of texts that hold three numbers each and nothing else; None where one does not, or is not finite."""
    words = [text.split() for text in texts]
    if all(len(row) == _TRIPLE for row in words):
        try:
            found = np.array(words, dtype=np.float64).reshape(-1, _TRIPLE)
        except ValueError:
            found = None
        if found is not None:
            return found if np.isfinite(found).all() else None
    return stacked([reals(text, _TRIPLE) for text in texts], None)


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
    if any(len(row) != n_columns for row in found):
        return None
    read = stacked(found, n_rows)
    return read if read is not None and bool(np.isfinite(read).all()) else None


def spelled(value: float) -> str:
    """One spelling of a number, so that settings can be compared as texts."""
    return f"{value:.6g}"


def respelled(text: str) -> str:
    """A text with its numbers in one spelling, its blanks as single ones, and no stop at its end."""
    one = re.sub(r"(?<![\w.])[-+]?\d+\.\d*(?:[EeDd][-+]?\d+)?(?![\w])", _in_one_spelling, text)
    return " ".join(one.split()).rstrip(" .:")


def _in_one_spelling(match: re.Match[str]) -> str:
    value = number(match.group())
    return match.group() if value is None else spelled(value)


def _finite(words: Sequence[str]) -> list[float] | None:
    """What words say; None if one is no finite number."""
    try:
        found = [float(word) for word in words]
    except ValueError:
        try:
            found = [float(word.replace("D", "E").replace("d", "e")) for word in words]
        except ValueError:
            return None
    return found if all(map(math.isfinite, found)) else None


@cache
def _column(places: int) -> re.Pattern[str]:
    return re.compile(rf"[-+]?\d*\.\d{{{places}}}|\*+|[-+]?nan|[-+]?inf(?:inity)?", re.IGNORECASE)
