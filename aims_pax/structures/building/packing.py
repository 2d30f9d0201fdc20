"""Molecules at random places and in random orientations, no two of them nearer than asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.mixture import AMU_PER_ANG3_G_PER_CM3, Recipe, said
from aims_pax.structures.building.packmol import Ending, Group, packed_positions
from aims_pax.structures.building.pieces import Piece, frame_from

TRIES: Final = 3
"""How often molecules are packed that came too near to images of their own, which Packmol does not look at."""

PRECISION_ANG: Final = 0.03
"""By how much Packmol may stay below a distance that was asked for (its precision is 0.01 of squares)."""

LARGEST_SEED: Final = 1_000_000_000
"""Fits Packmol's integers."""

ADVICE: Final = "Lower Density or Tolerance, or enlarge Box."


@dataclass(frozen=True, slots=True)
class Region:
    """Where molecules are packed: a cell, or what of it lies between two heights.

    Parameters
    ----------
    cell : (3, 3), Å
        The first vector along x, the second in the plane of x and y, the third along z.
    low_ang, high_ang : float, Å
        Heights between which all atoms lie.
    beside : Frame or None
        Atoms that are there already and stay, anywhere in the cell; None: there are none.
    """

    cell: FloatArray
    low_ang: float
    high_ang: float
    beside: Frame | None = None

    @classmethod
    def box(cls, edges_ang: Sequence[float]) -> "Region":
        """A whole cell with right angles, periodic in three directions."""
        return cls(np.diag(np.array(edges_ang, dtype=np.float64)), 0.0, float(edges_ang[2]))

    @property
    def volume_ang3(self) -> float:
        """Between the two heights, Å³."""
        return float(abs(np.linalg.det(self.cell[:2, :2])) * (self.high_ang - self.low_ang))

    @property
    def is_orthogonal(self) -> bool:
        """Whether the cell has right angles, which is what Packmol knows as periodic."""
        return bool(abs(self.cell[1, 0]) < 1e-9)


@dataclass(frozen=True, slots=True)
class Packed:
    """Molecules that have found their places.

    Parameters
    ----------
    piece : Piece
        Compounds one after the other, in a cell that is periodic in three directions; parts are the compounds. What
        was there before is not among them.
    molecules : tuple of tuple of int
        Atoms of each molecule, in the order of the structure.
    """

    piece: Piece
    molecules: tuple[tuple[int, ...], ...] = field(repr=False)


def packed(
    recipe: Recipe, counts: Sequence[int], region: Region, *, tolerance_ang: float, rng: np.random.Generator
) -> Packed:
    """So many molecules of each compound in a region.

    Atoms of different molecules, of molecules and what is there already, and of molecules and all images of these keep
    the distance. In cells without right angles, of which Packmol knows no periodicity, molecules keep half of it to the
    faces instead.

    Parameters
    ----------
    recipe : Recipe
        Of which the compounds count.
    counts : sequence of int
    region : Region
    tolerance_ang : float, Å
    rng : Generator
        Of which a seed is drawn, and another for each further try.

    Raises
    ------
    NotBuilt
        They don't fit, or Packmol is not installed.
    """
    kinds = [
        Group(one.frame.numbers, one.frame.positions - one.frame.positions.mean(axis=0), n, ())
        for n, one in zip(counts, recipe.compounds, strict=True)
        if n
    ]
    names = [one.name for n, one in zip(counts, recipe.compounds, strict=True) if n]
    head, rules, stays = _periodic(region, tolerance_ang) if region.is_orthogonal else _walled(region, tolerance_ang)
    groups = [Group(kind.numbers, kind.positions, kind.n, rules) for kind in kinds]
    for _ in range(TRIES):
        seed = int(rng.integers(1, LARGEST_SEED))
        # What stays comes last: Packmol numbers molecules in the order of its input, and so do we.
        positions = packed_positions([*groups, *stays], head, seed=seed)
        if isinstance(positions, Ending):
            raise NotBuilt(_unpacked(recipe, counts, region, tolerance_ang, positions), ADVICE)
        found = _found(names, kinds, positions, region)
        if _keeps(found, region, tolerance_ang - PRECISION_ANG):
            return found
    where = _where(region)
    found_text = f"{said(recipe, counts)} in {where} come nearer than {tolerance_ang:g} Å to images of their own."
    raise NotBuilt(found_text, "Enlarge Box, or lower Tolerance.")


def _periodic(region: Region, tolerance_ang: float) -> tuple[list[str], tuple[str, ...], list[Group]]:
    a, b, c = (float(region.cell[index, index]) for index in range(3))
    head = [f"tolerance {tolerance_ang:.6f}", f"pbc 0.0 0.0 0.0 {a:.10f} {b:.10f} {c:.10f}"]
    rules = (f"inside box 0. 0. {region.low_ang:.10f} {a:.10f} {b:.10f} {region.high_ang:.10f}",)
    if region.beside is None:
        return head, rules, []
    edges = np.array([a, b, c])
    # Packmol refuses fixed atoms outside the box, and its box ends before its upper faces.
    inside = np.clip(region.beside.positions % edges, 0.0, edges - 1e-6)
    return head, rules, [Group(region.beside.numbers, inside, 1, ("fixed 0. 0. 0. 0. 0. 0.",))]


