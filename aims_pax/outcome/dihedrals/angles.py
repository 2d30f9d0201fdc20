"""Which dihedrals of each system are looked at: those that turn, or those that were named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.bonds import BondGraph
from aims_pax.evaluation.rotors import IN_LINE_DEGREES, Quad, maps_of, rotatable
from aims_pax.frame import FloatArray, Frame
from aims_pax.sampling.bias import Dihedral, values_in
from aims_pax.settings.motion.variables import VariableSettings

OPTION: Final = "--dihedrals"

ALLOWED: Final = (
    "auto, or four atoms each, counted from 0, such as 0-1-2-8,1-2-8-3; of one of several systems: NAME:0-1-2-8"
)

MOST: Final = 12
"""Dihedrals of a system that are looked at where none is named: more, and nobody looks at the figures."""

_NAMED: Final = re.compile(r"(?:(?P<system>.+):)?(?P<atoms>\d{1,7}(?:-\d{1,7}){3})")


@dataclass(frozen=True, slots=True)
class Dihedrals:
    """D dihedrals of a system.

    Parameters
    ----------
    quads : tuple of D Quad
    names : tuple of D str
        With the symbols of their atoms: ``C0-C1-O2-H8``.
    n_left_out : int
        Others that turn, and are not looked at.
    """

    quads: tuple[Quad, ...]
    names: tuple[str, ...]
    n_left_out: int = 0

    @classmethod
    def of(cls, quads: Sequence[Quad], frame: Frame) -> "Dihedrals":
        """The first ones of these, in structures of the atoms of a frame."""
        chosen = tuple(quads[:MOST])
        names = tuple(_settings(quad).said_of(frame).removeprefix("dihedral ") for quad in chosen)
        return cls(chosen, names, len(quads) - len(chosen))

    @property
    def maps(self) -> tuple[tuple[int, ...], ...]:
        """Which of them, by their places, belong on one map: two whose bonds meet; one that has no such other."""
        pairs = maps_of(self.quads)
        alone = set(range(len(self.quads))) - {place for pair in pairs for place in pair}
        return tuple(sorted([*pairs, *((place,) for place in alone)]))

    def __call__(self, frame: Frame) -> FloatArray:
        """What they are in a structure, (D,), rad."""
        return values_in(frame, [Dihedral(quad) for quad in self.quads])


def dihedrals_of(graphs: Mapping[str, BondGraph], asked: str, *, may_lack: bool = False) -> dict[str, Dihedrals]:
    """What is looked at, by system; systems that have nothing to be looked at are left out.

    Parameters
    ----------
    graphs : mapping of str to BondGraph
        Of the starting structures.
    asked : str
        ``auto``, or named dihedrals with commas between them.
    may_lack : bool
        Whether it is no mistake that nothing turns.

    Raises
    ------
    UserError
        With all that is wrong with it, or because nothing turns.
    """
    frames = {name: graph.start for name, graph in graphs.items()}
    if asked.strip() == "auto":
        quads = {name: rotatable(graph) for name, graph in graphs.items()}
        if not any(quads.values()) and not may_lack:
            found = f"Nothing in {', '.join(frames)} turns about a single bond."
            raise UserError(Problem(f"{OPTION} auto", found, ALLOWED, "Name the dihedrals that are to be compared."))
        return {name: Dihedrals.of(some, frames[name]) for name, some in quads.items() if some}
    read = [_read(word.strip(), frames) for word in asked.split(",")]
    if problems := [one for one in read if isinstance(one, Problem)]:
        raise UserError(problems)
    named: dict[str, list[Quad]] = {}
    for system, quad in (one for one in read if not isinstance(one, Problem)):
        named.setdefault(system, []).append(quad)
    for name, some in named.items():
        if len(some) > MOST or len(set(some)) < len(some):
            found = f"names {len(some)} dihedrals of {name}" + ("." if len(some) > MOST else ", one of them twice.")
            raise UserError(Problem(OPTION, found, f"up to {MOST} different ones of a system"))
    return {name: Dihedrals.of(some, frames[name]) for name, some in named.items()}


def _read(word: str, frames: Mapping[str, Frame]) -> tuple[str, Quad] | Problem:
    """The system and the atoms of one that is named, or what is wrong with it."""
    read = _NAMED.fullmatch(word)
    if read is None:
        return Problem(OPTION, f"{word!r} is no dihedral.", ALLOWED)
    i, j, k, m = map(int, read["atoms"].split("-"))
    system = read["system"] or (next(iter(frames)) if len(frames) == 1 else "")
    if system not in frames:
        which = f"names the system {system}" if system else "does not say of which system it is"
        return Problem(OPTION, f"{word} {which}; there are {', '.join(frames)}.", ALLOWED)
    wrong = _wrong_with((i, j, k, m), frames[system])
    return Problem(OPTION, f"{word} {wrong}.", ALLOWED) if wrong else (system, (i, j, k, m))


def _wrong_with(quad: Quad, frame: Frame) -> str | None:
    """Why four atoms are no dihedral of a structure, as the end of a sentence."""
    if len(set(quad)) < len(quad):
        return f"names atom {next(atom for atom in quad if quad.count(atom) > 1)} twice"
    if missing := _settings(quad).problem(frame):
        return missing
    for three in (quad[:3], quad[1:]):
        if VariableSettings.model_validate({"angle": list(three)}).value_of(frame) > IN_LINE_DEGREES:
            return f"has no meaning: its atoms {', '.join(map(str, three))} are in line"
    return None


def _settings(quad: Quad) -> VariableSettings:
    return VariableSettings.model_validate({"dihedral": list(quad)})
