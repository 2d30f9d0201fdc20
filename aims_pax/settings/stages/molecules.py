"""MISC.mol_idxs: groups of atoms that are judged as wholes, and what can't be true of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import numpy as np
from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from aims_pax.errors import Problem
from aims_pax.settings.committee.losses import INTERMOLECULAR
from aims_pax.settings.motion.groups import atoms_from
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.reading.kinds import Kind, Schema, existing_file, misfit, resolved, shown

if TYPE_CHECKING:
    from aims_pax.settings.committee.mace import MaceSettings
    from aims_pax.settings.sections import Settings
    from aims_pax.settings.systems import System

Groups: TypeAlias = tuple[tuple[int, ...], ...]
"""Atoms of each of some molecules."""

KEYS: Final = ("MISC", "mol_idxs")
ALLOWED: Final = "list of molecules, each a list of atoms or ranges such as 0-11; or {system: list}; or path of an .npz"


def _molecules(value: object, info: ValidationInfo) -> Groups | dict[int | str, Groups]:
    if isinstance(value, str):
        return _groups(_in_file(value, info))
    if not isinstance(value, Mapping):
        return _groups(value)
    if not value:
        raise misfit("is an empty mapping")
    wrong = next((key for key in value if isinstance(key, bool) or not isinstance(key, int | str)), None)
    if wrong is not None:
        raise misfit(f"has the key {wrong!r}, which is neither the index nor the name of a system")
    return {key: _groups(groups) for key, groups in value.items()}


def _groups(value: object) -> Groups:
    if not isinstance(value, list | tuple) or not value:
        raise misfit(f"is {shown(value)}" if value or value is None else "is an empty list")
    for item in value:
        if not isinstance(item, list | tuple | str):
            raise misfit(f"has {shown(item)} among its molecules, which is no list of atoms")
    return tuple(atoms_from(item) for item in value)


def _in_file(name: str, info: ValidationInfo) -> object:
    """What aims-PAX v0.2 reads of such a file, as far as that is safe: pickled objects may run any code."""
    path = existing_file(resolved(name, info))
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["arr_0"].tolist()
    except ValueError as error:
        if "Object arrays" in str(error):
            found = "which holds pickled objects: molecules of several sizes must be written as a list"
            raise misfit(f"names {path}, {found}") from None
        raise misfit(f"names {path}, which is no .npz file of NumPy") from None
    except (OSError, KeyError, EOFError, AttributeError):
        raise misfit(f"names {path}, which is no .npz file of NumPy with an array arr_0") from None


Molecules = Annotated[
    Groups | dict[int | str, Groups],
    PlainValidator(_molecules),
    PlainSerializer(lambda value: value, return_type=Any),  # else pydantic warns of tuples that JSON has as lists
    Kind(ALLOWED),
    Schema({"anyOf": [{"type": "array"}, {"type": "object"}, {"type": "string"}]}),
]


def molecules_of(written: Groups | Mapping[int | str, Groups] | None, *, name: str, index: int) -> Groups:
    """The molecules of one system, by what MISC.mol_idxs says; empty where none are told apart."""
    if written is None:
        return ()
    if not isinstance(written, Mapping):
        return written
    return written.get(name, written.get(index, ()))


def molecule_problems(
    written: Groups | Mapping[int | str, Groups] | None, document: Document, systems: "Sequence[System]"
) -> Iterator[Problem]:
    """Molecules of systems that there are not, or that can't be told apart in theirs."""
    if written is None:
        return
    names = [system.name for system in systems]
    for key in written if isinstance(written, Mapping) else ():
        keys: KeyPath = (*KEYS, key)
        if key not in names and key not in range(len(names)):
            found = f"{dotted(keys)} is none of the starting structures."
            allowed = ", ".join(f"{index}: {name}" for index, name in enumerate(names[:12]))
            yield Problem(document.where(keys), found, allowed)
        elif isinstance(key, int) and names[key] in written:
            found = f"{dotted(keys)} and {dotted((*KEYS, names[key]))} are the same structure."
            yield Problem(document.where(keys), found, "", "Keep one of them.")
    for index, system in enumerate(systems):
        place = next((key for key in (system.name, index) if isinstance(written, Mapping) and key in written), None)
        place_keys: KeyPath = KEYS if place is None else (*KEYS, place)
        groups = molecules_of(written, name=system.name, index=index)
        for words in _defects(groups, system.name, system.frame.n_atoms):
            where, said = document.where(place_keys), f"{dotted(place_keys)}: {words[0]}"
            yield Problem(where, said, words[1], words[2])


def _defects(groups: Groups, name: str, n_atoms: int) -> Iterator[tuple[str, str, str]]:
    """What can't be in one system: found, allowed, advice."""
    homes: dict[int, int] = {}
    for number, atoms in enumerate(groups):
        if (last := max(atoms)) >= n_atoms:
            found = f"molecule {number} names atom {last}, and {name} has {n_atoms} atoms."
            yield found, f"0 to {n_atoms - 1}", "Atoms are counted from 0; write {system: list} where systems differ."
        elif len(atoms) == n_atoms:
            found = f"molecule {number} is all of {name}: no forces act on it from outside, so all models agree."
            yield found, "", "Name the molecules one by one."
        shared = next((atom for atom in atoms if atom in homes), None)
        if shared is not None:
            yield f"atom {shared} is in the molecules {homes[shared]} and {number}.", "", "Name it once."
        homes |= dict.fromkeys(atoms, number)


def loss_problems(
    settings: "Settings", document: Document, mace: "MaceSettings", mace_document: Document
) -> Iterator[Problem]:
    """A loss of molecules that nobody names, and how to weigh them for a loss that has none."""
    is_theirs, keys = mace.training.loss == INTERMOLECULAR, ("TRAINING", "loss")
    if is_theirs and settings.misc.mol_idxs is None:
        found = f"{dotted(keys)} is {INTERMOLECULAR}, and {dotted(KEYS)} tells no molecules apart."
        yield Problem(mace_document.where(keys), found, "", f"Name them by {dotted(KEYS)}, or set loss: weighted.")
    for plan in settings.learning if not is_theirs else ():
        for key in ("intermol_crossed_limit", "intermol_forces_weight"):
            value, usual = getattr(plan.settings, key), type(plan.settings).model_fields[key].default
            if value != usual:
                found = f"{plan.said(key)} is {value:g}, and {dotted(keys)} is {mace.training.loss}, which reads none."
                yield Problem(document.where((*plan.keys, key)), found, "", "Remove it, or set loss: intermol.")
