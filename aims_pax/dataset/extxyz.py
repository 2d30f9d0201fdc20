"""Datasets as extended XYZ files, with the keys that MACE reads.

Numbers are written with all their digits, so that a file read back is bit for bit what was written. The stress is
written as nine numbers, the form of the extended XYZ specification; MACE and ASE read it, and six in Voigt's order.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aims_pax.dataset.durable import replacing
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame
from aims_pax.xyz import blocks

_VOIGT_AS_MATRIX = (0, 5, 4, 5, 1, 3, 4, 3, 2)
"""Place of each element of the stress matrix in ASE's Voigt order xx, yy, zz, yz, xz, xy."""

_MATRIX_AS_VOIGT = (0, 4, 8, 5, 2, 1)
"""Place of each Voigt element in the flattened matrix."""

_PLAIN_TEXT = re.compile(
    r"(?!(?:t|f|true|false|nan|inf|infinity)(?: |$))[a-z][a-z0-9_.-]*( [!#-\[\]-~]+)*", re.IGNORECASE
)
"""Words of which the first is neither a number nor a truth value, without quotes or backslashes."""

_MAX_REPORTED = 5
"""Faulty structures that are named one by one."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of the reference values in a file (MISC.energy_key and so on).

    Energy, stress and dipole stand on the comment line, forces and charges in columns. Dipole (e Å) and charges (e)
    are written where the label has extras of these names.
    """

    energy: str = "REF_energy"
    forces: str = "REF_forces"
    stress: str = "REF_stress"
    dipole: str = "REF_dipole"
    charges: str = "REF_charges"


def write_extxyz(path: Path, labelled: Iterable[LabelledFrame], keys: Keys | None = None) -> int:
    """Write labelled structures; the number of them is the result.

    The file appears complete or not at all. Besides the reference values, each structure carries ``label_id``,
    ``system``, ``trajectory``, ``md_step``, ``generation``, ``reference`` and, when one member alone uses it,
    ``member``.
    """
    keys = keys or Keys()
    n_written = 0
    with replacing(path) as file:
        for structure in labelled:
            file.write(_block(structure, keys))
            n_written += 1
    return n_written


def read_extxyz(path: Path, keys: Keys | None = None) -> list[tuple[Frame, Label]]:
    """Read labelled structures, of this program or another.

    A structure without an identity of its own gets the file's name as its system, trajectory 0, generation 0 and its
    place in the file as its MD step. How long the calculation took is not in the file; ``wall_s`` is 0.

    Raises
    ------
    StructureError
        The file can't be read, is empty, or has structures without energy or forces.
    """
    keys = keys or Keys()
    pairs: list[tuple[Frame, Label]] = []
    problems: list[Problem] = []
    try:
        with path.open(encoding="utf-8") as file:
            for index, block in enumerate(blocks(file)):
                try:
                    pairs.append(_pair(_atoms(block), index, path, keys))
                except ValueError as error:
                    problems.append(_fault(path, index, str(error), keys))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.insert(0, Problem(str(path), f"can't be read ({reason})", "a file in extended XYZ format"))
    if not pairs and not problems:
        problems.append(Problem(str(path), "holds no structure", "at least one labelled structure"))
    if problems:
        raise StructureError(_shortened(problems, path))
    return pairs


def _block(structure: LabelledFrame, keys: Keys) -> str:
    frame, label = structure.frame, structure.label
    facts = {
        keys.energy: repr(float(label.energy)),
        "label_id": str(structure.label_id),
        "system": _text(frame.system),
        "trajectory": str(frame.trajectory),
        "md_step": str(frame.md_step),
        "generation": str(frame.generation),
        "reference": _text(label.reference),
    }
    columns, arrays = f"species:S:1:pos:R:3:{keys.forces}:R:3", [frame.positions, label.forces]
    if frame.pbc.any() or frame.cell.any():
        facts = {"Lattice": _row(frame.cell)} | facts
    if label.stress is not None:
        facts[keys.stress] = _row(label.stress[list(_VOIGT_AS_MATRIX)])
    if structure.member is not None:
        facts["member"] = str(structure.member)
    if "dipole" in label.extras:
        facts[keys.dipole] = _row(label.extras["dipole"])
    if "charges" in label.extras:
        columns += f":{keys.charges}:R:1"
        arrays.append(label.extras["charges"].reshape(frame.n_atoms, 1))
    facts |= {"pbc": '"' + " ".join("T" if periodic else "F" for periodic in frame.pbc) + '"'}
    comment = " ".join([f"Properties={columns}", *(f"{key}={value}" for key, value in facts.items())])
    return "\n".join([str(frame.n_atoms), comment, *_lines(frame, arrays)]) + "\n"


