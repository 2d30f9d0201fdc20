"""Whether atoms are nearer to each other than any bond."""

from functools import lru_cache
from typing import Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray, IntArray

OVERLAP: Final = 0.5
"""In sums of covalent radii: structures that are made from others are refused below it, too."""

MOST_DENSE: Final = 400
"""Atoms up to which all pairs are looked at."""


def nearest_pair(numbers: IntArray, positions: FloatArray, cell: FloatArray, pbc: BoolArray) -> tuple[int, int] | None:
    """Two atoms that are nearer than half the sum of their covalent radii; an atom and its image are such.

    Parameters
    ----------
    numbers : (n_atoms,) int
    positions : (n_atoms, 3), Å
    cell : (3, 3), Å
    pbc : (3,) bool

    Notes
    -----
    The nearest image is found by rounding, which is exact for all distances below half the smallest height of the cell.
    """
    from ase.data import covalent_radii

    if len(numbers) > MOST_DENSE:
        return _by_cells(numbers, positions, cell, pbc)
    reach = OVERLAP * covalent_radii[numbers]
    first, second = _pairs(len(numbers))
    apart = positions[second] - positions[first]
    if pbc.any():
        vectors = cell[pbc]
        inverse = inverse_of(vectors)
        if 1 / np.linalg.norm(inverse, axis=0).max() <= 4 * float(reach.max()):
            return _by_cells(numbers, positions, cell, pbc)
        apart = apart - np.round(apart @ inverse) @ vectors
    near = np.einsum("ij,ij->i", apart, apart) < (reach[first] + reach[second]) ** 2
    return (int(first[near][0]), int(second[near][0])) if near.any() else None


def inverse_of(vectors: FloatArray) -> FloatArray:
    """What makes fractions of lattice vectors out of positions, (3, n), 1/Å; of fewer than three vectors, too.

    Parameters
    ----------
    vectors : (n, 3), Å
    """
    inverse = np.linalg.inv(vectors) if len(vectors) == 3 else np.linalg.pinv(vectors)
    return np.asarray(inverse, dtype=np.float64)


@lru_cache(maxsize=64)
def _pairs(n_atoms: int) -> tuple[IntArray, IntArray]:
    first, second = np.triu_indices(n_atoms, k=1)
    return first, second


def _by_cells(numbers: IntArray, positions: FloatArray, cell: FloatArray, pbc: BoolArray) -> tuple[int, int] | None:
    from ase.data import covalent_radii
    from ase.neighborlist import primitive_neighbor_list

    reach = OVERLAP * covalent_radii[numbers]
    first, second = primitive_neighbor_list("ij", pbc, cell, positions, reach, numbers=numbers)
    return (int(first[0]), int(second[0])) if len(first) else None
