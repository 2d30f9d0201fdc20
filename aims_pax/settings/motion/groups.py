"""Groups of atoms, and what is done to them as groups."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from aims_pax.frame import Frame
from aims_pax.settings.reading.kinds import Kind, Listed, OneOrMore, Schema, misfit, shown
from aims_pax.settings.section import Contradiction, Section

MAX_RUNS: Final = 4
"""Stretches of atoms that are named one by one."""

_RANGE: Final = re.compile(r"(\d{1,6})(?:\s*-\s*(\d{1,6}))?")


def atoms_from(value: object) -> tuple[int, ...]:
    """Atoms from a number, a list of them, or ranges as text."""
    items: list[object] = [value]
    if isinstance(value, str):
        items = [*value.split(",")]
    elif isinstance(value, list | tuple):
        items = [*value]
    found: list[int] = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise misfit(f"is {shown(value)}" if item is value else f"has {shown(item)} among its atoms")
        if isinstance(item, int):
            item = str(item)
        part = _RANGE.fullmatch(item.strip())
        if part is None or int(part[2] or part[1]) < int(part[1]):
            raise misfit(f"has {shown(item)} among its atoms")
        found += range(int(part[1]), int(part[2] or part[1]) + 1)
    if not found:
        raise misfit("names no atom")
    if len(set(found)) < len(found):
        raise misfit(f"names atom {next(one for one in found if found.count(one) > 1)} twice")
    return tuple(found)


ATOMS: Final = "atoms counted from 0: a number, a list, or ranges such as 0-11, 20"
_ATOMS_SCHEMA: Final = Schema(
    {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}, {"type": "array", "minItems": 1}]}
)
Atoms = Annotated[tuple[int, ...], BeforeValidator(atoms_from), Kind(ATOMS), _ATOMS_SCHEMA]
Vector = Annotated[tuple[float, float, float], Listed, Kind("three numbers: along x, y and z")]
Axis = Literal["x", "y", "z"]
Bounds = Annotated[dict[Axis, float], Kind("mapping of x, y or z to a coordinate")]


class GroupSettings(Section):
    """Atoms that belong together: by number, by element, by where they are at the start; all that is said holds."""

    atoms: Atoms | None = Field(None, description="Atoms, counted from 0 as ASE does. A list, or ranges: 0-11, 20.")
    elements: Annotated[tuple[str, ...], OneOrMore] | None = Field(
        None, min_length=1, description="Symbols of elements."
    )
    above: Bounds = Field(default_factory=dict, description="Least coordinates at the start, Å: {z: 12.0}.")
    below: Bounds = Field(default_factory=dict, description="Largest coordinates at the start, Å: {z: 3.0}.")

    def contradictions(self) -> Iterator[Contradiction]:
        from ase.data import chemical_symbols

        if self.atoms is None and self.elements is None and not self.above and not self.below:
            found = "it names no atoms."
            yield Contradiction("", found, "Say which by atoms, elements, above or below.")
        for axis in sorted(set(self.below) & set(self.above)):
            if self.below[axis] <= self.above[axis]:
                found = f"nothing is below {axis} = {self.below[axis]:g} Å and above {axis} = {self.above[axis]:g} Å."
                yield Contradiction("below", found, "Correct one of them.")
        unknown = sorted(set(self.elements or ()) - set(chemical_symbols[1:]))
        if unknown:
            yield Contradiction("elements", f"elements has {unknown[0]!r}, which is no symbol.", "Write it as Si.")

    def of(self, frame: Frame) -> tuple[int, ...]:
        """The atoms of a structure that belong to it, ascending; numbers that it has no atoms for stay among them."""
        from ase.data import chemical_symbols

        chosen = np.ones(frame.n_atoms, dtype=np.bool_)
        if self.elements is not None:
            chosen &= np.array([chemical_symbols[number] in self.elements for number in frame.numbers])
        for axis, index in (("x", 0), ("y", 1), ("z", 2)):
            if axis in self.above:
                chosen &= frame.positions[:, index] >= self.above[axis]
            if axis in self.below:
                chosen &= frame.positions[:, index] <= self.below[axis]
        if self.atoms is None:
            return tuple(np.flatnonzero(chosen).tolist())
        return tuple(sorted(atom for atom in self.atoms if atom >= frame.n_atoms or chosen[atom]))

    def problem(self, frame: Frame) -> str | None:
        """Why it can't be had of a structure, as the end of a sentence; None where it can."""
        found = self.of(frame)
        if not found:
            return f"holds no atom of {frame.system}"
        if found[-1] >= frame.n_atoms:
            return f"names atom {found[-1]}, and {frame.system} has atoms 0 to {frame.n_atoms - 1}"
        return None


class HoldSettings(GroupSettings):
    """Atoms that forces don't move."""

    directions: Annotated[tuple[Axis, ...], OneOrMore] = Field(
        ("x", "y", "z"), min_length=1, description="Along which they are held. Along the others they move as all do."
    )
    velocity: Vector = Field(
        (0.0, 0.0, 0.0), description="Velocity at which they are led, Å/ps: 1 is 100 m/s. Zeros: they stay."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        for axis, speed in zip("xyz", self.velocity, strict=True):
            if speed and axis not in self.directions:
                found = f"velocity leads along {axis}, and directions leave {axis} free."
                yield Contradiction("velocity", found, f"Add {axis} to directions, or lead along the others.")


class LoadSettings(GroupSettings):
    """Atoms that a constant force pulls."""

    force: Vector = Field(description="Force on all of them together, eV/Å: 1 is 1.6 nN. Each bears an equal share.")

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if not any(self.force):
            yield Contradiction("force", "force is zero along all directions.", "Remove the entry.")


def named_atom(frame: Frame, atom: int) -> str:
    """Its symbol and number: ``C1``."""
    from ase.data import chemical_symbols

    return f"{chemical_symbols[frame.numbers[atom]]}{atom}"


def named_atoms(frame: Frame, atoms: tuple[int, ...]) -> str:
    """Several of them, those of one element in a row at once: ``Cu0 to Cu11, O13``."""
    runs: list[list[int]] = []
    for atom in atoms:
        if runs and runs[-1][-1] == atom - 1 and frame.numbers[atom] == frame.numbers[atom - 1]:
            runs[-1].append(atom)
        else:
            runs.append([atom])
    said = [
        named_atom(frame, run[0])
        if len(run) == 1
        else f"{named_atom(frame, run[0])} {'and' if len(run) == 2 else 'to'} {named_atom(frame, run[-1])}"
        for run in runs[:MAX_RUNS]
    ]
    more = sum(len(run) for run in runs[MAX_RUNS:])
    return ", ".join(said) + (f" and {more} more" if more else "")
