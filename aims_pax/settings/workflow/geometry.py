"""What a phase begins with: files, molecules that are packed, and parts of earlier phases that are stitched."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from aims_pax.settings.motion.groups import Vector
from aims_pax.settings.reading.kinds import AnyCase, Count, ExistingFile, Kind, NotNegative, OneOrMore, Positive
from aims_pax.settings.section import Section

Axis = Annotated[Literal["x", "y", "z", "a", "b", "c"], AnyCase]

PREVIOUS: Final = "previous"
"""What a collage may be made with, besides the structures of its own geometry: the end of the phase before."""


class StructureSettings(Section):
    """A structure of a pool, of which one is drawn at each visit."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Path": "path", "Repeat": "repeat"}

    path: ExistingFile = Field(description="A file in any format that ASE reads; its last structure.")
    repeat: Annotated[tuple[Count, Count, Count], OneOrMore] = Field(
        (1, 1, 1), description="How often the cell is repeated along its three vectors."
    )


class MoleculeSettings(Section):
    """A compound of a mixture."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Path": "path", "Concentration": "concentration", "Count": "count"}

    path: ExistingFile = Field(description="A file in any format that ASE reads; its last structure.")
    concentration: Positive | None = Field(
        None, description="Molecules of this compound relative to those of the others."
    )
    count: Count | None = Field(None, description="Molecules of this compound.")


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

    source: str = Field(description="The phase whose last structure is carved: Phase0.")
    part: Annotated[Literal["whole", "slab", "box", "sphere"], AnyCase] = Field(
        "whole", description="What is carved out of it."
    )
    axis: Axis = Field("z", description="Normal of the slab, and along which parts are stacked.")
    thickness: Positive | None = Field(None, description="Thickness of a slab, Å.")
    center: Vector | None = Field(
        None, description="Middle of what is carved, fractions of the cell. Left out: where most atoms are."
    )
    size: Vector | None = Field(None, description="Edges of a box, Å.")
    radius: Positive | None = Field(None, description="Radius of a sphere, Å.")
    partner: Annotated[tuple[str, ...], OneOrMore] = Field(
        (), description="What it is stitched to: Molecules, Surface, Bulk of this geometry, or another phase."
    )
    gap: NotNegative = Field(2.0, description="Least distance between the atoms of two parts, along the axis, Å.")
    max_strain: Annotated[float, Ge(0), Lt(0.5)] = Field(
        0.05, description="Largest strain by which a part is fitted to the cell of the first one, as a fraction."
    )
    vacuum: NotNegative = Field(
        0.0, description="Empty space above the stack, Å; 0: it is periodic along the axis, with gap between its ends."
    )


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
    density: Positive | None = Field(None, description="Density of the packed molecules, g/cm³.")
    n_molecules: Count | None = Field(
        None, description="Molecules in all, which concentrations share. Left out: as the box and the density say."
    )
    box: Annotated[tuple[Positive, Positive, Positive], OneOrMore] | None = Field(
        None, description="Edges of the box that is packed, Å. Left out: a cube, by the density."
    )
    max_atoms: Count = Field(200, description="Most atoms of a structure: the limit is the reference's.")
    tolerance: Annotated[float, Gt(0), Le(10)] = Field(
        2.0, description="Least distance between atoms of different molecules, Å."
    )
    shuffle: bool = Field(
        False,
        description="Whether concentrations are drawn anew at each visit, around those that are written.",
    )
    collage: CollageSettings | None = Field(None, description="Parts of earlier phases.")
