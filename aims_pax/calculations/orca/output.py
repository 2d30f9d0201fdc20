"""Steps of the output of ORCA: coordinates, then their energy, then its gradient, which is minus the forces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import number, triples
from aims_pax.calculations.orca.settings import Settings
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import FloatArray, IntArray
from aims_pax.units import BOHR_ANG, HARTREE_EV

NUMERICAL: Final = "its gradient is of finite differences, whose energies can't be told from its own"
EMBEDDED: Final = "it has atoms that are no elements (ghosts or point charges)"

BANNER: Final = "O   R   C   A"
_TOLD: Final = (
    BANNER,
    "FINAL SINGLE POINT ENERGY",
    "CARTESIAN COORDINATES (ANGSTROEM)",
    "CARTESIAN GRADIENT",
    "The cartesian gradient",
    "The final MP2 gradient",
    "GEOMETRY OPTIMIZATION CYCLE",
    "THE OPTIMIZATION HAS CONVERGED",
    "The optimization did not converge",
    "SCF CONVERGED AFTER",
    "SCF NOT CONVERGED",
    "This wavefunction IS NOT FULLY CONVERGED",
    "ORCA NUMERICAL GRADIENT",
    "****ORCA TERMINATED NORMALLY",
)
_ROW_WORDS: Final = 4


@dataclass(slots=True)
class Draft:
    """What has been printed of one step so far."""

    energy: float | None
    convergence: Convergence
    positions: FloatArray | None
    numbers: IntArray | None
    labels: tuple[str, ...]
    gradient: FloatArray | None = None
    is_total: bool = False
    """Whether the gradient is that of the whole energy; parts of it may be printed before."""
    flaw: str = ""


class OrcaOutput:
    """Goes through the lines of one output."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.draft: Draft | None = None
        self._begin_run()

    def _begin_run(self) -> None:
        self.settings = Settings()
        self.ended = Ended.CUT
        self.relaxed: bool | None = None
        self.positions: FloatArray | None = None
        self.numbers: IntArray | None = None
        self.labels: tuple[str, ...] = ()
        self.convergence = Convergence.NOT_STATED
        self.flaw = ""

    def steps(self) -> Iterator[Step]:
        """All steps."""
        for line in self.lines:
            text = line.strip(" *") if line[:1].isspace() else line.strip()
            if text.startswith(_TOLD) or text.startswith("ORCA TERMINATED NORMALLY"):
                yield from self._told(text)
            else:
                self.settings.said(text)
        yield from self._finished()

    def _told(self, text: str) -> Iterator[Step]:
        if text.startswith("FINAL SINGLE POINT ENERGY"):
            yield from self._finished()
            self._energy(text)
        elif text.startswith("CARTESIAN COORDINATES"):
            yield from self._finished()
            self._coordinates()
        elif text.startswith(BANNER):
            yield from self._finished()
            self._begin_run()
        elif text.startswith("GEOMETRY OPTIMIZATION CYCLE"):
            self.relaxed = bool(self.relaxed)
        elif "OPTIMIZATION HAS CONVERGED" in text or text.startswith("The optimization did not"):
            self.relaxed = "HAS CONVERGED" in text
        elif text.startswith("SCF CONVERGED"):
            self._converged(Convergence.REACHED)
        elif text.startswith(("SCF NOT", "This wavefunction")):
            self._converged(Convergence.NOT_REACHED)
        elif text.startswith("ORCA NUMERICAL"):
            self.flaw = NUMERICAL
        elif text.startswith("ORCA TERM"):
            self.ended = Ended.IN_ORDER
        else:
            self._gradient(is_total=text.startswith("CARTESIAN"))

    def _converged(self, state: Convergence) -> None:
        if self.convergence is not Convergence.NOT_REACHED:
            self.convergence = state

    def _coordinates(self) -> None:
        """`  C  -0.063730  0.725503  -0.004452`, until an empty line."""
        labels: list[str] = []
        rows: list[str] = []
        while (line := self.lines.peek()) is not None and (line.strip() or not rows):
            text = next(self.lines).strip()
            if set(text) <= {"-"}:
                continue
            label, _, row = text.partition(" ")
            labels.append(label)
            rows.append(row.replace(":", " "))
        found = [atomic_number(label) if label.isalpha() else None for label in labels]
        self.positions = triples(rows) if rows and self.lines.peek() is not None else None
        self.numbers = np.array(found, dtype=np.int64) if found and all(found) else None
        self.labels = tuple(labels)
        self.convergence, self.flaw = Convergence.NOT_STATED, ""

    def _energy(self, text: str) -> None:
        """The last word of the line is the energy, unless a remark in brackets follows it."""
        value = next((found for word in reversed(text.split()) if (found := number(word)) is not None), None)
        if "not fully converged" in text or "not converged" in text:
            self.convergence = Convergence.NOT_REACHED
        if self.lines.peek() is None:
            return
        energy = None if value is None else value * HARTREE_EV
        flaw = EMBEDDED if self.labels and self.numbers is None else self.flaw
        self.draft = Draft(energy, self.convergence, self.positions, self.numbers, self.labels, flaw=flaw)
        self.positions = None  # one energy for one structure: what follows without coordinates is another one

    def _gradient(self, *, is_total: bool) -> None:
        """`   1   C   :   -0.065871364   -0.000000000    0.000000001`, or `  0:  ...` of correlated methods."""
        rows: list[str] = []
        is_whole = True
        while (line := self.lines.peek()) is not None and (line.strip() or not rows):
            text = next(self.lines).strip()
            label, colon, row = text.partition(":")
            if not colon:
                is_whole &= not rows
                continue
            words = label.split()
            is_whole &= bool(words) and words[0] in (str(len(rows) + 1), str(len(rows)))
            if len(words) > 1 and self.draft is not None and len(rows) < len(self.draft.labels):
                is_whole &= words[1] == self.draft.labels[len(rows)]
            rows.append(row)
        if self.draft is None or self.draft.is_total:
            return  # a second total one without an energy before it is of another structure
        gradient = triples(rows) if rows and is_whole and self.lines.peek() is not None else None
        fits = gradient is not None and len(rows) == len(self.draft.labels)
        self.draft.gradient, self.draft.is_total = gradient if fits else None, is_total

    def _finished(self) -> Iterator[Step]:
        draft, self.draft = self.draft, None
        if draft is None:
            return
        yield Step(
            method=self.settings.method(),
            numbers=draft.numbers,
            positions=draft.positions,
            cell=np.zeros((3, 3)),
            pbc=(False, False, False),
            energy=draft.energy,
            forces=None if draft.gradient is None else -draft.gradient * (HARTREE_EV / BOHR_ANG),
            convergence=draft.convergence,
            flaws=(draft.flaw,) if draft.flaw else (),
            charge=self.settings.charge,
            spin=self.settings.multiplicity,
        )


def recognises(text: str, name: str) -> bool:
    """Whether a text is the head of an output of ORCA."""
    del name
    return "* O   R   C   A *" in text or ("Program Version" in text and "ORCA" in text)


def steps(lines: Lines) -> Steps:
    """Read an output of ORCA."""
    output = OrcaOutput(lines)
    yield from output.steps()
    remarks = [f"It could not be read to its end: {lines.damage}."] if lines.damage else []
    return Closing(Ended.CUT if lines.damage else output.ended, output.relaxed, tuple(remarks))
