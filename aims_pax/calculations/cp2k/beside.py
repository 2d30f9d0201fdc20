"""Files that CP2K writes beside its output: geometries, forces and cells of a trajectory.

Frames are matched by their energy, which both print: restarts, killed steps and a trajectory that is written every
tenth step make counts disagree.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from aims_pax.calculations.lines import COMPRESSED, opened, opened_bytes
from aims_pax.calculations.numerals import triples
from aims_pax.frame import FloatArray

ENERGY_HARTREE: Final = 1e-9
"""Energies have ten decimals in the files beside, and more in the output."""

_COMMENT: Final = re.compile(rb"i\s*=\s*(\d+).*E\s*=\s*([-+\d.EeDd]+)")
_CELL_COLUMNS: Final = 12
_CELL_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a trajectory: its step, the labels of its atoms, and (n_atoms, 3) in the unit of the file."""

    step: int
    labels: tuple[str, ...]
    values: FloatArray


class Trajectory:
    """Frames of one kind in files of XYZ, of which only energies and places are held in memory."""

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self._files = files
        self._places: dict[int, list[tuple[float, int, int, int, int]]] = {}
        self._used: set[tuple[int, int]] = set()
        self._last = (-1, -1)
        for number, file in enumerate(files):
            for energy, step, n_atoms, place in _indexed(file):
                self._places.setdefault(_key(energy), []).append((energy, step, number, place, n_atoms))

    def at(self, energy: float, step: int | None = None) -> Frame | None:
        """The frame of an energy (Hartree), which is then no longer there; None where there is none.

        Where several have it, that of a given step, or else the first that follows the last one that was taken.
        """
        key = _key(energy)
        near = [
            place
            for other in (key - 1, key, key + 1)
            for place in self._places.get(other, ())
            if abs(place[0] - energy) <= ENERGY_HARTREE and (place[2], place[3]) not in self._used
        ]
        wanted = [place for place in near if step is None or place[1] == step]
        later = [place for place in wanted if (place[2], place[3]) > self._last]
        if not wanted:
            return None
        _, found, number, place, n_atoms = min(later or wanted, key=lambda one: (one[2], one[3]))
        self._last = (number, place)
        self._used.add(self._last)
        return _frame(self._files[number], place, step=found, n_atoms=n_atoms)


class Cells:
    """Cells by the number of their step; a number that stands there twice with different cells tells nothing."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._cells: dict[int, FloatArray | None] = {}
        for path in paths:
            with opened(path) as lines:
                for line in lines:
                    words = line.split()
                    if len(words) == _CELL_COLUMNS and words[0].isdigit():
                        self._add(int(words[0]), words[_CELL_FIRST:-1])

    def _add(self, step: int, words: Sequence[str]) -> None:
        cell = triples([" ".join(words[row : row + 3]) for row in (0, 3, 6)])
        known = self._cells.get(step)
        is_other = step in self._cells and (known is None or cell is None or abs(known - cell).max() > 0.0)
        self._cells[step] = None if is_other else cell

    def at(self, step: int) -> FloatArray | None:
        """(3, 3), Å."""
        return self._cells.get(step)


class Beside:
    """All that lies beside one output, open until it is closed.

    Parameters
    ----------
    path : Path
        The output.
    project : str
        Its name in the output, by which the files beside are called.
    """

    def __init__(self, path: Path, project: str) -> None:
        self._stack = ExitStack()
        names = companions(path, project)
        self.positions = self._trajectory([one for one in names if "-pos-" in one.name])
        self.forces = self._trajectory([one for one in names if "-frc-" in one.name])
        self.cells = Cells([one for one in names if "-pos-" not in one.name and "-frc-" not in one.name])

    def close(self) -> None:
        """Let go of the files."""
        self._stack.close()

    def _trajectory(self, paths: Sequence[Path]) -> Trajectory:
        return Trajectory([self._stack.enter_context(opened_bytes(path)) for path in paths])


def companions(path: Path, project: str = "") -> tuple[Path, ...]:
    """Files beside an output that belong to a project; where none is named, all that may.

    A prefix before the name of the project is allowed: outputs are renamed and copied together.
    """
    if not path.parent.is_dir():
        return ()
    ends = re.compile(
        rf"(?:.*[^\w-])?{re.escape(project) if project else '.+'}"
        rf"(?:-(?:pos|frc)-\d+\.xyz|-\d+\.cell)(?:{'|'.join(map(re.escape, COMPRESSED))})?"
    )
    return tuple(sorted(one for one in path.parent.iterdir() if ends.fullmatch(one.name) and one.is_file()))


def _key(energy: float) -> int:
    return round(energy / ENERGY_HARTREE)


def _indexed(file: BinaryIO) -> Iterator[tuple[float, int, int, int]]:
    """Energy, step, number of atoms and place of each frame; frames that tell none are passed over."""
    place = 0
    while line := file.readline():
        place += len(line)
        count = line.strip()
        if not count.isdigit():
            continue
        comment = file.readline()
        place += len(comment)
        start, n_atoms = place, int(count)
        for _ in range(n_atoms):
            row = file.readline()
            if not row:
                return
            place += len(row)
        match = _COMMENT.search(comment)
        if match is not None:
            try:
                yield float(match.group(2).replace(b"D", b"E")), int(match.group(1)), n_atoms, start
            except ValueError:
                continue


def _frame(file: BinaryIO, place: int, *, step: int, n_atoms: int) -> Frame | None:
    file.seek(place)
    rows = [file.readline().decode("utf-8", errors="replace").split(None, 1) for _ in range(n_atoms)]
    if any(len(row) != 2 for row in rows):
        return None
    values = triples([row[1] for row in rows])
    return None if values is None else Frame(step, tuple(row[0] for row in rows), values)
