"""An atom too many, in the holes of a crystal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.evaluation.properties.defects.defect import PointDefects
from aims_pax.evaluation.properties.shape import heights, not_a_solid
from aims_pax.frame import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

REACH_ANG: Final = 12.0
"""Around the cell in which holes are looked for: none of a crystal is larger."""

SAME_ANG: Final = 0.05
"""Holes whose neighbours are as far to this are of one kind."""

N_NEIGHBOURS: Final = 12
"""By which holes are compared."""


@dataclass(frozen=True, slots=True)
class InterstitialEnergies(PointDefects):
    """Formation energies of interstitials: one more atom in the largest holes, relaxed from there.

    Parameters
    ----------
    distance_ang, most_atoms
        As for all :class:`~aims_pax.evaluation.properties.defects.defect.PointDefects`.
    n_holes : int
        Kinds of holes, the largest ones.
    elements : tuple of str
        Symbols of what is put there; empty: each element of the structure.

    Notes
    -----
    Holes are the vertices of Voronoi's partition of the structure as it was given, which are as far as can be from
    atoms: those of fcc are octahedra and tetrahedra. An interstitial that relaxes into a dumbbell is told as it has
    relaxed.
    """

    n_holes: int = 2
    elements: tuple[str, ...] = ()

    NAME: ClassVar = "interstitial"
    TITLE: ClassVar = "interstitial formation energy"

    def problems(self) -> list[Problem]:
        """What is no element, and no hole at all."""
        from ase.data import atomic_numbers

        wrong = [one for one in self.elements if atomic_numbers.get(one, 0) < 1]
        found = [Problem("interstitial", f"{', '.join(wrong)} is no element.", "symbols: H, C")] if wrong else []
        return found + ([] if self.n_holes > 0 else [Problem("interstitial", "No hole is asked for.", "n_holes >= 1")])

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is no solid: vacuum is no hole."""
        return not_a_solid(atoms)

    def names(self, given: "Atoms") -> list[str]:
        """``interstitial Cu 1``: the number is that of the hole, the largest first."""
        put = self.elements or tuple(sorted(given.symbols.formula.count()))
        n_holes = len(holes_of(given)[: self.n_holes])
        return [f"interstitial {one} {number + 1}" for number in range(n_holes) for one in put]

    def made(self, name: str, given: "Atoms", perfect: "Atoms") -> "Atoms":
        """With one more atom in that hole."""
        _, symbol, number = name.split()
        scaled, _ = holes_of(given)[int(number) - 1]
        n_cells = np.round(perfect.cell.lengths() / given.cell.lengths()).clip(1)
        more = perfect.copy()
        more.append(symbol)
        more.positions[-1] = (scaled / n_cells) @ perfect.cell.array
        return more

    def remarks(self, given: "Atoms") -> list[str]:
        """How large the holes are."""
        radii = [f"{radius_ang:.2f} Å" for _, radius_ang in holes_of(given)[: self.n_holes]]
        told = ", ".join(
            f"hole {number} is {radius} from the next atoms" for number, radius in enumerate(radii, start=1)
        )
        worth = (
            [] if len(set(given.numbers)) == 1 and not self.elements else ["what is put there comes from free atoms"]
        )
        return [f"in the structure as it was given {told}", *worth]


def holes_of(atoms: "Atoms") -> list[tuple[FloatArray, float]]:
    """Places that are as far as can be from atoms, one of each kind, by fractional coordinates (3,); and how far, Å."""
    from scipy.spatial import KDTree, Voronoi

    n_around = np.ceil(REACH_ANG / heights(atoms)).astype(int)
    wrapped = atoms.copy()
    wrapped.wrap()
    shifts = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in n_around], indexing="ij"), axis=-1).reshape(-1, 3)
    points = (wrapped.positions[None] + (shifts @ atoms.cell.array)[:, None]).reshape(-1, 3)
    numbers = np.tile(wrapped.numbers, len(shifts))
    scaled = Voronoi(points).vertices @ np.linalg.inv(atoms.cell.array)
    scaled = scaled[((scaled > -1e-6) & (scaled < 1 - 1e-6)).all(axis=1)]
    tree = KDTree(points)
    distances, nearest = tree.query(scaled @ atoms.cell.array, k=min(N_NEIGHBOURS, len(points)))
    order = np.lexsort((*np.round(scaled, 4).T, -np.round(distances[:, 0], 3)))
    found: list[tuple[FloatArray, float]] = []
    seen: list[tuple[FloatArray, list[int]]] = []
    for place in order:
        shape, kinds = distances[place], numbers[nearest[place]].tolist()
        if not any(_alike(shape, kinds, *one) for one in seen):
            seen.append((shape, kinds))
            found.append((scaled[place], float(shape[0])))
    return found


def _alike(shape: FloatArray, kinds: list[int], other: FloatArray, other_kinds: list[int]) -> bool:
    """Whether two holes have the same elements at the same distances, in whatever order they were found."""
    if np.abs(shape - other).max() > SAME_ANG:
        return False
    near = int((shape < shape[0] + SAME_ANG).sum())  # the farther ones may be cut off within a shell
    return sorted(kinds[:near]) == sorted(other_kinds[:near])
