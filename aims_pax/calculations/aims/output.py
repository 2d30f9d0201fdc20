"""Steps of aims.out.

Forces go with the electronic free energy. The structure that is printed after them is the next one in a relaxation
("Updated atomic structure"), and their own in molecular dynamics and under a socket ("preceding time step").
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.aims.settings import Settings
from aims_pax.calculations.draft import HELD, has_held
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import number, numbers, triples
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import BoolArray, FloatArray, IntArray

CLOSING: Final = "Have a nice day."
INVOKED: Final = "Invoking FHI-aims"

CONSTRAINED: Final = "forces on fixed atoms are printed as zero, whatever they are (relaxation constraints)"

_OF_A_CYCLE: Final = ("Begin self-consistency loop", "Self-consistency cycle", "Energy and forces in a compact form")
_TOLD: Final = re.compile(
    r"[\s|*]*(?:Electronic free energy  |Total energy [uc]|MBD@rsSCS energy|vdW energy|N = N_up"
    r"|Analytical stress tensor -|Numerical stress tensor|Begin self-consistency loop|Invoking FHI"
    r"|Self-consistency cycle|No geometry change|WARNING! SELF-CONS|SELF-CONS|scf_solver: SCF cycle"
    r"|Evaluating non-emp|Total atomic forces|Updated atomic|Final atomic|Atomic structure"
    r"|Molecular dynamics: Att|Geometry optimization: Att|Present geometry|Calculation of"
    r"|Components of the stress|Have a nice day)"
)
"""Beginnings of the lines that tell anything of a step: most lines of an output do not."""

_HEADS: Final = re.compile(
    r"\s*(?:Invoking FHI|FHI-aims version|Version |Parsing control|The structure|Input geometry:|Found relaxation"
    r"|Begin self-cons|Self-consistency cycle|Energy and forces|Have a nice)"
)
_ATOM: Final = re.compile(r"\s*\|\s*(\d+):\s+Species\s+(\S+)(.*)")
_FIXED: Final = re.compile(r"Found relaxation constraint for atom\s+(\d+):\s*(\w+) coordinates? fixed")
_VERSION: Final = re.compile(r"(?:FHI-aims version|Version)\s*:?\s+(\S+)")
_AXES: Final = "xyz"
_EMPTY_LINES: Final = 3
_WHOLE_MOMENT: Final = 0.01

_OTHER_ENERGIES: Final[Mapping[str, str]] = {
    "| Total energy uncorrected": "Total energy uncorrected",
    "| Total energy corrected": "Total energy corrected",
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """Positions (n_atoms, 3) and cell (3, 3), Å; what is not known is None."""

    positions: FloatArray | None = None
    cell: FloatArray | None = None


@dataclass(slots=True)
class Draft:
    """What has been printed of one step so far."""

    geometry: Geometry
    energy: float | None = None
    component_energy: float | None = None
    energies: dict[str, float] = field(default_factory=dict)
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    convergence: Convergence = Convergence.NOT_STATED
    dispersion: str = ""
    moment: float | None = None
    is_constrained: bool = False

    @property
    def is_frame(self) -> bool:
        """Whether anything was computed: cycles that have only begun, and those of strained cells, are no frames."""
        return self.energy is not None or self.convergence is Convergence.NOT_REACHED or self._is_converged

    @property
    def _is_converged(self) -> bool:
        return self.convergence is Convergence.REACHED and self.component_energy is not None


class AimsOutput:
    """Goes through the lines of one aims.out, in which several runs may stand one after the other."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.n_runs = 0
        self.relaxed: bool | None = None
        self.ended = Ended.CUT
        self._begin_run()

    def _begin_run(self) -> None:
        self.settings = Settings()
        self.numbers: IntArray | None = None
        self.charge: int | None = None
        self.geometry = Geometry()
        self.fixed: dict[int, set[int]] = {}
        self.draft: Draft | None = None
        self.original: Draft | None = None
        self.stress: FloatArray | None = None
        self.is_strained = False
        self.is_computing = False
        self.n_atoms = 0
        self.n_electrons: float | None = None

    def steps(self) -> Iterator[Step]:
        """All steps."""
        for line in self.lines:
            if not self.is_computing:
                if _HEADS.match(line):
                    yield from self._head(line)
                else:
                    self.settings.said(line)
            elif _TOLD.match(line):
                yield from self._computed(line)
        yield from self._finished()

    def _head(self, line: str) -> Iterator[Step]:
        """One line from before the first cycle."""
        text = line.strip()
        if text.startswith(INVOKED):
            self.n_runs += 1
        elif text.startswith(("FHI-aims version", "Version ")) and (match := _VERSION.match(text)):
            self.settings.version = match.group(1)
        elif text.startswith("Parsing control.in"):
            self._echo()
        elif text.startswith("The structure contains"):
            self._contents(text)
        elif text == "Input geometry:":
            self._input_geometry()
        elif match := _FIXED.match(text):
            axes = range(3) if match.group(2) == "All" else [_AXES.find(match.group(2))]
            self.fixed.setdefault(int(match.group(1)) - 1, set()).update(axis for axis in axes if axis >= 0)
        elif text.startswith(_OF_A_CYCLE):
            self.is_computing = True
            self._reconcile()
            yield from self._begun()
            yield from self._computed(line)
        elif text == CLOSING:
            self.ended = Ended.IN_ORDER

    def _echo(self) -> None:
        for line in self.lines:
            if "Completed first pass" in line or "Reading file control.in" in line:
                return
            self.settings.echoed(line)

    def _contents(self, text: str) -> None:
        """`The structure contains 2 atoms,  and a total of 28.000 electrons.`"""
        found = numbers(text)
        if len(found) == 2:
            self.n_atoms, self.n_electrons = int(found[0]), found[1]

    def _reconcile(self) -> None:
        """What follows from the whole head: the charge, and whether the structure of the input is what is computed."""
        if self.numbers is not None and self.n_electrons is not None:
            charge = float(self.numbers.sum()) - self.n_electrons
            self.charge = round(charge) if abs(charge - round(charge)) < _WHOLE_MOMENT else None
        if self.settings.moves_before_it_computes:
            self.geometry = Geometry(None, self.geometry.cell)

    def _input_geometry(self) -> None:
        cell: FloatArray | None = None
        labels: list[str] = []
        names: list[str] = []
        rows: list[str] = []
        while (line := self.lines.peek()) is not None and line.lstrip().startswith("|"):
            next(self.lines)
            if "No unit cell requested" in line:
                cell = np.zeros((3, 3))
            elif "Unit cell:" in line:
                cell = triples([row.strip().removeprefix("|") for row in self.lines.take(3)])
            elif match := _ATOM.match(line):
                labels.append(match.group(1))
                names.append(match.group(2))
                rows.append(match.group(3))
        self.n_atoms = self.n_atoms or len(rows)
        if labels != [str(label) for label in range(1, self.n_atoms + 1)]:
            return
        self.settings.present = set(names)
        found = [self.settings.atomic_number(name) for name in names]
        self.numbers = np.array(found, dtype=np.int64) if all(found) else None
        self.geometry = Geometry(triples(rows), cell)

    def _begun(self) -> Iterator[Step]:
        """A cycle begins: what was printed before it is complete."""
        yield from self._finished()
        self.draft = Draft(self.geometry, stress=self.stress)

    def _finished(self) -> Iterator[Step]:
        draft, self.draft = self.draft, None
        if self.is_strained:
            draft = None
        if draft is None and self.original is not None and self.lines.peek() is None:
            draft, self.original = self.original, None
        if draft is not None and draft.is_frame:
            self.stress = None
            yield self._step(draft)

    def _computed(self, line: str) -> Iterator[Step]:
        """One line from after the beginning of the first cycle."""
        text = line.strip()
        if text.startswith("|"):
            self._row(text)
        elif text.startswith("Begin self-consistency loop"):
            yield from self._begun()
        elif text.startswith(INVOKED):
            yield from self._finished()
            self._begin_run()
            self.n_runs += 1
            self.ended = Ended.CUT
        elif self.draft is not None and self._said_of_cycle(text):
            pass
        elif text.startswith("Total atomic forces"):
            self._forces(text)
        elif "tomic structure" in text:
            self._structure(text)
            if "preceding time step" in text:
                yield from self._finished()
        elif text.startswith("Molecular dynamics: Attempting"):
            self.geometry = Geometry(None, self.geometry.cell)
        elif text.startswith("Geometry optimization: Attempting"):
            self.geometry, self.relaxed = Geometry(None, self.geometry.cell), bool(self.relaxed)
            yield from self._finished()
        elif text.startswith("Present geometry is"):
            self.relaxed = text.startswith("Present geometry is converged")
        elif text.startswith(("Calculation of numerical stress", "Components of the stress tensor (for math")):
            self._numerical_stress(text)
        elif text.startswith("Calculation of original geometry"):
            self.is_strained, self.original = False, None
        elif text == CLOSING:
            self.ended = Ended.IN_ORDER

    def _said_of_cycle(self, text: str) -> bool:
        """Take a sentence on how the cycle went; whether it was one."""
        assert self.draft is not None
        if text.startswith("Self-consistency cycle converged"):
            self.draft.convergence = Convergence.REACHED
        elif "SELF-CONSISTENCY CYCLE DID NOT CONVERGE" in text or "SCF cycle not converged" in text:
            self.draft.convergence = Convergence.NOT_REACHED
        elif text.startswith(("Self-consistency cycle not yet converged", "No geometry change - only restart of scf")):
            self.draft = Draft(self.draft.geometry, stress=self.draft.stress)
            self._skip_restarted()
        elif text.startswith("Evaluating non-empirical van der Waals correction (Tkatchenko"):
            self.draft.dispersion = self.draft.dispersion or "TS"
        else:
            return False
        return True

    def _skip_restarted(self) -> None:
        """Results of a cycle that goes on with a new mixer: of an energy not converged, with forces of zero."""
        while (line := self.lines.peek()) is not None and "Begin self-consistency loop" not in line:
            next(self.lines)

    def _row(self, text: str) -> None:
        if "Numerical stress tensor" in text:
            self.stress = self._tensor()
        if self.draft is None:
            return
        if text.startswith("| Electronic free energy  "):
            value = number(text.split()[-2]) if text.endswith("eV") else None
            if " Ha " in text:
                self.draft.component_energy = value
            else:
                self.draft.energy = value
        elif text.startswith("| Total energy "):
            name = next((name for start, name in _OTHER_ENERGIES.items() if text.startswith(start)), None)
            value = next(iter(numbers(text.partition(":")[2])), None)
            if name is not None and value is not None:
                self.draft.energies[name] = value
        elif text.startswith("| MBD@rsSCS energy"):
            self.draft.dispersion = "MBD@rsSCS"
        elif text.startswith("| vdW energy correction"):
            self.draft.dispersion = self.draft.dispersion or "vdW correction"
        elif text.startswith("| N = N_up - N_down"):
            self.draft.moment = next(iter(numbers(text.partition(":")[2])), None)
        elif "Analytical stress tensor - Symmetrized" in text:
            self.draft.stress = self._tensor()

    def _is_cut(self) -> bool:
        """Whether nothing follows: then the last number may have lost its end."""
        return self.lines.peek() is None

    def _tensor(self) -> FloatArray | None:
        """(6,), eV/Å³, in Voigt's order, of the table that follows; FHI-aims has the sign that ASE has."""
        rows: list[str] = []
        for line in self.lines:
            text = line.strip().strip("|").strip()
            if text[:2] in ("x ", "y ", "z ") and numbers(text):
                rows.append(text[1:])
            if "Pressure" in text or len(rows) == 3 or not line:
                break
        table = triples(rows) if len(rows) == 3 and not self._is_cut() else None
        return None if table is None else table[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]

    def _forces(self, text: str) -> None:
        rows: list[str] = []
        while (line := self.lines.peek()) is not None and line.lstrip().startswith("|") and len(rows) < self.n_atoms:
            label, _, row = next(self.lines).strip().removeprefix("|").strip().partition(" ")
            if label != str(len(rows) + 1):
                break
            rows.append(row)
        is_whole = bool(rows) and len(rows) == self.n_atoms and not self._is_cut()
        if self.draft is not None:
            self.draft.forces = triples(rows) if is_whole else None
            self.draft.is_constrained = "constraints were applied" in text

    def _structure(self, text: str) -> None:
        """A structure after its title: the next one, or that of the step whose forces have just been printed."""
        if not text.startswith(("Updated atomic structure", "Final atomic structure", "Atomic structure")):
            return
        cell_rows: list[str] = []
        rows: list[str] = []
        n_empty = 0
        while (line := self.lines.peek()) is not None and "Begin self-cons" not in line and len(rows) < self.n_atoms:
            key, _, row = next(self.lines).strip().partition(" ")
            n_empty = 0 if key else n_empty + 1
            if key == "atom":
                rows.append(row.rsplit(None, 1)[0] if row.strip() else "")
            elif key == "lattice_vector":
                cell_rows.append(row)
            elif key.startswith(("---", "|")) or n_empty == _EMPTY_LINES:
                break
        positions = triples(rows) if rows and len(rows) == self.n_atoms and not self._is_cut() else None
        cell = triples(cell_rows) if len(cell_rows) == 3 else (None if cell_rows else self.geometry.cell)
        found = Geometry(positions, cell)
        if "preceding time step" in text:
            if self.draft is not None:
                self.draft.geometry = found
            self.geometry = Geometry(None, cell)
        else:
            self.geometry = found

    def _numerical_stress(self, text: str) -> None:
        """Strained cells are computed from here on: the step before them is computed anew when they are done."""
        if "completed" in text:
            self.draft = None
        elif not self.is_strained:
            self.is_strained, self.original, self.draft = True, self.draft, None

    def _step(self, draft: Draft) -> Step:
        fixed = self._fixed()
        is_constrained = draft.forces is not None and fixed is not None and draft.is_constrained
        is_periodic = draft.geometry.cell is not None and bool(draft.geometry.cell.any())
        return Step(
            method=self.settings.method(draft.dispersion),
            numbers=self.numbers,
            positions=draft.geometry.positions,
            cell=draft.geometry.cell,
            pbc=(is_periodic,) * 3,
            energy=draft.component_energy if draft.energy is None else draft.energy,
            forces=draft.forces,
            stress=draft.stress,
            convergence=draft.convergence,
            energies=draft.energies,
            flaws=(HELD,) if is_constrained and draft.forces is not None and has_held(draft.forces) else (),
            remarks=(CONSTRAINED,) if is_constrained else (),
            charge=self.charge,
            spin=None if is_periodic else _multiplicity(draft.moment),
            fixed=fixed,
        )

    def _fixed(self) -> BoolArray | None:
        if not self.fixed or not self.n_atoms:
            return None
        fixed = np.zeros((self.n_atoms, 3), dtype=np.bool_)
        for atom, axes in self.fixed.items():
            if 0 <= atom < self.n_atoms:
                fixed[atom, sorted(axes)] = True
        return fixed


def _multiplicity(moment: float | None) -> int | None:
    """2S + 1 of a moment in electrons; None where there is none, or a fraction."""
    if moment is None or abs(moment - round(moment)) > _WHOLE_MOMENT:
        return None
    return abs(round(moment)) + 1


def recognises(text: str, name: str) -> bool:
    """Whether a text is the head of an aims.out, also of one from which the head was cut."""
    del name
    return INVOKED in text or ("| Number of spin channels" in text and "| Number of atoms  " in text)


def steps(lines: Lines) -> Steps:
    """Read an aims.out."""
    output = AimsOutput(lines)
    yield from output.steps()
    remarks = [f"{output.n_runs} runs stand in this file."] if output.n_runs > 1 else []
    if lines.damage:
        remarks.append(f"It could not be read to its end: {lines.damage}.")
    ended = Ended.CUT if lines.damage else output.ended
    return Closing(ended, output.relaxed, tuple(remarks))
