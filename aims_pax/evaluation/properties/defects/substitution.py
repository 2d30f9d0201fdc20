"""An atom of another kind on a site: antisites of a compound, foreign atoms, and two atoms that change places."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.evaluation.properties.defects.defect import PointDefects, site_names

if TYPE_CHECKING:
    from ase import Atoms

FREE_ATOMS: Final = "foreign atoms, and those that come and go in a compound, are free atoms; an exchange needs none"

EXCHANGE: Final = "exchange "


@dataclass(frozen=True, slots=True)
class SubstitutionEnergies(PointDefects):
    """Formation energies of substitutions at each kind of site.

    Parameters
    ----------
    distance_ang, most_atoms
        As for all :class:`~aims_pax.evaluation.properties.defects.defect.PointDefects`.
    elements : tuple of str
        Symbols of what is put there; empty: the other elements of a compound, which makes its antisites, and exchanges
        of two neighbours besides.
    """

    elements: tuple[str, ...] = ()

    NAME: ClassVar = "substitution"
    TITLE: ClassVar = "substitution energy"

    def problems(self) -> list[Problem]:
        """What is no element."""
        from ase.data import atomic_numbers

        wrong = [one for one in self.elements if atomic_numbers.get(one, 0) < 1]
        return [Problem("substitution", f"{', '.join(wrong)} is no element.", "symbols: Zn, Ag")] if wrong else []

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is no solid, and an element into which nothing is put."""
        reason = PointDefects.unfit(self, atoms)
        if reason is not None or self.names(atoms):
            return reason
        return "it is of one element, and no other was named to be put there"

    def names(self, given: "Atoms") -> list[str]:
        """``Cu on Au``, ``Au on Cu``, ``exchange Au Cu``."""
        own = sorted(given.symbols.formula.count())
        put = self.elements or tuple(own)
        sites = site_names(given)
        found = [f"{one} on {site}" for site in sites for one in put if one != site.split()[0]]
        if not self.elements:
            found += [f"{EXCHANGE}{one} {other}" for n, one in enumerate(own) for other in own[n + 1 :]]
        return found

    def made(self, name: str, given: "Atoms", perfect: "Atoms") -> "Atoms":
        """With another element at that site, or with two neighbours in each other's places."""
        changed = perfect.copy()
        symbols = changed.get_chemical_symbols()
        if name.startswith(EXCHANGE):
            first, second = _neighbours(perfect, *name.removeprefix(EXCHANGE).split())
            symbols[first], symbols[second] = symbols[second], symbols[first]
        else:
            put, _, site = name.partition(" on ")
            symbols[site_names(given)[site]] = put
        changed.set_chemical_symbols(symbols)
        return changed

    def remarks(self, given: "Atoms") -> list[str]:
        """What atoms that come and go are worth."""
        return [FREE_ATOMS]


def _neighbours(atoms: "Atoms", one: str, other: str) -> tuple[int, int]:
    """The two atoms of these elements that are nearest to each other; the first ones where several are."""
    symbols = np.array(atoms.get_chemical_symbols())
    first, second = np.flatnonzero(symbols == one), np.flatnonzero(symbols == other)
    distances = np.array([atoms.get_distances(int(atom), second, mic=True) for atom in first])
    place = int(np.argmin(np.round(distances, 3)))
    row, column = np.unravel_index(place, distances.shape)
    return int(first[row]), int(second[column])
