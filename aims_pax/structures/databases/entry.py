"""One structure of a database, looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from aims_pax.errors import StructureError
from aims_pax.frame import BoolArray, FloatArray, Frame
from aims_pax.protocols import NO_TRAJECTORY

Fact = str | float | bool

_SAME_ANG: Final = 1e-5
"""By what the same numbers differ that were written with more and with fewer digits."""


class Unusable(Exception):
    """An entry that can't be used; the message says why, as the end of a sentence that begins with its name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One structure, and what its database says of it.

    Parameters
    ----------
    frame : Frame
        Its system is the entry's name in the database.
    facts : mapping of str to str, number or bool
        Also where it comes from and when. No label: energies are called otherwise than those that are learned.
    """

    frame: Frame
    facts: Mapping[str, Fact]

    @property
    def name(self) -> str:
        return self.frame.system


@dataclass(frozen=True, slots=True)
class Sites:
    """Atoms in a cell, as a database has them.

    Parameters
    ----------
    symbols : sequence of str
        In the order of the database, which stays.
    positions : (n_atoms, 3), Å
    cell : (3, 3), Å
        Zeros along directions without a lattice vector.
    pbc : (3,) bool
    charge : int or None
    """

    symbols: Sequence[str]
    positions: FloatArray
    cell: FloatArray
    pbc: BoolArray
    charge: int | None = None


def frame_of_sites(name: str, sites: Sites) -> Frame:
    """The structure of an entry.

    Raises
    ------
    Unusable
        It is none that could be computed: atoms on one another, a cell without volume, and so on.
    """
    from ase import Atoms
    from ase.data import atomic_numbers

    from aims_pax.settings.systems import systems_of

    strange = sorted({symbol for symbol in sites.symbols if atomic_numbers.get(symbol, 0) < 1})
    if strange:
        raise Unusable(f"holds {', '.join(strange)}, which is no element")
    atoms = Atoms(symbols=list(sites.symbols), positions=sites.positions, cell=sites.cell, pbc=sites.pbc)
    try:
        (system,) = systems_of({name: atoms})
    except StructureError as error:
        raise Unusable("can't be used: " + " ".join(problem.found for problem in error.problems).rstrip(".")) from None
    return replace(system.frame, trajectory=NO_TRAJECTORY, charge=sites.charge)


def numbers(value: Any, shape: tuple[int, int], what: str) -> FloatArray:
    """Rows of numbers in an answer.

    Raises
    ------
    Unusable
        It holds none, or of another shape.
    """
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.shape != shape or not np.isfinite(array).all():
        raise Unusable(f"has no {what} of {shape[0]} rows with {shape[1]} numbers")
    return array


class Twins:
    """Finds entries that hold the same atoms, at the same places, in the same cell and order, as one before."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[tuple[float, Entry]]] = {}

    def of(self, entry: Entry) -> Entry | None:
        """The one before; None where there is none, and then this one is remembered."""
        frame = entry.frame
        total = float(frame.cell.sum() + frame.positions.sum())
        farthest = _SAME_ANG * (frame.cell.size + frame.positions.size)
        same_atoms = self._known.setdefault(frame.numbers.tobytes() + frame.pbc.tobytes(), [])
        for other_total, other in same_atoms:
            if abs(other_total - total) <= farthest and _at_the_same_places(other.frame, frame):
                return other
        same_atoms.append((total, entry))
        return None


def _at_the_same_places(one: Frame, other: Frame) -> bool:
    return np.allclose(one.cell, other.cell, rtol=0, atol=_SAME_ANG) and np.allclose(
        one.positions, other.positions, rtol=0, atol=_SAME_ANG
    )
