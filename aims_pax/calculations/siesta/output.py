"""Standard output of SIESTA, versions 2 to 5: single points, relaxations, MD.

Facts of the format are from its sources (outcoor, outcell, state_analysis, siesta_analysis, write_subs) and from
outputs of versions 3 and 4.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from aims_pax.calculations.draft import Draft, voigt
from aims_pax.calculations.events import Reading, followed
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import even_reals, number_after, stacked
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.siesta.settings import Settings
from aims_pax.calculations.step import Closing, Convergence, Step
from aims_pax.frame import FloatArray
from aims_pax.units import BOHR_ANG

_ATOM: Final = re.compile(r"\s*((?:-?\d*\.\d+\s*|\*+\s*|NaN\s*){3})\s+(\d+)(?:\s+(\d+))?(?:\s.*)?")
_INITIAL: Final = re.compile(r"siesta:\s+((?:-?\d*\.\d+\s*|\*+\s*){3})\s+(\d+)\s+\d+\s*")
_FORCE: Final = re.compile(r"(?:siesta:)?\s*(\d+)\s+((?:-?\d*\.\d+|\*+|NaN).*)")
_CYCLE: Final = re.compile(r"siesta:\s*(\d+)\s+((?:-?\d+\.\d+\s*){3})\s(\d+\.\d+)\s.*")
_ENERGY: Final = re.compile(r"\s*(-?\d+\.\d{4,})\s*")
_ALIKE_EV: Final = 1.5e-4
"""Energies are printed with four decimals: what differs by more is another one."""


def recognises(text: str, _name: str) -> bool:
    """Whether a text is the standard output of SIESTA."""
    return "WELCOME TO SIESTA" in text or "Siesta Version" in text or "siesta: E_KS(eV) =" in text


def steps(lines: Lines) -> Steps:
    """The steps of an output of SIESTA."""
    return followed(_Reading(lines), _EVENTS)


class _Reading(Reading):
    """Where the reading of one output stands."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self.settings = Settings()
        self.initial: tuple[list[int], FloatArray] | None = None
        self.n_atoms: int | None = None
        self.cell: FloatArray | None = None
        self.is_molecule = False
        self.n_steps = 0
        self._begin()

    def _begin(self) -> None:
        self.positions: tuple[str, list[int], FloatArray] | None = None
        self.cycles = 0
        self.last_change: float | None = None
        self.free_energy: float | None = None
        self.enthalpy: float | None = None

    def on_begin(self, line: str) -> None:
        """`Begin MD step = 1`, `Begin CG opt. move = 0`, `Single-point calculation`."""
        if "=" in line or "Single-point" in line:
            self.begin()

    def begin(self) -> Draft:
        """A new step."""
        self.finish()
        self._begin()
        self.draft = Draft(charge=self.settings.whole_charge())
        self.n_steps += 1
        if not self.settings.cell_varies:
            self.draft.cell = self.cell
        if self.n_steps == 1 and self.initial is not None:
            species, rows = self.initial
            self.positions = ("bohr", species, rows)
        return self.draft

    def completed(self, draft: Draft) -> Step:
        self._place(draft)
        self._judge(draft)
        if self.is_molecule:
            draft.isolate()
        return draft.step(self.settings.method())

    def _place(self, draft: Draft) -> None:
        if self.positions is None:
            return
        unit, species, rows = self.positions
        numbers = [self.settings.elements.get(one, 0) for one in species]
        if any(one < 0 or one > 200 for one in numbers):
            draft.flaws.append("it has floating orbitals or virtual atoms")
        elif all(0 < one < 119 for one in numbers):
            draft.numbers = np.array(numbers, dtype=int)
        scale = {"ang": 1.0, "bohr": BOHR_ANG, "scaled": self.settings.lattice_ang}.get(unit)
        if unit == "fractional":
            draft.positions = None if draft.cell is None else rows @ draft.cell
        elif scale is not None:
            draft.positions = rows * scale

    def _judge(self, draft: Draft) -> None:
        """The free energy is taken where it differs from that of the decomposition; versions before 4 say nothing of
        convergence, but print each cycle."""
        free = self.free_energy
        if free is None and self.settings.target_pressure == 0.0:
            free = self.enthalpy
        if draft.energy is not None and free is not None and abs(free - draft.energy) > _ALIKE_EV:
            draft.energies["E_KS"] = draft.energy
            draft.energy = free
        if draft.convergence is not Convergence.NOT_STATED or self.settings.max_cycles is None:
            return
        if self.cycles >= self.settings.max_cycles:
            tolerance = self.settings.tolerance
            is_small = tolerance is not None and self.last_change is not None and self.last_change < tolerance
            draft.convergence = Convergence.AT_LIMIT if is_small else Convergence.NOT_REACHED

    def on_siesta(self, line: str) -> None:
        text = line[8:]
        if text.startswith("E_KS(eV) ="):
            draft = self.begin() if self.draft is None or self.draft.energy is not None else self.draft
            found = _ENERGY.fullmatch(text.partition("=")[2])
            draft.energy = None if found is None else float(found.group(1))
        elif text.startswith("FreeEng") and self.draft is not None and self.draft.energy is not None:
            value = _ENERGY.fullmatch(text.partition("=")[2])
            self.free_energy = None if value is None else float(value.group(1))
            if self.free_energy is not None:
                self.draft.energies["FreeEng"] = self.free_energy
        elif text.startswith("Atomic forces"):
            self._read_forces("(eV/Ang)" in text)
        elif text.startswith("Stress tensor (static) (eV/Ang**3)"):
            self._read_stress()
        elif text.startswith("Atomic coordinates (Bohr) and species"):
            self._read_initial()
        elif text.startswith("Automatic unit cell vectors (Ang)"):
            self.cell = self._matrix()
        elif text.startswith("System type ="):
            self.is_molecule = "molecule" in text
        elif text.startswith("k-grid: Supercell"):
            self.settings.read_mesh(self.lines)
        elif (cycle := _CYCLE.fullmatch(line)) is not None:
            self.cycles, self.last_change = int(cycle.group(1)), float(cycle.group(3))

    def _read_initial(self) -> None:
        species: list[int] = []
        rows: list[list[float] | None] = []
        while (found := _INITIAL.fullmatch(self.lines.peek() or "")) is not None:
            next(self.lines)
            rows.append(even_reals(found.group(1), 3))
            species.append(int(found.group(2)))
        positions = stacked(rows, None)
        self.initial = None if positions is None else (species, positions)
        self.n_atoms = self.n_atoms or len(rows) or None

    def on_count(self, line: str) -> None:
        """`initatomlists: Number of atoms, orbitals, and projectors:     64   832  1024`."""
        count = number_after(line, "projectors:")
        if count is not None and count >= 1:
            self.n_atoms = int(count)

    def _read_forces(self, is_known_unit: bool) -> None:
        if self.draft is None or self.draft.forces is not None or not is_known_unit:
            return
        rows: list[list[float] | None] = []
        while (found := _FORCE.fullmatch(self.lines.peek() or "")) is not None:
            if int(found.group(1)) != len(rows) + 1:
                break
            next(self.lines)
            rows.append(even_reals(found.group(2), 3))
        self.draft.forces = stacked(rows, self.n_atoms)

    def _read_stress(self) -> None:
        if self.draft is None or self.draft.stress is not None:
            return
        matrix = self._matrix()
        self.draft.stress = None if matrix is None else voigt(matrix)

    def _matrix(self) -> FloatArray | None:
        rows: list[list[float] | None] = []
        while len(rows) < 3 and (row := even_reals((self.lines.peek() or "").removeprefix("siesta:"), 3)) is not None:
            next(self.lines)
            rows.append(row)
        return stacked(rows, 3)

    def on_coordinates(self, line: str) -> None:
        """The geometry of the step; the one that is printed at the end is of it, or of none."""
        if "Atomic coordinates" not in line:
            if "Relaxed" in line:
                self.relaxed = True
            return
        unit = line.partition("(")[2].partition(")")[0].strip().lower()
        species: list[int] = []
        rows: list[list[float] | None] = []
        while (found := _ATOM.fullmatch(self.lines.peek() or "")) is not None:
            if found.group(3) not in (None, str(len(rows) + 1)):
                break
            next(self.lines)
            rows.append(even_reals(found.group(1), 3))
            species.append(int(found.group(2)))
        positions = stacked(rows, self.n_atoms)
        if self.draft is None or self.draft.energy is not None or self.draft.forces is not None:
            self.begin()
        if self.draft is not None:
            self.positions = None if positions is None else (unit, species, positions)

    def on_cell(self, line: str) -> None:
        if "Unit cell vectors" not in line:
            return
        rows = self._matrix()
        unit = BOHR_ANG if "Bohr" in line else 1.0
        self.cell = None if rows is None else rows * unit
        if self.draft is not None and self.draft.energy is None:
            self.draft.cell = self.cell

    def on_converged(self, line: str) -> None:
        if self.draft is not None and self.draft.convergence is Convergence.NOT_STATED:
            is_reached = "NOT" not in line.upper().replace("NOTE", "")
            self.draft.convergence = Convergence.REACHED if is_reached else Convergence.NOT_REACHED

    def on_not_converged(self, _line: str) -> None:
        if self.draft is not None:
            self.draft.convergence = Convergence.NOT_REACHED

    def on_enthalpy(self, line: str) -> None:
        if line.startswith("Target enthalpy") and "/cell)" in line:
            found = _ENERGY.fullmatch(line.partition("/cell)")[2])
            self.enthalpy = None if found is None else float(found.group(1))

    def on_dump(self, line: str) -> None:
        if "Dump of input data file" in line:
            self.settings.read_input(self.lines)

    def on_version(self, line: str) -> None:
        if self.n_steps:
            self.finish()
            self.settings, self.n_steps, self.initial, self.cell = Settings(), 0, None, None
            self.has_ended, self.n_atoms = False, None
        self.settings.read_version(line)

    def on_species(self, line: str) -> None:
        self.settings.read_species(line)

    def on_potential(self, line: str) -> None:
        name = line.rpartition(" from ")[2].strip()
        if "pseudopotential information" in line and name and name not in self.settings.potentials:
            self.settings.potentials.append(name)

    def on_functional(self, line: str) -> None:
        self.settings.read_functional(line)

    def on_basis(self, line: str) -> None:
        if "PAO.Basis " in line:
            self.settings.read_basis(self.lines)

    def on_parameter(self, line: str) -> None:
        self.settings.read_parameter(line)

    def on_smearing(self, line: str) -> None:
        self.settings.smearing_kind = "methfessel-paxton" if "Methfessel" in line else "fermi-dirac"

    def on_end(self, _line: str) -> None:
        self.has_ended = True

    def closing(self) -> Closing:
        if self.relaxed is None and self.settings.is_optimised and self.n_steps > 0:
            self.relaxed = False
        return super().closing()


