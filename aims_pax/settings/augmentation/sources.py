"""Settings of each source of structures. Defaults are those of the TrainsPot paper where it has the source."""

from collections.abc import Iterator
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from aims_pax.settings.augmentation.words import (
    DistanceRange,
    Elements,
    ElementsOrNone,
    Faces,
    Pairs,
    Share,
    Shares,
    StrainRange,
)
from aims_pax.settings.reading.kinds import Count, CountOrZero, NotNegative, Positive, Whole
from aims_pax.settings.section import Contradiction, Section


class InputSettings(Section):
    """The structures themselves, with vacuum and as supercells where these are asked for."""


class SupercellSettings(Section):
    """Supercells, which all sources but slabs, clusters and dimers begin with."""

    max_atoms: Count = Field(450, description="Atoms that a supercell has at most.")
    shortest_image: Positive = Field(
        18.0, description="Distance of an atom from its nearest image that is enough, Å. Along periodic directions."
    )
    rule: Literal["largest", "trainspot"] = Field(
        "largest",
        description="How repeats are found. largest: the fewest atoms that reach shortest_image or, where max_atoms "
        "are too few, the most distant image that they allow; trainspot: as AiiDA-TrainsPot does, by turns.",
    )


class IsolatedSettings(Section):
    """One atom of each element, alone."""


class DistortSettings(Section):
    """Atoms moved at random in all directions, in cells of random size, some of them with atoms missing."""

    n: Count = Field(50, description="Structures made of each structure.")
    displacement: Annotated[float, Ge(0), Lt(1)] = Field(
        0.3, description="How far an atom moves at most, in distances to its nearest neighbour."
    )
    strain: StrainRange = Field(
        (-0.2, 0.6), description="Relative change of all lengths, drawn evenly: [0, 0] for none."
    )
    vacancies: Share = Field(0.3, description="Share of these structures that lose atoms.")
    n_vacancies: Count = Field(2, description="Atoms that each of these loses.")


class StrainSettings(Section):
    """Strained cells, their atoms moved along: evenly in all periodic directions, and at random."""

    range: StrainRange = Field((-0.1, 0.1), description="Relative change of lengths, from and to.")
    n_isotropic: CountOrZero = Field(
        10, description="Structures made of each structure whose lengths change alike, at even steps of the range."
    )
    n_anisotropic: CountOrZero = Field(
        10, description="Structures made of each structure whose lengths change independently, and whose angles change."
    )
    shear: Annotated[float, Ge(0), Lt(1)] = Field(
        0.05, description="Largest off-diagonal component of an anisotropic strain."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if not self.n_isotropic + self.n_anisotropic:
            found = "n_isotropic and n_anisotropic are both 0, so that nothing would be strained."
            yield Contradiction("n_isotropic", found, "Raise one of them, or remove strain.")


class VacancySettings(Section):
    """Structures that lack atoms, all others at their places."""

    n: Count = Field(10, description="Structures made of each structure.")
    n_vacancies: Count = Field(1, description="Atoms that each of them loses.")


class ClusterSettings(Section):
    """Atoms put together at random, without a cell."""

    n: Count = Field(20, description="Clusters made of each set of elements that some structure has.")
    max_atoms: Annotated[int, Ge(2), Le(1000), Whole] = Field(
        10, description="Atoms of a cluster at most. Each number from 2 is as likely."
    )
    spacing: Positive = Field(
        1.5,
        description="Distance that atoms keep, Å; each has a neighbour within sqrt(3) times it. Larger atoms keep what "
        "overlap says.",
    )


class SlabSettings(Section):
    """Surfaces of crystals, in their smallest cells."""

    miller: Faces = Field(
        ((1, 1, 1), (1, 1, 0), (1, 0, 0)),
        description="Faces, by their Miller indices along the vectors of the cell that is given.",
    )
    min_thickness: Positive = Field(10.0, description="Thickness at least, from the first atom to the last, Å.")
    max_atoms: Count = Field(
        450, description="Atoms of a slab at most. One that would need more is made thinner, and told."
    )


class SubstituteSettings(Section):
    """Species of atoms exchanged, among inputs, distorted structures and slabs."""

    structures: Annotated[float, Gt(0), Le(1)] = Field(
        0.2, description="Share of the structures in which atoms are exchanged, chosen at random."
    )
    atoms: Annotated[float, Gt(0), Le(1)] = Field(
        0.2, description="Share of a structure's atoms that change their species; one pair at least."
    )


class AlloySettings(Section):
    """Species given to the sites of each structure by fractions."""

    species: Elements = Field(description="Elements that take the sites.")
    fixed: ElementsOrNone = Field((), description="Elements of the structures whose sites stay as they are.")
    n: Count = Field(100, description="Structures made of each structure.")
    fractions: Shares = Field(
        None,
        description="How many of the sites each element of species gets, {Si: 3, Ge: 1}, divided by their sum. Drawn "
        "for each structure from all compositions alike when not given.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if both := sorted({*self.species} & {*self.fixed}):
            found = f"{', '.join(both)} stands in species and in fixed."
            advice = "Sites of fixed elements stay; sites of all others get species. Remove it from one."
            yield Contradiction("fixed", found, advice)
        if self.fractions is not None and set(self.fractions) != set(self.species):
            found = f"fractions are of {', '.join(self.fractions)}, and species are {', '.join(self.species)}."
            yield Contradiction("fractions", found, "Name the same elements in both.")


class DimerSettings(Section):
    """Two atoms at even steps of their distance, of each pair of elements."""

    n: Annotated[int, Ge(2), Le(10**6), Whole] = Field(20, description="Distances of each pair.")
    range: DistanceRange = Field(
        (0.6, 2.5), description="Smallest and largest distance, in sums of the two covalent radii."
    )
    pairs: Pairs = Field(None, description="Pairs of elements. When not given, all of those that the structures hold.")


class Room(Section):
    """What is common to all structures that are made."""

    vacuum: NotNegative = Field(
        15.0, description="Empty space along directions that are not periodic, Å, at least. 0: none is made."
    )
    overlap: Annotated[float, Ge(0), Lt(1)] = Field(
        0.5,
        description="Sums of two covalent radii below which two atoms are too near. No two may be nearer than 0.5 Å in "
        "any case.",
    )
    redraws: CountOrZero = Field(
        20, description="How often what is drawn at random, and has atoms too near to each other, is drawn anew."
    )
