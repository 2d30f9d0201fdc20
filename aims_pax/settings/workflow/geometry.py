"""What a phase begins with: files, molecules that are packed, and parts of earlier phases that are stitched."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator, Field

from aims_pax.settings.motion.groups import Vector
from aims_pax.settings.reading.kinds import (
    AnyCase,
    Count,
    Kind,
    NotNegative,
    OneOrMore,
    Positive,
    Schema,
    misfit,
    resolved,
    shown,
)
from aims_pax.settings.section import Contradiction, Section
from aims_pax.settings.workflow.names import BULK, MOLECULES, PREVIOUS, SURFACE, Part

__all__ = [
    "PREVIOUS",
    "Axis",
    "CollageSettings",
    "GeometrySettings",
    "MoleculeSettings",
    "StructureSettings",
    "WorkflowFile",
]

Axis = Annotated[Literal["x", "y", "z", "a", "b", "c"], AnyCase]

OF_PARTS: Final = {"slab": "thickness", "box": "size", "sphere": "radius"}
"""What each part that is carved needs, and the others don't have."""

OF_MOLECULES: Final = ("density", "n_molecules", "box", "tolerance", "shuffle")
"""What means nothing where nothing is packed."""

FIXED_BY: Final = (
    "What fixes a mixture: Count with Box or with Density; Concentration with two of Number, Density and Box, or with "
    "Density and MaxAtoms."
)

MASS_TOLERANCE: Final = 0.01
"""Part of an element's mass by which a written one may be off; files round."""

HEAVIEST_G_PER_CM3: Final = 30
"""Osmium has 22.6; what is more was meant in kg/m³."""

WorkflowFile = Annotated[
    Path,
    BeforeValidator(resolved),
    Kind("path of a file, relative to the folder of the workflow's file"),
    Schema({"type": "string", "minLength": 1}),
]
"""Whether it is there is looked at where it is read."""


def _three(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise misfit(f"is {shown(value)}")
    if len(value) != 3:
        raise misfit(f"has {len(value)} {'number' if len(value) == 1 else 'numbers'}")
    return tuple(value)


Times = Annotated[tuple[Count, Count, Count], BeforeValidator(_three), Kind("list of three integers >= 1")]
Edges = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_three), Kind("list of three numbers > 0")]


class StructureSettings(Section):
    """A structure of a pool, of which one is drawn at each visit."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Path": "path", "Repeat": "repeat"}

    path: WorkflowFile = Field(description="A file in any format that ASE reads; its last structure.")
    repeat: Times = Field((1, 1, 1), description="How often the cell is repeated along its three vectors.")

    @property
    def times(self) -> int:
        """How many cells there are."""
        a, b, c = self.repeat
        return a * b * c


class MoleculeSettings(Section):
    """A compound of a mixture."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Path": "path", "Concentration": "concentration", "Count": "count"}

    path: WorkflowFile = Field(description="A file in any format that ASE reads; its last structure.")
    concentration: Positive | None = Field(
        None, description="Molecules of this compound relative to those of the others."
    )
    count: Count | None = Field(None, description="Molecules of this compound.")

    def contradictions(self) -> Iterator[Contradiction]:
        given = (self.concentration is not None) + (self.count is not None)
        if given == 0:
            found = "it has neither Concentration nor Count."
            yield Contradiction("", found, "Say how many there are: Count; or how many relative to the others.")
        if given == 2:
            found = "it has both Concentration and Count."
            yield Contradiction("concentration", found, "Keep one of them.")


