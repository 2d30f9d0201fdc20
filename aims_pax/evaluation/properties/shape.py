"""Along which directions a structure goes on for ever, where it is layered, and how it is repeated."""

from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray
from aims_pax.spoken import spoken_of

if TYPE_CHECKING:
    from ase import Atoms

VACUUM_ANG: Final = 8.0
"""Empty space along a lattice vector from here on is no distance between layers: nothing goes on across it."""

BONDED: Final = 1.25
"""Atoms closer than this times the sum of their covalent radii are bonded."""

LEAST_GAP_ANG: Final = 2.2
"""Between two layers that no bond connects."""


def solid_axes(atoms: "Atoms") -> tuple[bool, bool, bool]:
    """Along which lattice vectors a structure is periodic without vacuum."""
    first, second, third = (bool(atoms.pbc[axis]) and widest_gap(atoms, axis) < VACUUM_ANG for axis in range(3))
    return first, second, third


def not_a_solid(atoms: "Atoms") -> str | None:
    """Why a structure is no bulk material; None where it is one."""
    solid = solid_axes(atoms)
    if all(solid):
        return None
    if not atoms.pbc.any():
        return "it is a molecule, and the property is one of a solid"
    n_open = 3 - sum(solid)
    where = "along one direction" if n_open == 1 else "along two directions" if n_open == 2 else "all around it"
    return f"it ends, or has vacuum, {where}, and the property is one of a solid"


def heights(atoms: "Atoms") -> FloatArray:
    """Distances (3,) of the opposite faces of the cell, Å; zero along vectors that there are not."""
    cell, volume = atoms.cell.array, float(atoms.cell.volume)
    if volume == 0.0:
        lengths: FloatArray = np.linalg.norm(cell, axis=1)
        return lengths
    faces = np.array([np.linalg.norm(np.cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3])) for axis in range(3)])
    return volume / faces


def widest_gap(atoms: "Atoms", axis: int) -> float:
    """The widest slab of the cell across a lattice vector that holds no atom's centre, Å."""
    places = np.sort(atoms.get_scaled_positions(wrap=True)[:, axis])
    gaps = np.append(np.diff(places), 1.0 + places[0] - places[-1])
    return float(gaps.max() * heights(atoms)[axis])


def repeats_for(atoms: "Atoms", length_ang: float, *, most_atoms: int) -> tuple[int, int, int]:
    """How often a cell is repeated along its solid directions until all its heights are at least this long.

    The longest directions get less where the supercell would have more than `most_atoms` atoms.
    """
    solid, each = solid_axes(atoms), heights(atoms)
    found = [
        max(1, int(np.ceil(length_ang / height - 1e-6))) if is_solid else 1
        for is_solid, height in zip(solid, each, strict=True)
    ]
    while np.prod(found) * len(atoms) > most_atoms and max(found) > 1:
        lengths = np.where(np.array(found) > 1, np.array(found) * each, 0.0)
        found[int(np.argmax(lengths))] -= 1
    return found[0], found[1], found[2]


def of_one_cell(atoms: "Atoms", repeats: tuple[int, int, int]) -> str | None:
    """Why a cell can't be repeated so often: it tells a charge, or a spin, that is its own; None where it can."""
    spoken = spoken_of(atoms.info)
    charge, multiplicity = spoken.whole_charge() or 0, spoken.multiplicity(atoms.numbers.tolist()) or 1
    if prod(repeats) == 1 or (charge == 0 and multiplicity == 1):
        return None
    told = f"charge {charge:+d}" if charge else f"multiplicity {multiplicity}"
    return f"its {told} is that of one cell, and {prod(repeats)} cells would be computed together"


def layer_gaps(atoms: "Atoms", axis: int) -> tuple[FloatArray, BoolArray]:
    """Where layers end along a lattice vector.

    Parameters
    ----------
    axis : int
        The lattice vector that is not in the plane of the layers.

    Returns
    -------
    (n_atoms,)
        Fractional coordinates of all atoms, ascending, each followed by a gap; the last gap ends at the first atom of
        the next cell.
    (n_atoms,) bool
        Whether no bond crosses that gap, and it is as wide as one between layers: from 2.2 Å on.
    """
    from ase.data import covalent_radii
    from ase.neighborlist import neighbor_list

    scaled = atoms.get_scaled_positions(wrap=True)
    order = np.argsort(scaled[:, axis], kind="stable")
    places = scaled[order, axis]
    widths = np.append(np.diff(places), 1.0 + places[0] - places[-1]) * heights(atoms)[axis]
    is_free = widths >= LEAST_GAP_ANG
    wrapped = atoms.copy()
    wrapped.set_scaled_positions(scaled)
    radii = BONDED * covalent_radii[atoms.numbers]
    first, second, shifts = neighbor_list("ijS", wrapped, radii.tolist())
    for one, other, shift in zip(first, second, shifts[:, axis], strict=True):
        low, high = sorted((scaled[one, axis], scaled[other, axis] + shift))
        for lap in (-1.0, 0.0, 1.0):
            middles = places + lap + widths / (2 * heights(atoms)[axis])
            is_free &= ~((middles > low) & (middles < high))
    return places, is_free
