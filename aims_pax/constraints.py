"""Atoms that ASE's constraints hold in place, and constraints that hold something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray

if TYPE_CHECKING:
    from ase import Atoms

CARTESIAN: Final = 1e-4
"""Sine of the angle up to which a direction is x, y or z: files round their cells."""

MAX_NAMED: Final = 5
"""Atoms that are named one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """What the constraints of a structure say.

    Parameters
    ----------
    fixed : (n_atoms, 3) bool, or None
        Components of positions that are held; None where none is.
    skewed : tuple of str
        Constraints that hold atoms along directions other than x, y and z: ``FixScaled of the atom 3``. Atoms are
        counted from 1.
    others : tuple of str
        Constraints that hold no atom where it is, by their names: ``FixBondLengths``.
    """

    fixed: BoolArray | None
    skewed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def constraints_of(atoms: "Atoms") -> Constraints:
    """What is held of ASE's atoms: by FixAtoms and FixCartesian, and by FixScaled, FixedPlane and FixedLine along axes.

    A constraint on no atom is none.
    """
    n_atoms = len(atoms)
    fixed = np.zeros((n_atoms, 3), dtype=np.bool_)
    skewed: dict[str, list[int]] = {}
    others: list[str] = []
    for constraint in atoms.constraints:
        name, index = type(constraint).__name__, getattr(constraint, "index", None)
        if index is not None and np.size(index) == 0:
            continue
        projector = None if index is None else _projector(constraint, atoms)
        places = np.atleast_1d(np.asarray(index if projector is not None else (), dtype=np.int64))
        if projector is None:
            others.append(name)
        elif (places >= n_atoms).any() or (places < -n_atoms).any():
            others.append(f"{name} of atoms that are not there")
        elif (held := _axes(projector)) is None:
            skewed.setdefault(name, []).extend((places % n_atoms).tolist())
        else:
            fixed[places] |= held
    return Constraints(fixed if fixed.any() else None, tuple(_named(skewed)), tuple(dict.fromkeys(others)))


def atoms_named(atoms: Sequence[int]) -> str:
    """Atoms as a person counts them: ``the atom 3``, ``the atoms 1, 2 and 17 more``."""
    numbers = sorted({atom + 1 for atom in atoms})
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    plural = "s" if len(numbers) > 1 else ""
    return f"the atom{plural} {', '.join(map(str, numbers[:MAX_NAMED]))}{more}"


def _named(atoms: Mapping[str, Sequence[int]]) -> list[str]:
    return [f"{name} of {atoms_named(places)}" for name, places in atoms.items()]


def _projector(constraint: Any, atoms: "Atoms") -> FloatArray | None:
    """Onto the directions along which a constraint holds its atoms, (3, 3); None where it does something else."""
    from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled

    match constraint:
        case FixAtoms():
            return np.eye(3)
        case FixCartesian():
            return np.diag(np.asarray(constraint.mask, dtype=np.float64))
        case FixScaled():
            # A scaled coordinate grows along the reciprocal vector, which a tilted lattice vector is not parallel to.
            reciprocal = np.linalg.pinv(np.asarray(atoms.cell.complete(), dtype=np.float64)).T  # none is no error here
            held = reciprocal[np.asarray(constraint.mask, dtype=np.bool_)]
            return np.asarray(np.linalg.pinv(held) @ held, dtype=np.float64)
        case FixedPlane():
            return np.outer(constraint.dir, constraint.dir)
        case FixedLine():
            return np.eye(3) - np.outer(constraint.dir, constraint.dir)
    return None


def _axes(projector: FloatArray) -> BoolArray | None:
    """Which of x, y and z span the same space; None where none of their sets does."""
    held: BoolArray = np.diag(projector) > 0.5
    return held if np.abs(projector - np.diag(held)).max() < CARTESIAN else None
