"""The arrays of a results.tag (DFTB+ manual, WriteResultsTag), in atomic units."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.calculations.dftb.setup import setup_of
from aims_pax.calculations.lines import Lines, opened
from aims_pax.calculations.numerals import number
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Ended, Step
from aims_pax.frame import FloatArray
from aims_pax.units import BOHR_ANG, HARTREE_EV

NAME: Final = "results.tag"
HEADER: Final = re.compile(r"^([a-z]\w*)\s*:(real|integer|complex|logical):(\d+):([\d,]*)\s*$")
ENERGIES: Final = ("forcerelated_energy", "mermin_energy", "total_energy")
OTHERS: Final = ("extrapolated0_energy",)
SAME_EV: Final = 1e-6
FORCE: Final = HARTREE_EV / BOHR_ANG
STRESS: Final = -HARTREE_EV / BOHR_ANG**3
"""One atomic unit of stress as DFTB+ prints it, which is positive under compression, in ASE's sign, eV/Å³."""


@dataclass(frozen=True, slots=True, eq=False)
class Tagged:
    """What a results.tag has.

    Parameters
    ----------
    energies : dict of str to eV
    forces : (n_atoms, 3), eV/Å, or None
    stress : (6,), eV/Å³ in ASE's sign and order, or None
    """

    energies: dict[str, float]
    forces: FloatArray | None
    stress: FloatArray | None

    @property
    def energy(self) -> float | None:
        """The one that forces derive from."""
        return next((self.energies[name] for name in ENERGIES if name in self.energies), None)

    def is_of(self, mermin: float) -> bool:
        """Whether it is of the step that has this free energy, eV."""
        return abs(self.energies.get("mermin_energy", np.inf) - mermin) < SAME_EV


def tagged_beside(path: Path) -> Tagged | None:
    """The results.tag of the same folder."""
    try:
        with opened(path.parent / NAME) as lines:
            return tagged_of(lines)
    except OSError:
        return None


def tagged_of(lines: Lines) -> Tagged:
    """All that is read of a results.tag; arrays that are not whole are left out."""
    arrays: dict[str, FloatArray] = {}
    for line in lines:
        if (match := HEADER.match(line)) is not None and match[2] == "real":
            shape = tuple(int(size) for size in match[4].split(",") if size)
            array = _array(lines, shape)
            if array is not None:
                arrays[match[1]] = array
    forces, stress = arrays.get("forces"), arrays.get("stress")
    return Tagged(
        energies={name: HARTREE_EV * float(arrays[name]) for name in (*ENERGIES, *OTHERS) if name in arrays},
        forces=FORCE * forces if forces is not None and forces.ndim == 2 and forces.shape[1] == 3 else None,
        stress=None if stress is None or stress.shape != (3, 3) else _voigt(stress),
    )


def _array(lines: Lines, shape: tuple[int, ...]) -> FloatArray | None:
    """Numbers up to the next header, whose first index runs fastest; all have one length, but for their signs."""
    words: list[str] = []
    while (line := lines.peek()) is not None and HEADER.match(line) is None:
        words += line.split()
        next(lines)
    is_whole = len(words) == int(np.prod(shape)) and len({len(word.lstrip("+-")) for word in words}) == 1
    values = [number(word) for word in words] if is_whole else [None]
    known = [value for value in values if value is not None]
    return np.array(known, dtype=np.float64).reshape(shape[::-1]) if len(known) == len(values) else None


def _voigt(stress: FloatArray) -> FloatArray:
    voigt: FloatArray = STRESS * stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return voigt


def steps(lines: Lines) -> Steps:
    """The last step of a run that wrote no detailed.out; whether it converged is not told.

    Its geometry is that of the input, unless the run moved atoms: then it is known by none of the files.
    """
    setup = setup_of(lines.path)
    tagged = tagged_of(lines)
    geometry, lost = setup.geometry, ""
    if geometry is not None and setup.moves_atoms:
        geometry, lost = None, "Atoms may have moved: without detailed.out nothing tells where these forces are."
    elif geometry is not None and tagged.forces is not None and len(geometry.numbers) != len(tagged.forces):
        lost = f"The input has {len(geometry.numbers)} atoms, and there are forces of {len(tagged.forces)}."
        geometry = None
    yield Step(
        method=setup.method,
        numbers=None if geometry is None else geometry.numbers,
        positions=None if geometry is None else geometry.positions,
        cell=None if geometry is None else geometry.cell,
        pbc=(False,) * 3 if geometry is None else geometry.pbc,
        energy=tagged.energy,
        forces=tagged.forces,
        stress=tagged.stress if geometry is not None and any(geometry.pbc) else None,
        energies={name: value for name, value in tagged.energies.items() if name != "forcerelated_energy"},
        charge=setup.charge,
    )
    is_whole = tagged.energy is not None and tagged.forces is not None
    remarks = (*setup.remarks, *((lost,) if lost else ()), *((lines.damage,) if lines.damage else ()))
    return Closing(Ended.IN_ORDER if is_whole else Ended.CUT, None, remarks)