def _walled(region: Region, tolerance_ang: float) -> tuple[list[str], tuple[str, ...], list[Group]]:
    a, (shear, b) = float(region.cell[0, 0]), region.cell[1, :2].tolist()
    half = tolerance_ang / 2
    # Faces of the second vector are normal to (b, -shear, 0): distances along it are those to these faces.
    length = float(np.hypot(b, shear))
    span = a * b / length
    lack = max(0.0, tolerance_ang - (float(region.cell[2, 2]) - (region.high_ang - region.low_ang))) / 2
    rules = (
        f"over plane {b / length:.10f} {-shear / length:.10f} 0. {half:.10f}",
        f"below plane {b / length:.10f} {-shear / length:.10f} 0. {span - half:.10f}",
        f"over plane 0. 1. 0. {half:.10f}",
        f"below plane 0. 1. 0. {b - half:.10f}",
        f"over plane 0. 0. 1. {region.low_ang + lack:.10f}",
        f"below plane 0. 0. 1. {region.high_ang - lack:.10f}",
    )
    head = [f"tolerance {tolerance_ang:.6f}"]
    if region.beside is None:
        return head, rules, []
    numbers, positions = _images_near(region, region.beside, tolerance_ang)
    stays = [Group(numbers, positions, 1, ("fixed 0. 0. 0. 0. 0. 0.",))] if len(numbers) else []
    return head, rules, stays


def _images_near(region: Region, beside: Frame, reach_ang: float) -> tuple[IntArray, FloatArray]:
    """Atoms that are there already, and their images, as far as molecules in a region could come near them."""
    shifts = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    inverse = np.linalg.inv(region.cell)
    wrapped = (beside.positions @ inverse % 1.0) @ region.cell
    positions = (wrapped[None] + (shifts @ region.cell)[:, None]).reshape(-1, 3)
    numbers = np.tile(beside.numbers, len(shifts))
    margins = reach_ang * np.linalg.norm(inverse, axis=0)
    places = positions @ inverse
    near = ((places[:, :2] > -margins[:2]) & (places[:, :2] < 1 + margins[:2])).all(axis=1)
    near &= (positions[:, 2] > region.low_ang - reach_ang) & (positions[:, 2] < region.high_ang + reach_ang)
    return numbers[near], positions[near]


def _found(names: Sequence[str], kinds: Sequence[Group], positions: FloatArray, region: Region) -> Packed:
    parts: dict[str, tuple[int, ...]] = {}
    molecules: list[tuple[int, ...]] = []
    first = 0
    for name, kind in zip(names, kinds, strict=True):
        size = len(kind.numbers)
        parts[name] = tuple(range(first, first + kind.n * size))
        molecules += [tuple(range(start, start + size)) for start in range(first, first + kind.n * size, size)]
        first += kind.n * size
    numbers = np.concatenate([np.tile(kind.numbers, kind.n) for kind in kinds])
    frame = frame_from(numbers, positions[:first], region.cell.copy(), pbc=(True, True, True))
    return Packed(Piece(frame, parts), tuple(molecules))


def _keeps(found: Packed, region: Region, least_ang: float) -> bool:
    """Whether molecules keep a distance to each other, to images of their own, and to what is there already."""
    from ase.geometry import get_distances

    frame, beside = found.piece.frame, region.beside
    if beside is not None:
        _, apart = get_distances(frame.positions, beside.positions, cell=region.cell, pbc=True)
        if apart.min(initial=np.inf) < least_ang:
            return False
    return closest_contact(found) >= least_ang


def closest_contact(found: Packed) -> float:
    """Least distance of atoms of two molecules, or of a molecule and an image of itself, Å; inf beyond 6 Å."""
    from ase.neighborlist import neighbor_list

    from aims_pax.atoms import atoms_of

    frame = found.piece.frame
    of = np.empty(frame.n_atoms, dtype=np.int64)
    for index, atoms in enumerate(found.molecules):
        of[list(atoms)] = index
    first, second, shifts, lengths = neighbor_list("ijSd", atoms_of(frame), 6.0)
    # Molecules lie in one piece: what has no shift is the same copy.
    others = (of[first] != of[second]) | shifts.any(axis=1)
    return float(lengths[others].min(initial=np.inf))


def _where(region: Region) -> str:
    a, b = (float(np.linalg.norm(region.cell[index])) for index in range(2))
    beside = f" beside {region.beside.n_atoms} atoms" if region.beside is not None else ""
    return f"{a:.1f} x {b:.1f} x {region.high_ang - region.low_ang:.1f} Å{beside}"


def _unpacked(recipe: Recipe, counts: Sequence[int], region: Region, tolerance_ang: float, ending: Ending) -> str:
    density = recipe.mass_u(counts) * AMU_PER_ANG3_G_PER_CM3 / region.volume_ang3
    how = f"{said(recipe, counts)} can't be packed" if ending is Ending.UNPACKED else f"Packing {said(recipe, counts)}"
    end = "." if ending is Ending.UNPACKED else " took too long."
    return f"{how} into {_where(region)} ({density:.2f} g/cm³) with {tolerance_ang:g} Å between molecules{end}"
