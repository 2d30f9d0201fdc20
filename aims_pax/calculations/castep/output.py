"""Steps of SEED.castep.

A structure is printed before its energy, forces and stress after. Energies at other cutoffs (for the finite-basis
correction) are no steps, and tables repeat at the end. Stresses have the sign that ASE has, but for the table that
CASTEP repeats at the end of molecular dynamics: the work along published dynamics tells that its sign is reversed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.castep.settings import Settings
from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.numerals import number, numbers, reals, stacked, triples
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import BoolArray, FloatArray, IntArray
from aims_pax.units import BOHR_ANG, GIGAPASCAL_EV_PER_ANG3, HARTREE_EV

FREE: Final = "Final free energy (E-TS)"
UNCORRECTED: Final = "its energy is printed without the dispersion that its forces have"
CONSTRAINED: Final = "forces of constrained components are printed as zero, whatever they are"

_ENERGY_UNITS: Final = {"ev": 1.0, "ha": HARTREE_EV, "hartree": HARTREE_EV, "ry": HARTREE_EV / 2}
_LENGTH_UNITS: Final = {"a": 1.0, "ang": 1.0, "bohr": BOHR_ANG, "a0": BOHR_ANG}
_FORCE_UNITS: Final = {
    "ev/a": 1.0,
    "ev/ang": 1.0,
    "hartree/bohr": HARTREE_EV / BOHR_ANG,
    "ha/bohr": HARTREE_EV / BOHR_ANG,
}
_STRESS_UNITS: Final = {
    "gpa": GIGAPASCAL_EV_PER_ANG3,
    "kbar": 0.1 * GIGAPASCAL_EV_PER_ANG3,
    "mpa": 1e-3 * GIGAPASCAL_EV_PER_ANG3,
}
_CUTOFF_EV: Final = 1e-2
_SAME_FORCE: Final = 2e-5
_SAME_ANG: Final = 1e-4

_TITLE: Final = re.compile(r"\*+\s+((?:\w+ )*)(Forces|Stress Tensor)\s+\*+$")
_ATOM: Final = re.compile(r"x\s+([A-Z][A-Za-z]{0,2}\S*(?:\s+\[[^\]]*\])?)\s+(\d+)\s+(.*?)\s*x$")
_FORCE_ROW: Final = re.compile(r"\*\s+(\S+(?:\s+\[[^\]]*\])?)\s+(\d+)\s+(.*?)\s*\*$")
_UNIT: Final = re.compile(r"\(([A-Za-z0-9/]+)\)")
_ENERGY: Final = re.compile(r"([^=]*?)\s*=\s*([-+\d.EeDd*]+)\s*(\w+)")
_TOLD: Final = (
    "Final energy",
    "Final free energy",
    "Dispersion corrected final",
    "NB est. 0K energy",
    "Total energy corrected for finite basis",
    "Calculating finite basis",
    "Calculating total energy with cut-off",
    "Unit Cell",
    "Starting MD",
    "Real Lattice",
    "x  Element",
    "Run started",
    "Total time ",
    "***",
)


@dataclass(slots=True)
class Draft:
    """What has been printed of one step so far."""

    is_probe: bool
    convergence: Convergence
    positions: FloatArray | None
    cell: FloatArray | None
    numbers: IntArray | None
    energy: float | None = None
    corrected: float | None = None
    energies: dict[str, float] = field(default_factory=dict)
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    fixed: BoolArray | None = None
    is_closed: bool = False
    """Whether what follows is of another structure, or a repetition."""


class CastepOutput:
    """Goes through the lines of one .castep file, to which a run that goes on appends."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.ended = Ended.CUT
        self.relaxed: bool | None = None
        self.n_runs = 0
        self.draft: Draft | None = None
        self._begin_run()

    def _begin_run(self) -> None:
        self.settings = Settings()
        self.cell: FloatArray | None = None
        self.fractional: FloatArray | None = None
        self.numbers: IntArray | None = None
        self.probe: float | None = None
        self.n_probes = 0
        self.convergence = Convergence.NOT_STATED
        self.is_fresh = self.is_done = False
        self.has_energy = False
        self.is_dynamics = False

    def steps(self) -> Iterator[Step]:
        """All steps."""
        for line in self.lines:
            text = line.strip()
            if text.endswith("<-- SCF"):
                if self.convergence is Convergence.NOT_STATED:
                    self.convergence = Convergence.REACHED
            elif text.startswith(_TOLD):
                yield from self._told(text)
            elif "Geometry optimization " in text:
                self.relaxed = "completed successfully" in text
            elif "has not reached the groundstate" in text:
                self.convergence = Convergence.NOT_REACHED
            elif not self.has_energy:
                self.settings.said(text, self.lines)
        yield from self._finished()

    def _told(self, text: str) -> Iterator[Step]:
        is_next = self.draft is not None and FREE in self.draft.energies and text.startswith(FREE)
        if text.startswith("Final energy") or is_next:
            yield from self._finished()
            self._begin_step(text)
        elif text.startswith(("Final free", "Dispersion", "NB est", "Total energy corr")):
            self._energy(text)
        elif text.startswith("Calculating finite basis"):
            self.n_probes = int(next(iter(numbers(text)), 0.0))
        elif text.startswith("Calculating total energy"):
            self.probe, self.n_probes = next(iter(numbers(text)), None), self.n_probes - 1
        elif text == "Unit Cell":
            self.cell = None
        elif text.startswith("Starting MD"):
            self.is_dynamics = True
        elif text.startswith("Real Lattice"):
            self._lattice(text)
        elif text.startswith("x  Element"):
            if "Fractional coordinates of atoms" in text:
                self._contents()
        elif text.startswith("Run started"):
            yield from self._finished()
            self._begin_run()
            self.n_runs += 1
            self.ended = Ended.CUT
        elif text.startswith("Total time "):
            self.ended = Ended.IN_ORDER
        elif match := _TITLE.match(text):
            self._table(match.group(1), match.group(2))
        elif not self.has_energy:
            self.settings.said(text, self.lines)

    def _begin_step(self, text: str) -> None:
        """`Final energy, E = -855.25 eV`, or `Final energy = -214.5 eV` where nothing is smeared."""
        self.has_energy = True
        is_probe = self.probe is not None and self._is_lower(self.probe)
        is_known = self.is_fresh or not self.is_done  # after forces another structure must have been printed
        known = self.fractional is not None and self.cell is not None and is_known
        self.is_fresh = self.is_done = False
        positions = self.fractional @ self.cell if known else None  # type: ignore[operator]
        self.draft = Draft(is_probe, self.convergence, positions, self.cell, self.numbers)
        self.convergence = Convergence.NOT_STATED
        self.probe = None
        self._energy(text)

    def _is_lower(self, cutoff: float) -> bool:
        """Whether a cutoff of the finite-basis correction is not that of the calculation, which comes last."""
        nominal = self.settings.cutoff
        return self.n_probes > 0 if nominal is None else abs(cutoff - nominal) > _CUTOFF_EV

    def _energy(self, text: str) -> None:
        match = _ENERGY.match(text)
        if match is None or self.draft is None or self.draft.is_closed:
            return
        value, unit = number(match.group(2)), _ENERGY_UNITS.get(match.group(3).lower())
        if value is None or unit is None:
            return
        name, energy = match.group(1).strip(), value * unit
        self.draft.energies[name] = energy
        if name == "Dispersion corrected final energy*" or name.startswith("Dispersion corrected final free"):
            self.draft.corrected = energy
        elif name in ("Final energy", FREE):
            self.draft.energy = energy

    def _lattice(self, text: str) -> None:
        unit = _LENGTH_UNITS.get((_UNIT.search(text) or ["", ""])[1].lower())
        both = stacked([reals(row, 6) for row in self.lines.take(3)], 3)  # the reciprocal lattice stands beside it
        self.cell = None if both is None or unit is None else both[:, :3] * unit

    def _contents(self) -> None:
        """Atoms by fractional coordinates, after the title of their table."""
        rows: list[str] = []
        found: list[int | None] = []
        counts: dict[str, int] = {}
        is_whole = True
        while (line := self.lines.peek()) is not None and line.strip().startswith("x"):
            text = next(self.lines).strip()
            match = _ATOM.match(text)
            if match is None:
                if rows:
                    is_whole &= set(text) == {"x"}
                    break
                continue
            label = match.group(1)
            counts[label] = counts.get(label, 0) + 1
            is_whole &= match.group(2) == str(counts[label])
            found.append(atomic_number(label))
            rows.append(match.group(3))
        self.fractional, self.is_fresh = (triples(rows) if rows and is_whole else None), True
        numbers_found = np.array(found, dtype=np.int64) if found and all(found) and is_whole else None
        n_before = None if self.numbers is None else len(self.numbers)
        if n_before is not None and numbers_found is not None and len(numbers_found) != n_before:
            self.fractional = None
        else:
            self.numbers = numbers_found if numbers_found is not None else self.numbers

    def _table(self, kind: str, what: str) -> None:
        unit = ""
        rows: list[str] = []
        labels: list[str] = []
        while (line := self.lines.peek()) is not None and line.strip().startswith("*"):
            text = next(self.lines).strip()
            if text.strip("*") == "":
                break
            if "components" in text:
                unit = (_UNIT.search(text) or ["", ""])[1].lower()
            elif what == "Forces" and (match := _FORCE_ROW.match(text)):
                labels.append(match.group(2))
                rows.append(match.group(3))
            elif (
                what != "Forces" and text.endswith("*") and text.strip("* ")[:2] in ("x ", "y ", "z ") and numbers(text)
            ):
                rows.append(text.strip("* ")[1:])
        if self.draft is None:
            return
        if what == "Forces":
            self._forces(kind, rows, _FORCE_UNITS.get(unit))
        elif not self.draft.is_closed and self.draft.stress is None and len(rows) == 3:
            table, scale = triples(rows), _STRESS_UNITS.get(unit)
            if table is not None and scale is not None:
                self.draft.stress = table[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * scale

    def _forces(self, kind: str, rows: list[str], unit: float | None) -> None:
        assert self.draft is not None
        fixed = np.array([_constrained(row) for row in rows], dtype=np.bool_).reshape(-1, 3)
        values = triples([row.replace("(cons'd)", " ") for row in rows]) if rows else None
        n_atoms = None if self.draft.numbers is None else len(self.draft.numbers)
        is_whole = values is not None and unit is not None and n_atoms in (None, len(values))
        forces = values * unit if is_whole and values is not None and unit is not None else None
        if self.draft.forces is None and not self.draft.is_closed:
            self.draft.forces = forces
            self.draft.fixed = fixed if forces is not None and fixed.any() else None
        elif kind.startswith("Unconstrained") and forces is not None and not self.draft.is_closed:
            self.draft.forces, self.draft.fixed = forces, None
        else:
            known = self.draft.forces
            is_same = known is not None and forces is not None and known.shape == forces.shape
            is_repeated = is_same and self._is_still() and _near(known, forces, _SAME_FORCE)
            self.draft.is_closed = self.is_dynamics or not is_repeated

    def _is_still(self) -> bool:
        """Whether the structure that was printed last is that of the step."""
        assert self.draft is not None
        if self.draft.positions is None or self.fractional is None or self.cell is None:
            return False
        return _near(self.fractional @ self.cell, self.draft.positions, _SAME_ANG)

    def _finished(self) -> Iterator[Step]:
        draft, self.draft = self.draft, None
        if draft is None or draft.is_probe:
            return
        self.is_done = draft.forces is not None
        energy = draft.energy if draft.corrected is None else draft.corrected
        is_plain = draft.corrected is None and self.settings.aspects.get(Aspect.DISPERSION, "none") != "none"
        yield Step(
            method=self.settings.method(),
            numbers=draft.numbers,
            positions=draft.positions,
            cell=draft.cell,
            pbc=(True, True, True),
            energy=energy,
            forces=draft.forces if _fits(draft.forces, draft.positions) else None,
            stress=draft.stress,
            convergence=draft.convergence,
            energies=draft.energies,
            flaws=(UNCORRECTED,) if is_plain and energy is not None else (),
            remarks=(CONSTRAINED,) if draft.fixed is not None else (),
            charge=self.settings.charge,
            fixed=draft.fixed,
        )


def _constrained(row: str) -> list[bool]:
    marks = [mark != "" for mark in re.findall(r"[-+\d.Ee*]+\s*(\(cons'd\)|)", row)]
    return (marks + [False] * 3)[:3]


def _near(one: FloatArray | None, other: FloatArray | None, tolerance: float) -> bool:
    if one is None or other is None or one.shape != other.shape:
        return False
    return bool(abs(one - other).max(initial=0.0) < tolerance)


def _fits(one: FloatArray | None, other: FloatArray | None) -> bool:
    return one is None or other is None or one.shape == other.shape


def recognises(text: str, name: str) -> bool:
    """Whether a text is the head of a .castep file."""
    del name
    return "CASTEP version" in text and ("Ab Initio Total Energy" in text or "UKCP" in text)


def steps(lines: Lines) -> Steps:
    """Read a .castep file."""
    output = CastepOutput(lines)
    yield from output.steps()
    remarks = []
    if lines.damage:
        remarks.append(f"It could not be read to its end: {lines.damage}.")
    return Closing(Ended.CUT if lines.damage else output.ended, output.relaxed, tuple(remarks))
