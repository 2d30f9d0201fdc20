"""Outputs in folders, known by what they hold."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aims_pax.calculations import registry
from aims_pax.calculations.lines import COMPRESSED, plain_name
from aims_pax.calculations.reader import Reader
from aims_pax.errors import Problem, StructureError

_DIGITS: Final = re.compile(r"(\d+)")
_WORDS: Final = re.compile(r"[._\-]+")
_COMMON: Final = frozenset({"out", "log", "output", "xml", "txt", "dat", "outcar", "vasprun"})
"""Words in names of outputs that say nothing of which calculation it is."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output that is read.

    Parameters
    ----------
    path : Path
    name : str
        From the folder that all have in common, as it is told and written.
    reader : Reader
    """

    path: Path
    name: str
    reader: Reader

    @property
    def folder(self) -> str:
        """The one that it lies in, by the same names; empty for the common one."""
        return str(Path(self.name).parent) if Path(self.name).parent != Path() else ""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in some folders.

    Parameters
    ----------
    root : Path
        The folder that all have in common.
    outputs : tuple of Output
        In the order of their names, numbers by their values.
    passed_over : tuple of (Output, Output)
        Further outputs of a calculation, the better ones first, each with the one that is read.
    n_unknown : int
        Files that are no outputs.
    unreadable : tuple of str
        Folders that can't be looked into.
    """

    root: Path
    outputs: tuple[Output, ...]
    passed_over: tuple[tuple[Output, Output], ...] = ()
    n_unknown: int = 0
    unreadable: tuple[str, ...] = ()

    def others_of(self, output: Output) -> tuple[Output, ...]:
        """Further outputs of the same calculation."""
        return tuple(other for other, read in self.passed_over if read is output)


def find(paths: Sequence[Path]) -> Found:
    """All outputs in folders and below them, and the files that are named.

    Of several outputs of one calculation in a folder the one is taken that its reader prefers; a file that is named is
    always taken. What is reached twice, by links, is taken once.

    Raises
    ------
    StructureError
        Something named is not there, or nobody knows how to read it; with all of these.
    """
    search = _Search(_root(paths))
    problems = [problem for path in paths if (problem := search.take(path)) is not None]
    if problems:
        raise StructureError(problems)
    return search.found()


def _root(paths: Sequence[Path]) -> Path:
    folders = [str((path if path.is_dir() else path.parent).absolute()) for path in paths]
    return Path(os.path.normpath(os.path.commonpath(folders)))


@dataclass(slots=True)
class _Search:
    """What was found so far."""

    root: Path
    named: list[Output] = field(default_factory=list)
    met: list[Output] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    n_unknown: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)

    def take(self, path: Path) -> Problem | None:
        """Look at one thing that is named; what is wrong with it."""
        if not path.exists():
            return Problem(str(path), "There is no such file or folder.", "", "Correct the name.")
        if path.is_dir():
            self._walk(path)
            return None
        if not os.access(path, os.R_OK):
            return Problem(str(path), "This file may not be read.", "", "Ask for the right to read it.")
        reader = registry.reader_of(path)
        if reader is None:
            advice = "Name its folder: there, what is no output is passed over."
            return Problem(str(path), "This is no output that is known.", known_kinds(), advice)
        if self._is_new(path):
            self.named.append(Output(path, self._name(path), reader))
        return None

    def _walk(self, top: Path) -> None:
        for folder, inner, files in os.walk(top, followlinks=True, onerror=self._complain):
            if not self._is_new(Path(folder)):
                inner.clear()  # a link that leads back
                continue
            inner[:] = sorted((name for name in inner if not name.startswith(".")), key=natural)
            for name in sorted(files, key=natural):
                path = Path(folder, name)
                if name.startswith(".") or not path.is_file() or not self._is_new(path):
                    continue
                if (reader := registry.reader_of(path)) is None:
                    self.n_unknown += 1
                else:
                    self.met.append(Output(path, self._name(path), reader))

    def _complain(self, error: OSError) -> None:
        self.unreadable.append(f"{error.filename} ({error.strerror})")

    def _is_new(self, path: Path) -> bool:
        """Whether a file or folder was not met before, under any name."""
        try:
            status = path.stat()
        except OSError:
            return False
        identity = (status.st_dev, status.st_ino)
        is_new = identity not in self.seen
        self.seen.add(identity)
        return is_new

    def _name(self, path: Path) -> str:
        return os.path.relpath(path.absolute(), self.root)

    def found(self) -> Found:
        """All of it, the outputs of one calculation told apart."""
        chosen, passed_over = _one_of_each(self.met)
        outputs = sorted([*self.named, *chosen], key=lambda one: natural(one.name))
        companions = {
            beside.absolute()
            for one in outputs
            if one.reader.companions is not None
            for beside in one.reader.companions(one.path)
        }
        n_unknown = max(0, self.n_unknown - len(companions))
        return Found(self.root, tuple(outputs), tuple(passed_over), n_unknown, tuple(self.unreadable))


def natural(name: str) -> list[tuple[int, str]]:
    """Key by which frame_9 stands before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]


def known_kinds() -> str:
    """All kinds of outputs, for a person."""
    kinds: dict[str, list[str]] = {}
    for one in registry.READERS:
        kinds.setdefault(one.program, []).append(one.kind)
    return ", ".join(f"{program} ({'; '.join(mine)})" for program, mine in kinds.items())


def _one_of_each(outputs: Iterable[Output]) -> tuple[list[Output], list[tuple[Output, Output]]]:
    """One output of each calculation, and the others with it."""
    chosen: list[Output] = []
    passed_over: list[tuple[Output, Output]] = []
    by_place: dict[tuple[str, str], list[Output]] = {}
    for one in outputs:
        by_place.setdefault((one.folder, one.reader.program), []).append(one)
    for mine in by_place.values():
        for group in _calculations(mine):
            best, *others = sorted(group, key=_rank, reverse=True)
            chosen.append(best)
            passed_over += [(one, best) for one in others]
    return chosen, passed_over


def _rank(output: Output) -> tuple[int, bool]:
    return output.reader.prefers, output.path.suffix.lower() not in COMPRESSED


def _calculations(outputs: Sequence[Output]) -> Iterator[list[Output]]:
    """Outputs of one program in one folder, those of one calculation together.

    They are when they are called the same but for what kinds of files are called (OUTCAR.2, vasprun.2.xml), when they
    differ by their compression alone, or when there is one of each kind and no more.
    """
    by_file: dict[str, list[Output]] = {}
    for one in outputs:
        by_file.setdefault(plain_name(one.path), []).append(one)
    kinds = [group[0].reader.kind for group in by_file.values()]
    if len(set(kinds)) == len(kinds):
        yield [one for group in by_file.values() for one in group]
        return
    by_words: dict[tuple[str, ...], list[Output]] = {}
    for name, group in by_file.items():
        by_words.setdefault(_telling(name, group[0].reader), []).extend(group)
    for mine in by_words.values():
        files = {plain_name(one.path): one.reader.kind for one in mine}
        if len(set(files.values())) == len(files):
            yield mine
            continue
        yield from (by_file[name] for name in files)


def _telling(name: str, reader: Reader) -> tuple[str, ...]:
    """The words of a name that say which calculation it is."""
    known = _COMMON | {word.strip("*") for pattern in reader.names for word in _WORDS.split(pattern.lower())}
    return tuple(word for word in _WORDS.split(name.lower()) if word and word not in known)
