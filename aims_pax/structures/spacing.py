"""How near atoms are to each other, and how near they may be."""

from typing import Final

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.settings.systems import CLOSEST_ANG

_REACHES_ANG: Final = (3.0, 5.0, 9.0, 20.0, 60.0)
"""How far neighbours are looked for, until each atom has one."""


def reaches(numbers: IntArray, overlap: float) -> FloatArray:
    """How far each atom reaches, (n_atoms,) Å: two are too near when they are nearer than the sum of theirs.

    Parameters
    ----------
    numbers : (n_atoms,) int
    overlap : float
        In covalent radii. No two atoms may be nearer than starting structures' may be, whatever it is.
    """
    from ase.data import covalent_radii

    found: FloatArray = np.maximum(overlap * covalent_radii[numbers], CLOSEST_ANG / 2)
    return found


def has_overlaps(frame: Frame, overlap: float) -> bool:
    """Whether any two atoms, or an atom and an image of its own, are too near; see :func:`reaches`."""
    from ase.neighborlist import neighbor_list

    return bool(len(neighbor_list("i", atoms_of(frame), reaches(frame.numbers, overlap))))


def neighbours(frame: Frame, cutoff_ang: float) -> tuple[IntArray, IntArray, FloatArray]:
    """All directed pairs nearer than a cutoff: first and second atom, (n_pairs,), and vectors between them, in Å.

    The displacement of the second atom by its periodic image is what the vector has besides the difference of the two
    positions.
    """
    from ase.neighborlist import neighbor_list

    first, second, vectors = neighbor_list("ijD", atoms_of(frame), cutoff_ang)
    return first.astype(np.int64), second.astype(np.int64), vectors


def nearest(frame: Frame) -> FloatArray:
    """Distance of each atom to its nearest neighbour, (n_atoms,) Å; an image of its own is one. inf: there is none."""
    distances = np.full(frame.n_atoms, np.inf)
    for reach in _REACHES_ANG:
        first, _, vectors = neighbours(frame, reach)
        np.minimum.at(distances, first, np.linalg.norm(vectors, axis=1))
        if np.isfinite(distances).all() or (frame.n_atoms == 1 and not frame.pbc.any()):
            break
    return distances
