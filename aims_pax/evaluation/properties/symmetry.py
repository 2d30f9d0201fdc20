"""Space groups, as spglib finds them; without it, nothing is known of symmetry."""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

TOLERANCE_ANG: Final = 1e-2
"""Atoms that are nearer to where a symmetry puts them are there: relaxed structures are right to about 1e-3 Å."""

EXTRA: Final = "python -m pip install 'aims-pax[properties]'"
"""How phonopy and spglib come here."""


@dataclass(frozen=True, slots=True, eq=False)
class Symmetry:
    """The space group of a structure.

    Parameters
    ----------
    number : int
        Of the space group, 1 to 230.
    symbol : str
    rotations : (n, 3, 3)
        Of the point group, as matrices of Cartesian vectors.
    to_standard : (3, 3)
        Turns Cartesian vectors of the structure into those of the standard setting.
    to_conventional : (3, 3)
        Makes the lattice vectors of the conventional cell of those of the structure, both in rows.
    equivalent : (n_atoms,) int
        The first atom that each one is equivalent to.
    """

    number: int
    symbol: str
    rotations: FloatArray
    to_standard: FloatArray
    to_conventional: FloatArray
    equivalent: IntArray


def is_known() -> bool:
    """Whether spglib is here."""
    return find_spec("spglib") is not None


def symmetry_of(atoms: "Atoms") -> Symmetry | None:
    """The symmetry of a structure that is periodic in three directions; None where none can be found."""
    if not is_known() or not atoms.pbc.all():
        return None
    import spglib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its old error handling
        found: Any = spglib.get_symmetry_dataset(_spglib_cell(atoms), symprec=TOLERANCE_ANG)
    if found is None:
        return None
    lattice = atoms.cell.array.T
    rotations = np.array([lattice @ rotation @ np.linalg.inv(lattice) for rotation in found.rotations])
    _, first = np.unique(np.round(rotations, 6) + 0.0, axis=0, return_index=True)  # a supercell has each several times
    return Symmetry(
        int(found.number),
        str(found.international),
        rotations[first],
        np.array(found.std_rotation_matrix, dtype=np.float64),
        np.linalg.inv(np.array(found.transformation_matrix, dtype=np.float64)).T,
        np.array(found.equivalent_atoms, dtype=np.int64),
    )


def keep_symmetry(atoms: "Atoms") -> None:
    """Let a crystal be moved within its space group alone: a phase that is a saddle is left by rounding else."""
    if symmetry_of(atoms) is None:
        return
    from ase.constraints import FixSymmetry

    atoms.set_constraint(FixSymmetry(atoms, symprec=TOLERANCE_ANG))


def conventional(atoms: "Atoms") -> "Atoms":
    """The conventional cell of a crystal, in the standard setting; the structure itself where none is found."""
    from ase import Atoms

    if not is_known() or not atoms.pbc.all():
        return atoms.copy()
    import spglib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = spglib.standardize_cell(_spglib_cell(atoms), symprec=TOLERANCE_ANG)
    if found is None:
        return atoms.copy()
    cell, scaled, numbers = found
    return Atoms(numbers=numbers, scaled_positions=scaled, cell=cell, pbc=True)


def _spglib_cell(atoms: "Atoms") -> tuple[Any, Any, Any]:
    return atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers
