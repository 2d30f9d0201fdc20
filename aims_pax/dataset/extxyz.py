"""Datasets as extended XYZ files, with the keys that MACE reads.

Numbers are written with all their digits, so that a file read back is bit for bit what was written. The stress is
written as nine numbers, the form of the extended XYZ specification; MACE and ASE read it, and six in Voigt's order.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import SETTINGS_OF_KEYS, Entry, Keys, Unlabelled, atoms_of_block, entry_of, fault_of
from aims_pax.dataset.foreign import mask_remarks
from aims_pax.dataset.hdf5.opening import FAULTS, KINDS, hdf5_file, is_hdf5
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split
from aims_pax.xyz import blocks

_VOIGT_AS_MATRIX = (0, 5, 4, 5, 1, 3, 4, 3, 2)
"""Place of each element of the stress matrix in ASE's Voigt order xx, yy, zz, yz, xz, xy."""

_PLAIN_TEXT = re.compile(
    r"(?!(?:t|f|true|false|nan|inf|infinity)(?: |$))[a-z][a-z0-9_.+/-]*( [!#-\[\]-~]+)*", re.IGNORECASE
)
"""Words of which the first is neither a number nor a truth value, without quotes or backslashes."""

_SAME_ENERGY_EV = 1e-3

EARLIER = "old_"
"""What the names of values begin with that another reference had given: old_energy, old_forces, old_stress."""

NO_FACTS: Mapping[str, str] = MappingProxyType({})

_MAX_REPORTED = 5
"""Faulty structures that are named one by one."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The content of one file.

    Parameters
    ----------
    path : Path
    structures : tuple of (Frame, Label)
        All but free atoms.
    free_atoms_ev : mapping of atomic number to eV
        Energies of the free atoms among the structures: E0 to train with, and no structures to learn forces from.
    n_by_virials : int
        Structures whose stress was made of virials.
    n_without_stress : int
        Periodic structures that have no stress.
    unread : tuple of str
        Names in these that may mean a stress.
    charges : tuple of float
        Total charges that structures speak of, elementary charges.
    dimers : tuple of int
        Which of the structures are called dimers.
    unread_spins : tuple of str
        What is said of spins that these atoms, with their charge, can't have.
    n_masked : int
        Structures whose forces are zero exactly where their constraints hold atoms.
    splits : tuple of (Split or None)
        What each structure is used for in the dataset that it comes from; None where that does not say.
    n_unlabelled : int
        Structures that their program has not labelled, and that are left out.
    sources : tuple of str
        What this program has noted of where each structure comes from; none where it is of other programs.
    temperatures_k : tuple of float or None, K
        Of the MD that each structure comes from; None of those that do not tell it.
    """

    path: Path
    structures: tuple[tuple[Frame, Label], ...]
    free_atoms_ev: Mapping[int, float] = field(default_factory=dict)
    n_by_virials: int = 0
    n_without_stress: int = 0
    unread: tuple[str, ...] = ()
    charges: tuple[float, ...] = ()
    dimers: tuple[int, ...] = ()
    n_masked: int = 0
    unread_spins: tuple[str, ...] = ()
    splits: tuple[Split | None, ...] = ()
    n_unlabelled: int = 0
    sources: tuple[str, ...] = ()
    temperatures_k: tuple[float | None, ...] = ()

    @property
    def has_splits(self) -> bool:
        """Whether any structure says what it is used for."""
        return any(split is not None for split in self.splits)

    def only(self, chosen: Sequence[int]) -> "Dataset":
        """The same with some of the structures alone."""
        return replace(
            self,
            structures=tuple(self.structures[index] for index in chosen),
            splits=tuple(self.splits[index] for index in chosen) if self.splits else (),
            sources=tuple(self.sources[index] for index in chosen) if self.sources else (),
            temperatures_k=tuple(self.temperatures_k[index] for index in chosen) if self.temperatures_k else (),
            dimers=tuple(place for place, index in enumerate(chosen) if index in set(self.dimers)),
        )

    def of(self, split: Split) -> "Dataset":
        """The same with the structures alone that say that they are used for this; those that say nothing train."""
        return self.only([index for index, one in enumerate(self.splits) if (one or Split.TRAINING) is split])

    def left_out_remarks(self) -> Iterator[Problem]:
        """What is said of structures without labels."""
        if self.n_unlabelled:
            found = f"{self.n_unlabelled} structures have neither energy nor forces, beside {len(self.structures)}."
            yield Problem(str(self.path), found, "", "They are left out: nobody has labelled them.")

    def mask_remarks(self) -> tuple[Problem, ...]:
        """What is said of forces that were masked before they were written."""
        return tuple(mask_remarks(str(self.path), self.n_masked, len(self.structures)))


