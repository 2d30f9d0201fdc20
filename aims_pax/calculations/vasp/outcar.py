"""The steps of an OUTCAR.

A step is whatever was printed between two electronic loops: VASP 4.6 prints the energy before stress and forces,
VASP 5 and 6 after them. "free  energy   TOTEN" with two blanks is the step's; with one blank it is of a cycle.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Method
from aims_pax.calculations.numerals import number, table, values, whole
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.calculations.vasp.cycle import LEARNED, NO_CYCLE, Cycle, entropy_remark
from aims_pax.calculations.vasp.head import VERSION, Head, cell_of, head_of
from aims_pax.calculations.vasp.poscar import completed
from aims_pax.calculations.vasp.run import Run
from aims_pax.calculations.vasp.setting import UNNAMED, method_of
from aims_pax.frame import FloatArray
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3

KILOBAR: Final = -0.1 * GIGAPASCAL_EV_PER_ANG3
"""One kB of VASP's stress, which is positive under compression, in ASE's sign, eV/Å³."""
VOIGT: Final = (0, 1, 2, 4, 5, 3)
"""Where xx, yy, zz, yz, xz, xy stand in VASP's xx, yy, zz, xy, yz, zx."""
WHOLE_STRESS: Final = 2
"""ISIF from which on all components of the stress are computed; 1 gives its trace alone."""
MOVES_CELL: Final = 3
_ENERGY: Final = re.compile(r"=\s*(\S+)")
_IN_EV: Final = re.compile(r"=\s*(\S+)\s+eV")
_NUMBER: Final = re.compile(r"\(\s*(\d+)\)")
_CHANGES: Final = re.compile(r":\s*(\S+)\s*\(\s*(\S+?)\s*\)")


@dataclass(slots=True)
class _Draft:
    """What has been printed of a step so far."""

    n_cycles: int = 0
    n_changes: int = 0
    change: str = ""
    verdict: str = ""
    is_learned: bool = False
    has_energy: bool = False
    energy: float | None = None
    energies: dict[str, float] = field(default_factory=dict)
    has_table: bool = False
    positions: FloatArray | None = None
    forces: FloatArray | None = None
    has_cell: bool = False
    cell: FloatArray | None = None
    stress: FloatArray | None = None

    @property
    def is_begun(self) -> bool:
        return self.has_energy or self.has_table


