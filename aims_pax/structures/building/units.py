"""What of a structure stays together when it is cut: molecules do, networks don't."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.frame import BoolArray, FloatArray, Frame, IntArray
from aims_pax.structures.composition import BOND_FACTOR

LARGEST_MOLECULE: Final = 30
"""Atoms that bonds hold together and that are cut or kept as one. What has more is cut as networks are."""


@dataclass(frozen=True, slots=True)
class Units:
    """A structure as what is cut or kept as one: its molecules, and the single atoms of everything larger.

    Parameters
    ----------
    of : (n_atoms,) int
        The unit of each atom, from 0.
    positions : (n_atoms, 3), Å
        With molecules in one piece each.
    centres : (n_units, 3), Å
        Mean positions.
    sizes : (n_units,) int
        Atoms.
    """

    of: IntArray
    positions: FloatArray
    centres: FloatArray
    sizes: IntArray

    def atoms_in(self, chosen: BoolArray) -> IntArray:
        """Atoms of chosen units, (n_taken,), ascending; `chosen` is (n_units,) bool."""
        found: IntArray = np.flatnonzero(chosen[self.of])
        return found


def units_of(frame: Frame) -> Units:
    """The units of a structure, by bonds up to 1.2 times the sum of covalent radii."""
    of = np.full(frame.n_atoms, -1, dtype=np.int64)
    positions = frame.positions.copy()
    n_units = 0
    for atoms, shifts in _bonded(frame):
        if shifts is None or len(atoms) > LARGEST_MOLECULE:
            of[atoms] = np.arange(n_units, n_units + len(atoms))
            n_units += len(atoms)
            continue
        of[atoms] = n_units
        positions[atoms] += shifts @ frame.cell
        n_units += 1
    sizes = np.bincount(of, minlength=n_units)
    centres = np.zeros((n_units, 3))
    np.add.at(centres, of, positions)
    return Units(of, positions, centres / sizes[:, None], sizes)


def _bonded(frame: Frame) -> Iterator[tuple[list[int], IntArray | None]]:
    """Atoms that bonds hold together, and by how many cells each is moved so that they are in one piece.

    None instead of the latter where bonds go on from cell to cell without end.
    """
    from ase.neighborlist import natural_cutoffs, neighbor_list

    atoms = atoms_of(frame)
    first, second, shifts = neighbor_list("ijS", atoms, natural_cutoffs(atoms, mult=BOND_FACTOR))
    bonds: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in range(frame.n_atoms)]
    for i, j, shift in zip(first.tolist(), second.tolist(), shifts.tolist(), strict=True):
        bonds[i].append((j, tuple(shift)))
    image: dict[int, tuple[int, ...]] = {}
    for start in range(frame.n_atoms):
        if start in image:
            continue
        image[start], members, is_endless = (0, 0, 0), [start], False
        for atom in members:  # grows while it is gone through
            for other, shift in bonds[atom]:
                there = tuple(a + b for a, b in zip(image[atom], shift, strict=True))
                if other not in image:
                    image[other] = there
                    members.append(other)
                is_endless |= image[other] != there
        yield members, None if is_endless else np.array([image[atom] for atom in members], dtype=np.int64)