_EVENTS: Final[Mapping[str, Callable[[_Reading, str], None]]] = MappingProxyType(
    {
        "siesta: ": _Reading.on_siesta,
        "initatom": _Reading.on_count,
        "outcoor:": _Reading.on_coordinates,
        "outcell:": _Reading.on_cell,
        "redata: ": _Reading.on_parameter,
        "xc_check": _Reading.on_functional,
        "Siesta V": _Reading.on_version,
        "Version ": _Reading.on_version,
        "********": _Reading.on_dump,
        "Species ": _Reading.on_species,
        "Reading ": _Reading.on_potential,
        "%block P": _Reading.on_basis,
        "stepf: F": _Reading.on_smearing,
        "stepf: M": _Reading.on_smearing,
        "Begin CG": _Reading.on_begin,
        "Begin MD": _Reading.on_begin,
        "Begin FI": _Reading.on_begin,
        "Begin Br": _Reading.on_begin,
        "Begin FC": _Reading.on_begin,
        "Begin Lu": _Reading.on_begin,
        "Single-p": _Reading.on_begin,
        "SCF cycl": _Reading.on_converged,
        "SCF_NOT_": _Reading.on_not_converged,
        "Target e": _Reading.on_enthalpy,
        ">> End o": _Reading.on_end,
        "Job comp": _Reading.on_end,
    }
)
"""What is done with a line, by its first eight characters without blanks."""
