"""Whether all structures of a set were computed alike, as far as their programs tell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ase.data import atomic_numbers

from aims_pax.calculations.method import Aspect, Method
from aims_pax.errors import Problem
from aims_pax.gathering.meshes import Density, common_spacing

NONE_UNLESS_TOLD: Final = (Aspect.DISPERSION, Aspect.HUBBARD, Aspect.SOLVATION)
"""Additions to a method: where the same kind of output tells one elsewhere, an output that tells none has none."""

OF_THE_STRUCTURE: Final = (Aspect.SPIN, Aspect.SMEARING)
"""What a free atom needs otherwise than its crystal does: its own spin, and whole electrons."""

NO_ADDITION: Final = "none"
K_POINTS: Final = "k points"
MAX_NAMED: Final = 3
MAX_SIDES: Final = 5
"""That are told of one setting; all of them stand in the file beside the set."""

LONGEST: Final = 100
"""Letters of a setting that are told."""

FORCED: Final = "Gather them apart; --mixed keeps them together, each with the name of its method."


@dataclass(frozen=True, slots=True)
class Use:
    """Structures of one output that were computed by one method.

    Parameters
    ----------
    file : str
    kind : str
        Of the output: "OUTCAR".
    method : Method
    formula : str
    elements : frozenset of str
    n : int
        Structures.
    is_free_atom : bool
    is_periodic : bool
    density : Density or None
        Of k points; None where it says nothing.
    """

    file: str
    kind: str
    method: Method
    formula: str
    elements: frozenset[str]
    n: int
    is_free_atom: bool = False
    is_periodic: bool = True
    density: Density | None = None


@dataclass(slots=True)
class _Side:
    """Those that say the same."""

    n: int = 0
    files: dict[str, None] = field(default_factory=dict)
    formulas: set[str] = field(default_factory=set)

    def add(self, use: Use) -> None:
        self.n += use.n
        self.files[use.file] = None
        self.formulas.add(use.formula)

    def text(self, said: str) -> str:
        names = list(self.files)
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        structures = "1 structure" if self.n == 1 else f"{self.n} structures"
        words = said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
        return f"{words}: {structures} of {', '.join(names[:MAX_NAMED])}{more}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found.

    Parameters
    ----------
    differences : tuple of Problem
        Why the set is none, unless a person insists.
    remarks : tuple of Problem
        What is told, and may be meant.
    """

    differences: tuple[Problem, ...]
    remarks: tuple[Problem, ...]


def agreement_of(uses: Sequence[Use]) -> Agreement:
    """Compare all methods of a set."""
    differences: list[Problem] = []
    remarks: list[Problem] = []
    programs = _sides((use.method.program, use) for use in uses)
    if len(programs) > 1:
        advice = f"Programs count energies from different zeros. {FORCED}"
        differences.append(_problem(str(Aspect.PROGRAM), programs, advice))
    for aspect in Aspect:
        if aspect is Aspect.PROGRAM:
            continue
        for what, sides in _claims(aspect, uses).items():
            if len(sides) < 2:
                continue
            if aspect is Aspect.SPIN and _is_of_compositions(sides):
                advice = "It may be meant: a composition without a moment needs none."
                remarks.append(_problem(what, sides, advice))
            else:
                differences.append(_problem(what, sides, FORCED))
    differences += _k_differences(uses)
    remarks += [*_untold(uses), *_versions(uses), *_k_untold(uses)]
    return Agreement(tuple(differences), tuple(remarks))


def _claims(aspect: Aspect, uses: Sequence[Use]) -> Mapping[str, Mapping[str, _Side]]:
    """What is said of an aspect, by whom: of the whole, or of single elements where texts name these."""
    found: dict[str, dict[str, _Side]] = {}
    tells = {(use.method.program, use.kind) for use in uses if aspect in use.method.aspects}
    elements_told = {
        (use.method.program, use.kind, element)
        for use in uses
        for element in by_element(use.method.aspects.get(aspect, ""))
    }
    for use in uses:
        if use.is_free_atom and aspect in OF_THE_STRUCTURE:
            continue
        text, program = use.method.aspects.get(aspect), (use.method.program, use.kind)
        parts = by_element(text or "")
        said: dict[str, str] = {}
        if parts:
            said = {f"{aspect} of {element}": part for element, part in parts.items() if element in use.elements}
        elif text is not None and not (text == NO_ADDITION and aspect in NONE_UNLESS_TOLD):
            said = {str(aspect): text}
        if aspect in NONE_UNLESS_TOLD and program in tells:
            lacking = [one for one in use.elements if (*program, one) in elements_told and one not in parts]
            said |= {f"{aspect} of {element}": NO_ADDITION for element in lacking}
            said = said or {str(aspect): NO_ADDITION}
        for what, words in said.items():
            found.setdefault(what, {}).setdefault(words, _Side()).add(use)
    return found


