"""The steps of a vasprun.xml.

Read line by line as VASP writes it, not by an XML parser: files that are cut, or hold a character that XML forbids,
still have whole steps, and the densities of states between them are passed over at the speed of lines.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import number, table
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.calculations.vasp.cycle import LEARNED, NO_CYCLE, Cycle, entropy_remark
from aims_pax.calculations.vasp.foreword import Foreword, content, foreword_of, rows_of
from aims_pax.calculations.vasp.outcar import KILOBAR, WHOLE_STRESS
from aims_pax.calculations.vasp.setting import UNNAMED, method_of
from aims_pax.frame import FloatArray

_NAME: Final = re.compile(r'name="([^"]*)"')
ENERGIES: Final = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
SAME_EV: Final = 1e-5
WORK_SHARE: Final = 0.02
ENTHALPY: Final = "its energy is an enthalpy (PSTRESS)"
ZERO: Final = "All forces are zero, by symmetry or because they were not computed, which vasprun.xml does not tell."
BAND: Final = "its forces may hold those of the springs of a band (IMAGES): OUTCAR has them without"
SEVERAL: Final = "The file holds several runs, one below the other."
TORN: Final = "parts of other calculations stand between those of the file, as where images of a band write into one"
OTHER_ENERGY: Final = "its energy is not that of its last electronic cycle, as it is in steps before"
RESPONSES: Final = ("LEPSILON", "LCALCEPS", "LRPA", "LPEAD", "LCALCPOL")


@dataclass(slots=True)
class _Draft:
    """What has been read of one <calculation>."""

    n_cycles: int = 0
    n_ends: int = 0
    energies: dict[str, float] = field(default_factory=dict)
    cycles: list[dict[str, float]] = field(default_factory=list)
    """Energies of the last two cycles."""
    arrays: dict[str, list[str]] = field(default_factory=dict)
    """Rows of <varray>s, by name."""


class _Reading:
    """One vasprun.xml on its way; it may hold several runs, as an archive of such files does."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._n_steps = self._n_learned = self._n_open = 0
        self._is_open = False
        self._remarks: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self._is_in_order = self._is_torn = self._had_all = False
        self._foreword: Foreword = foreword_of(self._lines)
        self._remarks += [remark for remark in self._foreword.remarks if remark not in self._remarks]
        self._methods = {
            is_known: method_of(self._foreword.run, None if is_known else UNNAMED) for is_known in (True, False)
        }
        self._numbers = self._foreword.numbers
        run = self._foreword.run
        self._is_learning = run.is_true("ML_LMLFF") or run.is_true("ML_FF_LMLFF")
        self._flaws = run.flaws + ((BAND,) if (run.whole("IMAGES") or 0) > 0 else ())

    def steps(self) -> Iterator[Step]:
        """All <calculation>s that are closed."""
        for line in self._lines:
            if "<calculation" in line:
                draft = self._calculation()
                self._is_open = draft is None
                if draft is not None:
                    self._n_steps += 1
                    yield self._step(draft)
            elif "</calculation>" in line:
                self._is_torn = True
            elif "<modeling>" in line:
                self._again()
            elif "</modeling>" in line:
                self._is_in_order = True

    def _again(self) -> None:
        """Another run in the same file, with settings and atoms of its own."""
        if SEVERAL not in self._remarks:
            self._remarks.append(SEVERAL)
        self._begin()

    def _calculation(self) -> _Draft | None:
        """One calculation; None when the file ends before it does, or it has no end.

        Cycles that follow the geometry, which VASP writes when its electrons are done, are of responses: to electric
        fields (LEPSILON), to displacements (IBRION = 7, 8). The energy comes before them or after.
        """
        draft = _Draft()
        in_cycle = False
        for line in self._lines:
            if "<r>" in line or "<rc>" in line:
                continue
            if 'name="e_' in line and not (in_cycle and draft.arrays):
                _note_energy(draft, line, in_cycle=in_cycle)
            elif "scstep>" in line:
                in_cycle = "</" not in line
                draft.n_ends += not in_cycle and not draft.arrays
                if in_cycle and not draft.arrays:
                    draft.n_cycles += 1
                    draft.cycles = [*draft.cycles[-1:], {}]
            elif "<varray" in line:
                self._array(draft, line)
            elif "calculation" in line and ("<calculation" in line or "</calculation" in line):
                if "</" in line:
                    return draft
                draft, in_cycle = _Draft(), False
                self._n_open += 1
            elif "<modeling>" in line:
                self._n_open += 1
                self._again()
                return None
            elif "</modeling>" in line:
                self._is_in_order = True
                return None
        return None

    def _array(self, draft: _Draft, line: str) -> None:
        match = _NAME.search(line)
        name = "" if match is None else match[1]
        rows = rows_of(self._lines)
        if rows is not None:
            draft.arrays.setdefault(name, rows)

    def _step(self, draft: _Draft) -> Step:
        run = self._foreword.run
        n_atoms = self._foreword.n_atoms or 0
        cell = _array(draft, "basis", 3)
        fractional = _array(draft, "positions", n_atoms)
        forces, stress, remarks = self._derivatives(draft)
        energy = draft.energies.get("e_fr_energy")
        others = self._others(draft)
        is_learned = self._is_learned(draft)
        self._n_learned += is_learned
        flaws = (LEARNED,) if is_learned else self._flaws_of(draft, cell, others)
        self._had_all = self._had_all or bool(others)
        return Step(
            method=self._methods[others is not None or self._had_all],
            numbers=self._numbers,
            positions=None if cell is None or fractional is None else fractional @ cell,
            cell=cell,
            pbc=(True, True, True),
            energy=energy,
            forces=forces,
            stress=None if stress is None else KILOBAR * stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
            convergence=self._convergence(draft),
            energies=others or {},
            flaws=flaws,
            remarks=entropy_remark(energy, (others or {}).get("e_wo_entrp"), n_atoms) + remarks,
            charge=run.charge,
            spin=run.multiplicity,
            fixed=self._foreword.fixed,
        )

    def _flaws_of(self, draft: _Draft, cell: FloatArray | None, others: Mapping[str, float] | None) -> tuple[str, ...]:
        """Why a step that is of no force field can't be a label."""
        found = {
            NO_CYCLE: not draft.n_cycles,
            ENTHALPY: self._is_enthalpy(draft, cell),
            OTHER_ENERGY: others is None and self._had_all,
            TORN: self._is_torn,
        }
        return self._flaws + tuple(flaw for flaw, is_found in found.items() if is_found)

    def _derivatives(self, draft: _Draft) -> tuple[FloatArray | None, FloatArray | None, tuple[str, ...]]:
        """Forces and the matrix of the stress, which stand there as zeros when they were not computed."""
        isif = self._foreword.run.whole("ISIF")
        forces, stress = _array(draft, "forces", self._foreword.n_atoms or 0), _array(draft, "stress", 3)
        if forces is None or forces.any():
            return forces, stress if isif is None or isif >= WHOLE_STRESS else None, ()
        if stress is not None and not stress.any():
            return None, None, ("Forces and stress are zero throughout: they were not computed.",)
        stress = stress if isif is None or isif >= WHOLE_STRESS else None
        return forces, stress, (ZERO,) if stress is None and len(forces) > 1 else ()

    def _is_learned(self, draft: _Draft) -> bool:
        """A step of a force field has no electronic cycle, or an energy that is not its last cycle's."""
        if not self._is_learning:
            return False
        last = draft.cycles[-1].get("e_fr_energy") if draft.cycles else None
        energy = draft.energies.get("e_fr_energy")
        has_dispersion = self._foreword.run.tag("IVDW") not in (None, "0")
        return last is None or (not has_dispersion and energy is not None and abs(last - energy) > SAME_EV)

    def _is_enthalpy(self, draft: _Draft, cell: FloatArray | None) -> bool:
        """Whether the energy has the work of PSTRESS in it, which that of the last cycle has not."""
        pressure = self._foreword.run.real("PSTRESS") or 0.0
        last = draft.cycles[-1].get("e_fr_energy") if draft.cycles else None
        energy = draft.energies.get("e_fr_energy")
        if not pressure or cell is None or last is None or energy is None or abs(energy - last) < SAME_EV:
            return False
        work = -KILOBAR * pressure * abs(float(np.linalg.det(cell)))
        return abs(energy - last - work) < WORK_SHARE * abs(work)

    def _others(self, draft: _Draft) -> dict[str, float] | None:
        """Energies without entropy and for no smearing; None when the last cycle has not all of the step's energy.

        VASP 5 writes others of them into <calculation>; those of the last cycle are right, and lack dispersion, of
        which the file of VASP 5 tells nothing else.
        """
        last = draft.cycles[-1] if draft.cycles else {}
        energy = draft.energies.get("e_fr_energy")
        if energy is None or "e_fr_energy" not in last:
            return {}
        if abs(last["e_fr_energy"] - energy) > SAME_EV:
            return None
        return {name: last[name] for name in ENERGIES[1:] if name in last}

    def _convergence(self, draft: _Draft) -> Convergence:
        """By the number of cycles, for vasprun.xml says nothing of how they ended."""
        run = self._foreword.run
        limit = run.whole("NELM")
        has_responses = any(run.is_true(name) for name in RESPONSES) or (run.whole("IBRION") or 0) in (7, 8)
        if has_responses and limit is not None and draft.n_cycles >= limit:
            return Convergence.NOT_STATED
        energies = [cycle["e_fr_energy"] for cycle in draft.cycles if "e_fr_energy" in cycle]
        changes = (energies[-1] - energies[-2],) if len(energies) == 2 else ()
        return Cycle(max(draft.n_cycles, draft.n_ends), limit, run.real("EDIFF"), changes).convergence

    def closing(self) -> Closing:
        """What is known at the end."""
        remarks = list(self._remarks)
        if not self._is_in_order:
            open_one = ", and another one was begun" if self._is_open else ""
            remarks.append(f"VASP did not end in order: the file stops after {self._n_steps} whole steps{open_one}.")
        if self._n_open:
            remarks.append(f"{self._n_open} calculations have no end: left out.")
        if self._n_learned:
            remarks.append(
                f"{self._n_learned} of {self._n_steps} steps are of a machine-learned force field: left out."
            )
        remarks += [self._lines.damage] if self._lines.damage else []
        return Closing(Ended.IN_ORDER if self._is_in_order else Ended.CUT, None, tuple(remarks))


def steps(lines: Lines) -> Steps:
    """The steps of a vasprun.xml, also of one that is cut."""
    reading = _Reading(lines)
    yield from reading.steps()
    return reading.closing()


def _note_energy(draft: _Draft, line: str, *, in_cycle: bool) -> None:
    match = _NAME.search(line)
    if match is None or match[1] not in ENERGIES:
        return
    value = number(content(line))
    energies = draft.cycles[-1] if in_cycle else draft.energies
    if value is not None:
        energies[match[1]] = value


def _array(draft: _Draft, name: str, n_rows: int) -> FloatArray | None:
    return table(draft.arrays.get(name, []), (n_rows, 3), (8,))
