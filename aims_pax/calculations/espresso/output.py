"""Standard output of pw.x, versions 4 to 7: single points, relaxations, MD, several runs in one file.

Facts of the format are from its sources (PW/src: summary, electrons, forces, stress, output_tau, move_ions) and from
outputs of all these versions.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from aims_pax.calculations.draft import Draft, voigt
from aims_pax.calculations.espresso.geometry import Geometry
from aims_pax.calculations.espresso.header import HEADER, RYDBERG_EV, Header
from aims_pax.calculations.events import Reading, followed
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import even_reals, number_after, reals, stacked
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Step
from aims_pax.units import BOHR_ANG

RYDBERG_PER_BOHR: Final = RYDBERG_EV / BOHR_ANG
RYDBERG_PER_BOHR3: Final = RYDBERG_EV / BOHR_ANG**3
_FORCE: Final = re.compile(r"\s*atom\s*(\d+|\*+)\s+type\s*(?:\d+|\*+)\s+force =(.*)")
_ENERGY: Final = re.compile(r"\s*(-?\d+\.\d+)\s+Ry\s*")
_OTHER_PROGRAM: Final = re.compile(r"Program (?!PWSCF)[A-Za-z]\S*\s+v\.?\s*\d")
_LINES_BEFORE_FORCES: Final = 12
_THRESHOLD_SLACK: Final = 1.1
"""The threshold is printed with two digits."""
FINAL_SCF: Final = "it is the final calculation of a relaxation of the cell, with another basis than the steps before"


def recognises(text: str, _name: str) -> bool:
    """Whether a text is the standard output of pw.x, also one whose first lines are missing."""
    if "Program PWSCF" in text:
        return True
    known = "bravais-lattice index" in text or "estimated scf accuracy" in text or "Forces acting on atoms (" in text
    return known and _OTHER_PROGRAM.search(text) is None


def steps(lines: Lines) -> Steps:
    """The steps of an output of pw.x."""
    return followed(_Reading(lines), dict.fromkeys(HEADER, _Reading.on_setting) | dict(_EVENTS))


class _Reading(Reading):
    """Where the reading of one output stands."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self.header = Header()
        self.geometry = Geometry()
        self.n_runs = 0
        self._begin_run()

    def _begin_run(self) -> None:
        self.accuracy_ry: float | None = None
        self.n_energies = 0
        self.exact_exchange: str = ""
        self.is_stated = False
        self.is_final = False
        self.may_repeat = False

    def on_setting(self, line: str) -> None:
        HEADER[line.lstrip()[:8]](self.header, line, self.lines)

    def on_program(self, line: str) -> None:
        if "PWSCF" not in line:
            return
        self.finish()
        if self.n_runs and not self.has_ended:
            self.remarks.append(f"Run {self.n_runs} of those in this file was cut.")
        self.n_runs += 1
        self.header, self.geometry, self.has_ended = Header(), Geometry(), False
        self._begin_run()
        HEADER["Program "](self.header, line, self.lines)

    def begin(self) -> Draft:
        """A new step of the geometry that was printed last; one that was computed already is not taken twice."""
        self.finish()
        draft = Draft()
        geometry = self.geometry
        if geometry.is_new or self.may_repeat:
            draft.positions, draft.cell, draft.fixed = geometry.positions, geometry.cell, geometry.fixed
            found = [self.header.number_of(label) for label in geometry.labels]
            if found and None not in found:
                draft.numbers = np.array(found, dtype=int)
            if self.header.is_mixed(set(geometry.labels)):
                draft.flaws.append("it has virtual atoms, mixed of several elements")
            draft.charge, remark = self.header.charge_of(geometry.labels)
            draft.remarks += [remark] if remark else []
        elif geometry.cell_is_known:
            draft.cell = geometry.cell
        geometry.use()
        draft.spin = self.header.multiplicity
        self.accuracy_ry, self.n_energies, self.exact_exchange = None, 0, ""
        self.is_stated = self.may_repeat = False
        self.draft = draft
        return draft

    def open_draft(self) -> Draft:
        """The step that is being read."""
        return self.begin() if self.draft is None else self.draft

    def completed(self, draft: Draft) -> Step:
        self._judge(draft)
        if self.header.n_electrons_vary:
            draft.flaws.append("its number of electrons varies (grand-canonical)")
        if self.is_final:
            draft.remarks.append(FINAL_SCF)
        if self.header.is_isolated:
            draft.isolate()
        return draft.step(self.header.method())

    def _judge(self, draft: Draft) -> None:
        """What is known of the self-consistency."""
        if draft.convergence is Convergence.NOT_STATED and (draft.energy is None or self.exact_exchange == "going"):
            draft.convergence = Convergence.NOT_REACHED
        if draft.convergence is Convergence.NOT_STATED and self.n_energies > 1:
            draft.flaws.append("energies of several cycles are printed, and not which one is converged")
        threshold = self.header.threshold_ry
        is_above = (
            threshold is not None and self.accuracy_ry is not None and self.accuracy_ry > threshold * _THRESHOLD_SLACK
        )
        if is_above and not self.exact_exchange and draft.convergence is Convergence.REACHED:
            draft.convergence = Convergence.NOT_REACHED
            draft.flaws.append(f"its SCF stopped at {self.accuracy_ry:g} Ry, above the threshold of {threshold:g} Ry")

    def on_scf(self, _line: str) -> None:
        if self.draft is None or self.exact_exchange != "going":
            self.begin()

    def on_energy(self, line: str) -> None:
        draft = self.open_draft()
        if draft.forces is not None or (
            self.is_stated and not line.lstrip().startswith("!!") and not self.exact_exchange
        ):
            draft = self.begin()
        value = _ENERGY.fullmatch(line.partition("=")[2])
        draft.energy = None if value is None else float(value.group(1)) * RYDBERG_EV
        self.n_energies += 1
        following = self.lines.peek() or ""
        if "Harris-Foulkes" in following:
            next(self.lines)
            following = self.lines.peek() or ""
        self.accuracy_ry = number_after(following, "<") if "scf accuracy" in following else None

    def on_other_energy(self, line: str) -> None:
        name, mark, rest = line.rpartition("=")
        value = number_after(mark + rest, "=") if "Ry" in rest else None
        if self.draft is not None and value is not None:
            self.draft.energies[" ".join(name.lstrip("! ").split())] = value * RYDBERG_EV

    def on_convergence(self, line: str) -> None:
        if "threshold" in line:
            HEADER["scf conv"](self.header, line, self.lines)
        elif self.draft is not None and "has been achieved" in line:
            self.draft.convergence = Convergence.REACHED
            self.is_stated = True
        elif "NOT achieved" in line:
            self.open_draft().convergence = Convergence.NOT_REACHED

    def on_exact_exchange(self, line: str) -> None:
        """Inner cycles of a hybrid functional converge one by one; the step has converged when the exchange has."""
        if self.draft is None:
            return
        if "self-consistency reached" in line:
            self.exact_exchange, self.draft.convergence = "reached", Convergence.REACHED
        elif "NOT achieved" in line:
            self.exact_exchange, self.draft.convergence = "reached", Convergence.NOT_REACHED
        elif "go back" in line:
            self.exact_exchange, self.draft.convergence, self.is_stated = "going", Convergence.NOT_STATED, False

    def on_stop(self, line: str) -> None:
        if "(EXX) stopped" in line and self.draft is not None:
            self.exact_exchange, self.draft.convergence = "reached", Convergence.NOT_REACHED
        if "stopped" in line or "exceeded" in line:
            self.remarks.append(f"The program was stopped: {' '.join(line.split())}.")

    def on_forces(self, _line: str) -> None:
        draft = self.open_draft()
        if draft.forces is not None:
            draft = self.begin()
        self._skip_to_forces()
        rows: list[list[float] | None] = []
        while len(rows) != self.header.n_atoms and (found := _FORCE.fullmatch(self.lines.peek() or "")) is not None:
            if found.group(1).isdigit() and int(found.group(1)) != len(rows) + 1:
                break
            next(self.lines)
            rows.append(even_reals(found.group(2), 3))
        n_atoms = self.header.n_atoms or (None if draft.positions is None else len(draft.positions))
        found_rows = stacked(rows, n_atoms)
        draft.forces = None if found_rows is None else found_rows * RYDBERG_PER_BOHR
        if found_rows is None:
            draft.flaws.append("its table of forces is broken")

    def _skip_to_forces(self) -> None:
        """Blanks and remarks may stand before the table; headings of contributions mean that it is missing."""
        for _ in range(_LINES_BEFORE_FORCES):
            following = self.lines.peek()
            if following is None or _FORCE.fullmatch(following) is not None:
                return
            if any(mark in following for mark in ("contrib", "correction", "Total", "stress")):
                return
            next(self.lines)

    def on_stress(self, line: str) -> None:
        if "stress" not in line or "bohr**3" not in line:
            return
        both = stacked([reals(one, 6) for one in self.lines.take(3)], 3)  # beside each other in two units
        if both is not None:
            self.open_draft().stress = voigt(-both[:, :3] * RYDBERG_PER_BOHR3)

    def on_cell(self, line: str) -> None:
        self.geometry.read_cell_card(line, self.lines)

    def on_positions(self, line: str) -> None:
        """What is printed after the forces of a step is the next geometry; which atoms are held holds for both.

        `ATOMIC_POSITIONS: units set to alat` is a message of the reading of an input without units.
        """
        if line.lstrip().startswith("ATOMIC_POSITIONS:"):
            return
        self.geometry.read_position_card(line, self.lines, n_atoms=self.header.n_atoms)
        if self.draft is None or self.draft.forces is None:
            return
        if self.geometry.fixed is not None:
            self.draft.fixed = self.geometry.fixed
        self.finish()

    def on_axes(self, _line: str) -> None:
        self.header.axes = self.geometry.read_axes(self.lines)

    def on_sites(self, line: str) -> None:
        self.geometry.read_sites(line, self.lines, n_atoms=self.header.n_atoms)

    def on_alat(self, line: str) -> None:
        self.geometry.read_alat(line)

    def on_varying_cell(self, _line: str) -> None:
        self.geometry.cell_varies = True

    def on_final_scf(self, line: str) -> None:
        if "scf calculation" in line and "relaxed" in line:
            self.finish()
            self.is_final = True

    def on_repeat(self, _line: str) -> None:
        """A magnetic relaxation that lost its magnetization is computed again where it stands."""
        self.may_repeat = True

    def on_relaxation(self, line: str) -> None:
        text = line.lower()
        if "converge" in text and "not" not in text:
            self.relaxed = True
        elif self.relaxed is None or "failed" in text:
            self.relaxed = False

    def on_error(self, line: str) -> None:
        reason = " ".join((self.lines.peek() or "").split())
        self.remarks.append(f"The program failed: {' '.join(line.split())} {reason}".rstrip(".") + ".")

    def on_bands(self, line: str) -> None:
        if "Calculation" in line:
            self.remarks.append("It holds a calculation of bands at a fixed density, which has no energy.")

    def on_end(self, line: str) -> None:
        """Version 4.0 has no `JOB DONE.`: its table of times is printed at the end alone, as in all versions."""
        self.has_ended = self.has_ended or "JOB DONE" in line or "CPU" in line

    def closing(self) -> Closing:
        if self.n_runs > 1:
            self.remarks.append(f"It holds {self.n_runs} runs, each read with its own settings.")
        return super().closing()


