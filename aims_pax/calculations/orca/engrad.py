"""BASENAME.engrad: energy, gradient and structure of the last evaluation, without settings and without convergence."""

from types import MappingProxyType
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number, triples
from aims_pax.calculations.orca.settings import PROGRAM
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Ended, Step
from aims_pax.units import BOHR_ANG, HARTREE_EV

_ENERGY: Final = "The current total energy in Eh"
_GRADIENT: Final = "The current gradient in Eh/bohr"
_STRUCTURE: Final = "The atomic numbers and current coordinates in Bohr"


def recognises(text: str, name: str) -> bool:
    """Whether a text is that of an .engrad file."""
    del name
    return text.lstrip().startswith("#") and _ENERGY in text and _GRADIENT in text


def steps(lines: Lines) -> Steps:
    """Read an .engrad file: one step."""
    blocks: dict[str, list[str]] = {}
    title = ""
    for line in lines:
        text = line.strip()
        if text.startswith("#"):
            title = text.strip("# ") or title
        elif text:
            blocks.setdefault(title, []).append(text)
    energy = next(iter(blocks.get(_ENERGY, [])), "")
    values = blocks.get(_GRADIENT, [])
    atoms = [row.split(None, 1) for row in blocks.get(_STRUCTURE, [])]
    n_atoms = next(iter(blocks.get("Number of atoms", [])), "")
    is_whole = n_atoms.isdigit() and len(atoms) == int(n_atoms) and all(len(row) == 2 for row in atoms)
    is_whole &= len(values) == 3 * len(atoms) and bool(atoms)
    gradient = triples([" ".join(values[row : row + 3]) for row in range(0, len(values), 3)]) if is_whole else None
    positions = triples([row[1] for row in atoms]) if is_whole else None
    elements = [row[0] for row in atoms]
    hartree = number(energy)
    yield Step(
        method=Method(PROGRAM, "", MappingProxyType({Aspect.PROGRAM: PROGRAM})),
        numbers=np.array(elements, dtype=np.int64) if is_whole and all(one.isdigit() for one in elements) else None,
        positions=None if positions is None else positions * BOHR_ANG,
        cell=np.zeros((3, 3)),
        pbc=(False, False, False),
        energy=None if hartree is None else hartree * HARTREE_EV,
        forces=None if gradient is None else -gradient * (HARTREE_EV / BOHR_ANG),
    )
    return Closing(Ended.IN_ORDER if is_whole else Ended.CUT)