def write_extxyz(path: Path, labelled: Iterable[LabelledFrame], keys: Keys | None = None) -> int:
    """Write labelled structures; the number of them is the result.

    The file appears complete or not at all. Besides the reference values, each structure carries ``label_id``,
    ``split``, ``stage``, ``source``, ``system``, ``trajectory``, ``md_step``, ``generation``, ``reference`` and, where
    there are such, ``charge``, ``multiplicity``, ``config_type`` and the ``member`` that alone uses it.
    """
    keys = keys or Keys()
    n_written = 0
    with replacing(path) as file:
        for structure in labelled:
            told = {"split": str(structure.split), "stage": structure.stage, "source": structure.source}
            file.write(block_of(structure, keys, facts_besides={key: said for key, said in told.items() if said}))
            n_written += 1
    return n_written


def read_extxyz(path: Path, keys: Keys | None = None) -> list[tuple[Frame, Label]]:
    """The labelled structures of a file without free atoms, see :func:`read_dataset`."""
    return list(read_dataset(path, keys).structures)


def read_dataset(path: Path, keys: Keys | None = None, *, named_by: str = SETTINGS_OF_KEYS) -> Dataset:
    """Read labelled structures, of this program or another: extended XYZ, or HDF5 of the kinds that are known.

    A structure without an identity of its own gets the file's name as its system, trajectory 0, generation 0 and its
    place in the file as its MD step. How long the calculation took is not in the file; ``wall_s`` is 0.

    An atom alone, with MACE's `config_type` IsolatedAtom or without a cell, tells an E0 and needs no forces. Where
    there is no stress, MACE's virials (REF_virials, eV, minus stress times volume) are taken.

    Parameters
    ----------
    path : Path
    keys : Keys or None
    named_by : str
        Where a person names keys, for the advice.

    Raises
    ------
    StructureError
        The file can't be read, is empty, has structures without energy or forces, or values that can't be in eV and Å.
    """
    collected = _Collected(path, keys or Keys(), named_by)
    if is_hdf5(path):
        return _of_hdf5(path, collected)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for index, block in enumerate(blocks(file)):
                collected.add(index, block)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        collected.problems.insert(0, Problem(str(path), f"can't be read ({reason})", "a file in extended XYZ format"))
    return collected.dataset()


def _of_hdf5(path: Path, collected: "_Collected") -> Dataset:
    try:
        file = hdf5_file(path, collected.keys)
        for index in range(len(file)):
            collected.add_read(index, partial(file.atoms, index))
    except FAULTS as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        collected.problems.insert(0, Problem(str(path), f"can't be read ({reason})", f"HDF5 of {KINDS}"))
    return collected.dataset()


def dataset_of_atoms(images: Iterable[Any], keys: Keys, *, name: str, named_by: str) -> Dataset:
    """The same of ASE's atoms, whose labels are results of a calculator, or stand in `info` and `arrays`.

    Parameters
    ----------
    images : iterable of Atoms
    keys : Keys
    name : str
        What messages call the whole of them.
    named_by : str

    Raises
    ------
    StructureError
        As from :func:`read_dataset`.
    """
    collected = _Collected(Path(name), keys, named_by)
    for index, atoms in enumerate(images):
        collected.add(index, atoms)
    return collected.dataset()


@dataclass(frozen=True, slots=True)
class _Collected:
    """Structures as they are read one by one, and everything wrong with them."""

    path: Path
    keys: Keys
    named_by: str
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unlabelled: list[int] = field(default_factory=list)

    def add(self, index: int, structure: Any) -> None:
        """Read one: ASE's atoms, or the text of a block."""
        try:
            atoms = atoms_of_block(structure) if isinstance(structure, str) else structure
            self.entries.append(entry_of(atoms, index, self.path, self.keys))
        except ValueError as error:
            self.problems.append(fault_of(self.path, index, str(error), self.keys, self.named_by))

    def add_read(self, index: int, read: Callable[[], Any]) -> None:
        """Read one by its own reader, which says what is wrong with it."""
        try:
            self.add(index, read())
        except Unlabelled:
            self.unlabelled.append(index)
        except FAULTS as error:
            found = str(error) or type(error).__name__
            self.problems.append(Problem(f"{self.path}, structure {index + 1}", found, "whole structures with labels"))

    def dataset(self) -> Dataset:
        """All of them. StructureError when anything is wrong."""
        if self.problems:
            raise StructureError(_shortened(self.problems, self.path))
        return _dataset(self.path, self.entries, n_unlabelled=len(self.unlabelled))


