"""What stands in an OUTCAR before its first electronic step."""

import math
import re
from dataclasses import dataclass, field
from typing import Final

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import table, values, whole
from aims_pax.calculations.vasp.mesh import mesh_of
from aims_pax.calculations.vasp.potential import title_of
from aims_pax.calculations.vasp.run import Run
from aims_pax.frame import FloatArray

VERSION: Final = re.compile(r"^\s?vasp\.(\d\S*)")
_ENDS: Final = ("- Iteration ", "TOTAL-FORCE", " TOTEN  =", "FORCE on cell", "General timing")
_PAIR: Final = re.compile(r"([A-Za-z][A-Za-z_0-9]*)\s*=\s*([^;\s]+)")
_GIVEN: Final = re.compile(r"([A-Za-z][A-Za-z_0-9]*)\s*=\s*([^;]*)")
_COMMENT: Final = re.compile(r"[#!].*")
_LISTS: Final = ("LDAUL", "LDAUU", "LDAUJ", "EFIELD_PEAD")
_PER_SPECIES: Final = ("ZVAL", "VCA")
_COUNT_WIDTH: Final = 4


@dataclass(slots=True)
class Head:
    """Collected line by line; :attr:`run` is what it amounts to."""

    version: str = ""
    given: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    """Titles of lines `POTCAR:`, which stand there once in a list and once above each potential."""
    titles: list[str] = field(default_factory=list)
    n_atoms: int | None = None
    counts: tuple[int, ...] | None = None
    mesh: tuple[int, int, int] | None = None
    from_spacing: bool = False
    cell: FloatArray | None = None
    fractional: FloatArray | None = None
    """(n_atoms, 3) coordinates of the first geometry, which tell whether a POSCAR is of this run."""

    @property
    def run(self) -> Run:
        """What all of it amounts to."""
        spacing = self.given.get("KSPACING")
        return Run(
            version=self.version,
            tags=self.tags,
            given=self.given,
            titles=tuple(self.titles or _once(self.listed)),
            counts=self.counts,
            n_atoms=self.n_atoms,
            valences=_numbers(self.tags.get("ZVAL")),
            mesh=self.mesh,
            k_spacing=next(iter(_numbers(spacing)), None) if self.from_spacing else None,
        )


def head_of(lines: Lines) -> Head:
    """Everything up to the first electronic step, which stays to be taken."""
    head = Head()
    is_given = is_resolved = False
    while (line := lines.peek()) is not None and not any(mark in line for mark in _ENDS):
        next(lines)
        if (version := VERSION.match(line)) is not None:
            head, is_resolved = Head(version=version[1]), False
        is_given = line.startswith(" INCAR:") or (is_given and not line.startswith((" POTCAR:", "---")))
        is_resolved = is_resolved or "Dimension of arrays" in line
        if is_given:
            head.given |= {name.upper(): text.strip() for name, text in _GIVEN.findall(_COMMENT.sub("", line))}
        elif line.startswith((" POTCAR:", "   TITEL")):
            _note_title(head, line)
        elif is_resolved:
            _note_setting(head, line)
        _note_geometry(head, line, lines)
    return head


def _note_title(head: Head, line: str) -> None:
    if line.startswith(" POTCAR:"):
        head.listed.append(title_of(line.partition(":")[2]))
    else:
        head.titles.append(title_of(line.partition("=")[2]))


def _note_setting(head: Head, line: str) -> None:
    name, _, text = line.partition("=")
    key = name.split()[-1] if name.split() else ""
    if "ions per type" in name:
        head.counts = _counts(text)
    elif key in _LISTS:
        head.tags.setdefault(key, text.strip())
    elif key in _PER_SPECIES:
        head.tags[key] = f"{head.tags.get(key, '')} {text.strip()}"
    else:
        for one, value in _PAIR.findall(line):
            head.tags.setdefault(one.upper(), value)
        head.n_atoms = whole(head.tags.get("NIONS"))
    if "LDA+U is selected" in line:
        head.tags["LDAU"] = "T"


def _counts(text: str) -> tuple[int, ...] | None:
    """Whole numbers that have four columns each, and may touch."""
    words = text.split()
    if any(len(word) > _COUNT_WIDTH for word in words):
        columns = text.rstrip()[::-1]
        words = [columns[at : at + _COUNT_WIDTH][::-1].strip() for at in range(0, len(columns), _COUNT_WIDTH)][::-1]
    counts = [whole(word) for word in words if word]
    return tuple(count for count in counts if count is not None) if None not in counts else None


def _note_geometry(head: Head, line: str, lines: Lines) -> None:
    if "direct lattice vectors" in line:
        head.cell = cell_of(lines)
    elif "generate k-points for:" in line:
        divisions = [whole(word) for word in line.partition(":")[2].split()]
        if len(divisions) == 3 and None not in divisions:
            head.mesh = tuple(divisions)  # type: ignore[assignment]  # three whole numbers, as was asked above
    elif "derived from KSPACING" in line:
        head.from_spacing = True
    elif "Following reciprocal coordinates" in line and head.mesh is None:
        lines.take(1)
        head.mesh = mesh_of(_points(lines))
    elif "k-points in reciprocal lattice and weights" in line and head.mesh is None:
        points = _points(lines)
        head.mesh = (1, 1, 1) if len(points) == 1 and not any(points[0][:3]) else None
    elif "position of ions in fractional coordinates" in line and head.n_atoms is not None:
        head.fractional = table(lines.take(head.n_atoms), (head.n_atoms, 3), (8,))


def cell_of(lines: Lines) -> FloatArray | None:
    """The three lines that follow, which hold a vector and one of the reciprocal lattice each."""
    vectors = table(lines.take(3), (3, 6), (9,))
    return None if vectors is None else vectors[:, :3].copy()


def _points(lines: Lines) -> list[list[float]]:
    """Points of the Brillouin zone and their weights, as long as there are any."""
    points: list[list[float]] = []
    while (line := lines.peek()) is not None:
        try:
            point = values(line, (8,))
        except ValueError:
            break
        if len(point) != 4:
            break
        points.append(point)
        next(lines)
    return points


def _once(listed: list[str]) -> list[str]:
    """A list that is repeated below itself, or has its single entry twice."""
    half = len(listed) // 2
    return listed[:half] if listed[:half] == listed[half:] else listed


def _numbers(text: str | None) -> tuple[float, ...]:
    """The numbers of a list; none of them when one is none."""
    try:
        found = tuple(values(text or "", (2,)))
    except ValueError:
        return ()
    return found if all(map(math.isfinite, found)) else ()
