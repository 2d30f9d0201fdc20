"""The axis along which parts are cut and stacked."""

from dataclasses import replace

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.pieces import Piece

LETTERS = "abc"


def index_of(axis: str) -> int:
    """0, 1 or 2 for x, y, z, or a, b, c."""
    return ("xyz" if axis in "xyz" else LETTERS).index(axis)


def in_plane(index: int) -> tuple[int, int]:
    """The other two, in the order in which the three are right-handed."""
    return (index + 1) % 3, (index + 2) % 3


def check_axis(frame: Frame, axis: str, *, name: str) -> None:
    """See to it that x, y or z is normal to the two lattice vectors beside it; a, b and c are so by definition.

    Raises
    ------
    NotBuilt
        It is not.
    """
    if axis in LETTERS:
        return
    index = index_of(axis)
    for other in in_plane(index):
        vector = frame.cell[other]
        if frame.pbc[other] and abs(vector[index]) > 1e-3 * np.linalg.norm(vector):
            found = f"{axis} is not normal to lattice vector {LETTERS[other]} of {name}."
            raise NotBuilt(found, f"Write Axis: {LETTERS[index]}, the normal of the other two vectors.")


def whole_cell(frame: Frame) -> FloatArray:
    """The cell with vectors of length 1 in the place of those that are not there, (3, 3) Å."""
    from ase.geometry import complete_cell

    cell: FloatArray = np.array(complete_cell(frame.cell), dtype=np.float64)
    return cell


def height_of(frame: Frame, index: int) -> float:
    """What of a lattice vector is normal to the other two, Å."""
    return float(1 / np.linalg.norm(np.linalg.inv(whole_cell(frame))[:, index]))


def upright(piece: Piece, index: int) -> Piece:
    """The same turned: the axis is z, the first vector of the plane lies along x, and the axis is the third vector.

    Only the two vectors of the plane need be there; where they aren't, it is moved from axis to axis alone.
    """
    frame = piece.frame
    one, two = in_plane(index)
    order = [one, two, index]
    first, second = frame.cell[one], frame.cell[two]
    normal = np.cross(first, second)
    if np.linalg.norm(normal) < 1e-9:
        turn = np.eye(3)[order]
    else:
        x, z = first / np.linalg.norm(first), normal / np.linalg.norm(normal)
        turn = np.array([x, np.cross(z, x), z])
    turned = replace(frame, positions=frame.positions @ turn.T, cell=(frame.cell @ turn.T)[order], pbc=frame.pbc[order])
    return Piece(turned, piece.parts)


def laid_back(positions: FloatArray, index: int) -> FloatArray:
    """Vectors of a structure whose axis is z, (n, 3), with z moved to the axis."""
    one, two = in_plane(index)
    moved = np.empty_like(positions)
    moved[:, [one, two, index]] = positions
    return moved
