"""What a structure is made of, and whether it is a crystal."""

from collections import Counter
from math import gcd
from typing import Final

from aims_pax.atoms import atoms_of
from aims_pax.frame import Frame, IntArray

BOND_FACTOR: Final = 1.2
"""Atoms are bonded up to this many times the sum of their covalent radii: rock salt is, a hydrogen bond is not."""


def is_crystal(frame: Frame) -> bool:
    """Whether bonds go on from cell to cell without end, as in solids, but not in liquids or crystals of molecules."""
    if not frame.pbc.any():
        return False
    from ase.neighborlist import natural_cutoffs, neighbor_list

    atoms = atoms_of(frame)
    first, second, shifts = neighbor_list("ijS", atoms, natural_cutoffs(atoms, mult=BOND_FACTOR))
    bonds: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for i, j, shift in zip(first.tolist(), second.tolist(), shifts.tolist(), strict=True):
        bonds.setdefault(i, []).append((j, tuple(shift)))
    image: dict[int, tuple[int, ...]] = {}
    for start in range(frame.n_atoms):
        if start in image:
            continue
        image[start], todo = (0, 0, 0), [start]
        while todo:  # the images in which the atoms of one molecule lie; two of one atom: there is no molecule
            atom = todo.pop()
            for other, shift in bonds.get(atom, []):
                there = tuple(a + b for a, b in zip(image[atom], shift, strict=True))
                if other not in image:
                    image[other] = there
                    todo.append(other)
                elif image[other] != there:
                    return True
    return False


def reduced(frame: Frame) -> tuple[tuple[int, int], ...]:
    """Atomic numbers with their smallest whole proportions: the same for any repetition of a cell."""
    counts = Counter(int(number) for number in frame.numbers)
    common = gcd(*counts.values())
    return tuple(sorted((number, count // common) for number, count in counts.items()))


def formula(structure: Frame | IntArray) -> str:
    """Hill's: C2H6O."""
    from ase.formula import Formula
    from ase.symbols import Symbols

    numbers = structure.numbers if isinstance(structure, Frame) else structure
    return str(Formula(str(Symbols(numbers))).format("hill"))