def _dataset(path: Path, entries: list[Entry], *, n_unlabelled: int) -> Dataset:
    free: dict[int, float] = {}
    for entry in entries:
        number = int(entry.frame.numbers[0])
        if entry.label is not None:
            continue
        if abs(free.setdefault(number, entry.energy) - entry.energy) > _SAME_ENERGY_EV:
            found = f"has free atoms of Z = {number} with the energies {free[number]:g} and {entry.energy:g} eV"
            raise StructureError(Problem(str(path), found, "one energy for each element", "Keep the right one."))
    labelled = [entry for entry in entries if entry.label is not None]
    if not labelled:
        found = "holds free atoms only" if free else "holds no labels" if n_unlabelled else "holds no structure"
        raise StructureError(Problem(str(path), found, "at least one labelled structure"))
    bare = [entry for entry in labelled if entry.label and entry.label.stress is None and entry.frame.pbc.all()]
    return Dataset(
        path,
        tuple((entry.frame, entry.label) for entry in labelled if entry.label is not None),
        free,
        n_by_virials=sum(entry.by_virials for entry in labelled),
        n_without_stress=len(bare),
        unread=tuple(sorted({name for entry in bare for name in entry.unread})),
        charges=tuple(sorted({q for entry in labelled if (q := entry.spoken.charge) is not None})),
        unread_spins=tuple(
            sorted(
                {entry.spoken.words for entry in labelled if entry.spoken.multiplicities and entry.frame.spin is None}
            )
        ),
        dimers=tuple(index for index, entry in enumerate(labelled) if entry.is_dimer),
        n_masked=sum(entry.is_masked for entry in labelled),
        splits=tuple(entry.split for entry in labelled) if any(entry.split for entry in labelled) else (),
        n_unlabelled=n_unlabelled,
        sources=tuple(entry.source for entry in labelled) if any(entry.source for entry in labelled) else (),
        temperatures_k=tuple(entry.temperature_k for entry in labelled),
    )


def block_of(
    structure: LabelledFrame, keys: Keys, *, earlier: Label | None = None, facts_besides: Mapping[str, str] = NO_FACTS
) -> str:
    """One structure as text.

    Parameters
    ----------
    structure : LabelledFrame
    keys : Keys
    earlier : Label or None
        Another label of it, which is written with names that begin with :data:`EARLIER`.
    facts_besides : mapping of str to str
        What else stands on the comment line, as it is to be read.
    """
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
    if frame.charge is not None:
        facts[keys.total_charge] = str(frame.charge)
    if frame.spin is not None:
        facts[keys.total_spin] = str(frame.spin)  # other programs call the number of unpaired electrons spin
    if frame.config_type:
        facts["config_type"] = _text(frame.config_type)
    if structure.member is not None:
        facts["member"] = str(structure.member)
    if "dipole" in label.extras:
        facts[keys.dipole] = _row(label.extras["dipole"])
    if "charges" in label.extras:
        columns += f":{keys.charges}:R:1"
        arrays.append(label.extras["charges"].reshape(frame.n_atoms, 1))
    if earlier is not None:
        columns += f":{EARLIER}forces:R:3"
        arrays.append(earlier.forces)
        facts |= {f"{EARLIER}energy": repr(float(earlier.energy)), f"{EARLIER}reference": _text(earlier.reference)}
        if earlier.stress is not None:
            facts[f"{EARLIER}stress"] = _row(earlier.stress[list(_VOIGT_AS_MATRIX)])
    facts |= {key: _text(value) for key, value in facts_besides.items() if key not in facts}
    facts |= {"pbc": _periodicity(frame)}
    comment = " ".join([f"Properties={columns}", *(f"{key}={value}" for key, value in facts.items())])
    return "\n".join([str(frame.n_atoms), comment, *_lines(frame, arrays)]) + "\n"


def structure_block_of(frame: Frame, facts: Mapping[str, str | float], keys: Keys | None = None) -> str:
    """One structure without a label as text.

    Parameters
    ----------
    frame : Frame
    facts : mapping of str to str or number
        What the comment line tells first, as it is to be read.
    keys : Keys or None
        The names of charge and spin, which are told where there are such, as is the `config_type`.
    """
    keys = keys or Keys()
    told = {key: _text(value) if isinstance(value, str) else str(value) for key, value in facts.items()}
    if frame.pbc.any() or frame.cell.any():
        told = {"Lattice": _row(frame.cell)} | told
    optional = {keys.total_charge: frame.charge, keys.total_spin: frame.spin}
    told |= {key: str(value) for key, value in optional.items() if value is not None}
    if frame.config_type:
        told["config_type"] = _text(frame.config_type)
    told["pbc"] = _periodicity(frame)
    comment = " ".join(["Properties=species:S:1:pos:R:3", *(f"{key}={value}" for key, value in told.items())])
    return "\n".join([str(frame.n_atoms), comment, *_lines(frame, [frame.positions])]) + "\n"


def _periodicity(frame: Frame) -> str:
    return '"' + " ".join("T" if periodic else "F" for periodic in frame.pbc) + '"'


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


def _shortened(problems: list[Problem], path: Path) -> list[Problem]:
    n_told = 1 if len({one.found for one in problems}) == 1 else _MAX_REPORTED
    n_more = len(problems) - n_told
    said = "1 more structure has such a fault" if n_more == 1 else f"{n_more} more structures have such faults"
    return problems[:n_told] + ([Problem(str(path), said)] if n_more > 0 else [])