def _lines(frame: Frame, arrays: list[FloatArray]) -> list[str]:
    from ase.data import chemical_symbols

    rows = np.hstack(arrays).tolist()
    return [
        f"{chemical_symbols[number]} {' '.join(map(repr, row))}"
        for number, row in zip(frame.numbers.tolist(), rows, strict=True)
    ]


def _row(values: FloatArray) -> str:
    return '"' + " ".join(map(repr, values.ravel().tolist())) + '"'


def _text(text: str) -> str:
    """Text as a value that is read back as the same text; in ASE's JSON form where it could be taken for a number."""
    if _PLAIN_TEXT.fullmatch(text):
        return f'"{text}"' if " " in text else text
    escaped = ("_JSON " + json.dumps(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _atoms(block: str) -> Any:
    from ase.io import read  # imports much

    try:
        return read(StringIO(block), index=0, format="extxyz")
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"can't be read as extended XYZ ({str(error) or type(error).__name__})") from error


def _pair(atoms: Any, index: int, path: Path, keys: Keys) -> tuple[Frame, Label]:
    # ASE moves the keys that it knows (energy, forces, ...) into a calculator; all others stay where they were.
    found = {**atoms.arrays, **atoms.info, **(atoms.calc.results if atoms.calc is not None else {})}
    n_atoms = len(atoms)
    stress = found.get(keys.stress)
    extras = {"dipole": (keys.dipole, (3,)), "charges": (keys.charges, (n_atoms,))}
    frame = Frame(
        system=str(found.get("system", path.stem)),
        trajectory=_whole(found, "trajectory", 0),
        md_step=_whole(found, "md_step", index),
        generation=_whole(found, "generation", 0),
        numbers=atoms.numbers.astype(np.int64),
        positions=_array(atoms.positions, "positions", (n_atoms, 3)),
        cell=np.array(atoms.cell, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
    )
    label = Label(
        energy=float(_array(_required(found, keys.energy), keys.energy, ())),
        forces=_array(_required(found, keys.forces), keys.forces, (n_atoms, 3)),
        stress=None if stress is None else _stress(stress, keys.stress),
        reference=str(found.get("reference", path.name)),
        wall_s=0.0,
        extras={name: _array(found[key], key, shape) for name, (key, shape) in extras.items() if key in found},
    )
    return frame, label


def _required(found: dict[str, Any], key: str) -> Any:
    if key not in found:
        raise ValueError(f"has no {key}")
    return found[key]


def _whole(found: dict[str, Any], key: str, default: int) -> int:
    value = found.get(key, default)
    if not isinstance(value, int | np.integer):
        raise ValueError(f"has {key} = {value}, which is not a whole number")
    return int(value)


def _array(values: ArrayLike, key: str, shape: tuple[int, ...]) -> FloatArray:
    try:
        array: FloatArray = np.array(values, dtype=np.float64).reshape(shape)
    except (ValueError, TypeError):
        raise ValueError(
            f"has {key} that is not {'one number' if shape == () else f'numbers of shape {shape}'}"
        ) from None
    if not np.isfinite(array).all():
        raise ValueError(f"has {key} that is not finite")
    return array


def _stress(values: ArrayLike, key: str) -> FloatArray:
    if np.size(values) == 6:
        return _array(values, key, (6,))
    return _array(values, key, (9,))[list(_MATRIX_AS_VOIGT)]


def _fault(path: Path, index: int, found: str, keys: Keys) -> Problem:
    return Problem(
        where=f"{path}, structure {index + 1}",
        found=found,
        allowed=f"{keys.energy} in eV, {keys.forces} in eV/Å and, if there is a stress, {keys.stress} in eV/Å³",
        advice="If the file uses other names, give them as MISC.energy_key, MISC.forces_key and MISC.stress_key.",
    )


def _shortened(problems: list[Problem], path: Path) -> list[Problem]:
    n_more = len(problems) - _MAX_REPORTED
    more = [Problem(str(path), f"{n_more} more structures have such faults")] if n_more > 0 else []
    return problems[:_MAX_REPORTED] + more
