"""The step of a detailed.out, which DFTB+ writes anew for each step: it has the last one alone."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.dftb.setup import Geometry, Setup, last_geometry, moved, setup_of
from aims_pax.calculations.dftb.tagged import FORCE, STRESS, tagged_beside
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import number, table
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.frame import FloatArray, IntArray
from aims_pax.units import BOHR_ANG, HARTREE_EV

SAME_ANG: Final = 1e-5
_ENERGY: Final = re.compile(r"^\s*([A-Z][^:]*):\s+(\S+)\s+H\b")
FORCE_RELATED: Final = ("Force related energy", "Total Mermin free energy", "Total energy")
"""The energy that forces derive from: by DFTB+ 20.1, by versions before, and by solvers that tell no entropy."""
OTHERS: Final = ("Total energy", "Extrapolated to 0", "Total Mermin free energy")
CLOSINGS: Final = ("Geometry converged", "Geometry did NOT converge", "Molecular dynamics", "Second derivatives")


@dataclass(slots=True)
class _Draft:
    energies: dict[str, float] = field(default_factory=dict)
    convergence: Convergence = Convergence.NOT_STATED
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    atoms: IntArray | None = None
    positions: FloatArray | None = None
    is_moving: bool = False
    is_md: bool = False
    moves_cell: bool = False
    closing: str = ""
    flaws: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def energy(self) -> float | None:
        return next((self.energies[name] for name in FORCE_RELATED if name in self.energies), None)


def steps(lines: Lines) -> Steps:
    """The last step of a run; geometry and settings are of the input beside it."""
    setup = setup_of(lines.path)
    draft = _draft(lines)
    if draft.energy is not None or draft.forces is not None:
        _complete(draft, lines)
        yield _step(draft, setup, lines)
    remarks = list(setup.remarks)
    if draft.is_moving:
        remarks.append("DFTB+ keeps forces of the last step alone: steps before it can't be gathered.")
    remarks += [lines.damage] if lines.damage else []
    is_told = draft.energy is not None and (draft.forces is not None or draft.convergence != Convergence.NOT_STATED)
    is_whole = bool(draft.closing) if draft.is_moving else is_told
    relaxed = "NOT" not in draft.closing if draft.closing.startswith("Geometry") else None
    return Closing(Ended.IN_ORDER if is_whole else Ended.CUT, relaxed, tuple(remarks))


def _draft(lines: Lines) -> _Draft:
    draft = _Draft()
    for line in lines:
        if (match := _ENERGY.match(line)) is not None:
            value = number(match[2])
            if value is not None:
                draft.energies[match[1].strip()] = HARTREE_EV * value
        elif line.startswith("Total Forces"):
            draft.forces = _scaled(_rows(lines), FORCE)
        elif line.startswith("Total stress tensor"):
            matrix = table(lines.take(3), (3, 3), (12,))
            matrix = _scaled(matrix if lines.peek() is not None else None, STRESS)
            draft.stress = None if matrix is None else matrix[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        elif "Coordinates of moved atoms" in line:
            _note_positions(draft, lines)
        else:
            _note_state(draft, line)
    return draft


def _note_state(draft: _Draft, line: str) -> None:
    if "SCC is NOT converged" in line:
        draft.convergence = Convergence.NOT_REACHED
    elif line.startswith(("SCC converged", "Non-SCC calculation")):
        draft.convergence = Convergence.REACHED
    elif "Geometry optimization step:" in line or "MD step:" in line or "derivative step:" in line:
        draft.is_moving, draft.is_md = True, "MD step" in line
        draft.moves_cell = "Lattice step" in line
    elif any(mark in line for mark in CLOSINGS):
        draft.is_moving, draft.closing = True, line.strip(" !")
    elif "Dispersion energy not yet evaluated" in line:
        draft.flaws.append("its dispersion energy was not evaluated")
    elif line.startswith("Excitation Energy"):
        draft.flaws.append("its forces may be of an excited state")


def _rows(lines: Lines) -> FloatArray | None:
    """Rows of three numbers, with the number of the atom before them since version 19."""
    rows = []
    while (line := lines.peek()) is not None and line.strip() and line.strip()[0] in "-+.0123456789*":
        rows.append(line.split()[-3:] if len(line.split()) in (3, 4) else [])
        next(lines)
    return None if line is None else table((" ".join(row) for row in rows), (len(rows), 3), (12,))


def _note_positions(draft: _Draft, lines: Lines) -> None:
    rows = []
    while (line := lines.peek()) is not None and len(line.split()) == 4:
        rows.append(line)
        next(lines)
    numbers = table(rows, (len(rows), 4), (0, 8))
    if numbers is not None and line is not None:
        draft.atoms = numbers[:, 0].astype(np.int64) - 1
        draft.positions = BOHR_ANG * numbers[:, 1:]


def _scaled(values: FloatArray | None, unit: float) -> FloatArray | None:
    return None if values is None else unit * values


def _complete(draft: _Draft, lines: Lines) -> None:
    """Forces and stress of results.tag, where detailed.out was not asked for them and both have one energy."""
    if draft.is_md:
        if draft.stress is not None:
            draft.remarks.append("The stress of MD is with its kinetic part: left out.")
        draft.stress = None
    if draft.forces is None:
        tagged = tagged_beside(lines.path)
        mermin = draft.energies.get("Total Mermin free energy", draft.energy)
        if tagged is not None and mermin is not None and tagged.is_of(mermin):
            draft.forces = tagged.forces
            draft.stress = None if draft.is_md else tagged.stress
            draft.remarks.append("Forces are those of results.tag, which has the same energy.")


def _step(draft: _Draft, setup: Setup, lines: Lines) -> Step:
    n_forces = None if draft.forces is None else len(draft.forces)
    geometry = _geometry(draft, setup, last_geometry(lines.path))
    if geometry is not None and n_forces is not None and len(geometry.numbers) != n_forces:
        draft.remarks.append(f"The input has {len(geometry.numbers)} atoms and there are forces of {n_forces}.")
        geometry = None
    return Step(
        method=setup.method,
        numbers=None if geometry is None else geometry.numbers,
        positions=None if geometry is None else geometry.positions,
        cell=None if geometry is None else geometry.cell,
        pbc=(False,) * 3 if geometry is None else geometry.pbc,
        energy=draft.energy,
        forces=draft.forces,
        stress=draft.stress if geometry is not None and any(geometry.pbc) else None,
        convergence=draft.convergence,
        energies={name: draft.energies[name] for name in OTHERS if name in draft.energies},
        flaws=tuple(draft.flaws),
        remarks=tuple(draft.remarks),
        charge=setup.charge,
    )


def _geometry(draft: _Draft, setup: Setup, end: Geometry | None) -> Geometry | None:
    """Where the forces are: the input's geometry, with the atoms that moved where detailed.out has them.

    Of a cell that moves only geo_end.gen tells, and only when its atoms are where they are here.
    """
    start = setup.geometry
    if start is None or (not draft.is_moving and draft.atoms is None):
        return start
    if draft.atoms is None or draft.positions is None or not _are_of(draft.atoms, start):
        return None
    if end is not None and np.array_equal(end.numbers, start.numbers):
        away = end.positions[draft.atoms] - draft.positions
        if bool((abs(away) < SAME_ANG).all()):
            return moved(end, draft.atoms, draft.positions)
    return None if setup.moves_cell or draft.moves_cell else moved(start, draft.atoms, draft.positions)


def _are_of(atoms: IntArray, geometry: Geometry) -> bool:
    return len(atoms) > 0 and int(atoms.min()) >= 0 and int(atoms.max()) < len(geometry.numbers)
