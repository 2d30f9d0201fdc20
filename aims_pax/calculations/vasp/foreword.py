"""What stands in a vasprun.xml before its first calculation."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import is_true, number, whole
from aims_pax.calculations.vasp.potential import element_of, named, title_of
from aims_pax.calculations.vasp.run import Run
from aims_pax.frame import BoolArray, IntArray

_ENTRY: Final = re.compile(r'<([iv])\s[^>]*?name\s*=\s*"([^"]*)"[^>]*>([^<]*)')
_CELL: Final = re.compile(r"<c>([^<]*)</c>")
_ARRAY: Final = re.compile(r'<v?array[^>]*name="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Foreword:
    """Settings and atoms of a run.

    Parameters
    ----------
    run : Run
    n_atoms : int or None
    numbers : (n_atoms,) int, or None
    fixed : (n_atoms, 3) bool, or None
    remarks : tuple of str
    """

    run: Run
    n_atoms: int | None
    numbers: IntArray | None
    fixed: BoolArray | None
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    version: str = ""
    given: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: dict[str, str] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    """Points of the Brillouin zone, one by one."""
    n_atoms: int | None = None
    atoms: list[list[str]] = field(default_factory=list)
    """Element and number of the kind, for each atom."""
    kinds: list[list[str]] = field(default_factory=list)
    """Number of atoms, element, mass, valence and title, for each kind."""
    selective: list[str] = field(default_factory=list)


def foreword_of(lines: Lines) -> Foreword:
    """Everything up to the first calculation, which stays to be taken."""
    draft = _Draft()
    section = array = ""
    while (line := lines.peek()) is not None and "<calculation" not in line and "</modeling>" not in line:
        next(lines)
        for name in ("generator", "incar", "kpoints", "parameters", "atominfo"):
            section = name if f"<{name}>" in line else "" if f"</{name}>" in line else section
        array = found[1] if (found := _ARRAY.search(line)) is not None else array
        if "<rc>" in line:
            (draft.kinds if array == "atomtypes" else draft.atoms).append(_CELL.findall(line))
        elif array == "kpointlist" and section == "kpoints" and "<v>" in line:
            draft.listed.append(content(line))
        elif array == "selective" and "<v" in line and not section:
            draft.selective += [content(line)] if "</v>" in line else []
        elif "<atoms>" in line:
            draft.n_atoms = whole(content(line))
        elif (entry := _ENTRY.search(line)) is not None:
            _note(draft, section, entry[2].strip().upper(), entry[3].strip())
    return _foreword(draft)


def _note(draft: _Draft, section: str, name: str, text: str) -> None:
    if section == "generator" and name == "VERSION":
        draft.version = text.split()[0] if text else ""
    kept = {"incar": draft.given, "parameters": draft.tags, "kpoints": draft.points}.get(section)
    if kept is not None:
        kept.setdefault(name, text)


def _foreword(draft: _Draft) -> Foreword:
    kinds = draft.kinds if all(len(kind) == 5 for kind in draft.kinds) else []
    titles = tuple(title_of(kind[4]) for kind in kinds)
    counts = [whole(kind[0]) for kind in kinds]
    valences = [number(kind[3]) for kind in kinds]
    run = Run(
        version=draft.version,
        tags=draft.tags,
        given=draft.given,
        titles=titles,
        counts=tuple(count for count in counts if count is not None) if None not in counts else None,
        n_atoms=draft.n_atoms,
        valences=tuple(valence for valence in valences if valence is not None) if None not in valences else (),
        mesh=_mesh(draft.points.get("DIVISIONS", "")) or ((1, 1, 1) if _is_centre(draft.listed) else None),
        k_spacing=number(draft.given.get("KSPACING")),
    )
    numbers, remarks = _numbers(draft, run)
    return Foreword(run, draft.n_atoms, numbers, _fixed(draft), remarks)


def _numbers(draft: _Draft, run: Run) -> tuple[IntArray | None, tuple[str, ...]]:
    """Atomic numbers by symbols and by the titles of potentials, which must agree, as must the numbers of atoms."""
    kinds = [(whole(atom[1]) or 0) if len(atom) == 2 else 0 for atom in draft.atoms]
    is_told = run.counts is not None and [kinds.count(kind + 1) for kind in range(len(run.titles))] == [*run.counts]
    found = [
        _element(atom[0], run.titles[kind - 1]) if is_told and 0 < kind <= len(run.titles) else None
        for atom, kind in zip(draft.atoms, kinds, strict=True)
    ]
    known = [element for element in found if element is not None]
    if len(found) == draft.n_atoms and len(known) == len(found) > 0:
        return np.array(known, dtype=np.int64), ()
    return None, (f"Elements can't be known: the file tells them of {len(known)} of {draft.n_atoms} atoms.",)


def _element(symbol: str, title: str) -> int | None:
    by_title, by_symbol = element_of(title), named(symbol)
    return by_title or by_symbol if by_title is None or by_symbol in (None, by_title) else None


def _fixed(draft: _Draft) -> BoolArray | None:
    rows = [[not is_true(word) for word in text.split()] for text in draft.selective]
    if len(rows) != draft.n_atoms or any(len(row) != 3 for row in rows):
        return None
    return np.array(rows, dtype=np.bool_)


def _mesh(text: str) -> tuple[int, int, int] | None:
    divisions = [whole(word) for word in text.split()]
    known = tuple(one for one in divisions if one is not None)
    return (known[0], known[1], known[2]) if len(known) == len(divisions) == 3 else None


def _is_centre(points: list[str]) -> bool:
    return len(points) == 1 and all(number(word) == 0 for word in points[0].split())


def content(line: str) -> str:
    """What stands between the tags of a line."""
    return line.partition(">")[2].rpartition("</")[0]


def rows_of(lines: Lines) -> list[str] | None:
    """Rows of the <varray> that was opened; None when it isn't closed."""
    rows: list[str] = []
    while (line := lines.peek()) is not None and "<v" in line and "<varray" not in line:
        rows.append(content(line))
        next(lines)
    return rows if line is not None and "</varray>" in line else None
