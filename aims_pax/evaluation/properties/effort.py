"""How many structures a property has computed, before any is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from aims_pax.evaluation.properties.property import AsGiven, Property
from aims_pax.evaluation.properties.specimen import MOST_STEPS

if TYPE_CHECKING:
    from ase import Atoms

USUAL_STEPS: Final = 12
"""Of a relaxation. Measured on copper by EMT and rock salt by GFN1-xTB: 5 to 15 for cells, surfaces and vacancies, and
one where symmetry holds all atoms in their places."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What one method computes for one property of one structure.

    Parameters
    ----------
    n_relaxations : int
    n_single : int
        Structures that are computed once, those that a model has relaxed among them.
    n_atoms : int
        In the largest of them.
    """

    n_relaxations: int
    n_single: int
    n_atoms: int

    @property
    def usual(self) -> int:
        """Calculations, with relaxations of usual length."""
        return self.n_relaxations * USUAL_STEPS + self.n_single

    @property
    def at_most(self) -> int:
        """The same, with relaxations that take as long as they may."""
        return self.n_relaxations * (MOST_STEPS + 1) + self.n_single


@runtime_checkable
class Foretold(Protocol):
    """A property that says beforehand what it will have computed."""

    def effort(self, atoms: "Atoms") -> Effort:
        """Besides the relaxation of the structure itself, which properties share. Computes nothing."""
        ...


def efforts_of(properties: Sequence[Property], structures: "Iterable[Atoms]") -> list[Effort]:
    """What one method computes for some properties of some structures; nothing where a property makes no sense.

    Properties that do not foretell it count for nothing, nor do those that this installation, or their settings, lack
    something for.
    """
    found: list[Effort] = []
    possible = [one for one in properties if not one.problems()]
    for atoms in structures:
        fit = [one for one in possible if one.unfit(atoms) is None]
        if any(not isinstance(one, AsGiven) for one in fit):
            found.append(Effort(1, 0, len(atoms)))
        found += [one.effort(atoms) for one in fit if isinstance(one, Foretold)]
    return found
