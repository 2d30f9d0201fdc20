"""Parts stacked along an axis, with gaps between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.structures.building.axes import in_plane, laid_back
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.layers import Filling, Layer
from aims_pax.structures.building.matching import Fit, Limits, fits_of
from aims_pax.structures.building.mixture import AMU_PER_ANG3_G_PER_CM3, said
from aims_pax.structures.building.packing import Region, packed
from aims_pax.structures.building.pieces import Parts, Piece, frame_from, joined_parts
from aims_pax.structures.spacing import has_overlaps

OVERLAP: Final = 0.5
"""In sums of covalent radii: atoms that are nearer overlap, as in the guards before labels."""

DRAWS: Final = 20
"""How often parts are shifted against each other before they are said not to fit."""

_FAR_ANG: Final = 30.0
"""Empty space that nothing reaches across, while a stack grows."""


@dataclass(frozen=True, slots=True)
class Stacking:
    """How parts are stacked.

    Parameters
    ----------
    index : int
        Of the axis.
    gap_ang : float, Å
        From the highest atom of a part to the lowest of the next, along the axis.
    vacuum_ang : float, Å
        Above the last one, where the stack ends; 0: it is periodic, with the gap between its ends.
    max_atoms : int
    max_strain : float
        As a fraction.
    """

    index: int
    gap_ang: float
    vacuum_ang: float
    max_atoms: int
    max_strain: float


@dataclass(frozen=True, slots=True)
class Stack:
    """Parts that stand on each other.

    Parameters
    ----------
    piece : Piece
        The axis is along x, y or z. Atoms are in the order of the parts, from the lowest.
    words : tuple of str
        What became of each part, as a person reads it: ``64 atoms, strained by 1.2 %``.
    """

    piece: Piece
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    numbers: IntArray
    positions: FloatArray
    parts: Parts
    top_ang: float
    words: str


def stacked(layers: Sequence[Layer | Filling], stacking: Stacking, *, rng: np.random.Generator) -> Stack:
    """Parts one on the other, from the first one up, each shifted at random in the plane against the first.

    Sheets are fitted to the plane of the first one; molecules are packed onto what is below them; clusters are put as
    they are. Where there is no sheet, the plane is a square that all have room in.

    Parameters
    ----------
    layers : sequence of Layer or Filling
    stacking : Stacking
    rng : Generator
        Shifts, and Packmol's seeds.

    Raises
    ------
    NotBuilt
        Sheets don't fit, molecules can't be packed, or atoms come too near to each other however parts are shifted.
    """
    limits = Limits(stacking.max_atoms, stacking.max_strain, stacking.gap_ang)
    has_sheet = any(isinstance(layer, Layer) and layer.plane is not None for layer in layers)
    plane, fits = fits_of(layers, limits) if has_sheet else (_square(layers, limits), {})
    fitted = [_fitted(layer, plane, fits.get(index)) for index, layer in enumerate(layers)]
    for layer in fitted:
        if isinstance(layer, Layer) and has_overlaps(_frame([_placed(layer, 0.0, np.zeros(2))], plane), OVERLAP):
            found = f"Atoms of {layer.name} are too near to each other{' once it is strained' if fits else ''}."
            raise NotBuilt(found, "Lower Strain, or relax the phase that it comes from.")
    for _ in range(DRAWS):
        placed = _grown(fitted, fits, plane, stacking, rng)
        stack = _closed(placed, plane, stacking)
        if not has_overlaps(stack.frame, OVERLAP):
            return Stack(stack, tuple(one.words for one in placed))
    found = f"Atoms of {' and '.join(layer.name for layer in layers)} are too near to each other in all {DRAWS} draws."
    raise NotBuilt(found, f"Raise Gap, which is {stacking.gap_ang:g} Å.")


def _grown(
    layers: Sequence[Layer | Filling],
    fits: dict[int, Fit],
    plane: FloatArray,
    stacking: Stacking,
    rng: np.random.Generator,
) -> list[_Placed]:
    placed: list[_Placed] = []
    n_known = sum(layer.n_atoms for layer in layers if isinstance(layer, Layer))
    for index, layer in enumerate(layers):
        low = placed[-1].top_ang + stacking.gap_ang if placed else 0.0
        if isinstance(layer, Filling):
            fixed = _frame(placed, plane, above_ang=_FAR_ANG) if placed else None
            one = _filled(layer, plane, low, fixed, n_others=n_known, rng=rng)
            n_known += len(one.numbers)
        else:
            shift = rng.random(2) @ plane if index else np.zeros(2)
            one = _placed(layer, low, shift, fits.get(index))
        placed.append(one)
    return placed


def _fitted(layer: Layer | Filling, plane: FloatArray, fit: Fit | None) -> Layer | Filling:
    if fit is None or isinstance(layer, Filling):
        return layer
    return layer.fitted(plane, turn=fit.turn, repeats=fit.repeats)


def _placed(layer: Layer, low_ang: float, shift: FloatArray, fit: Fit | None = None) -> _Placed:
    strain = f", strained by {fit.strain:.1%}".replace("%", " %") if fit is not None and fit.strain >= 5e-4 else ""
    words = f"{layer.n_atoms} atoms, {layer.height_ang:.1f} Å{strain}"
    positions = layer.positions + np.array([*shift.tolist(), low_ang])
    return _Placed(layer.numbers, positions, layer.parts, low_ang + layer.height_ang, words)


def _filled(
    filling: Filling,
    plane: FloatArray,
    low_ang: float,
    fixed: Frame | None,
    *,
    n_others: int,
    rng: np.random.Generator,
) -> _Placed:
    area = float(abs(np.linalg.det(plane)))
    counts = filling.counts_over(area, n_others=n_others)
    height = filling.height_over(area, counts)
    region = Region(_cell(plane, low_ang + height + _FAR_ANG), low_ang, low_ang + height, fixed)
    piece = packed(filling.recipe, counts, region, tolerance_ang=filling.tolerance_ang, rng=rng).piece
    density = filling.recipe.mass_u(counts) * AMU_PER_ANG3_G_PER_CM3 / region.volume_ang3
    words = f"{said(filling.recipe, counts)} at {density:.2f} g/cm³"
    return _Placed(piece.frame.numbers, piece.frame.positions, piece.also(filling.name).parts, low_ang + height, words)


def _frame(placed: Sequence[_Placed], plane: FloatArray, *, above_ang: float = _FAR_ANG) -> Frame:
    numbers = np.concatenate([one.numbers for one in placed])
    positions = np.concatenate([one.positions for one in placed])
    cell = _cell(plane, placed[-1].top_ang + above_ang)
    return frame_from(numbers, positions, cell, pbc=(True, True, True))


def _closed(placed: Sequence[_Placed], plane: FloatArray, stacking: Stacking) -> Piece:
    """The stack with what is above it, its axis where it belongs."""
    above = stacking.vacuum_ang or stacking.gap_ang
    upright = _frame(placed, plane, above_ang=above)
    # No atom lies in the faces of the cell.
    positions = upright.positions + np.array([0.0, 0.0, min(above, stacking.gap_ang) / 2])
    index, (one, two) = stacking.index, in_plane(stacking.index)
    cell = np.empty((3, 3))
    cell[[one, two, index]] = laid_back(upright.cell, index)
    pbc = [True, True, True]
    pbc[index] = not stacking.vacuum_ang
    parts = joined_parts([(each.parts, len(each.numbers)) for each in placed])
    return Piece(frame_from(upright.numbers, laid_back(positions, index), cell, pbc=pbc), parts)


def _cell(plane: FloatArray, height_ang: float) -> FloatArray:
    cell = np.zeros((3, 3))
    cell[:2, :2], cell[2, 2] = plane, height_ang
    return cell


def _square(layers: Sequence[Layer | Filling], limits: Limits) -> FloatArray:
    """Two normal vectors, (2, 2) Å: the box's, or a square in which clusters keep the gap and molecules fill a cube.

    Raises
    ------
    NotBuilt
        A cluster comes too near to its images in the box.
    """
    clusters = [layer for layer in layers if isinstance(layer, Layer)]
    edges = [0.0]
    for layer in layers:
        if isinstance(layer, Layer):
            edges.append(float(np.ptp(layer.positions[:, :2], axis=0).max()) + max(limits.gap_ang, 1.0))
        elif layer.edges_ang is not None:
            plane = np.diag(layer.edges_ang)
            for cluster in clusters:
                if cluster.reach_ang(plane) < limits.gap_ang:
                    found = f"{cluster.name} comes nearer than {limits.gap_ang:g} Å to its images in the box."
                    raise NotBuilt(found, "Enlarge Box, or lower Size or Radius.")
            return plane
        else:
            counts = layer.recipe.counts_in(None, n_others=sum(cluster.n_atoms for cluster in clusters))
            edges.append(float(np.cbrt(layer.recipe.volume_ang3(counts))))
    return max(edges) * np.eye(2)
