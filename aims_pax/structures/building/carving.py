"""Parts that are cut out of structures.

Molecules that the cut goes through are kept as wholes where their middle lies within it, and dropped as wholes where it
does not. Of an extended network (a solid, and anything that bonds hold together of more than 30 atoms) single atoms are
kept where they lie within: its bonds are cut, and what they leave dangles until the phase relaxes it.
"""

from dataclasses import replace
from typing import Final, TypeVar

import numpy as np

from aims_pax.frame import BoolArray, FloatArray
from aims_pax.settings.workflow.geometry import CollageSettings
from aims_pax.structures.building.axes import check_axis, height_of, index_of, whole_cell
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.pieces import Piece
from aims_pax.structures.building.units import Units, units_of

T = TypeVar("T")

_SAME: Final = 1e-9


def carved(piece: Piece, settings: CollageSettings) -> Piece:
    """The part that is asked for.

    Parameters
    ----------
    piece : Piece
        Of what an earlier phase has come to.
    settings : CollageSettings
        Whose part, axis, thickness, center, size and radius count.

    Returns
    -------
    Piece
        Slabs and wholes go on in their plane, and end along the axis; boxes and spheres have no cell.

    Raises
    ------
    NotBuilt
        The settings lack a length, nothing lies within, or the axis is normal to no plane of the lattice.
    """
    if settings.part in ("whole", "slab"):
        check_axis(piece.frame, settings.axis, name=settings.source)
        index = index_of(settings.axis)
        if settings.part == "whole":
            return opened(piece, index)
        assert settings.thickness is not None, "settings of a slab have it"
        return _slab(piece, settings, index)
    return _cluster(piece, settings)


def opened(piece: Piece, index: int) -> Piece:
    """All of a structure, no longer periodic along an axis: it is opened where the gap between atoms is widest."""
    frame = piece.frame
    if not frame.pbc[index]:
        return piece
    units = units_of(frame)
    places = _places(units.centres, piece, index)
    inside = np.sort(_wrapped(places))
    gaps = np.diff(inside, append=inside[0] + 1.0)
    begin = float(inside[(int(gaps.argmax()) + 1) % len(inside)])
    return _ended(piece, units, np.ones(len(places), dtype=np.bool_), begin=begin, index=index)


def _slab(piece: Piece, settings: CollageSettings, index: int) -> Piece:
    assert settings.thickness is not None
    frame = piece.frame
    units = units_of(frame)
    if not frame.pbc[index]:
        heights = units.centres @ _normal(piece, index)
        low = _lowest(heights, units, settings.thickness)
        if settings.center is not None:
            middle = float(np.array(settings.center) @ frame.cell @ _normal(piece, index))
            low = middle - settings.thickness / 2
        chosen = (heights >= low - _SAME) & (heights <= low + settings.thickness + _SAME)
        atoms = units.atoms_in(chosen)
        return _some(piece.of(atoms, units.positions[atoms]), settings)
    width = settings.thickness / height_of(frame, index)
    if width >= 1.0:
        return opened(piece, index)
    places = _wrapped(_places(units.centres, piece, index))
    begin = _lowest(places, units, width, period=1.0)
    if settings.center is not None:
        begin = float(settings.center[index]) - width / 2
    chosen = (places - begin + _SAME) % 1.0 <= width + 2 * _SAME
    return _some(_ended(piece, units, chosen, begin=begin - _SAME, index=index), settings)


def _cluster(piece: Piece, settings: CollageSettings) -> Piece:
    from ase.geometry import find_mic

    frame, units = piece.frame, units_of(piece.frame)

    def around(middle: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Vectors from a point to the nearest images of all units, and which of them lie within."""
        vectors, lengths = units.centres - middle, np.linalg.norm(units.centres - middle, axis=1)
        if frame.pbc.any():
            vectors, lengths = find_mic(vectors, frame.cell, frame.pbc)
        if settings.part == "sphere":
            within: BoolArray = lengths <= _said(settings.radius)
        else:
            within = np.all(np.abs(vectors) <= np.array(_said(settings.size)) / 2, axis=1)
        return vectors, within

    if settings.center is not None:
        middle = np.array(settings.center) @ frame.cell
    else:
        most = max(range(len(units.sizes)), key=lambda unit: units.sizes[around(units.centres[unit])[1]].sum())
        middle = units.centres[most]
    vectors, chosen = around(middle)
    atoms = units.atoms_in(chosen)
    moved = units.positions + (vectors - units.centres)[units.of]
    cut = piece.of(atoms, moved[atoms])
    alone = replace(cut.frame, cell=np.zeros((3, 3)), pbc=np.zeros(3, dtype=np.bool_))
    return _some(Piece(alone, cut.parts), settings)


def _said(value: T | None) -> T:
    assert value is not None, "settings of a part have what it needs"
    return value


def _some(piece: Piece, settings: CollageSettings) -> Piece:
    if not piece.frame.n_atoms:
        found = f"No atom of {settings.source} lies in the {settings.part} that is carved out of it."
        raise NotBuilt(found, "Enlarge the part, move its Center, or leave Center out.")
    return piece


def _ended(piece: Piece, units: Units, chosen: BoolArray, *, begin: float, index: int) -> Piece:
    """Chosen units between a place along a lattice vector and the same place of the next cell; it ends there."""
    frame = piece.frame
    places = _places(units.centres, piece, index)
    cells = np.floor(places - begin + _SAME)
    positions = units.positions - cells[units.of][:, None] * frame.cell[index]
    atoms = units.atoms_in(chosen)
    pbc = frame.pbc.copy()
    pbc[index] = False
    cut = piece.of(atoms, positions[atoms])
    return Piece(replace(cut.frame, pbc=pbc), cut.parts)


def _lowest(heights: FloatArray, units: Units, width: float, *, period: float | None = None) -> float:
    """Where a window of a width begins that holds most atoms, its contents in its middle; the lowest of several."""
    ahead = heights[None] - heights[:, None]
    if period is not None:
        ahead = (ahead + _SAME) % period - _SAME
    within = (ahead >= -_SAME) & (ahead <= width + _SAME)
    counts = within @ units.sizes
    candidates = np.flatnonzero(counts == counts.max())
    first = int(candidates[np.argmin(heights[candidates])])
    extent = float(ahead[first][within[first]].max())
    return float(heights[first]) - (width - extent) / 2


def _places(points: FloatArray, piece: Piece, index: int) -> FloatArray:
    """Points as fractions of a lattice vector, (n,)."""
    found: FloatArray = (points @ np.linalg.inv(whole_cell(piece.frame)))[:, index]
    return found


def _wrapped(places: FloatArray) -> FloatArray:
    inside: FloatArray = places % 1.0
    inside[inside >= 1.0] = 0.0  # of -1e-17
    return inside


def _normal(piece: Piece, index: int) -> FloatArray:
    """Unit vector along the axis."""
    cell = piece.frame.cell
    normal = np.cross(cell[(index + 1) % 3], cell[(index + 2) % 3])
    length = float(np.linalg.norm(normal))
    unit: FloatArray = np.eye(3)[index] if length < _SAME else normal / length
    return unit
