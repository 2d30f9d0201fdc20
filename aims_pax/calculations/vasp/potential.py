"""Elements by the titles of pseudopotentials: `PAW_PBE Ti_sv 26Sep2005` is titanium."""

import re
from typing import Final

from aims_pax.calculations.elements import number_of

_ELEMENT: Final = re.compile(r"([A-Z][a-z]?)(?:_[\w.+-]*)?")
_SHORT: Final = {"X": "Xe", "r": "Zr"}
"""What some files of VASP 5 write in the place of an element that has a longer name in its potential's title."""


def title_of(text: str) -> str:
    """A title in one spelling."""
    return " ".join(text.split())


def element_of(title: str) -> int | None:
    """Atomic number of a potential; None for one that stands for no element, such as the pseudohydrogen `H.75`."""
    words = title.split()
    for word in words[1:] + words[:1]:
        match = _ELEMENT.fullmatch(word)
        if match is not None and (number := number_of(match[1])) is not None:
            return number
    return None


def named(symbol: str) -> int | None:
    """Atomic number by the symbol that vasprun.xml or POSCAR gives."""
    name = _SHORT.get(symbol.strip(), symbol.strip())
    return number_of(name.split("_")[0].split("/")[0])


def functional_of(title: str) -> str | None:
    """The functional that a potential was made for, which VASP takes unless another is asked for.

    Ultrasoft ones of LDA and of PW91 have one title (`US Mg`): None.
    """
    family = title.split()[0].upper() if title.split() else ""
    if "PBE" in family:
        return "PBE"
    if "GGA" in family:
        return "PW91"
    return "LDA" if family in ("PAW", "PAW_LDA") else None
