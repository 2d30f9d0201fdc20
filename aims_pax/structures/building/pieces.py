"""Structures that know what their atoms came as."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray

Parts = Mapping[str, tuple[int, ...]]
"""Atoms by the name of what they came as, ascending, from 0. An atom may be of several: a compound, and a phase."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A structure, or a part of one.

    Parameters
    ----------
    frame : Frame
    parts : mapping of str to tuple of int
        Its atoms by the name of what they came as.
    """

    frame: Frame
    parts: Parts

    @classmethod
    def named(cls, frame: Frame, *names: str) -> "Piece":
        """All atoms of a structure under one name, or under each of several."""
        return cls(frame, {name: tuple(range(frame.n_atoms)) for name in names})

    def also(self, *names: str) -> "Piece":
        """The same with all of its atoms under further names; what had such a name before has it no longer."""
        return replace(self, parts=without(self.parts, names) | dict(Piece.named(self.frame, *names).parts))

    def of(self, atoms: IntArray, positions: FloatArray) -> "Piece":
        """Some of its atoms, in the order given.

        Parameters
        ----------
        atoms : (n_taken,) int
        positions : (n_taken, 3), Å
            Of those that are taken.
        """
        place = {atom: index for index, atom in enumerate(atoms.tolist())}
        parts = {
            name: tuple(sorted(place[one] for one in members if one in place)) for name, members in self.parts.items()
        }
        frame = replace(self.frame, numbers=self.frame.numbers[atoms], positions=positions, charge=None, spin=None)
        return Piece(frame, {name: members for name, members in parts.items() if members})


def without(parts: Parts, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """All but those of some names."""
    left_out = set(names)
    return {name: atoms for name, atoms in parts.items() if name not in left_out}


def joined_parts(several: Sequence[tuple[Parts, int]]) -> dict[str, tuple[int, ...]]:
    """The parts of structures whose atoms follow one another; those of one name become one.

    Parameters
    ----------
    several : sequence of (mapping, int)
        The parts of each, and how many atoms it has.
    """
    found: dict[str, tuple[int, ...]] = {}
    first = 0
    for parts, n_atoms in several:
        for name, atoms in parts.items():
            found[name] = found.get(name, ()) + tuple(first + atom for atom in atoms)
        first += n_atoms
    return found


def plain(frame: Frame, *, system: str, trajectory: int) -> Frame:
    """A structure that begins anew: of a system, and of no step of any trajectory."""
    return replace(frame, system=system, trajectory=trajectory, md_step=0, generation=0, config_type="")


def frame_from(numbers: IntArray, positions: FloatArray, cell: FloatArray, *, pbc: Sequence[bool]) -> Frame:
    """A structure without an origin; see :class:`Frame` for units and shapes."""
    return Frame("", -1, 0, 0, numbers, positions, cell, np.array(pbc, dtype=np.bool_))
