"""Steps of the text of GPAW: positions and cell, then energies, then forces and stress."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.gpaw.settings import Settings
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import numbers, triples
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import FloatArray, IntArray

LEFT_OUT: Final = "a van der Waals correction that was added to GPAW's own energy and forces is left out"

_ATOM: Final = re.compile(r"\s*(\d+)\s+([A-Z][a-z]?)\S*\s+(.*?)\s*(?:\(.*)?$")
_AXIS: Final = re.compile(r"\s*([123])\.\s*axis:\s+(yes|no)\s+(.*)$")
_TOLD: Final = (
    "Positions:",
    "Unit cell:",
    "Unit Cell:",
    "Free energy:",
    "Free Energy:",
    "Extrapolated:",
    "Zero Kelvin:",
    "Forces in eV/Ang",
    "Stress tensor",
    "Converged",
    "Did not converge",
    "vdW correction",
    "Timing:",
)


@dataclass(slots=True)
class Draft:
    """What has been printed of one step so far."""

    convergence: Convergence
    positions: FloatArray | None
    numbers: IntArray | None
    cell: FloatArray | None
    pbc: tuple[bool, bool, bool]
    energy: float | None = None
    energies: dict[str, float] = field(default_factory=dict)
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    has_vdw: bool = False


class GpawOutput:
    """Goes through the lines of one text."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.settings = Settings()
        self.ended = Ended.CUT
        self.draft: Draft | None = None
        self.positions: FloatArray | None = None
        self.numbers: IntArray | None = None
        self.cell: FloatArray | None = None
        self.pbc = (True, True, True)
        self.convergence = Convergence.NOT_STATED

    def steps(self) -> Iterator[Step]:
        """All steps."""
        for line in self.lines:
            text = line.strip()
            if text.startswith(_TOLD):
                yield from self._told(text)
            else:
                self.settings.said(text)
        yield from self._over()

    def _told(self, text: str) -> Iterator[Step]:
        if text.startswith("Positions"):
            yield from self._over()
            self._atoms()
            self.convergence = Convergence.NOT_STATED
        elif text.lower().startswith("unit cell"):
            self._unit_cell()
        elif text.startswith(("Converged", "Did not")):
            self.convergence = Convergence.REACHED if text.startswith("Con") else Convergence.NOT_REACHED
        elif text.lower().startswith("free energy"):
            yield from self._finished()
            self._energy(text)
        elif text.startswith("Timing"):
            self.ended = Ended.IN_ORDER
        elif self.draft is not None:
            self._result(text)

    def _atoms(self) -> None:
        """`   0 H      3.000000    3.000000    3.737166    ( 0.0000,  0.0000,  0.0000)`"""
        labels, rows = self._rows()
        found = [atomic_number(label) for label in labels]
        self.positions = triples(rows) if rows and self.lines.peek() is not None else None
        self.numbers = np.array(found, dtype=np.int64) if found and all(found) else None

    def _rows(self) -> tuple[list[str], list[str]]:
        """Labels and values of a table of atoms, which are counted from 0; none where one is missing."""
        labels: list[str] = []
        rows: list[str] = []
        is_whole = True
        while (line := self.lines.peek()) is not None and line.strip() and (match := _ATOM.match(line)):
            next(self.lines)
            is_whole &= match.group(1) == str(len(rows))
            labels.append(match.group(2))
            rows.append(match.group(3))
        return (labels, rows) if is_whole else ([], [])

    def _unit_cell(self) -> None:
        rows: list[str] = []
        periodic: list[bool] = []
        while (line := self.lines.peek()) is not None and line.strip() and len(rows) < 3:
            match = _AXIS.match(next(self.lines))
            if match is not None and match.group(1) == str(len(rows) + 1):
                periodic.append(match.group(2) == "yes")
                rows.append(" ".join(match.group(3).split()[:3]))
        is_whole = len(rows) == 3 and self.lines.peek() is not None
        self.cell = triples(rows) if is_whole else None
        if is_whole:
            self.pbc = (periodic[0], periodic[1], periodic[2])

    def _energy(self, text: str) -> None:
        values = numbers(text.partition(":")[2])
        if len(values) != 1 or self.lines.peek() is None:
            return
        self.draft = Draft(self.convergence, self.positions, self.numbers, self.cell, self.pbc, values[0])
        self.positions = None  # one energy for one table of positions

    def _result(self, text: str) -> None:
        """One line of what follows an energy."""
        assert self.draft is not None
        if text.startswith(("Extrapolated", "Zero Kelvin")):
            values = numbers(text.partition(":")[2])
            if len(values) == 1:
                self.draft.energies[text.partition(":")[0]] = values[0]
        elif text.startswith("vdW correction"):
            self.draft.has_vdw = True
        elif text.startswith("Forces in eV/Ang"):
            _, rows = self._rows()
            forces = triples(rows) if rows and self.lines.peek() is not None else None
            if self.draft.forces is None and not self.draft.has_vdw:
                self.draft.forces = forces
        elif text.startswith("Stress tensor"):
            rows = [line.replace("[", " ").replace("]", " ") for line in self.lines.take(3)]
            table = triples(rows) if len(rows) == 3 and self.lines.peek() is not None else None
            self.draft.stress = None if table is None else table[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]

    def _over(self) -> Iterator[Step]:
        """What is left of the atoms so far: also a cycle that ran out, after which GPAW stops and prints no energy."""
        if self.convergence is Convergence.NOT_REACHED and self.positions is not None:
            self.draft = Draft(self.convergence, self.positions, self.numbers, self.cell, self.pbc)
        yield from self._finished()

    def _finished(self) -> Iterator[Step]:
        draft, self.draft = self.draft, None
        if draft is None:
            return
        shapes = {len(one) for one in (draft.positions, draft.forces, draft.numbers) if one is not None}
        is_one = len(shapes) <= 1
        yield Step(
            method=self.settings.method(is_periodic=any(draft.pbc)),
            numbers=draft.numbers,
            positions=draft.positions,
            cell=draft.cell,
            pbc=draft.pbc,
            energy=draft.energy,
            forces=draft.forces if is_one else None,
            stress=draft.stress,
            convergence=draft.convergence,
            energies=draft.energies,
            remarks=(LEFT_OUT,) if draft.has_vdw else (),
            charge=self.settings.charge,
        )


def recognises(text: str, name: str) -> bool:
    """Whether a text is the head of a text of GPAW."""
    del name
    return "|___|_____|" in text and ("gpaw:" in text or "|___|_|" in text)


def steps(lines: Lines) -> Steps:
    """Read a text of GPAW."""
    output = GpawOutput(lines)
    yield from output.steps()
    remarks = [f"It could not be read to its end: {lines.damage}."] if lines.damage else []
    return Closing(Ended.CUT if lines.damage else output.ended, None, tuple(remarks))
