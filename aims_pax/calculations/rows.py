"""Numbers out of printed lines: what Fortran could not print is told from what it did."""

import math
import re
from typing import Final

_RUN_TOGETHER: Final = re.compile(r"(?<=\d)-(?=[\d.])")
"""A minus that follows a digit begins another number: `-1.234-5.678`; that of an exponent follows a letter."""

_ENDS: Final = re.compile(r"[,()]")


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


def even_reals(text: str, count: int) -> list[float] | None:
    """The same of numbers that have equally many decimals: a number that a file's end cut through has fewer."""
    decimals = {len(token.partition(".")[2]) for token in _RUN_TOGETHER.sub(" -", text).split()}
    return reals(text, count) if len(decimals) == 1 else None


def first_reals(text: str, count: int) -> list[float] | None:
    """The numbers that a text begins with, whatever follows."""
    return reals(" ".join(_RUN_TOGETHER.sub(" -", text).split()[:count]), count)


def real_after(text: str, mark: str) -> float | None:
    """The number that follows a mark in a text, up to a blank, comma or bracket; None without one."""
    words = _ENDS.sub(" ", text.partition(mark)[2]).split()
    if not words:
        return None
    try:
        value = float(words[0].replace("D", "E").replace("d", "e"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
