"""A bond of a flat sheet that is turned: four hexagons become two pentagons and two heptagons."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.evaluation.properties.defects.defect import PointDefects, pair_names
from aims_pax.evaluation.properties.shape import solid_axes
from aims_pax.frame import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

PREFIX: Final = "turned bond "

FLAT_ANG: Final = 0.5
"""How far atoms of a sheet may be from its plane."""

SHELL: Final = 1.2
"""In distances to the nearest one: neighbours are nearer."""

THREEFOLD: Final = 3


@dataclass(frozen=True, slots=True)
class BondRotationEnergies(PointDefects):
    """Formation energies of Stone-Wales defects of sheets of hexagons, one for each kind of nearest neighbours.

    Parameters
    ----------
    distance_ang, most_atoms
        As for all :class:`~aims_pax.evaluation.properties.defects.defect.PointDefects`.

    Notes
    -----
    A. J. Stone and D. J. Wales, Chem. Phys. Lett. 128, 501 (1986): two atoms are turned by 90° in the plane about the
    middle of their bond. No atom comes or goes.
    """

    NAME: ClassVar = "stone_wales"
    TITLE: ClassVar = "Stone-Wales formation energy"

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is no flat sheet in which each atom has three neighbours."""
        if sum(solid_axes(atoms)) == 2 and _spread_ang(atoms) < FLAT_ANG and _is_threefold(atoms):
            return None
        return "it is no flat sheet in which each atom has three neighbours"

    def names(self, given: "Atoms") -> list[str]:
        """One for each kind of nearest neighbours."""
        return [f"{PREFIX}{name}" for name in pair_names(given)]

    def made(self, name: str, given: "Atoms", perfect: "Atoms") -> "Atoms":
        """With a pair of that kind turned by 90°."""
        first, second = pair_names(given, perfect)[name.removeprefix(PREFIX)]
        turned = perfect.copy()
        half = turned.get_distance(first, second, mic=True, vector=True) / 2
        middle = turned.positions[first] + half
        across = np.cross(_normal(given), half)
        turned.positions[first], turned.positions[second] = middle - across, middle + across
        return turned


def _normal(atoms: "Atoms") -> FloatArray:
    """(3,): of the sheet, of length 1."""
    one, other = (vector for vector, is_solid in zip(atoms.cell.array, solid_axes(atoms), strict=True) if is_solid)
    normal: FloatArray = np.cross(one, other)
    return normal / np.linalg.norm(normal)


def _spread_ang(atoms: "Atoms") -> float:
    """From the lowest atom to the highest, of a sheet that no border of the cell cuts."""
    return float(np.ptp(atoms.positions @ _normal(atoms)))


def _is_threefold(atoms: "Atoms") -> bool:
    """Whether each atom has three neighbours in the first shell."""
    from ase.neighborlist import neighbor_list

    nearest = _nearest_ang(atoms)
    counts = np.bincount(neighbor_list("i", atoms, SHELL * nearest), minlength=len(atoms))
    return bool((counts == THREEFOLD).all())


def _nearest_ang(atoms: "Atoms") -> float:
    """The smallest distance of two atoms, of images too."""
    from ase.neighborlist import neighbor_list

    reach = 3.0
    while not len(distances := neighbor_list("d", atoms, reach)):
        reach *= 2
    return float(distances.min())
