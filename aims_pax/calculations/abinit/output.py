"""Main output of ABINIT, versions 5 to 10: each self-consistent cycle of each data set is a step.

Facts of the format are from outputs of versions 8 and 9, and from its sources for the older headings.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from aims_pax.calculations.abinit.variables import Variables
from aims_pax.calculations.draft import Draft, voigt
from aims_pax.calculations.events import Reading, followed
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Method
from aims_pax.calculations.numerals import even_reals, number_after, reals, stacked
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Step
from aims_pax.frame import FloatArray
from aims_pax.units import BOHR_ANG, HARTREE_EV

_VERSION: Final = re.compile(r"\.?Version\s+(\S+)\s+of (?:ABINIT|MKPOINTS)")
_CYCLE: Final = re.compile(r"\s*ETOT\s*(\d+)\s*(-?\d+\.\d{6,}(?:E[-+]\d+)?)\s.*")
_TOTAL: Final = re.compile(r"\s*(-?\d\.\d{8,}E[-+]\d\d)\s*")
_LARGEST: Final = re.compile(r"max,rms=\s*(\S+)\s+(\S+)\s+\(free atoms\)")
_SIGMA: Final = re.compile(r"sigma\((\d) (\d)\)=\s*(\S+)")
_ROW: Final = re.compile(r"\s*-?\d*\.\d+.*")
_INDEXED: Final = re.compile(r"\s*\d+\s+(-?\d*\.\d+.*)")
_POTENTIAL: Final = re.compile(r"atom type\s+(\d+)\s+psp file is\s+(\S+)")
_RELAXATIONS: Final = frozenset({2, 3, 4, 5, 7, 10, 11, 15, 20, 22, 23})
"""Values of ionmov that look for a minimum; the others are MD, or of several images."""
FORCE_UNIT: Final = HARTREE_EV / BOHR_ANG
STRESS_UNIT: Final = HARTREE_EV / BOHR_ANG**3


def recognises(text: str, _name: str) -> bool:
    """Whether a text is the main output of ABINIT, which also its log resembles."""
    is_output = "of ABINIT" in text and ".Version" in text
    return is_output or "-outvars: echo values of preprocessed input variables" in text


def steps(lines: Lines) -> Steps:
    """The steps of an output of ABINIT."""
    return followed(_Reading(lines), _EVENTS)


class _Reading(Reading):
    """Where the reading of one output stands."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self.variables = Variables()
        self.version = ""
        self.potentials: dict[int, str] = {}
        self.data_set = 1
        self.cell: FloatArray | None = None
        self.has_iterations = False
        self.method: Method | None = None
        self.last_cycle = 0
        self.compositions: set[tuple[int, ...]] = set()

    def begin(self) -> Draft:
        """A new step of the data set."""
        self.finish()
        draft = Draft()
        numbers = self.variables.numbers(self.data_set)
        if numbers is not None:
            draft.numbers = np.array(numbers, dtype=int)
            self.compositions.add(tuple(sorted(numbers)))
        if self.variables.is_mixed(self.data_set):
            draft.flaws.append("it has virtual atoms, mixed of several elements")
        if self.variables.whole("nimage", self.data_set, 1) > 1:
            draft.flaws.append("it is one of several images, which are not told apart")
        if self.variables.whole("iscf", self.data_set, 7) < 0:
            draft.flaws.append("it is not self-consistent")
        is_fixed = self.variables.whole("optcell", self.data_set, 0) == 0
        is_known = not self.has_iterations or self.variables.whole("ionmov", self.data_set, 0) != 0
        if self.variables.words and is_fixed and is_known:
            draft.cell = self.cell
        draft.charge = self.variables.charge(self.data_set)
        draft.spin = self.variables.multiplicity(self.data_set)
        self.draft = draft
        return draft

    def completed(self, draft: Draft) -> Step:
        if draft.convergence is Convergence.NOT_STATED:
            draft.flaws.append("nothing is said of its convergence, which ABINIT says of each cycle")
        if self.method is None:
            self.method = self.variables.method(self.data_set, self.version, self.potentials)
        return draft.step(self.method)

    def on_version(self, line: str) -> None:
        found = _VERSION.search(line)
        if found is not None:
            self.finish()
            self.version, self.has_ended = found.group(1), False
            self.variables, self.potentials, self.method = Variables(), {}, None

    def on_variables(self, line: str) -> None:
        if "preprocessed" in line:
            self.variables.read(self.lines)
        else:
            self.finish()
            Variables().read(self.lines)

    def on_data_set(self, line: str) -> None:
        number = number_after(line, "DATASET")
        self.finish()
        if number is not None:
            self.data_set = int(number)
        self.cell, self.has_iterations, self.method = None, False, None
        if self.variables.whole("ionmov", self.data_set, 0) in _RELAXATIONS:
            self.relaxed = False

    def on_end_of_data_sets(self, _line: str) -> None:
        self.finish()

    def on_potential(self, line: str) -> None:
        found = _POTENTIAL.search(line)
        if found is not None:
            self.potentials[int(found.group(1))] = found.group(2)

    def on_functional(self, line: str) -> None:
        """The functional that is taken from the pseudopotentials is not echoed."""
        code = number_after(self.lines.peek() or "", "ixc=")
        if "for the present dataset" in line and code is not None:
            self.variables.words[f"ixc{self.data_set}"] = [str(round(code))]

    def on_cell(self, line: str) -> None:
        rows = [line, *self.lines.take(2)]
        found = [
            even_reals(row.partition("=")[2].partition("G(")[0], 3) if f"R({index})=" in row else None
            for index, row in enumerate(rows, 1)
        ]
        cell = stacked(found, 3)
        self.cell = None if cell is None else cell * BOHR_ANG

    def on_cycle(self, line: str) -> None:
        found = _CYCLE.fullmatch(line)
        number = number_after(line[:9], "ETOT")
        if self.draft is None or number is None or number <= self.last_cycle:
            self.begin()
        draft = self.draft
        assert draft is not None
        draft.energy = None if found is None else float(found.group(2)) * HARTREE_EV
        self.last_cycle = int(found.group(1)) if found is not None else 0

    def on_convergence(self, line: str) -> None:
        if self.draft is None:
            return
        number = number_after(line, "SCF step")
        if number is not None and int(number) != self.last_cycle:
            self.draft.energy = None
        self.draft.convergence = Convergence.REACHED

    def on_not_enough(self, line: str) -> None:
        if "not enough SCF" in line and self.draft is not None:
            self.draft.convergence = Convergence.NOT_REACHED

    def on_moving(self, _line: str) -> None:
        """What a step has computed, where atoms move; older versions print no line before each iteration."""
        self.has_iterations = True

    def on_iteration(self, _line: str) -> None:
        self.finish()
        self.has_iterations = True

    def on_cartesian(self, line: str) -> None:
        draft = self.draft
        if draft is None:
            return
        if "stress tensor (hartree" in line:
            if draft.stress is None:
                draft.stress = self._stress()
        elif "coordinates" in line and "bohr" in line:
            draft.positions = self._rows(BOHR_ANG)
        elif "forces" in line and ("Ha/bohr" in line or "hart/bohr" in line):
            draft.forces = self._forces(line)

    def _forces(self, line: str) -> FloatArray | None:
        """Forces whose largest and mean size are those of their heading, which counts free atoms alone."""
        forces = self._rows(1.0)
        told = _LARGEST.search(line)
        largest = None if told is None else reals(" ".join(told.groups()), 2)
        if forces is None or largest is None or self.variables.whole("natfix", self.data_set, 0):
            return None if forces is None else forces * FORCE_UNIT
        found = [float(abs(forces).max()), float(np.sqrt(np.mean(forces**2)))]
        return forces * FORCE_UNIT if np.allclose(found, largest, rtol=1e-3, atol=1e-9) else None

    def on_primitive(self, line: str) -> None:
        if "rprimd" in line and self.draft is not None:
            rows = stacked([even_reals(row, 3) for row in self.lines.take(3)], 3)
            self.draft.cell = None if rows is None else rows * BOHR_ANG

    def on_total(self, line: str) -> None:
        if "(etotal)" in line and self.draft is not None:
            value = _TOTAL.fullmatch(line.partition("=")[2])
            self.draft.energy = None if value is None else float(value.group(1)) * HARTREE_EV

    def on_reduced(self, line: str) -> None:
        """The tables at the end of a data set are of its one step; where atoms moved they are of the next one."""
        if "array xred" not in line or self.draft is None or self.has_iterations:
            return
        rows = self._rows(1.0)
        cell = self.draft.cell
        self.draft.positions = None if rows is None or cell is None else rows @ cell

    def on_final(self, line: str) -> None:
        if "forces (hartree/bohr)" in line and self.draft is not None and not self.has_iterations:
            self.draft.forces = self._rows(FORCE_UNIT, row=_INDEXED)

    def on_relaxed(self, line: str) -> None:
        if "gradients are converged" in line:
            self.relaxed = True

    def on_end(self, line: str) -> None:
        if "completed" in line:
            self.has_ended = True

    def _stress(self) -> FloatArray | None:
        found = {
            (int(one), int(other)): reals(value, 1)
            for line in self.lines.take(3)
            for one, other, value in _SIGMA.findall(line)
        }
        if len(found) != 6 or any(value is None for value in found.values()):
            return None
        matrix = np.zeros((3, 3))
        for (one, other), value in found.items():
            if value is not None:
                matrix[one - 1, other - 1] = matrix[other - 1, one - 1] = value[0]
        return voigt(matrix * STRESS_UNIT)

    def _rows(self, unit: float, row: re.Pattern[str] = _ROW) -> FloatArray | None:
        n_atoms = self.variables.n_atoms(self.data_set)
        rows: list[list[float] | None] = []
        while len(rows) != n_atoms and (found := row.fullmatch(self.lines.peek() or "")) is not None:
            next(self.lines)
            rows.append(even_reals(found.group(1) if found.re is _INDEXED else found.group(), 3))
        whole = stacked(rows, n_atoms)
        return None if whole is None else whole * unit

    def closing(self) -> Closing:
        if len(self.compositions) > 1:
            self.remarks.append("It holds data sets of different composition.")
        return super().closing()


_EVENTS: Final[Mapping[str, Callable[[_Reading, str], None]]] = MappingProxyType(
    {
        ".Vers": _Reading.on_version,
        "Versi": _Reading.on_version,
        "-outv": _Reading.on_variables,
        "== DA": _Reading.on_data_set,
        "== EN": _Reading.on_end_of_data_sets,
        "- psp": _Reading.on_potential,
        "Excha": _Reading.on_functional,
        "R(1)=": _Reading.on_cell,
        "ETOT ": _Reading.on_cycle,
        "At SC": _Reading.on_convergence,
        "nstep": _Reading.on_not_enough,
        "--- I": _Reading.on_iteration,
        "---OU": _Reading.on_moving,
        "Carte": _Reading.on_cartesian,
        "Real ": _Reading.on_primitive,
        "Total": _Reading.on_total,
        "reduc": _Reading.on_reduced,
        "carte": _Reading.on_final,
        "At Br": _Reading.on_relaxed,
        "Calcu": _Reading.on_end,
    }
)
"""What is done with a line, by its first five characters without blanks."""
