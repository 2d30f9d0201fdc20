"""Atomic numbers from what programs call their atoms: ``Fe1``, ``O_2``, ``H:up``, ``FE``."""

import re
from typing import Final

from ase.data import atomic_numbers

_LETTERS: Final = re.compile(r"[A-Za-z]+")


def atomic_number(label: str) -> int | None:
    """The element that a label begins with, which digits or signs may follow; None where no element is meant.

    Letters that follow are no part of a longer name: ``Ob`` is no oxygen, for it may be anything.
    """
    letters = _LETTERS.match(label)
    return None if letters is None else number_of(letters.group().capitalize())


def number_of(symbol: str) -> int | None:
    """The element of exactly this symbol."""
    return atomic_numbers.get(symbol) or None
