"""Datasets in the folders of DeePMD-kit: ``deepmd/npy`` of its documentation, and of dpdata.

A folder holds structures of the same atoms, a *system*: ``type.raw`` (a whole number for each atom), ``type_map.raw``
(the symbol of each of these numbers), for molecules the empty file ``nopbc``, and ``set.000`` with a row for each
structure: ``coord.npy`` (Å), ``box.npy`` (Å), ``energy.npy`` (eV), ``force.npy`` (eV/Å) and, where there is a stress,
``virial.npy`` (eV).

Source: DeePMD-kit 3.2, documentation, "Formats of a system" and "System".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import complete_cell

from aims_pax.errors import Problem, ShapeError, UserError
from aims_pax.frame import BoolArray, FloatArray, Frame, IntArray, Label

MARGIN_ANG: Final = 50.0
"""By which a box is wider than what is in it, along directions that are not periodic. Wider than any cutoff.

DeePMD has boxes that repeat in all directions, or none at all.
"""

_VOIGT_AS_MATRIX: Final = (0, 5, 4, 5, 1, 3, 4, 3, 2)
"""Place of each element of the stress matrix in ASE's Voigt order xx, yy, zz, yz, xz, xy."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What structures of one folder have in common.

    Parameters
    ----------
    types : tuple of int
        Of the atoms, in ascending order.
    is_periodic : bool
    has_stress : bool
    """

    types: tuple[int, ...]
    is_periodic: bool
    has_stress: bool

    def name(self, type_map: Sequence[str]) -> str:
        """Such as C1H4O1-molecule: the number is always there, for Co1 is another folder than C1O1 on every disk."""
        formula = "".join(f"{type_map[one]}{self.types.count(one)}" for one in sorted(set(self.types)))
        if not self.is_periodic:
            return f"{formula}-molecule"
        return f"{formula}-stress" if self.has_stress else f"{formula}-periodic"


def write_deepmd(
    folder: Path, structures: Iterable[tuple[Frame, Label]], *, type_map: Sequence[str] | None = None
) -> list[Path]:
    """Write structures with their labels, a folder for each composition.

    Parameters
    ----------
    folder : Path
        Made when missing; nothing may be in it.
    structures : iterable of (Frame, Label)
        Equal ones, in equal order, are equal files. Atoms are brought into the order of their types. Structures with
        and without a stress, and molecules, have folders of their own. Charge and spin are not written.
    type_map : sequence of str, or None
        Symbols of the elements, in the order of their types; those of the structures by atomic number when None.

    Returns
    -------
    list of Path
        The systems, which DeePMD's ``training_data: {systems: [...]}`` names; in the order of their names.

    Raises
    ------
    UserError
        There is something in the folder already.
    ShapeError
        No structures, or an element that the type map lacks.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(
            Problem(str(folder), "There is something in this folder.", "an empty one", "Name another folder.")
        )
    known = list(structures)
    if not known:
        raise ShapeError("there are no structures to write")
    present = sorted({int(number) for frame, _ in known for number in frame.numbers})
    symbols = tuple(type_map) if type_map is not None else tuple(chemical_symbols[number] for number in present)
    if lacking := [chemical_symbols[number] for number in present if chemical_symbols[number] not in symbols]:
        raise ShapeError(f"the type map {list(symbols)} lacks {lacking}")
    groups: dict[_Kind, list[tuple[Frame, Label]]] = {}
    for frame, label in known:
        types = sorted(types_of(frame.numbers, symbols).tolist())
        kind = _Kind(tuple(types), bool(frame.pbc.any()), has_virial(frame, label))
        groups.setdefault(kind, []).append((frame, label))
    names = {kind.name(symbols): kind for kind in groups}
    for name, kind in sorted(names.items()):
        _write_system(folder / name, kind, groups[kind], type_map=symbols)
    return [folder / name for name in sorted(names)]


def types_of(numbers: IntArray, type_map: Sequence[str]) -> IntArray:
    """Place of each atom's element in the type map, (n_atoms,); ValueError for one that is not there."""
    table = [atomic_numbers[symbol] for symbol in type_map]
    return np.array([table.index(int(number)) for number in numbers], dtype=np.int64)


def box_of(positions: FloatArray, cell: FloatArray, pbc: BoolArray) -> FloatArray:
    """The lattice vectors that DeePMD is given, (3, 3), Å: across directions that do not repeat lies empty space.

    Those are normal to the periodic ones. Zeros for a molecule, which DeePMD computes without a box.

    Parameters
    ----------
    positions : (n_atoms, 3), Å
    cell : (3, 3), Å
    pbc : (3,) bool
    """
    if pbc.all() or not pbc.any():
        return cell if pbc.all() else np.zeros((3, 3))
    box: FloatArray = complete_cell(np.where(pbc[:, None], cell, 0.0))
    for axis in np.flatnonzero(~pbc):
        normal = box[axis] / np.linalg.norm(box[axis])
        box[axis] = normal * (np.ptp(positions @ normal) + MARGIN_ANG)
    return box


def has_virial(frame: Frame, label: Label) -> bool:
    """Whether a label tells a virial: a stress, of a structure with a volume."""
    return label.stress is not None and bool(frame.pbc.any()) and _volume_ang3(frame) > 0


def virial_ev(frame: Frame, label: Label) -> FloatArray:
    """The virial of a label with a stress, (9,), eV: minus stress times volume, positive under compression."""
    assert label.stress is not None, "asked of labels with a stress"
    return -label.stress[list(_VOIGT_AS_MATRIX)] * _volume_ang3(frame)


def _volume_ang3(frame: Frame) -> float:
    return float(abs(np.linalg.det(frame.cell)))


def _write_system(
    folder: Path, kind: _Kind, structures: Sequence[tuple[Frame, Label]], *, type_map: Sequence[str]
) -> None:
    rows = folder / "set.000"
    rows.mkdir(parents=True)
    (folder / "type.raw").write_text("".join(f"{one}\n" for one in kind.types), encoding="utf-8")
    (folder / "type_map.raw").write_text("".join(f"{symbol}\n" for symbol in type_map), encoding="utf-8")
    if not kind.is_periodic:
        (folder / "nopbc").touch()
    orders = [np.argsort(types_of(frame.numbers, type_map), kind="stable") for frame, _ in structures]
    pairs = list(zip(structures, orders, strict=True))
    np.save(rows / "coord.npy", np.array([frame.positions[order].ravel() for (frame, _), order in pairs]))
    np.save(
        rows / "box.npy", np.array([box_of(frame.positions, frame.cell, frame.pbc).ravel() for frame, _ in structures])
    )
    np.save(rows / "energy.npy", np.array([label.energy for _, label in structures]))
    np.save(rows / "force.npy", np.array([label.forces[order].ravel() for (_, label), order in pairs]))
    if kind.has_stress:
        np.save(rows / "virial.npy", np.array([virial_ev(frame, label) for frame, label in structures]))
