"""Collective variables, and what is laid over them: restraints and metadynamics."""

from collections.abc import Iterator
from math import degrees, radians
from typing import Annotated, Final

import numpy as np
from annotated_types import Gt, Le
from pydantic import Field

from aims_pax.atoms import atoms_of
from aims_pax.frame import Frame
from aims_pax.settings.motion.groups import Atoms, Axis, GroupSettings, named_atom
from aims_pax.settings.reading.kinds import Count, Kind, Listed, OneOrMore, Positive, Whole
from aims_pax.settings.section import Contradiction, Section

_Atom = Annotated[int, Whole]
Two = Annotated[tuple[_Atom, _Atom], Listed, Kind("two atoms, counted from 0, as a list")]
Three = Annotated[tuple[_Atom, _Atom, _Atom], Listed, Kind("three atoms, counted from 0, as a list")]
Four = Annotated[tuple[_Atom, _Atom, _Atom, _Atom], Listed, Kind("four atoms, counted from 0, as a list")]

ANGULAR: Final = ("angle", "dihedral")
"""Variables that are written in degrees, as ASE writes them."""

NARROWEST_DEGREES: Final = 1.0
"""A narrower hill was meant in radians: nothing would ever be filled up with it."""


class CoordinationSettings(Section):
    """How many atoms of one kind are near those of another: the sum over pairs of 1 / (1 + (r / reach)^6)."""

    atoms: Atoms = Field(description="Atoms whose neighbours are counted, from 0.")
    partners: Atoms = Field(description="Atoms that count as neighbours, from 0.")
    reach: Positive = Field(description="Distance at which a neighbour counts as half, Å.")

    def contradictions(self) -> Iterator[Contradiction]:
        both = sorted(set(self.atoms) & set(self.partners))
        if both:
            found = f"atom {both[0]} stands among atoms and among partners."
            yield Contradiction("partners", found, "Keep it in one of them.")


class PlaceSettings(GroupSettings):
    """Where a group of atoms is along a direction: the mean of its coordinates."""

    along: Axis = Field(description="Direction: x, y or z.")


class VariableSettings(Section):
    """A collective variable: one of these."""

    distance: Two | None = Field(None, description="Distance of two atoms, Å.")
    angle: Three | None = Field(None, description="Angle at the middle one of three atoms, degrees.")
    dihedral: Four | None = Field(None, description="Dihedral of four atoms, degrees, -180 to 180.")
    coordination: CoordinationSettings | None = Field(None, description="Coordination number, a sum over pairs.")
    place: PlaceSettings | None = Field(None, description="Mean coordinate of a group of atoms, Å.")

    @property
    def name(self) -> str:
        """Which of them it is."""
        return next(key for key in type(self).model_fields if getattr(self, key) is not None)

    @property
    def unit(self) -> str:
        """In which it is written."""
        return {"distance": "Å", "place": "Å", "coordination": ""}.get(self.name, "degrees")

    def in_radians(self, value: float) -> float:
        """A value as it is computed with."""
        return radians(value) if self.name in ANGULAR else value

    def in_degrees(self, value: float) -> float:
        """A value as it is written."""
        return degrees(value) if self.name in ANGULAR else value

    def atoms_of(self, frame: Frame) -> tuple[int, ...]:
        """The atoms that it is of."""
        if self.coordination is not None:
            return (*self.coordination.atoms, *self.coordination.partners)
        if self.place is not None:
            return self.place.of(frame)
        chosen: tuple[int, ...] = getattr(self, self.name)
        return chosen

    def value_of(self, frame: Frame) -> float:
        """What it is in a structure, in the unit in which it is written; between nearest images."""
        atoms = atoms_of(frame)
        mic = bool(frame.pbc.any())
        if self.coordination is not None:
            apart = atoms.get_all_distances(mic=mic)[np.ix_(self.coordination.atoms, self.coordination.partners)]
            return float((1 / (1 + (apart / self.coordination.reach) ** 6)).sum())
        if self.place is not None:
            return float(frame.positions[list(self.place.of(frame)), "xyz".index(self.place.along)].mean())
        if self.distance is not None:
            return float(atoms.get_distance(*self.distance, mic=mic))
        if self.angle is not None:
            return float(atoms.get_angle(*self.angle, mic=mic))
        assert self.dihedral is not None
        turned = float(atoms.get_dihedral(*self.dihedral, mic=mic))
        return turned - 360 if turned > 180 else turned

    def said_of(self, frame: Frame) -> str:
        """It with the symbols of its atoms: ``dihedral H0-C1-C2-O3``."""
        if self.coordination is not None or self.place is not None:
            return str(self)
        return f"{self.name} {'-'.join(named_atom(frame, atom) for atom in self.atoms_of(frame))}"

    def problem(self, frame: Frame) -> str | None:
        """Why it can't be had of a structure, as the end of a sentence; None where it can."""
        if self.place is not None:
            return self.place.problem(frame)
        missing = [atom for atom in self.atoms_of(frame) if not 0 <= atom < frame.n_atoms]
        return f"names atom {missing[0]}, and {frame.system} has atoms 0 to {frame.n_atoms - 1}" if missing else None

    def contradictions(self) -> Iterator[Contradiction]:
        named = [key for key in type(self).model_fields if getattr(self, key) is not None]
        if len(named) != 1:
            found = f"it is {' and '.join(named)}." if named else "it is none."
            yield Contradiction("", found, f"Write one of {', '.join(type(self).model_fields)}.")
            return
        atoms = getattr(self, named[0])
        if isinstance(atoms, tuple) and len(set(atoms)) < len(atoms):
            yield Contradiction(named[0], f"{named[0]} names an atom twice.", "Name each atom once.")

    def __str__(self) -> str:
        if self.coordination is not None:
            return f"coordination of {len(self.coordination.atoms)} by {len(self.coordination.partners)} atoms"
        if self.place is not None:
            return f"place along {self.place.along}"
        return f"{self.name} {'-'.join(map(str, getattr(self, self.name)))}"


