"""What a person asks for: properties by their words, structures by their files; all mistakes together."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.atoms import frame_of, telling_atoms
from aims_pax.errors import Problem, StructureError, UserError
from aims_pax.evaluation.properties import DEAR, PROPERTIES, Property
from aims_pax.evaluation.properties.defects.interstitial import InterstitialEnergies
from aims_pax.evaluation.properties.defects.substitution import SubstitutionEnergies
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.evaluation.properties.surface import Indices, SurfaceEnergies
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.settings.systems import structures_of, systems_of

if TYPE_CHECKING:
    from ase import Atoms

ALL: Final = "all"
"""Every property that makes sense for the structures, but those of MD."""

TABLE: Final = "table"
"""Those of one table: lattice constants, C11, C22, C33, cohesive energy, vacancies (AtomProNet, Table 1)."""

OF_THE_TABLE: Final = ("lattice", "elastic", "cohesive", "vacancy")

SETS: Final = (TABLE, ALL)


def properties_named(
    words: Sequence[str | Property],
    *,
    surfaces: Sequence[Indices] = (),
    elements: Sequence[str] = (),
    motion: Mapping[str, float] | None = None,
) -> tuple[Property, ...]:
    """Properties by their words, or as they are given.

    Parameters
    ----------
    words : sequence of str or Property
    surfaces : sequence of three int each
        Of surface energies; the usual ones when empty.
    elements : sequence of str
        What interstitials and substitutions put there; the usual ones when empty.
    motion : mapping of str to float, or None
        Settings of MD by their names, those that are not the usual ones.

    Raises
    ------
    UserError
        There is no such property, it needs what is not installed, or its settings can't be.
    """
    problems, found = list[Problem](), dict[str, Property]()
    if not words:
        problems.append(Problem("--properties", "No property was named.", " | ".join((*PROPERTIES, *SETS))))
    for word in words:
        if isinstance(word, str) and word not in SETS and word not in PROPERTIES:
            meant = get_close_matches(word, (*PROPERTIES, *SETS), n=1)
            advice = f"Did you mean {meant[0]}?" if meant else ""
            problems.append(
                Problem("--properties", f"{word} is no property.", " | ".join((*PROPERTIES, *SETS)), advice)
            )
            continue
        for one in _meant(word):
            found[one.NAME] = one
    if surfaces and SurfaceEnergies.NAME in found:
        found[SurfaceEnergies.NAME] = replace(SurfaceEnergies(), indices=tuple(surfaces))
    for kind in (InterstitialEnergies, SubstitutionEnergies) if elements else ():
        if kind.NAME in found:
            found[kind.NAME] = replace(kind(), elements=tuple(elements))
    if motion and StructureInMotion.NAME in found:
        found[StructureInMotion.NAME] = replace(StructureInMotion(), **motion)  # type: ignore[arg-type]
    problems += [problem for one in found.values() for problem in one.problems()]
    if problems:
        raise UserError(problems)
    return tuple(found.values())


def _meant(word: str | Property) -> list[Property]:
    if not isinstance(word, str):
        return [word]
    if word == TABLE:
        return [PROPERTIES[name] for name in OF_THE_TABLE]
    if word == ALL:
        return [one for name, one in PROPERTIES.items() if name not in DEAR]
    return [PROPERTIES[word]]


def surfaces_named(text: str) -> tuple[Indices, ...]:
    """Miller indices from ``100,111`` or ``1-10``.

    Raises
    ------
    UserError
        They are no indices.
    """
    found = []
    for word in (word.strip() for word in text.split(",") if word.strip()):
        digits = re.findall(r"-?\d", word)
        if len(digits) != 3 or "".join(digits) != word:
            raise UserError(Problem("--miller", f"{word!r} are no Miller indices.", "three digits each: 100,111,1-10"))
        found.append((int(digits[0]), int(digits[1]), int(digits[2])))
    return tuple(found)


def structures_given(
    given: "str | Path | Atoms | Sequence[str | Path | Atoms] | Mapping[str, Atoms]",
) -> "dict[str, Atoms]":
    """Structures of files and of a notebook, by their names; atoms without a name are called by their formulas.

    Raises
    ------
    StructureError
        A file can't be read, or there is no structure.
    """
    several: list[str | Path | dict[str, Any]]
    if isinstance(given, Mapping):
        several = [{str(name): one} for name, one in given.items()]
    else:
        several = [one if isinstance(one, str | Path) else {"": one} for one in _listed(given)]
    if not several:
        raise StructureError(Problem("structures", "There are none.", "files, or ASE's Atoms"))
    names, problems = list[str](), list[Problem]()
    found: list[Atoms] = []
    for one in several:
        try:
            some = _structures_in(Path(one)) if isinstance(one, str | Path) else _sound(one)
        except StructureError as error:
            problems += error.problems
            continue
        names += some
        found += some.values()
    if problems:
        raise StructureError(problems)
    return dict(zip(distinct(names), map(plain, found), strict=True))


def _listed(given: Any) -> list[Any]:
    """One structure, or several."""
    is_one = isinstance(given, str | Path) or hasattr(given, "positions") or not isinstance(given, Iterable)
    return [given] if is_one else list(given)


def _sound(named: Mapping[str, Any]) -> "dict[str, Atoms]":
    """Atoms of a notebook, looked at; called by their formula where they have no name."""
    ((name, one),) = named.items()
    (system,) = systems_of({name: one} if name else one)
    return {system.name: telling_atoms(system.frame)}


def _structures_in(file: Path) -> "dict[str, Atoms]":
    """All structures of a file, called by it."""
    file = file.expanduser()
    try:
        several = structures_of(file, Path.cwd())
    except StructureError as error:
        raise StructureError([_with_advice(problem, file) for problem in error.problems]) from None
    return {file.stem if len(several) == 1 else f"{file.stem}_{n}": one for n, one in enumerate(several, start=1)}


def plain(atoms: "Atoms") -> "Atoms":
    """The structure alone, with charge and spin that it tells: no calculator, and no atoms that are held."""
    return telling_atoms(frame_of(atoms, system="", trajectory=NO_TRAJECTORY))


def distinct(names: list[str]) -> list[str]:
    """The same names, numbered where several are alike."""
    return [
        name if names.count(name) == 1 else f"{name}_{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _with_advice(problem: Problem, file: Path) -> Problem:
    """The same; with what may have been meant, where there is no such file."""
    meant = get_close_matches(file.name, (*PROPERTIES, *SETS), n=1)
    if file.exists():
        return problem
    advice = f"Did you mean the property {meant[0]}?" if meant else "Structures are named by their files."
    return Problem(problem.where, "There is no such file, and no model or property is called so.", "", advice)
