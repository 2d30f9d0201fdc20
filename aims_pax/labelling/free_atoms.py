"""Free atoms as structures that a pool computes: their energies are asked for like labels."""

import time
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.protocols import Reference

TRAJECTORY: Final = -1000
"""Of free atoms, by which they are known: they belong to no trajectory, and a structure may well be a single atom."""


def free_atom(number: int, *, system: str) -> Frame:
    """One atom of an element; `system` says whose reference and workers compute it."""
    return Frame(system, TRAJECTORY, 0, 0, np.array([number], dtype=np.int64), np.zeros((1, 3)))


def is_free_atom(frame: Frame) -> bool:
    """Whether a structure was made by :func:`free_atom`."""
    return frame.trajectory == TRAJECTORY


def free_atom_label(reference: Reference, frame: Frame, *, folder: Path) -> Label | LabelFailure:
    """The energy of a free atom in its ground state as a label without forces."""
    started, number = time.perf_counter(), int(frame.numbers[0])
    energy = reference.isolated_atom_energy(number, folder=folder)
    wall_s = time.perf_counter() - started
    if energy is None:
        message = f"{reference.name} does not tell the energy of the free atom Z = {number}"
        return LabelFailure(FailureReason.NOT_OFFERED, message, None, wall_s)
    return Label(energy, np.zeros((1, 3)), None, reference.name, wall_s)
