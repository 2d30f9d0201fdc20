"""Which element a label of an atom stands for."""

import re
from typing import Final

from ase.data import atomic_numbers

_LETTERS: Final = re.compile(r"[A-Za-z]+")


def element_of(label: str) -> int | None:
    """The atomic number of a label such as `Mn1`, `C_h`, `FE`, `O-2` or `H`; None if it is of no element.

    Notes
    -----
    One or two letters, then a number or whatever else; of two letters the second may be a mark of the user (`Hx`), so
    one letter counts where two are no element.
    """
    letters = _LETTERS.match(label.strip())
    if letters is None:
        return None
    text = letters.group()
    if text.lower() == "d":
        return 1
    for size in (2, 1):
        number = atomic_numbers.get(text[:size].capitalize()) if len(text) >= size else None
        if number:
            return int(number)
    return None
