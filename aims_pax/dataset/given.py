"""Structures of a file as they stand there, with or without labels, to be written again with others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.dataset.entries import Keys, atoms_of_block, entry_of
from aims_pax.dataset.foreign import is_free_atom
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame, Label
from aims_pax.spoken import spoken_of
from aims_pax.xyz import blocks


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """One structure of a file.

    Parameters
    ----------
    index : int
        Its place in the file, from 0.
    frame : Frame
        As the file has it: its system is that of the file, or the file's name.
    label : Label or None
        The one that it brings.
    facts : mapping of str to str
        What else stands on its comment line.
    charge : float or None
        That it speaks of.
    is_free_atom : bool
        Whether it is an atom alone, which tells an E0.
    """

    index: int
    frame: Frame
    label: Label | None
    facts: Mapping[str, str]
    charge: float | None
    is_free_atom: bool


OWN = ("system", "trajectory", "md_step", "generation", "reference", "label_id", "member", "charge", "multiplicity")
"""Keys of the comment line that the program writes itself."""


def read_given(path: Path, keys: Keys) -> list[Given]:
    """All structures of an extended XYZ file, in its order.

    Raises
    ------
    StructureError
        It can't be read, or holds none; with all structures that can't be read.
    """
    found: list[Given] = []
    problems: list[Problem] = []
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for index, block in enumerate(blocks(file)):
                try:
                    found.append(_given(atoms_of_block(block), index, path, keys))
                except ValueError as error:
                    problems.append(Problem(f"{path}, structure {index + 1}", str(error)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems = [Problem(str(path), f"can't be read ({reason})", "a file in extended XYZ format")]
    if not found and not problems:
        problems = [Problem(str(path), "holds no structure", "at least one structure")]
    if problems:
        raise StructureError(problems)
    return found


def _given(atoms: Any, index: int, path: Path, keys: Keys) -> Given:
    """One structure; ValueError where it can't be what it says."""
    results = {} if atoms.calc is None else atoms.calc.results
    held = {**atoms.arrays, **atoms.info, **results}
    energy, forces, stress = (
        own if own in held else plain
        for own, plain in ((keys.energy, "energy"), (keys.forces, "forces"), (keys.stress, "stress"))
    )
    present = Keys(energy, forces, stress, keys.dipole, keys.charges)
    named = {energy, forces, stress, *OWN}
    facts = {
        str(key): _said(value)
        for key, value in atoms.info.items()
        if key not in named and isinstance(value, str | int | float | np.number | np.bool_)
    }
    is_labelled = energy in held and forces in held
    if is_labelled:
        entry = entry_of(atoms, index, path, present)
        frame, label = entry.frame, entry.label
    else:
        frame, label = _bare(atoms, index, path, energy, forces), None
    return Given(index, frame, label, facts, spoken_of(atoms.info).charge, is_free_atom(frame, held))


def _bare(atoms: Any, index: int, path: Path, energy: str, forces: str) -> Frame:
    """A structure without a label."""
    copy = atoms.copy()
    copy.calc = None
    copy.info[energy], copy.arrays[forces] = 0.0, np.zeros((len(copy), 3))
    return entry_of(copy, index, path, Keys(energy, forces)).frame


def _said(value: object) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)
