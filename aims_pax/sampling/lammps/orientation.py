"""Cells turned as LAMMPS wants them: a along x, b in the plane of x and y, right-handed."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from aims_pax.frame import BoolArray, FloatArray, Frame


@dataclass(frozen=True, slots=True, eq=False)
class Orientation:
    """How a structure lies in LAMMPS.

    Parameters
    ----------
    cell : (3, 3), Å
        That of its start, as the program has it.
    pbc : (3,) bool
    turned : (3, 3), Å
        The same in LAMMPS, of lower triangular form; directions that are not periodic are unit vectors.
    back : (3, 3)
        Orthogonal; row vectors in LAMMPS times it are those of the program. It mirrors a left-handed cell.
    """

    cell: FloatArray
    pbc: BoolArray
    turned: FloatArray
    back: FloatArray

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """That of a structure; nothing is turned where nothing has to be."""
        complete = _complete(frame.cell, frame.pbc)
        if np.array_equal(complete, np.tril(complete)) and (np.diag(complete) > 0).all():
            return cls(frame.cell, frame.pbc, complete, np.eye(3))
        columns, upper = np.linalg.qr(complete.T)  # the rows of the cell are columns here
        signs = np.sign(np.diag(upper))
        return cls(frame.cell, frame.pbc, np.tril((upper * signs[:, None]).T), (columns * signs).T)

    def into(self, vectors: FloatArray) -> FloatArray:
        """Row vectors (n, 3) of the program in LAMMPS."""
        return _rows_times(vectors, self.back.T)

    def out_of(self, vectors: FloatArray) -> FloatArray:
        """Row vectors (n, 3) of LAMMPS in the program."""
        return _rows_times(vectors, self.back)

    def cell_of(self, box: FloatArray) -> FloatArray:
        """The cell (3, 3), Å, of LAMMPS's lengths and tilts (6,): lx, ly, lz, xy, xz, yz."""
        lx, ly, lz, xy, xz, yz = box
        turned = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
        if np.array_equal(turned[self.pbc], self.turned[self.pbc]):
            return self.cell.copy()
        cell = self.cell.copy()
        cell[self.pbc] = self.out_of(turned)[self.pbc]
        return cell

    def virial_of(self, stress: FloatArray, volume: float) -> FloatArray:
        """LAMMPS's virial (6,), eV, in the order xx, yy, zz, xy, xz, yz, of a stress (3, 3) in eV/Å³ and a volume."""
        turned = -volume * self.back @ stress @ self.back.T
        return turned[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


def _complete(cell: FloatArray, pbc: BoolArray) -> FloatArray:
    """The cell with unit vectors, normal to all others, along directions that are not periodic."""
    periodic = cell[pbc]
    free = np.linalg.svd(periodic)[2][len(periodic) :] if len(periodic) else np.eye(3)
    complete = np.empty((3, 3))
    complete[pbc], complete[~pbc] = periodic, free
    return complete


def _rows_times(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    # Not by a matrix product, whose last bit may depend on how many rows there are.
    x, y, z = rows.T[:, :, None]
    product: FloatArray = x * matrix[0] + y * matrix[1] + z * matrix[2]
    return product
