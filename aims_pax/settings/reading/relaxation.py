"""What input files of FHI-aims and VASP hold still in a relaxation, where ASE would read something else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import BoolArray
from aims_pax.settings.reading.unreadable import Unreadable

if TYPE_CHECKING:
    from ase import Atoms

AIMS_KEYWORD: Final = "constrain_relaxation"

_ATOMS: Final = ("atom", "atom_frac")
_SITES: Final = ("empty", "pseudocore", "multipole")
"""What has a position in geometry.in, too, and is no atom."""

_WORDS: Final = {".true.": (0, 1, 2), ".false.": (), "x": (0,), "y": (1,), "z": (2,)}
"""Components that are held by each word after the keyword."""

_LOGICAL: Final = re.compile(r"\.?([TF])", re.IGNORECASE)
"""How a truth value of Fortran begins: F, .FALSE., f."""


@dataclass(frozen=True, slots=True, eq=False)
class AimsRelaxation:
    """What geometry.in holds.

    Parameters
    ----------
    fixed : (n_atoms, 3) bool
        Components of the atoms' positions.
    vectors : str
        Lattice vectors of which a component is held, of a, b and c: ``ab``.
    rest : str
        The file without the lines that say so.
    """

    fixed: BoolArray
    vectors: str
    rest: str


def aims_relaxation(text: str) -> AimsRelaxation:
    """What is held by ``constrain_relaxation``, which is about the atom, or the lattice vector, that it follows.

    ASE takes all of these lines for the atom before them, or for the last atom where only lattice vectors are before.

    Raises
    ------
    Unreadable
        A line that says nothing that FHI-aims knows.
    """
    atoms: list[set[int]] = []
    vectors: list[set[int]] = []
    here: set[int] | None = None
    rest = []
    for number, line in enumerate(_lines(text), start=1):
        words = line.partition("#")[0].split()
        keyword = words[0] if words else ""
        if keyword == AIMS_KEYWORD:
            _hold(here, words[1:], number)
            continue
        rest.append(line)
        if keyword in (*_ATOMS, *_SITES, "lattice_vector"):
            here = set()
            (atoms if keyword in _ATOMS else vectors if keyword == "lattice_vector" else []).append(here)
    fixed = np.array([[axis in held for axis in range(3)] for held in atoms], dtype=np.bool_).reshape(-1, 3)
    letters = "".join(letter for letter, held in zip("abc", vectors, strict=False) if held)
    return AimsRelaxation(fixed, letters, "\n".join(rest))


def _hold(here: set[int] | None, words: list[str], number: int) -> None:
    allowed = f"{AIMS_KEYWORD} .true., or x, y or z, each on a line of its own"
    if here is None:
        advice = "Put the line after what it is about."
        raise Unreadable(f"{AIMS_KEYWORD} stands before all atoms and lattice vectors.", "", advice, line=number)
    if len(words) != 1 or words[0].lower() not in _WORDS:
        raise Unreadable(f"{AIMS_KEYWORD} is followed by {' '.join(words) or 'nothing'}.", allowed, line=number)
    here.update(_WORDS[words[0].lower()])


def vasp_flags(text: str) -> BoolArray | None:
    """Scaled coordinates that a POSCAR's selective dynamics hold, (n_atoms, 3); None where it has none.

    ASE takes every word but ``F`` for one that lets the atom move; VASP reads it as Fortran does.

    Raises
    ------
    Unreadable
        An atom without three truth values.
    """
    lines = _lines(text)
    place = next((n for n in (6, 7) if n < len(lines) and lines[n].strip()[:1].lower() == "s"), None)
    if place is None:
        return None
    n_atoms = sum(map(int, takewhile(str.isdecimal, lines[place - 1].split())))
    start = place + 2
    rows = [_row(line, start + n + 1) for n, line in enumerate(lines[start : start + n_atoms])]
    return np.array(rows, dtype=np.bool_) if len(rows) == n_atoms else None  # ASE says what of the atoms is missing


def _lines(text: str) -> list[str]:
    """The lines of a file, as programs and ASE count them: a form feed within a remark ends none."""
    return StringIO(text, newline=None).read().split("\n")


def _row(line: str, number: int) -> list[bool]:
    words = line.split()[3:6]
    read = [match[1].upper() == "F" for word in words if (match := _LOGICAL.match(word))]
    if len(read) != 3:
        found = f"The file has selective dynamics, and here stands {' '.join(words) or 'nothing'} after the position."
        raise Unreadable(found, "T or F for each of three directions", line=number)
    return read


def hold_cartesian(atoms: "Atoms", fixed: BoolArray) -> None:
    """Add constraints that hold these components, (n_atoms, 3), of the positions of ASE's atoms."""
    from ase.constraints import FixCartesian

    more = [FixCartesian(places, mask) for mask, places in _alike(fixed)]
    atoms.set_constraint([*atoms.constraints, *more])


def hold_scaled(atoms: "Atoms", fixed: BoolArray) -> None:
    """Have these scaled coordinates, (n_atoms, 3), of ASE's atoms held, and nothing else."""
    from ase.constraints import FixScaled

    atoms.set_constraint([FixScaled(places, mask) for mask, places in _alike(fixed)])


def _alike(fixed: BoolArray) -> Iterator[tuple[BoolArray, list[int]]]:
    """Each set of directions that atoms are held along, with these atoms."""
    for mask in np.unique(fixed, axis=0) if len(fixed) else ():
        if mask.any():
            yield mask, np.flatnonzero((fixed == mask).all(axis=1)).tolist()
