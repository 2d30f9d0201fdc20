"""Steps of the text of GPAW 26: tables between bars, of atoms and cell, then energies, then forces and stress."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.calculations.draft import Draft, voigt
from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.gpaw.parameters import BANNER, Parameters
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import number, triples, whole
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import FloatArray

_COLOURS: Final = re.compile("\x1b\\[[0-9;]*m")
"""Energies are green where GPAW is told to colour its files."""
_TOLD: Final = (
    BANNER,
    "Atoms  #",
    "Unit cell  #",
    "maximum number of iterations:",
    "SCF iterations",
    "|iter:",
    "Converged in",
    "Free energy:",
    "Extrapolated:",
    "Forces  #",
    "Stress tensor  #",
    "timing:",
)


@dataclass(frozen=True, slots=True)
class Row:
    """What stands between the bars of a row, and behind them."""

    columns: tuple[str, ...]
    comment: str


class GpawTables:
    """Goes through the lines of one text; each step begins with its atoms, and nothing is taken from the one before."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.parameters = Parameters()
        self.ended = Ended.CUT
        self.draft = Draft()
        self.is_iterated = False
        self.n_allowed: int | None = None

    def steps(self) -> Iterator[Step]:
        """All steps."""
        for line in self.lines:
            text = line.strip()
            if text.startswith(_TOLD):
                yield from self._told(text)
            elif not text.startswith("|"):
                self.parameters.said(text)
        yield from self._finished()

    def _told(self, text: str) -> Iterator[Step]:
        if self._is_next(text):
            yield from self._finished()
        if text.startswith(BANNER):
            self.parameters = Parameters()
            self.parameters.said(text)
            self.ended = Ended.CUT
        elif text.startswith("Atoms"):
            self._atoms()
        elif text.startswith("Unit cell"):
            self._unit_cell()
        elif text.startswith("timing"):
            self.ended = Ended.IN_ORDER
        else:
            self._result(text)

    def _is_next(self, text: str) -> bool:
        """Whether a line is of the next step: what a step has once has come before."""
        draft = self.draft
        return (
            text.startswith((BANNER, "Atoms"))
            or (text.startswith("Unit cell") and (self.is_iterated or draft.cell is not None))
            or (text.startswith("SCF iterations") and self.is_iterated)
            or (text.startswith("Free energy") and draft.energy is not None)
        )

    def _atoms(self) -> None:
        """`| 0 |     Si | 0.000000 | 0.000000 | 0.000000 | ( 0.0000,  0.0000,  0.0000) |`"""
        rows = self._rows()
        if any(len(row.columns) != 6 or row.columns[0] != str(index) for index, row in enumerate(rows)):
            return
        found = [atomic_number(row.columns[1]) for row in rows]
        self.draft.positions = triples([" ".join(row.columns[2:5]) for row in rows])
        self.draft.numbers = np.array(found, dtype=np.int64) if found and all(found) else None

    def _unit_cell(self) -> None:
        """`|      yes | 0.000000 | 2.715000 | 2.715000 | 3.839590 | 60.000000 |`"""
        rows = self._rows()
        if len(rows) != 3 or any(len(row.columns) != 6 or row.columns[0] not in {"yes", "no"} for row in rows):
            return
        self.draft.cell = triples([" ".join(row.columns[1:4]) for row in rows])
        x, y, z = (row.columns[0] == "yes" for row in rows)
        self.draft.pbc = (x, y, z)

    def _result(self, text: str) -> None:
        """One line of what follows atoms and cell."""
        draft = self.draft
        if text.startswith("maximum number"):
            self.n_allowed = whole(text.partition(":")[2])
        elif text.startswith("SCF iterations"):
            self.is_iterated = True
        elif text.startswith("|iter:"):
            iteration = whole(text[6:].partition("|")[0])
            if iteration is not None and iteration == self.n_allowed:
                draft.convergence = Convergence.NOT_REACHED  # unless the line follows that says that it was
        elif text.startswith("Converged"):
            draft.convergence = Convergence.REACHED
        elif text.startswith("Free energy"):
            draft.energy = self._energy(text)
        elif text.startswith("Extrapolated"):
            if (energy := self._energy(text)) is not None:
                draft.energies["Extrapolated"] = energy
        elif text.startswith("Forces  # eV/Ang") and draft.energy is not None:
            rows = self._rows()
            is_whole = all(row.comment.split()[-1:] == [str(index)] for index, row in enumerate(rows))
            draft.forces = _vectors(rows) if is_whole else None
        elif text.startswith("Stress tensor  # eV/Ang^3") and draft.energy is not None:
            table = _vectors(self._rows())
            draft.stress = voigt(table) if table is not None and len(table) == 3 else None

    def _energy(self, text: str) -> float | None:
        words = _COLOURS.sub("", text.partition(":")[2]).split()
        return number(words[0]) if len(words) == 1 and self.lines.peek() is not None else None

    def _rows(self) -> list[Row]:
        """Rows of the table that comes next, below its head and rule; none without the blank line that ends it."""
        rows: list[Row] = []
        while (line := self.lines.peek()) is not None and line.lstrip().startswith("|"):
            inner, _, comment = next(self.lines).rpartition("|")
            rows.append(Row(tuple(column.strip() for column in inner.split("|")[1:]), comment))
        is_ended = line is not None and not line.strip()
        is_headed = len(rows) > 2 and set("".join(rows[1].columns)) == {"-"}
        return rows[2:] if is_ended and is_headed else []

    def _finished(self) -> Iterator[Step]:
        """The step so far; none where the cycle never came to an end, as in a file that was cut."""
        draft, self.draft = self.draft, Draft()
        self.is_iterated = False
        if draft.energy is None and draft.convergence is Convergence.NOT_STATED:
            return
        draft.charge = self.parameters.charge
        yield draft.step(self.parameters.method(is_periodic=any(draft.pbc)))


def _vectors(rows: list[Row]) -> FloatArray | None:
    return (
        triples([" ".join(row.columns) for row in rows])
        if rows and all(len(row.columns) == 3 for row in rows)
        else None
    )


def recognises(text: str, name: str) -> bool:
    """Whether a text is the head of a text of GPAW 26."""
    del name
    return BANNER in text


def steps(lines: Lines) -> Steps:
    """Read a text of GPAW 26."""
    tables = GpawTables(lines)
    yield from tables.steps()
    remarks = [f"It could not be read to its end: {lines.damage}."] if lines.damage else []
    return Closing(Ended.CUT if lines.damage else tables.ended, None, tuple(remarks))