def _range_problem(variable: VariableSettings, value: float) -> str | None:
    """What a value can't be, as the end of a sentence."""
    if variable.name == "angle" and not 0 <= value <= 180:
        return "an angle has 0 to 180 degrees"
    if variable.name in ("distance", "coordination") and value < 0:
        return f"a {variable.name} is not negative"
    if variable.name == "dihedral" and not -360 <= value <= 360:
        return "a dihedral has -180 to 180 degrees"
    return None


class RestraintSettings(Section):
    """A spring on a collective variable: half of stiffness times the square of what it is away from its center."""

    variable: VariableSettings = Field(description="What is restrained: {distance: [0, 5]}.")
    center: float = Field(description="Where the spring is at rest, in the unit of the variable (Å, degrees).")
    stiffness: Positive = Field(description="Stiffness, eV/Å²; of angles and dihedrals eV/rad².")

    def contradictions(self) -> Iterator[Contradiction]:
        if wrong := _range_problem(self.variable, self.center):
            yield Contradiction("center", f"center is {self.center:g}, and {wrong}.", "Correct it.")


class MetadynamicsSettings(Section):
    """Hills that fill up where a trajectory has been, along one or two collective variables: well-tempered."""

    variables: Annotated[tuple[VariableSettings, ...], OneOrMore] = Field(
        min_length=1, max_length=2, description="Along which: [{dihedral: [0, 1, 2, 3]}]."
    )
    widths: Annotated[tuple[Positive, ...], OneOrMore] = Field(
        min_length=1, max_length=2, description="Standard deviation of a hill along each, in its unit (Å, degrees)."
    )
    height: Positive = Field(description="Height of the first hill, eV.")
    every: Count = Field(500, description="MD steps between two hills.")
    bias_factor: Annotated[float, Gt(1), Le(10_000)] | None = Field(
        10.0,
        description="By how much the variables are hotter than the rest in the end. Empty: hills never become lower, "
        "as in plain metadynamics.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if len(self.widths) != len(self.variables):
            found = f"widths has {len(self.widths)} numbers, and there are {len(self.variables)} variables."
            yield Contradiction("widths", found, "Give one for each.")
            return
        for variable, width in zip(self.variables, self.widths, strict=True):
            if variable.name in ANGULAR and width < NARROWEST_DEGREES:
                found = f"widths has {width:g} for {variable}, and its unit is degrees."
                yield Contradiction("widths", found, "5 to 20 degrees are usual.")