class CollageSettings(Section):
    """A part of what an earlier phase of the same visit has come to, stitched to something else."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "From": "source",
        "from": "source",
        "Part": "part",
        "Axis": "axis",
        "Thickness": "thickness",
        "Center": "center",
        "Size": "size",
        "Radius": "radius",
        "With": "partner",
        "with": "partner",
        "Gap": "gap",
        "Strain": "max_strain",
        "Vacuum": "vacuum",
    }

    source: Part = Field(description="The phase whose last structure is carved: Phase0, or previous.")
    part: Annotated[Literal["whole", "slab", "box", "sphere"], AnyCase] = Field(
        "whole", description="What is carved out of it."
    )
    axis: Axis = Field("z", description="Normal of the slab, and along which parts are stacked.")
    thickness: Positive | None = Field(None, description="Thickness of a slab, Å.")
    center: Vector | None = Field(
        None, description="Middle of what is carved, fractions of the cell. Left out: where most atoms are."
    )
    size: Edges | None = Field(None, description="Edges of a box, Å.")
    radius: Positive | None = Field(None, description="Radius of a sphere, Å.")
    partner: Annotated[tuple[Part, ...], OneOrMore] = Field(
        (),
        description="What it is stitched to: Molecules, Surface, Bulk of this geometry, another phase, or previous.",
    )
    gap: NotNegative = Field(2.0, description="Least distance between the atoms of two parts, along the axis, Å.")
    max_strain: Annotated[float, Ge(0), Lt(0.5)] = Field(
        0.05, description="Largest strain by which a part is fitted to the cell of the first one, as a fraction."
    )
    vacuum: NotNegative = Field(
        0.0, description="Empty space above the stack, Å; 0: it is periodic along the axis, with gap between its ends."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        needed = OF_PARTS.get(self.part)
        if needed is not None and getattr(self, needed) is None:
            found = f"Part is {self.part}, and {needed.capitalize()} is missing."
            yield Contradiction("part", found, f"Give its {needed}, Å.")
        for part, key in OF_PARTS.items():
            if key != needed and getattr(self, key) is not None:
                found = f"{key.capitalize()} is that of a {part}, and Part is {self.part}."
                yield Contradiction(key, found, f"Remove {key.capitalize()}, or set Part: {part}.")
        if self.part == "whole" and self.center is not None:
            found = "Center is the middle of what is carved, and nothing is: Part is whole."
            yield Contradiction("center", found, "Remove Center, or say what is carved: Part: slab.")
        if not self.partner:
            yield from self._alone()

    def _alone(self) -> Iterator[Contradiction]:
        """What means nothing where it is stitched to nothing."""
        if self.is_set("max_strain"):
            found = "Strain is about a second part, and there is none."
            yield Contradiction("max_strain", found, "Say what it is stitched to by With, or remove Strain.")
        for key in ("axis", "gap", "vacuum"):
            if self.is_set(key) and self.part != "slab":
                found = f"{key.capitalize()} is about a slab or a stack, and this is neither."
                yield Contradiction(key, found, f"Set Part: slab, stitch it by With, or remove {key.capitalize()}.")


class GeometrySettings(Section):
    """The structure that a phase begins with. What is drawn is drawn anew at each visit."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "Species": "species",
        "Bulk": "bulk",
        "Surface": "surface",
        "Molecules": "molecules",
        "Density": "density",
        "Number": "n_molecules",
        "Box": "box",
        "MaxAtoms": "max_atoms",
        "Tolerance": "tolerance",
        "Shuffle": "shuffle",
        "Collage": "collage",
    }

    species: dict[str, Positive] = Field(
        default_factory=dict, description="Elements and their masses, u, as the paper writes them: {C: 12.011}."
    )
    bulk: Annotated[dict[str, StructureSettings], Kind("mapping of names to structures")] = Field(
        default_factory=dict, description="Crystals, of which one is drawn: {Structure_1: {Path: a.xyz}}."
    )
    surface: Annotated[dict[str, StructureSettings], Kind("mapping of names to structures")] = Field(
        default_factory=dict, description="Slabs, of which one is drawn."
    )
    molecules: Annotated[dict[str, MoleculeSettings], Kind("mapping of names to molecules")] = Field(
        default_factory=dict, description="Compounds that are packed at random places: {Water: {Path: h2o.xyz}}."
    )
    density: Annotated[float, Gt(0), Le(HEAVIEST_G_PER_CM3)] | None = Field(
        None, description="Density of the packed molecules, g/cm³."
    )
    n_molecules: Count | None = Field(
        None, description="Molecules in all, which concentrations share. Left out: as the box and the density say."
    )
    box: Edges | None = Field(None, description="Edges of the box that is packed, Å. Left out: a cube, by the density.")
    max_atoms: Count = Field(200, description="Most atoms of a structure: the limit is the reference's.")
    tolerance: Annotated[float, Gt(0), Le(10)] = Field(
        2.0, description="Least distance between atoms of different molecules, Å."
    )
    shuffle: bool = Field(
        False,
        description="Whether concentrations are drawn anew at each visit, around those that are written.",
    )
    collage: CollageSettings | None = Field(None, description="Parts of earlier phases.")

    @property
    def pools(self) -> tuple[str, ...]:
        """What it holds, by the names that a collage calls it by."""
        held = {BULK: self.bulk, SURFACE: self.surface, MOLECULES: self.molecules}
        return tuple(name for name, pool in held.items() if pool)

    @property
    def crystals(self) -> Mapping[str, StructureSettings]:
        """The structures of both pools that one is drawn of, by the way to them: ``bulk.Structure_1``."""
        pools = {"bulk": self.bulk, "surface": self.surface}
        return {f"{pool}.{name}": one for pool, several in pools.items() for name, one in several.items()}

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it reads, each once."""
        named = [one.path for one in self.crystals.values()] + [one.path for one in self.molecules.values()]
        return tuple(dict.fromkeys(named))

    def after(self, phase: str) -> Self:
        """The same, which calls the phase before it by its name."""
        if self.collage is None:
            return self
        source, *partner = (
            phase if part == PREVIOUS else part for part in (self.collage.source, *self.collage.partner)
        )
        collage = self.collage.model_copy(update={"source": source, "partner": tuple(partner)})
        return self.model_copy(update={"collage": collage})

    def contradictions(self) -> Iterator[Contradiction]:
        yield from self._species()
        if not self.pools and self.collage is None:
            found = "it has no structure."
            advice = "Give Bulk, Surface, Molecules or Collage. Without Geometry a phase goes on where the last ended."
            yield Contradiction("", found, advice)
        if self.collage is None and len(self.pools) > 1:
            found = f"{' and '.join(self.pools)} are given, and nothing says how they are put together."
            advice = "Keep one of them; a Collage stitches them to what an earlier phase has come to."
            yield Contradiction(self.pools[1].lower(), found, advice)
        if self.molecules:
            yield from self._mixture()
        for key in OF_MOLECULES if not self.molecules else ():
            if self.is_set(key):
                found = f"{_written(key)} is about molecules that are packed, and there are none."
                yield Contradiction(key, found, f"Remove {_written(key)}, or give Molecules.")
        if self.collage is not None:
            yield from self._parts(self.collage)

    def _species(self) -> Iterator[Contradiction]:
        from ase.data import atomic_masses_iupac2016, atomic_numbers

        for symbol, mass in self.species.items():
            number = atomic_numbers.get(symbol, 0)
            if number == 0:
                advice = "Write symbols as Si; masses are those of the elements, also of D and T."
                yield Contradiction(f"species.{symbol}", f"{symbol!r} is not the symbol of an element.", advice)
            elif abs(mass / atomic_masses_iupac2016[number] - 1) > MASS_TOLERANCE:
                standard = f"{atomic_masses_iupac2016[number]:.5g}"
                found = f"the mass of {symbol} is {mass:g} u, and that of the element is {standard} u."
                advice = f"MD uses standard masses, whatever stands here: write {symbol}: {standard}."
                yield Contradiction(f"species.{symbol}", found, advice)

    def _mixture(self) -> Iterator[Contradiction]:
        """How many molecules there are, and in how much space: said once, and not twice."""
        counted = [name for name, one in self.molecules.items() if one.count is not None]
        relative = [name for name in self.molecules if name not in counted]
        if counted and relative:
            found = f"{counted[0]} has a Count, and {relative[0]} has a Concentration."
            yield Contradiction(f"molecules.{relative[0]}", found, "Write the same of all compounds.")
            return
        space = [key for key in ("n_molecules", "density", "box") if getattr(self, key) is not None]
        if counted:
            for key in ("n_molecules", "shuffle"):
                if self.is_set(key) and getattr(self, key):
                    found = f"{_written(key)} is about Concentration, and the molecules have a Count each."
                    yield Contradiction(key, found, f"Remove {_written(key)}, or write Concentration for each.")
            space = [key for key in space if key != "n_molecules"]
            if len(space) != 1:
                words = "both Density and Box are given" if space else "neither Density nor Box is given"
                found = f"the molecules have a Count each, and {words}."
                yield Contradiction(space[-1] if space else "molecules", found, FIXED_BY)
            return
        if len(space) == 3:
            found = "Number, Density and Box are given, and two of them say the third."
            yield Contradiction("box", found, f"Remove one of them. {FIXED_BY}")
        elif len(space) < 2 and not (space == ["density"] and self.is_set("max_atoms")):
            given = f"only {_written(space[0])} is given" if space else "nothing says how many there are"
            yield Contradiction("molecules", f"the molecules have a Concentration each, and {given}.", FIXED_BY)

    def _parts(self, collage: CollageSettings) -> Iterator[Contradiction]:
        """What the collage is made with is there, and what is there it is made with."""
        for name in dict.fromkeys(collage.partner):
            if name in (BULK, SURFACE, MOLECULES) and name not in self.pools:
                found = f"With names {name}, and this geometry has no {name}."
                yield Contradiction("collage.partner", found, f"Give {name}, or remove it from With.")
        for name in self.pools:
            if name not in collage.partner:
                found = f"{name} is given, and Collage is not made with it."
                yield Contradiction(name.lower(), found, f"Add {name} to Collage.With, or remove it.")


def _written(key: str) -> str:
    """A setting as the paper's spelling has it."""
    return next(alias for alias, name in GeometrySettings.ALIASES.items() if name == key)
