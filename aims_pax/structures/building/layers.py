"""What is stacked: sheets that go on in their plane, clusters that don't, and molecules that are yet to be packed."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.structures.building.axes import in_plane, upright
from aims_pax.structures.building.mixture import Recipe
from aims_pax.structures.building.pieces import Parts, Piece, joined_parts

TURNS = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[1, 0], [-1, 1]], [[1, 0], [1, 1]]])
"""Right-handed bases of a lattice in a plane from one: itself, turned by its angle (90° of a rectangle), sheared."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A sheet or a cluster that stands upright: it is stacked along z, and its lowest atom is at 0.

    Parameters
    ----------
    name : str
    numbers : (n_atoms,) int
    positions : (n_atoms, 3), Å
    plane : (2, 2), Å, or None
        Lattice vectors of a sheet, the first along x; None of a cluster.
    parts : mapping of str to tuple of int
    """

    name: str
    numbers: IntArray
    positions: FloatArray
    plane: FloatArray | None
    parts: Parts

    @classmethod
    def of(cls, piece: Piece, index: int, *, name: str) -> "Layer":
        """A piece that ends along an axis, whatever plane it goes on in; without one that it does, it is a cluster."""
        one, two = in_plane(index)
        stands = upright(piece, index)
        is_sheet = bool(piece.frame.pbc[[one, two]].all())
        positions = stands.frame.positions - [0.0, 0.0, stands.frame.positions[:, 2].min()]
        plane = stands.frame.cell[:2, :2].copy() if is_sheet else None
        if not is_sheet:
            middle = (positions.max(axis=0) + positions.min(axis=0)) / 2
            positions = positions - [middle[0], middle[1], 0.0]
        return cls(name, stands.frame.numbers, positions, plane, stands.parts)

    @property
    def n_atoms(self) -> int:
        return len(self.numbers)

    @property
    def height_ang(self) -> float:
        """From its lowest to its highest atom, Å."""
        return float(self.positions[:, 2].max())

    def fitted(self, target: FloatArray, *, turn: int, repeats: tuple[int, int]) -> "Layer":
        """A sheet repeated in its plane and strained to given vectors.

        Parameters
        ----------
        target : (2, 2), Å
            What `repeats` times its vectors become.
        turn : int
            Which of :data:`TURNS` these vectors are of.
        repeats : (int, int)
        """
        assert self.plane is not None
        places = self.positions[:, :2] @ np.linalg.inv(TURNS[turn] @ self.plane)
        cells = list(product(range(repeats[0]), range(repeats[1])))
        copies = [
            np.column_stack([(places + np.array(cell)) / np.array(repeats) @ target, self.positions[:, 2]])
            for cell in cells
        ]
        parts = joined_parts([(self.parts, self.n_atoms)] * len(cells))
        return Layer(self.name, np.tile(self.numbers, len(cells)), np.concatenate(copies), target, parts)

    def reach_ang(self, plane: FloatArray) -> float:
        """Least distance between its atoms and those of its images, were it repeated by two vectors, Å."""
        steps = [np.array(step) @ plane for step in product((-1, 0, 1), repeat=2) if any(step)]
        flat = [np.array([*step, 0.0]) for step in steps]
        apart = self.positions[:, None] - self.positions[None]
        return float(min(np.linalg.norm(apart + step, axis=-1).min() for step in flat))


@dataclass(frozen=True, slots=True)
class Filling:
    """Molecules that are packed where they are stacked.

    Parameters
    ----------
    recipe : Recipe
    tolerance_ang : float, Å
        Least distance of atoms of different molecules.
    height_ang : float or None, Å
        Of the room that they fill; None: their density says.
    edges_ang : (float, float) or None, Å
        Of the plane, where no sheet says; None: their density does.
    name : str
    """

    recipe: Recipe
    tolerance_ang: float
    height_ang: float | None = None
    edges_ang: tuple[float, float] | None = None
    name: str = "Molecules"

    def counts_over(self, area_ang2: float, *, n_others: int) -> tuple[int, ...]:
        """Molecules of each compound over so much of a plane, beside so many atoms; see :meth:`Recipe.counts_in`."""
        return self.recipe.counts_in(self._volume(area_ang2), n_others=n_others)

    def least_over(self, area_ang2: float) -> int | None:
        """Atoms over so much of a plane at least; None: there is no room for a molecule."""
        return self.recipe.least_atoms(self._volume(area_ang2))

    def height_over(self, area_ang2: float, counts: tuple[int, ...]) -> float:
        """How high they stand, Å."""
        height = self.height_ang or self.recipe.volume_ang3(counts) / area_ang2
        return max(height, self.tolerance_ang)

    def _volume(self, area_ang2: float) -> float | None:
        return None if self.height_ang is None else area_ang2 * self.height_ang