def by_element(text: str) -> dict[str, str]:
    """The parts of a text in which every part begins with an element: ``Al PAW_PBE Al 04Jan2001; O PAW_PBE O``.

    Titles of VASP's potentials are parts of an element without it: ``PAW_PBE Al_pv 04Jan2001``.
    """
    parts = [part.split() for part in text.split(";") if part.strip()]
    found: dict[str, str] = {}
    for words in parts:
        if words[0] in atomic_numbers and len(words) > 1:
            found[words[0]] = " ".join(words[1:])
        elif len(words) > 1 and (element := words[1].partition("_")[0]) in atomic_numbers:
            found[element] = " ".join(words)
    return found if len(found) == len(parts) else {}


def _is_of_compositions(sides: Mapping[str, _Side]) -> bool:
    """Whether polarised and not polarised structures are of different compositions; spin-orbit is never the same."""
    if any("orbit" in said.lower() or "non-collinear" in said.lower() for said in sides):
        return False
    each = [side.formulas for side in sides.values()]
    return sum(map(len, each)) == len(set().union(*each))


def _sides(said: Iterable[tuple[str, Use]]) -> dict[str, _Side]:
    found: dict[str, _Side] = {}
    for words, use in said:
        found.setdefault(words, _Side()).add(use)
    return found


def _problem(what: str, sides: Mapping[str, _Side], advice: str) -> Problem:
    ordered = sorted(sides.items(), key=lambda item: -item[1].n)
    told = [side.text(said) for said, side in ordered[:MAX_SIDES]]
    others = [side for _, side in ordered[MAX_SIDES:]]
    told += [f"{len(others)} more: {sum(side.n for side in others)} structures"] if others else []
    return Problem(what, "; ".join(told) + ".", "", advice)


def _k_differences(uses: Sequence[Use]) -> Iterator[Problem]:
    """Outputs whose meshes no distance of k points gives that gives most others."""
    telling = _of_one_mesh([(use, use.density) for use in uses if use.density is not None and not use.is_free_atom])
    if not telling:
        return
    common = common_spacing([density for _, density in telling], [use.n for use, _ in telling])
    others = [(use, density) for use, density in telling if not density.holds(common)]
    if not others:
        return
    sides = {True: _Side(), False: _Side()}
    spacings: dict[bool, list[float]] = {True: [], False: []}
    for use, density in telling:
        agrees = density.holds(common)
        sides[agrees].add(use)
        spacings[agrees].append(density.spacing)
    said = {agrees: f"{_span(spacings[agrees])} 1/Å between them" for agrees in sides}
    found = "; ".join(sides[agrees].text(said[agrees]) for agrees in (True, False)) + "."
    yield Problem(K_POINTS, found, "", FORCED)


def _of_one_mesh(telling: Sequence[tuple[Use, Density]]) -> list[tuple[Use, Density]]:
    """The same, where structures of one composition with the same mesh may all be meant by what one of them may: their
    cells are strained, or move."""
    ranges: dict[tuple[str, object], Density] = {}
    for use, density in telling:
        key = (use.formula, use.method.mesh)
        known = ranges.get(key, density)
        ranges[key] = Density(min(known.least, density.least), max(known.most, density.most), known.spacing)
    return [
        (
            use,
            density
            if use.method.mesh is None
            else replace(ranges[use.formula, use.method.mesh], spacing=density.spacing),
        )
        for use, density in telling
    ]


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _untold(uses: Sequence[Use]) -> Iterator[Problem]:
    """Aspects that some outputs of a program tell, and others don't."""
    for aspect in Aspect:
        if aspect in (Aspect.PROGRAM, *NONE_UNLESS_TOLD):
            continue
        counted = [use for use in uses if not (use.is_free_atom and aspect in OF_THE_STRUCTURE)]
        # Where nobody has further settings, those that can't tell have none, either.
        nothing = (None, NO_ADDITION) if aspect is Aspect.EXTRAS else (None,)
        telling = {use.method.program for use in counted if use.method.aspects.get(aspect) not in nothing}
        silent = [use for use in counted if aspect not in use.method.aspects and use.method.program in telling]
        if silent:
            yield _silence(str(aspect), silent)


def _k_untold(uses: Sequence[Use]) -> Iterator[Problem]:
    periodic = [use for use in uses if use.is_periodic and not use.is_free_atom]
    silent = [use for use in periodic if use.method.mesh is None and use.method.k_spacing is None]
    if silent:
        yield _silence(K_POINTS, silent)


def _silence(what: str, silent: Sequence[Use]) -> Problem:
    side = _Side()
    for use in silent:
        side.add(use)
    return Problem(what, side.text("not told") + ".", "", "Only you can know that they are the same.")


def _versions(uses: Sequence[Use]) -> Iterator[Problem]:
    """Versions of one program; they are told, and not compared."""
    for name in dict.fromkeys(use.method.program for use in uses):
        sides = _sides((use.method.version, use) for use in uses if use.method.program == name and use.method.version)
        if len(sides) > 1:
            yield _problem(f"version of {name}", sides, "")
