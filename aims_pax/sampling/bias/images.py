"""The nearest periodic image."""

import itertools
from typing import Final

import torch
from torch import Tensor

_AROUND: Final = sorted(itertools.product((-1.0, 0.0, 1.0), repeat=3), key=lambda image: sum(map(abs, image)))
"""An image and its 26 neighbours, itself first."""


def nearest_shifts(vectors: Tensor, cells: Tensor, pbc: Tensor, structure: Tensor) -> Tensor:
    """By which vectors (V, 3) of some structures have to be moved to reach the nearest image, (V, 3), Å.

    Parameters
    ----------
    vectors : (V, 3), Å
        Of any length.
    cells : (B, 3, 3), Å
    pbc : (B, 3) bool
        Other directions are not moved along.
    structure : (V,) int64
        Whose cell counts for each.

    Notes
    -----
    Rounded fractional coordinates lead to an image that is the nearest one if it is nearer than half of the least
    distance of two lattice planes, and else to one with the nearest among its 26 neighbours, in every cell that a
    simulation is made in: not in one that is stretched to several times its height.
    """
    periodic = cells * pbc.unsqueeze(2)
    # The inverse of the products of lattice vectors gives coordinates in their span also where there are one or two.
    products = (periodic.unsqueeze(2) * periodic.unsqueeze(1)).sum(dim=3) + torch.diag_embed((~pbc).to(cells.dtype))
    inverse = torch.linalg.inv(products)
    heights = torch.where(pbc, inverse.diagonal(dim1=1, dim2=2).rsqrt(), torch.inf)
    room = (heights.amin(dim=1) / 2).square()

    rows, inverse = periodic[structure], inverse[structure]
    along = _times(rows, vectors)
    shifts = _lattice(-torch.round(_times(inverse, along)), rows)
    nearer = vectors + shifts
    far = ((nearer * nearer).sum(dim=1) > room[structure]).nonzero().squeeze(1)
    if len(far):
        around = torch.tensor(_AROUND, dtype=vectors.dtype, device=vectors.device)
        moves = _lattice(around.unsqueeze(0), rows[far].unsqueeze(1))
        lengths = (nearer[far].unsqueeze(1) + moves).square().sum(dim=2)
        best = lengths.argmin(dim=1)
        shifts = shifts.index_add(0, far, moves[torch.arange(len(far), device=far.device), best])
    return shifts


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Products of matrices (V, 3, 3) and vectors (V, 3)."""
    x, y, z = vectors.unsqueeze(2).unbind(1)
    return matrices[:, :, 0] * x + matrices[:, :, 1] * y + matrices[:, :, 2] * z


def _lattice(images: Tensor, rows: Tensor) -> Tensor:
    """Displacements (..., 3) of images (..., 3) by lattice vectors (..., 3, 3)."""
    x, y, z = images.unsqueeze(-1).unbind(-2)
    return x * rows[..., 0, :] + y * rows[..., 1, :] + z * rows[..., 2, :]