_EVENTS: Final[Mapping[str, Callable[[_Reading, str], None]]] = MappingProxyType(
    {
        "Program ": _Reading.on_program,
        "celldm(1": _Reading.on_alat,
        "crystal ": _Reading.on_axes,
        "site n. ": _Reading.on_sites,
        "Self-con": _Reading.on_scf,
        "!    tot": _Reading.on_energy,
        "!!   tot": _Reading.on_energy,
        "!    Tot": _Reading.on_other_energy,
        "smearing": _Reading.on_other_energy,
        "internal": _Reading.on_other_energy,
        "total al": _Reading.on_other_energy,
        "converge": _Reading.on_convergence,
        "EXX: now": _Reading.on_exact_exchange,
        "EXX self": _Reading.on_exact_exchange,
        "EXX conv": _Reading.on_exact_exchange,
        "Calculat": _Reading.on_stop,
        "Maximum ": _Reading.on_stop,
        "Forces a": _Reading.on_forces,
        "total   ": _Reading.on_stress,
        "CELL_PAR": _Reading.on_cell,
        "ATOMIC_P": _Reading.on_positions,
        "press co": _Reading.on_varying_cell,
        "new unit": _Reading.on_varying_cell,
        "Final sc": _Reading.on_final_scf,
        "A final ": _Reading.on_final_scf,
        "lsda rel": _Reading.on_repeat,
        "BFGS Geo": _Reading.on_relaxation,
        "bfgs con": _Reading.on_relaxation,
        "bfgs fai": _Reading.on_relaxation,
        "Damped D": _Reading.on_relaxation,
        "Wentzcov": _Reading.on_relaxation,
        "FIRE: co": _Reading.on_relaxation,
        "Error in": _Reading.on_error,
        "Band Str": _Reading.on_bands,
        "PWSCF   ": _Reading.on_end,
        "JOB DONE": _Reading.on_end,
    }
)
"""What is done with a line, by its first eight characters without blanks."""
