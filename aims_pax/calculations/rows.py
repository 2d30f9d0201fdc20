"""Numbers out of printed lines: what Fortran could not print is told from what it did."""

import math
import re
from typing import Final

_RUN_TOGETHER: Final = re.compile(r"(?<=\d)-(?=[\d.])")
"""A minus that follows a digit begins another number: `-1.234-5.678`; that of an exponent follows a letter."""


def reals(text: str, count: int) -> list[float] | None:
    """The numbers of a text; None if there are not as many, or one overflowed (`*****`) or is NaN."""
    tokens = _RUN_TOGETHER.sub(" -", text).split()
    if len(tokens) != count:
        return None
    try:
        values = [float(token) for token in tokens]
    except ValueError:
        try:
            values = [float(token.replace("D", "E").replace("d", "e")) for token in tokens]
        except ValueError:
            return None
    return values if all(map(math.isfinite, values)) else None


def first_reals(text: str, count: int) -> list[float] | None:
    """The numbers that a text begins with, whatever follows."""
    return reals(" ".join(_RUN_TOGETHER.sub(" -", text).split()[:count]), count)


def real_after(text: str, mark: str) -> float | None:
    """The number that follows a mark in a text; None without one."""
    _, found, rest = text.partition(mark)
    values = first_reals(rest, 1) if found else None
    return values[0] if values else None
