"""Frames as ASE sees them, and back."""

from typing import TYPE_CHECKING

import numpy as np

from aims_pax.frame import Frame, LabelledFrame
from aims_pax.spoken import spoken_of

if TYPE_CHECKING:
    from ase import Atoms


def atoms_of(frame: Frame) -> "Atoms":
    """The structure of a frame as new ASE atoms, without its identity."""
    from ase import Atoms

    return Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


def telling_atoms(frame: Frame) -> "Atoms":
    """The same, whose `info` tells charge and spin (2S + 1) of the frame, as calculators of universal models read."""
    atoms = atoms_of(frame)
    atoms.info |= {name: value for name, value in (("charge", frame.charge), ("spin", frame.spin)) if value is not None}
    return atoms


def labelled_atoms(point: "LabelledFrame") -> "Atoms":
    """A labelled structure as new ASE atoms: the label is the result of a calculator, and `info` says what it is.

    The names in `info` are those of the exported extended XYZ files, with `stage`, `source` and `split` beside them.
    """
    from ase.calculators.calculator import all_properties
    from ase.calculators.singlepoint import SinglePointCalculator

    frame, label = point.frame, point.label
    atoms = atoms_of(frame)
    facts = {"label_id": point.label_id, "system": frame.system, "trajectory": frame.trajectory}
    facts |= {"md_step": frame.md_step, "generation": frame.generation, "reference": label.reference}
    optional: dict[str, object] = {"stage": point.stage, "source": point.source, "split": str(point.split)}
    optional |= {"charge": frame.charge, "multiplicity": frame.spin, "member": point.member}
    optional["config_type"] = frame.config_type
    atoms.info |= facts | {name: value for name, value in optional.items() if value not in (None, "")}
    results = {"energy": label.energy, "forces": label.forces} | dict(label.extras)
    if label.stress is not None:
        results["stress"] = label.stress
    known = {name: value for name, value in results.items() if name in all_properties}
    atoms.calc = SinglePointCalculator(atoms, **known)
    return atoms


def frame_of(atoms: "Atoms", *, system: str, trajectory: int = 0, md_step: int = 0, generation: int = 0) -> Frame:
    """A frame with the structure of ASE atoms, its charge and spin where `info` tells them, and the identity given."""
    spoken = spoken_of(atoms.info)
    return Frame(
        system=system,
        trajectory=trajectory,
        md_step=md_step,
        generation=generation,
        numbers=np.array(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
        charge=spoken.whole_charge(),
        spin=spoken.multiplicity(atoms.numbers.tolist()),
    )