class _Reading:
    """One OUTCAR on its way; it may hold several runs, one below the other."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._draft = _Draft()
        self._n_steps = self._n_learned = 0
        self._dispersion: int | None = None
        self._is_in_order = False
        self._relaxed: bool | None = None
        self._remarks: list[str] = []
        self._method: Method | None = None
        self._begin()

    def _begin(self) -> None:
        self._head: Head = head_of(self._lines)
        self._run, remarks = completed(self._head, self._lines.path)
        self._remarks += [remark for remark in remarks if remark not in self._remarks]
        self._cell = self._head.cell
        self._method, self._dispersion = None, None
        self._is_in_order = False
        self._numbers = self._run.numbers
        isif, n_moves = self._run.whole("ISIF"), self._run.whole("NSW")
        self._is_mobile = (isif is None or isif >= MOVES_CELL) and (n_moves is None or n_moves > 1)

    def steps(self) -> Iterator[Step]:
        """All steps, each when the next one begins or the file ends.

        The first word of a line decides: of all the lines of an OUTCAR few begin with one of these.
        """
        acts: Mapping[str, Callable[[str], Iterable[Step]]] = {
            "free": self._energy,
            "----": self._cycle,
            "tota": self._change,
            "in": self._stress,
            "POSI": self._forces,
            "dire": self._vectors,
            "LOOP": self._end,
            "Gene": self._end,
            "FORC": self._cell_forces,
            "ML": self._cell_forces,
            "reac": self._reach,
            "Edis": self._note_dispersion,
            "IVDW": self._note_dispersion,
            "vasp": self._again,
        }
        for line in self._lines:
            words = line.split(None, 1)
            if words and (act := acts.get(words[0][:4])) is not None:
                yield from act(line)
        yield from self._ended(self._draft.has_energy)

    def _cycle(self, line: str) -> Iterator[Step]:
        if "- Iteration " in line:
            yield from self._ended(self._draft.is_begun)
            told = _NUMBER.search(line)
            if self._draft.verdict and told is not None and told[1] == "1":
                self._draft = _Draft()
            if not self._draft.verdict:
                self._draft.n_cycles = max(self._draft.n_cycles + 1, 0 if told is None else int(told[1]))
        elif "aborting loop" in line:
            self._draft.verdict = self._draft.verdict or line

    def _change(self, line: str) -> Iterable[Step]:
        if "energy-change" in line and not self._draft.verdict:
            self._draft.change = line
            self._draft.n_changes += 1
        return ()

    def _end(self, line: str) -> Iterator[Step]:
        if "LOOP+" in line or "General timing" in line:
            yield from self._ended(self._draft.is_begun)
            self._draft = _Draft()
            self._is_in_order = self._is_in_order or "General timing" in line

    def _cell_forces(self, line: str) -> Iterator[Step]:
        if "FORCE on cell" in line:
            yield from self._begun(line.lstrip().startswith("ML"))

    def _reach(self, line: str) -> Iterable[Step]:
        self._relaxed = self._relaxed or "reached required accuracy" in line or None
        return ()

    def _again(self, line: str) -> Iterator[Step]:
        """Another run in the same file."""
        if VERSION.match(line) is None:
            return
        yield from self._ended(self._draft.is_begun)
        self._remarks.append("The file holds several runs, one below the other.")
        version = VERSION.match(line)
        self._begin()
        if version is not None and not self._head.version:
            self._head.version = version[1]
            self._run, _ = completed(self._head, self._lines.path)

    def _begun(self, is_learned: bool) -> Iterator[Step]:
        """What follows may be of a machine-learned force field, whose steps stand among the others."""
        if is_learned != self._draft.is_learned and (is_learned or self._draft.is_begun):
            yield from self._ended(self._draft.is_begun)
        self._draft.is_learned = self._draft.is_learned or is_learned

    def _energy(self, line: str) -> Iterator[Step]:
        if "free  energy" not in line:
            return
        yield from self._begun(" ML " in line)
        self._draft.has_energy = True
        match = _IN_EV.search(line)
        self._draft.energy = None if match is None else number(match[1])
        for _ in range(2):
            follows = self._lines.peek() or ""
            if follows.strip() and "without entropy" not in follows:
                return
            next(self._lines, None)
            for name in ("energy  without entropy", "energy(sigma->0)"):
                match = _ENERGY.search(follows.partition(name)[2])
                value = None if match is None else number(match[1])
                if value is not None and self._lines.peek() is not None:
                    self._draft.energies[name] = value

    def _stress(self, line: str) -> Iterable[Step]:
        isif = self._run.whole("ISIF")
        is_partial = "in kB " not in line or (isif is not None and isif < WHOLE_STRESS) or self._lines.peek() is None
        if self._draft.stress is not None or is_partial:
            return ()
        try:
            row = np.array(values(line.partition("in kB")[2], (5,)), dtype=np.float64)
        except ValueError:
            return ()
        if row.shape == (6,) and bool(np.isfinite(row).all()):
            self._draft.stress = KILOBAR * row[list(VOIGT)]
        return ()

    def _forces(self, line: str) -> Iterator[Step]:
        if "TOTAL-FORCE" not in line:
            return
        yield from self._begun("(ML)" in line)
        if self._draft.has_table:
            return
        self._draft.has_table = True
        self._lines.take(1)
        rows = []
        while (row := self._lines.peek()) is not None and row.strip() and not row.startswith(" ---"):
            rows.append(row)
            next(self._lines)
        n_atoms = self._run.n_atoms if self._run.n_atoms is not None else len(rows)
        numbers = None if row is None else table(rows, (n_atoms, 6), (5, 5, 5, 6))
        if numbers is not None:
            self._draft.positions, self._draft.forces = numbers[:, :3].copy(), numbers[:, 3:].copy()

    def _vectors(self, line: str) -> Iterable[Step]:
        if "direct lattice vectors" not in line:
            return ()
        self._cell = cell_of(self._lines)
        if not self._draft.has_cell and (self._draft.n_cycles or self._draft.is_learned):
            self._draft.has_cell, self._draft.cell = True, self._cell
        return ()

    def _note_dispersion(self, line: str) -> Iterable[Step]:
        kind = whole(line.partition("=")[2]) if "IVDW" in line else None
        if kind is not None or self._dispersion is None:
            self._dispersion = UNNAMED if kind is None else kind
            self._method = None
        return ()

    def _ended(self, is_step: bool) -> Iterator[Step]:
        """The draft becomes a step, unless nothing was printed of it but cycles."""
        draft, self._draft = self._draft, _Draft() if is_step else self._draft
        if is_step:
            self._n_steps += 1
            self._n_learned += draft.is_learned
            self._method = self._method or method_of(self._run, self._dispersion)
            yield self._step(draft, self._method)

    def _step(self, draft: _Draft, method: Method) -> Step:
        run = self._run
        n_atoms = None if draft.positions is None else len(draft.positions)
        flaws = (LEARNED,) if draft.is_learned else run.flaws if draft.n_cycles else (*run.flaws, NO_CYCLE)
        return Step(
            method=method,
            numbers=self._numbers,
            positions=draft.positions,
            cell=draft.cell if draft.has_cell else None if self._is_mobile else self._cell,
            pbc=(True, True, True),
            energy=draft.energy,
            forces=draft.forces,
            stress=draft.stress,
            convergence=_convergence(draft, run),
            energies=draft.energies,
            flaws=flaws,
            remarks=entropy_remark(draft.energy, draft.energies.get("energy  without entropy"), n_atoms),
            charge=run.charge,
            spin=run.multiplicity,
        )

    def closing(self) -> Closing:
        """What is known at the end."""
        remarks = list(self._remarks)
        is_cut = not self._is_in_order
        if is_cut:
            remarks.append(f"VASP did not end in order: the file stops after {self._n_steps} whole steps.")
        if self._n_learned:
            remarks.append(
                f"{self._n_learned} of {self._n_steps} steps are of a machine-learned force field: left out."
            )
        is_relaxation = (self._run.whole("IBRION") or 0) in (1, 2, 3) and (self._run.whole("NSW") or 0) > 0
        relaxed = self._relaxed or (False if is_relaxation else None)
        remarks += [self._lines.damage] if self._lines.damage else []
        return Closing(Ended.CUT if is_cut else Ended.IN_ORDER, relaxed, tuple(remarks))


def steps(lines: Lines) -> Steps:
    """The steps of an OUTCAR; those of a machine-learned force field are told, and are no labels."""
    reading = _Reading(lines)
    yield from reading.steps()
    return reading.closing()


def _convergence(draft: _Draft, run: Run) -> Convergence:
    if "not reached" in draft.verdict or "hard stop" in draft.verdict:
        return Convergence.NOT_REACHED
    match = _CHANGES.search(draft.change)
    told = () if match is None else tuple(number(text) for text in match.groups())
    changes = tuple(value for value in told if value is not None)
    n_cycles = max(draft.n_cycles, draft.n_changes)
    counted = Cycle(n_cycles, run.whole("NELM"), run.real("EDIFF"), changes).convergence
    return counted if draft.verdict or counted is Convergence.NOT_REACHED else Convergence.NOT_STATED
