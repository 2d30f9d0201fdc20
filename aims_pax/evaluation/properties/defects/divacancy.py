"""Two neighbours that are missing: what it costs to take them away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from aims_pax.evaluation.properties.defects.defect import PointDefects, pair_names
from aims_pax.evaluation.properties.defects.vacancy import TO_FREE_ATOMS

if TYPE_CHECKING:
    from ase import Atoms

PREFIX: Final = "divacancy "


@dataclass(frozen=True, slots=True)
class DivacancyEnergies(PointDefects):
    """Formation energies of two vacancies side by side, one for each kind of nearest neighbours.

    Less twice that of a vacancy it is minus their binding energy.

    Parameters
    ----------
    distance_ang, most_atoms
        As for all :class:`~aims_pax.evaluation.properties.defects.defect.PointDefects`.
    """

    NAME: ClassVar = "divacancy"
    TITLE: ClassVar = "divacancy formation energy"

    def names(self, given: "Atoms") -> list[str]:
        """One for each kind of nearest neighbours."""
        return [f"{PREFIX}{name}" for name in pair_names(given)]

    def made(self, name: str, given: "Atoms", perfect: "Atoms") -> "Atoms":
        """Without a pair of that kind."""
        pair = pair_names(given, perfect)[name.removeprefix(PREFIX)]
        gone = perfect.copy()
        del gone[list(pair)]
        return gone

    def remarks(self, given: "Atoms") -> list[str]:
        """Where atoms of a compound go."""
        return [TO_FREE_ATOMS] if len(set(given.numbers)) > 1 else []
