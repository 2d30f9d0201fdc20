"""Frames as ASE sees them, and back."""

from typing import TYPE_CHECKING

import numpy as np

from aims_pax.frame import Frame

if TYPE_CHECKING:
    from ase import Atoms


def atoms_of(frame: Frame) -> "Atoms":
    """The structure of a frame as new ASE atoms, without its identity."""
    from ase import Atoms

    return Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


def frame_of(atoms: "Atoms", *, system: str, trajectory: int = 0, md_step: int = 0, generation: int = 0) -> Frame:
    """A frame with the structure of ASE atoms and the identity given."""
    return Frame(
        system=system,
        trajectory=trajectory,
        md_step=md_step,
        generation=generation,
        numbers=np.array(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
    )
