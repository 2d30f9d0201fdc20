"""What barostats may do to a cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from aims_pax.errors import ShapeError
from aims_pax.phase import Crowd

_TERMS: Final = 12
"""Of the series of an exponential: exact to rounding for strains up to a quarter."""

_ROWS: Final = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
_MATRIX: Final = [0, 5, 4, 5, 1, 3, 4, 3, 2]


@dataclass(frozen=True, slots=True)
class Shape:
    """In which ways a cell may be strained.

    Parameters
    ----------
    isotropic : bool
        Alike in all directions; False: lengths and angles, each by itself.
    directions : tuple of three bool, or None
        The lattice vectors in whose span the cell is strained; None: along those that are periodic.
    """

    isotropic: bool
    directions: tuple[bool, bool, bool] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Those of B structures.

    Parameters
    ----------
    isotropic : (B,) bool
    directions : (B, 3) bool
    """

    isotropic: Tensor
    directions: Tensor

    @classmethod
    def of(cls, each: Sequence[Shape], crowd: Crowd) -> Self:
        """Along the directions that are named, or periodic."""
        device = crowd.masses.device
        named = [one.directions for one in each]
        directions = torch.tensor([one or (False,) * 3 for one in named], dtype=torch.bool, device=device)
        unnamed = torch.tensor([one is None for one in named], device=device).unsqueeze(1)
        directions = torch.where(unnamed, crowd.pbc, directions)
        if not bool(directions.any(dim=1).all()):
            raise ShapeError("a structure that is not periodic has no cell to be strained")
        return cls(torch.tensor([one.isotropic for one in each], device=device), directions)

    @property
    def n_directions(self) -> Tensor:
        """Along how many directions cells are strained, (B,)."""
        return self.directions.sum(dim=1)

    @property
    def n_degrees(self) -> Tensor:
        """In how many ways cells can be strained, (B,)."""
        n = self.n_directions
        return torch.where(self.isotropic, 1, n * (n + 1) // 2)

    def projectors(self, cells: Tensor) -> Tensor:
        """Matrices (B, 3, 3) that leave what lies in the span of the directions of cells (B, 3, 3)."""
        one = torch.eye(3, dtype=cells.dtype, device=cells.device)
        if bool(self.directions.all()):
            return one.expand_as(cells)
        # Rows that don't count are replaced by nothing; the span of the others by Gram and Schmidt.
        total, span = torch.zeros_like(cells), list[Tensor]()
        for axis in range(3):
            row = torch.where(self.directions[:, axis, None], cells[:, axis], 0.0)
            for earlier in span:
                row = row - (row * earlier).sum(dim=1, keepdim=True) * earlier
            length = row.square().sum(dim=1, keepdim=True).sqrt()
            row = torch.where(length > 0, row / length, 0.0)
            span.append(row)
            total = total + row[:, :, None] * row[:, None, :]
        return torch.where(self.directions.all(dim=1)[:, None, None], one, total)

    def allowed(self, matrices: Tensor, projectors: Tensor) -> Tensor:
        """The part of symmetric matrices (B, 3, 3) that strains a cell in allowed ways."""
        inside = times(times(projectors, matrices), projectors)
        mean = traces(inside) / self.n_directions
        return torch.where(self.isotropic[:, None, None], mean[:, None, None] * projectors, inside)


def times(left: Tensor, right: Tensor) -> Tensor:
    """Products of matrices (B, 3, 3). Not by a matrix product, whose last bit may depend on how many there are."""
    first, second, third = (left[:, :, axis, None] * right[:, axis, None, :] for axis in range(3))
    return first + second + third


def rows_times(rows: Tensor, matrices: Tensor) -> Tensor:
    """Row vectors (N, 3), each times its matrix (N, 3, 3)."""
    x, y, z = rows.unsqueeze(2).unbind(1)
    product: Tensor = x * matrices[:, 0] + y * matrices[:, 1] + z * matrices[:, 2]
    return product


def traces(matrices: Tensor) -> Tensor:
    """Of matrices (B, 3, 3): (B,)."""
    return matrices[:, 0, 0] + matrices[:, 1, 1] + matrices[:, 2, 2]


def volumes(cells: Tensor) -> Tensor:
    """Of cells (B, 3, 3), in a left-handed one, too: (B,), Å³."""
    a, b, c = cells.unbind(1)
    triple: Tensor = (a * torch.linalg.cross(b, c)).sum(dim=1)
    return triple.abs()


def exponentials(matrices: Tensor) -> Tensor:
    """Of small matrices (B, 3, 3)."""
    one = torch.eye(3, dtype=matrices.dtype, device=matrices.device).expand_as(matrices)
    total = term = one
    for order in range(1, _TERMS):
        term = times(term, matrices) / order
        total = total + term
    return total


def components(matrices: Tensor) -> Tensor:
    """The six of symmetric matrices (B, 3, 3), in ASE's order: (B, 6)."""
    return matrices[:, _ROWS[0], _ROWS[1]]


def matrices_of(components: Tensor) -> Tensor:
    """Symmetric matrices (B, 3, 3) by their six components (B, 6)."""
    return components[:, _MATRIX].view(-1, 3, 3)
