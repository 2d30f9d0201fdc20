"""A missing atom: what it costs to take it away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from aims_pax.evaluation.properties.defects.defect import PointDefects, site_names

if TYPE_CHECKING:
    from ase import Atoms

TO_FREE_ATOMS: Final = "its missing atoms become free atoms, for what else they join is no property of a compound"

PREFIX: Final = "vacancy "


@dataclass(frozen=True, slots=True)
class VacancyEnergies(PointDefects):
    """Formation energies of vacancies, one for each kind of site.

    Parameters
    ----------
    distance_ang, most_atoms
        As for all :class:`~aims_pax.evaluation.properties.defects.defect.PointDefects`.
    """

    NAME: ClassVar = "vacancy"
    TITLE: ClassVar = "vacancy formation energy"

    def names(self, given: "Atoms") -> list[str]:
        """One for each kind of site."""
        return [f"{PREFIX}{name}" for name in site_names(given)]

    def made(self, name: str, given: "Atoms", perfect: "Atoms") -> "Atoms":
        """Without the atom of that site."""
        gone = perfect.copy()
        del gone[site_names(given)[name.removeprefix(PREFIX)]]
        return gone

    def remarks(self, given: "Atoms") -> list[str]:
        """Where atoms of a compound go."""
        return [TO_FREE_ATOMS] if len(set(given.numbers)) > 1 else []
