"""Numbers as Fortran prints them: run together, with D exponents, or as asterisks where they did not fit."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?")
_TRIPLE: Final = 3


def number(word: str) -> float | None:
    """What one word says; None for what is no finite number."""
    try:
        value = float(word)
    except ValueError:
        try:
            value = float(word.replace("D", "E").replace("d", "e"))
        except ValueError:
            return None
    return value if isfinite(value) else None


def numbers(text: str) -> list[float]:
    """All numbers of a text, also of those that run together: ``-1.234-5.678`` are two."""
    return [float(word.replace("D", "E").replace("d", "e")) for word in _NUMBER.findall(text)]


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
    rows = [_whole(text) for text in texts]
    if any(row is None or len(row) != _TRIPLE for row in rows):
        return None
    found = np.array(rows, dtype=np.float64).reshape(-1, _TRIPLE)
    return found if np.isfinite(found).all() else None


def _whole(text: str) -> list[float] | None:
    """The numbers of a text in which nothing else stands."""
    return None if _NUMBER.sub("", text).strip() else numbers(text)


def spelled(value: float) -> str:
    """One spelling of a number, so that settings can be compared as texts."""
    return f"{value:.6g}"


def respelled(text: str) -> str:
    """A text with its numbers in one spelling, its blanks as single ones, and no stop at its end."""
    whole = re.sub(r"(?<![\w.])[-+]?\d+\.\d*(?:[EeDd][-+]?\d+)?(?![\w])", _in_one_spelling, text)
    return " ".join(whole.split()).rstrip(" .:")


def _in_one_spelling(match: re.Match[str]) -> str:
    value = number(match.group())
    return match.group() if value is None else spelled(value)
