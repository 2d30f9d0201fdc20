"""Steps of the standard output of CP2K, from version 2 to 2026.

An energy is printed once for each geometry; forces and stress follow it. Geometries of a trajectory stand in files
beside, and so do forces and cells where the output does not have them. Stresses have the sign of a pressure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from ase.data import chemical_symbols

from aims_pax.calculations.cp2k.beside import Beside, Frame
from aims_pax.calculations.cp2k.settings import Settings
from aims_pax.calculations.draft import HELD, has_held
from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import number, numbers, triples
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import FloatArray, IntArray
from aims_pax.units import BOHR_ANG, GIGAPASCAL_EV_PER_ANG3, HARTREE_EV

FORCE_UNIT: Final = HARTREE_EV / BOHR_ANG
_STRESS_UNITS: Final = {
    "gpa": GIGAPASCAL_EV_PER_ANG3,
    "kbar": 0.1 * GIGAPASCAL_EV_PER_ANG3,
    "bar": 1e-4 * GIGAPASCAL_EV_PER_ANG3,
    "mpa": 1e-3 * GIGAPASCAL_EV_PER_ANG3,
    "pa": 1e-9 * GIGAPASCAL_EV_PER_ANG3,
    "a.u.": HARTREE_EV / BOHR_ANG**3,
    "hartree/bohr^3": HARTREE_EV / BOHR_ANG**3,
}
_LENGTH_UNITS: Final = {"angstrom": 1.0, "bohr": BOHR_ANG}
_FORCE_UNITS: Final = {"a.u.": FORCE_UNIT, "hartree/bohr": FORCE_UNIT, "ev/angstrom": 1.0}
_ISOTROPIC: Final = ("NPT_I", "NPE_I")
_FLEXIBLE: Final = ("NPT_F", "NPE_F", "NPT_IA", "HYDROSTATICSHOCK", "MSST", "MSST_DAMPED")
_APART_ANG: Final = 0.01

ROUNDED: Final = "Vectors of the cell are printed with three decimals."

_UNIT: Final = re.compile(r"\[([^\]]+)\]")
_ENERGY: Final = re.compile(r"ENERGY\| Total FORCE_EVAL \(\s*(\w+)\s*\)\s+energy\s*.*?\s([-+\d.EeDd*]+)\s*$")
_COORDINATES: Final = re.compile(r"MODULE (\w+):\s+ATOMIC COORDINATES IN (\w+)", re.IGNORECASE)
_UNCONVERGED: Final = re.compile(
    r"SCF run NOT converged|outer SCF loop FAILED|SCF run terminated by external request|SCF not converged",
    re.IGNORECASE,
)
_TOLD: Final = (
    "ENERGY|",
    "CELL|",
    "MODULE ",
    "ATOMIC FORCES",
    "FORCES| Atomic",
    "STRESS",
    "NUMERICAL STRESS",
    "MD| Cell lengths [bohr",
    "CELL LNTHS[",
    "SCF ",
    "outer SCF loop",
    "Reevaluating energy",
    "**",
)
"""Beginnings of the lines that tell anything of a step: most lines of an output do not."""


@dataclass(slots=True)
class Draft:
    """What has been printed of one step so far; the units are those of a `Step`."""

    hartree: float
    evaluation: str
    convergence: Convergence
    is_first: bool
    positions: FloatArray | None = None
    numbers: IntArray | None = None
    cell: FloatArray | None = None
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    lengths: FloatArray | None = None
    frame: Frame | None = None
    flaws: list[str] = field(default_factory=list)


class Cp2kOutput:
    """Goes through the lines of one output, to which a restarted run may have appended another."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.n_runs = 0
        self.ended = Ended.CUT
        self.relaxed: bool | None = None
        self.remarks: list[str] = []
        self.beside: Beside | None = None
        self.last: Draft | None = None
        self.draft: Draft | None = None
        self._begin_run()

    def _begin_run(self) -> None:
        self.settings = Settings()
        self.numbers: IntArray | None = None
        self.positions: FloatArray | None = None
        self.cell: FloatArray | None = None
        self.vectors: dict[str, str] = {}
        self.convergence = Convergence.NOT_STATED
        self.is_reevaluated = False
        self.has_ghosts = False
        self.n_energies = 0

    def steps(self) -> Iterator[Step]:
        """All steps."""
        for line in self.lines:
            text = line.strip()
            if text.startswith(_TOLD):
                yield from self._told(text)
            elif self.n_energies == 0:
                self.settings.said(text)
        yield from self._finished()
        if self.convergence is Convergence.NOT_REACHED:
            self.remarks.append("The last cycle of self-consistency did not converge, and gave no energy.")

    def _told(self, text: str) -> Iterator[Step]:
        if match := _ENERGY.match(text):
            yield from self._finished()
            self._energy(match)
        elif text.startswith("ENERGY|"):
            yield from self._finished()
        elif "PROGRAM STARTED AT" in text:
            yield from self._finished()
            self._begin_run()
            self.n_runs += 1
            self.ended = Ended.CUT
        elif "PROGRAM ENDED AT" in text:
            self.ended = Ended.IN_ORDER
        elif _UNCONVERGED.search(text):
            self.convergence = Convergence.NOT_REACHED
        elif "SCF run converged" in text or text.startswith("outer SCF loop converged"):
            if self.convergence is not Convergence.NOT_REACHED:
                self.convergence = Convergence.REACHED
        elif text.startswith("CELL|"):
            self._cell(text)
        elif match := _COORDINATES.match(text):
            self._coordinates(match.group(2).lower())
        elif "OPTIMIZATION COMPLETED" in text or "MAXIMUM NUMBER OF OPTIMIZATION STEPS" in text:
            self.relaxed = "COMPLETED" in text
        elif text.startswith("Reevaluating energy"):
            self.is_reevaluated = True
        elif text.startswith("SCF WAVEFUNCTION OPTIMIZATION"):
            yield from self._finished()
        elif self.draft is not None:
            self._result(text)

    def _result(self, text: str) -> None:
        """One line of what follows an energy."""
        assert self.draft is not None
        if text.startswith(("ATOMIC FORCES", "FORCES| Atomic")):
            self._forces(text)
        elif text.startswith(("STRESS", "NUMERICAL STRESS")):
            self._stress(text)
        elif text.startswith(("MD| Cell lengths", "CELL LNTHS")):
            lengths = triples([text.partition("]")[2].replace("=", " ")])
            self.draft.lengths = None if lengths is None else lengths[0] * BOHR_ANG

    def _cell(self, text: str) -> None:
        name = text.removeprefix("CELL|").strip()
        if name.startswith("Vector "):
            self.vectors[name[7:8]] = name.partition("]")[2].lstrip(":").partition("|")[0]
            cell = triples([self.vectors[axis] for axis in "abc"]) if set(self.vectors) == set("abc") else None
            unit = _LENGTH_UNITS.get((_UNIT.search(name) or ["", ""])[1].lower())
            self.cell = None if cell is None or unit is None else cell * unit
        elif name.startswith("Volume"):
            self.vectors, self.cell = {}, None
        elif name.startswith("Periodicity"):
            self.settings.periodicity = name.split()[-1]

    def _coordinates(self, unit: str) -> None:
        """The table of atoms; its column of atomic numbers tells elements, and not the names of kinds."""
        rows: list[str] = []
        found: list[int | None] = []
        self.has_ghosts = False
        while (line := self.lines.peek()) is not None and not line[:1].isalpha():
            words = line.split()
            if rows and not (words and words[0].isdigit()):
                break
            next(self.lines)
            if len(words) >= 7 and words[0] == str(len(rows) + 1):
                has_number = words[3].isdigit()
                found.append(int(words[3]) if has_number else atomic_number(words[2]))
                rows.append(" ".join(words[4:7] if has_number else words[3:6]))
                self.has_ghosts |= has_number and len(words) > 7 and number(words[7]) == 0.0
                self._of_kind(words[1], found[-1])
            elif words and words[0].isdigit():
                rows.append("")
        positions = triples(rows) if rows and self.lines.peek() is not None else None
        scale = _LENGTH_UNITS.get(unit)
        self.positions = None if positions is None or scale is None else positions * scale
        self.numbers = np.array(found, dtype=np.int64) if found and all(found) and len(found) == len(rows) else None

    def _of_kind(self, kind: str, found: int | None) -> None:
        known = self.settings.kinds
        if found and kind.isdigit() and 0 < int(kind) <= len(known) and found < len(chemical_symbols):
            self.settings.elements[known[int(kind) - 1].label] = chemical_symbols[found]

    def _energy(self, match: re.Match[str]) -> None:
        self.n_energies += 1
        value = number(match.group(2))
        convergence, self.convergence = self.convergence, Convergence.NOT_STATED
        if value is None or self.lines.peek() is None:
            return
        if self.beside is None:
            self.beside = Beside(self.lines.path, self.settings.project)
        draft = Draft(value, match.group(1), convergence, self.n_energies == 1)
        draft.positions, self.positions = self.positions, None
        draft.numbers = self.numbers
        draft.cell = self.cell
        draft.frame = self.beside.positions.at(value)
        if draft.frame is not None:
            self._take(draft, draft.frame)
        elif draft.positions is None and self.is_reevaluated and self.last is not None:
            draft.positions, draft.frame = self.last.positions, self.last.frame
        self.is_reevaluated = False
        self.draft = draft

    def _take(self, draft: Draft, frame: Frame) -> None:
        """Positions of a frame beside, unless they are others than what the output itself has."""
        printed = draft.positions
        if printed is not None and (printed.shape != frame.values.shape or _apart(printed, frame.values)):
            draft.frame = None
            draft.flaws.append("its positions in the file beside are others than those in the output")
            return
        draft.positions = frame.values
        if draft.numbers is None:
            found = [atomic_number(label) for label in frame.labels]
            draft.numbers = np.array(found, dtype=np.int64) if all(found) else None

    def _forces(self, text: str) -> None:
        assert self.draft is not None
        unit = _FORCE_UNITS.get((_UNIT.search(text) or ["", ""])[1].lower())
        rows: list[str] = []
        found: list[int | None] = []
        is_new = text.startswith("FORCES|")
        while (line := self.lines.peek()) is not None:
            words = line.replace("FORCES|", " ").split()
            if rows and not (words and words[0].isdigit()):
                break
            if line[:1].isalpha() or "ENERGY|" in line or "SUM OF" in line:
                break
            next(self.lines)
            if not (words and words[0].isdigit()):
                continue
            is_whole = words[0] == str(len(rows) + 1) and len(words) >= (5 if is_new else 6)
            rows.append(" ".join(words[1:4] if is_new else words[3:6]) if is_whole else "")
            found.append(None if is_new or not is_whole else atomic_number(words[2]))
        forces = triples(rows) if rows and self.lines.peek() is not None else None
        self.draft.forces = None if forces is None or unit is None else forces * unit
        if self.draft.numbers is None and found and all(found):
            self.draft.numbers = np.array(found, dtype=np.int64)

    def _stress(self, text: str) -> None:
        """`STRESS TENSOR [GPa]` of old, or `STRESS| Analytical stress tensor [GPa]`: pressures."""
        assert self.draft is not None
        unit = _STRESS_UNITS.get((_UNIT.search(text) or ["", ""])[1].lower())
        rows: dict[str, str] = {}
        while (line := self.lines.peek()) is not None and len(rows) < 3:
            words = line.replace("STRESS|", " ").split()
            if len(words) >= 1 and words[0].lower() in ("x", "y", "z") and len(words) == 4 and numbers(words[1]):
                rows[words[0].lower()] = " ".join(words[1:])
            elif words and words[0].lower() != "x":
                break
            next(self.lines)
        is_whole = len(rows) == 3 and self.lines.peek() is not None
        table = triples([rows[axis] for axis in "xyz"]) if is_whole else None
        if table is not None and unit is not None:
            self.draft.stress = -unit * table[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]

    def _finished(self) -> Iterator[Step]:
        draft, self.draft = self.draft, None
        if draft is None or self.beside is None:
            return
        if draft.forces is None and (frame := self._forces_beside(draft)) is not None:
            draft.forces = frame.values * FORCE_UNIT
        self._set_cell(draft)
        self.last = draft
        yield self._step(draft)

    def _forces_beside(self, draft: Draft) -> Frame | None:
        assert self.beside is not None
        return self.beside.forces.at(draft.hartree, None if draft.frame is None else draft.frame.step)

    def _set_cell(self, draft: Draft) -> None:
        """The cell that was computed: that of the file beside, that of the head, or that at its new lengths."""
        assert self.beside is not None
        written = None if draft.frame is None else self.beside.cells.at(draft.frame.step)
        ensemble = self.settings.ensemble
        if self.settings.periodicity == "NONE":
            draft.cell = np.zeros((3, 3))
        elif written is not None:
            draft.cell = written
        elif ensemble in _FLEXIBLE and not draft.is_first:
            draft.cell = None
            draft.flaws.append("its cell is not told: the file of cells is missing (MOTION / PRINT / CELL)")
        elif ensemble in _ISOTROPIC and not draft.is_first and draft.cell is not None:
            norms = np.linalg.norm(draft.cell, axis=1)
            is_known = draft.lengths is not None and (norms > 0.0).all()
            draft.cell = draft.cell * (draft.lengths / norms)[:, None] if is_known else None
        elif draft.cell is not None and ROUNDED not in self.remarks:
            self.remarks.append(ROUNDED)

    def _step(self, draft: Draft) -> Step:
        if draft.forces is not None and draft.positions is not None and draft.forces.shape != draft.positions.shape:
            draft.flaws.append(f"{len(draft.forces)} forces stand there for {len(draft.positions)} atoms")
            draft.positions = None
        n_atoms = next((len(one) for one in (draft.forces, draft.positions) if one is not None), None)
        elements = None if draft.numbers is None or n_atoms not in (None, len(draft.numbers)) else draft.numbers
        if self.settings.n_environments > 1 or draft.evaluation in ("MIXED", "EMBED", "QMMM"):
            draft.flaws.append("several evaluations of forces take part in it")
        if self.has_ghosts:
            draft.flaws.append("it has ghost atoms")
        if draft.forces is not None and has_held(draft.forces):
            draft.flaws.append(HELD)
        letters = self.settings.periodicity
        pbc = (True,) * 3 if not letters else tuple(axis in letters for axis in "XYZ")
        return Step(
            method=self.settings.method(draft.evaluation),
            numbers=elements,
            positions=draft.positions,
            cell=draft.cell,
            pbc=(pbc[0], pbc[1], pbc[2]),
            energy=draft.hartree * HARTREE_EV,
            forces=draft.forces,
            stress=draft.stress,
            convergence=draft.convergence,
            flaws=tuple(draft.flaws),
            charge=self.settings.charge,
            spin=self.settings.multiplicity,
        )


def _apart(one: FloatArray, other: FloatArray) -> bool:
    return bool(abs(one - other).max(initial=0.0) > _APART_ANG)


def recognises(text: str, name: str) -> bool:
    """Whether a text is the head of an output of CP2K."""
    del name
    return "CP2K| version string" in text or ("PROGRAM STARTED AT" in text and "CP2K|" in text)


def steps(lines: Lines) -> Steps:
    """Read an output of CP2K together with what lies beside."""
    output = Cp2kOutput(lines)
    try:
        yield from output.steps()
    finally:
        if output.beside is not None:
            output.beside.close()
    remarks = list(output.remarks)
    if output.n_runs > 1:
        remarks.append(f"{output.n_runs} runs stand in this file.")
    if lines.damage:
        remarks.append(f"It could not be read to its end: {lines.damage}.")
    return Closing(Ended.CUT if lines.damage else output.ended, output.relaxed, tuple(remarks))
