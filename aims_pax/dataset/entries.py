"""Single structures with their labels, as files and ASE's atoms hold them."""

from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from aims_pax.constraints import constraints_of
from aims_pax.dataset.foreign import (
    config_type_of,
    forces_are_masked,
    is_dimer,
    is_free_atom,
    names_like,
    require_plausible,
    stress_of_virials,
    temperature_of,
    virials_key,
)
from aims_pax.errors import Problem
from aims_pax.frame import FloatArray, Frame, Label, Split
from aims_pax.spoken import Spoken, spoken_of

_MATRIX_AS_VOIGT = (0, 4, 8, 5, 2, 1)
"""Place of each Voigt element in the flattened matrix."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of the reference values in a file (MISC.energy_key and so on).

    Energy, stress and dipole stand on the comment line, forces and charges in columns. Dipole (e Å) and charges (e)
    are written where the label has extras of these names. Total charge (e) and total spin (2S + 1) stand on the comment
    line, too; both are read by the usual names besides.
    """

    energy: str = "REF_energy"
    forces: str = "REF_forces"
    stress: str = "REF_stress"
    dipole: str = "REF_dipole"
    charges: str = "REF_charges"
    total_charge: str = "charge"
    total_spin: str = "multiplicity"


SETTINGS_OF_KEYS: Final = "MISC.energy_key, MISC.forces_key and MISC.stress_key"
"""Where a project names the keys of its files."""


SPLIT_KEY: Final = "split"
"""What exported structures, and those of other programs that have such, are used for, for good."""


class Unlabelled(ValueError):
    """A structure that its program has not labelled: nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One structure of a file; without a label it is a free atom of this energy.

    Its forces are those of the file or calculator, also on atoms that its constraints hold. `split` is the place that
    it has in the dataset that it comes from; None where that does not say. `source` is what this program has noted of
    where it comes from, `temperature_k` that of its MD where the file tells it.
    """

    frame: Frame
    energy: float
    label: Label | None
    by_virials: bool = False
    unread: tuple[str, ...] = ()
    spoken: Spoken = field(default_factory=Spoken)
    is_dimer: bool = False
    is_masked: bool = False
    split: Split | None = None
    source: str = ""
    temperature_k: float | None = None


def atoms_of_block(block: str) -> Any:
    """ASE's atoms of the text of one structure in extended XYZ. ValueError where it is none."""
    from ase.io import read  # imports much

    try:
        return read(StringIO(block), index=0, format="extxyz")
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"can't be read as extended XYZ ({str(error) or type(error).__name__})") from error


def entry_of(atoms: Any, index: int, path: Path, keys: Keys) -> Entry:
    """One structure with its label, from ASE's atoms.

    Parameters
    ----------
    atoms : Atoms
    index : int
        Its place in the file.
    path : Path
    keys : Keys

    Raises
    ------
    ValueError
        A value is missing, or can't be what it is called; the message continues the structure's name.
    """
    # ASE moves the keys that it knows (energy, forces, ...) into a calculator; all others stay where they were.
    found = {**atoms.arrays, **atoms.info, **(atoms.calc.results if atoms.calc is not None else {})}
    n_atoms = len(atoms)
    extras = {"dipole": (keys.dipole, (3,)), "charges": (keys.charges, (n_atoms,))}
    spoken = _spoken(atoms, keys)
    frame = Frame(
        system=str(found.get("system", path.stem)),
        trajectory=_whole(found, "trajectory", 0),
        md_step=_whole(found, "md_step", index),
        generation=_whole(found, "generation", 0),
        numbers=atoms.numbers.astype(np.int64),
        positions=_array(atoms.positions, "positions", (n_atoms, 3)),
        cell=np.array(atoms.cell, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
        charge=spoken.whole_charge(),
        spin=spoken.multiplicity(atoms.numbers.tolist()),
        config_type=config_type_of(found),
    )
    energy = float(_array(_required(found, keys.energy, "energy"), keys.energy, ()))
    if is_free_atom(frame, found):
        return Entry(frame, energy, None)
    stress, by_virials = _stress_or_virials(found, frame, keys)
    label = Label(
        energy=energy,
        forces=_array(_required(found, keys.forces, "force"), keys.forces, (n_atoms, 3)),
        stress=stress,
        reference=str(found.get("reference", path.name)),
        wall_s=0.0,
        extras={name: _array(found[key], key, shape) for name, (key, shape) in extras.items() if key in found},
    )
    require_plausible(label, keys.forces, keys.stress)
    unread = tuple(names_like(found, "stress", "virial"))
    return Entry(
        frame=frame,
        energy=energy,
        label=label,
        by_virials=by_virials,
        unread=unread,
        spoken=spoken,
        is_dimer=is_dimer(found),
        is_masked=forces_are_masked(label.forces, constraints_of(atoms).fixed),
        split=_split(found),
        source=str(found.get("source", "")) if "label_id" in found else "",  # the word may mean anything elsewhere
        temperature_k=temperature_of(found),
    )


def fault_of(path: Path, index: int, found: str, keys: Keys, named_by: str) -> Problem:
    """What is told of a structure that is none, by what :func:`entry_of` says of it."""
    return Problem(
        where=f"{path}, structure {index + 1}",
        found=found,
        allowed=f"{keys.energy} in eV, {keys.forces} in eV/Å and, if there is a stress, {keys.stress} in eV/Å³",
        advice=f"If the file uses other names, give them as {named_by}." if "has no" in found else "",
    )


def _spoken(atoms: Any, keys: Keys) -> Spoken:
    """Charge and spin of one structure. ValueError where two names of it contradict each other, or its atoms."""
    spoken = spoken_of(atoms.info, charge_key=keys.total_charge, spin_key=keys.total_spin)
    if spoken.conflict:
        raise ValueError(f"has {spoken.conflict}, which can't both be")
    return spoken


def _split(found: dict[str, Any]) -> Split | None:
    """The place of a structure, by a reader of files that have such, or by an export of ours."""
    said = found.get(SPLIT_KEY)
    if isinstance(said, Split):
        return said
    is_ours = "label_id" in found and str(said) in list(Split)  # the word may mean anything elsewhere
    return Split(str(said)) if is_ours else None


def _required(found: dict[str, Any], key: str, what: str) -> Any:
    if key not in found:
        others = names_like(found, what)
        raise ValueError(f"has no {key}" + (f"; it has {', '.join(others[:5])}" if others else ""))
    return found[key]


def _stress_or_virials(found: dict[str, Any], frame: Frame, keys: Keys) -> tuple[FloatArray | None, bool]:
    """The stress, and whether it was made of virials; these are MACE's only under MACE's name."""
    stress, virials = found.get(keys.stress), found.get(virials_key(keys.stress))
    if stress is not None:
        return _stress(stress, keys.stress), False
    if virials is None or virials_key(keys.stress) == keys.stress or not frame.pbc.all():
        return None, False
    return stress_of_virials(_stress(virials, virials_key(keys.stress)), frame.cell), True


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
