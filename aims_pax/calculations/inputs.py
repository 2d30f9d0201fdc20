"""K points by the input that lies beside an output, for outputs that tell none: where it is certain whose input it is.

An input belongs to an output that names it, or that has its name; control.in to the only output of its folder.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import Final

from aims_pax.calculations.lines import COMPRESSED, head, opened, plain_name
from aims_pax.calculations.numerals import number, whole

MAX_LINES: Final = 100_000
"""Of an input; a longer file is none."""

_NAMED_BY_PW: Final = re.compile(r"Reading input from (\S+)")
_NAMED_BY_CP2K: Final = re.compile(r"CP2K\| Input file name\s+(\S+)")
_PW_ENDINGS: Final = (".in", ".pwi", ".inp", ".pw.in")
_COMMENT: Final = re.compile(r"[!#].*")
_KSPACING: Final = re.compile(r"(?:^|;)\s*KSPACING\s*=\s*([^\s;]+)", re.IGNORECASE)
_CASTEP_GRID: Final = re.compile(r"\s*KPOINTS?_MP_GRID[\s:=]+(.*)", re.IGNORECASE)
_CARD: Final = re.compile(r"\s*K_POINTS\s*[({]?\s*(\w+)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"\s*SCHEME\s+(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KPoints:
    """K points, and where they were found.

    Parameters
    ----------
    file : str
        Name of the input.
    mesh, k_spacing
        As in :class:`~aims_pax.calculations.method.Method`; one of them is None.
    """

    file: str
    mesh: tuple[int, int, int] | None = None
    k_spacing: float | None = None


Beside = Callable[[Path], KPoints | None]
"""The k points of an output by what lies beside it; None where nothing is certain."""


def of_vasp(output: Path) -> KPoints | None:
    """Those of KPOINTS, or of KSPACING in INCAR where there is no KPOINTS."""
    name = plain_name(output)
    for own, ending in (("OUTCAR", ""), ("vasprun", ".xml")):
        if own in name:
            points, settings = (name.replace(own, other).removesuffix(ending) for other in ("KPOINTS", "INCAR"))
            if (file := _there(output, points)) is not None:
                return _told(file, _mesh_of_kpoints(list(_lines(file))))
            if (file := _there(output, settings)) is not None:
                text = "\n".join(_COMMENT.sub("", line) for line in _lines(file))
                found = [spacing for one in _KSPACING.findall(text) if (spacing := number(one)) is not None]
                return KPoints(file.name, k_spacing=found[0]) if len(found) == 1 and found[0] > 0 else None
    return None


def of_pw(output: Path) -> KPoints | None:
    """Those of the card K_POINTS of the input that pw.x names, or that is called as its output."""
    named = _NAMED_BY_PW.search(head(output))
    names = [] if named is None else [Path(named[1]).name]
    names += [f"{Path(plain_name(output)).stem}{ending}" for ending in _PW_ENDINGS]
    file = next((found for name in names if (found := _there(output, name)) is not None), None)
    if file is None or file.name == output.name:
        return None
    lines = [text for line in _lines(file) if (text := _COMMENT.sub("", line)).strip()]
    for index, line in enumerate(lines):
        if (card := _CARD.match(line)) is not None:
            kind = card[1].lower()
            divisions = lines[index + 1].split()[:3] if kind == "automatic" and index + 1 < len(lines) else []
            return _told(file, (1, 1, 1) if kind == "gamma" else _mesh(divisions))
    return None


def of_castep(output: Path) -> KPoints | None:
    """Those of SEED.cell, where it says divisions."""
    file = _there(output, f"{plain_name(output).removesuffix('.castep')}.cell")
    if file is None or not plain_name(output).endswith(".castep"):
        return None
    grids = [found[1] for line in _lines(file) if (found := _CASTEP_GRID.match(_COMMENT.sub("", line))) is not None]
    return _told(file, _mesh(grids[0].split())) if len(grids) == 1 else None


def of_aims(output: Path) -> KPoints | None:
    """Those of control.in, if no other file of its folder ends as the output does."""
    file, ending = _there(output, "control.in"), Path(plain_name(output)).suffix
    alike = [one for one in output.parent.iterdir() if one.is_file() and Path(plain_name(one)).suffix == ending]
    if file is None or len(alike) > 1:
        return None
    words = [_COMMENT.sub("", line).split() for line in _lines(file)]
    grids = [one[1:] for one in words if one[:1] == ["k_grid"]]
    return _told(file, _mesh(grids[0])) if len(grids) == 1 else None


def of_cp2k(output: Path) -> KPoints | None:
    """Those of the input that CP2K names, if it is written out; without KPOINTS it is the Gamma point."""
    named = _NAMED_BY_CP2K.search(head(output))
    file = None if named is None else _there(output, Path(named[1]).name)
    if file is None:
        return None
    lines = [_COMMENT.sub("", line).strip() for line in _lines(file)]
    starts = [index for index, line in enumerate(lines) if line.upper().split()[:1] == ["&KPOINTS"]]
    if any("@" in line or "$" in line for line in lines) or len(starts) > 1:
        return None
    if not starts:
        return _told(file, (1, 1, 1)) if any(line.upper() == "&DFT" for line in lines) else None
    for line in lines[starts[0] :]:
        if (scheme := _SCHEME.match(line)) is not None:
            kind, *divisions = scheme[1].split() or [""]
            is_mesh = kind.upper() == "MONKHORST-PACK"
            return _told(file, (1, 1, 1) if kind.upper() == "GAMMA" else _mesh(divisions) if is_mesh else None)
        if line.upper().startswith("&END"):
            return None
    return None


def _there(output: Path, name: str) -> Path | None:
    """A file beside an output, also compressed."""
    paths = [output.with_name(f"{name}{ending}") for ending in ("", *COMPRESSED)]
    return next((path for path in paths if path.is_file()), None)


def _lines(file: Path) -> Iterator[str]:
    """The lines of an input; none of a file that can't be read, or is too long to be one."""
    try:
        with opened(file) as lines:
            taken = lines.take(MAX_LINES + 1)
    except (EOFError, OSError, zlib.error, LZMAError):
        return
    yield from taken if len(taken) <= MAX_LINES and not lines.damage else []


def _mesh_of_kpoints(lines: list[str]) -> tuple[int, int, int] | None:
    """The mesh of a KPOINTS file: one that VASP makes by divisions, or the Gamma point alone."""
    words = [line.split() for line in lines[1:4]]
    if len(words) < 3 or not all(words):
        return None
    n_points, letter = whole(words[0][0]), words[1][0][0].upper()
    if n_points == 0:
        return _mesh(words[2]) if letter in "GM" else None
    is_gamma = n_points == 1 and letter not in "L" and [number(one) for one in words[2][:3]] == [0.0] * 3
    return (1, 1, 1) if is_gamma else None


def _mesh(words: list[str]) -> tuple[int, int, int] | None:
    """Three divisions."""
    found = [whole(word) for word in words[:3]]
    divisions = [one for one in found if one is not None and one > 0]
    return (divisions[0], divisions[1], divisions[2]) if len(divisions) == len(words[:3]) == 3 else None


def _told(file: Path, mesh: tuple[int, int, int] | None) -> KPoints | None:
    return None if mesh is None else KPoints(file.name, mesh)
