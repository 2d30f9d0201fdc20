"""Labelled structures in files that may be too large to be held: each is read when it is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.dataset.entries import SETTINGS_OF_KEYS, Entry, Keys, atoms_of_block, entry_of
from aims_pax.dataset.hdf5.opening import FAULTS, KINDS, SUFFIXES, LabelledFile, hdf5_file, is_hdf5
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame, Label
from aims_pax.xyz import blocks

XYZ_SUFFIXES: Final = (".xyz", ".extxyz")


@dataclass(frozen=True, slots=True)
class Fault:
    """A structure that can't be learned, and why: ``has no REF_forces``."""

    place: str
    found: str


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A structure of a stock with its label.

    Parameters
    ----------
    number : int
        In the stock.
    place : str
        File and place in it: ``pool.xyz, structure 7``.
    frame : Frame
        Its trajectory is minus the number of the file, its MD step the place in it; both from 1.
    label : Label
    """

    number: int
    place: str
    frame: Frame
    label: Label


class Stock:
    """Labelled structures of one or several files, by their numbers from 0.

    Parameters
    ----------
    paths : sequence of Path
        Extended XYZ, HDF5 of MACE, of the authors of aims-PAX or of AiiDA-TrainsPot, or what else ASE reads.
    keys : Keys

    Raises
    ------
    StructureError
        With everything that is wrong with the files as such.
    """

    def __init__(self, paths: Sequence[Path], keys: Keys) -> None:
        self.paths, self._keys = tuple(paths), keys
        self._files: list[LabelledFile] = []
        problems: list[Problem] = []
        for path in self.paths:
            try:
                file = _opened(path, keys)
                if not len(file):
                    raise ValueError("it holds no structure")
                self._files.append(file)
            except FAULTS as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                allowed = f"extended XYZ, HDF5 ({', '.join(SUFFIXES)}) of {KINDS}, or what ASE reads"
                problems.append(Problem(str(path), f"can't be read ({reason})", allowed))
        if problems:
            raise StructureError(problems)
        self._ends = np.cumsum([len(file) for file in self._files])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def entry(self, number: int) -> Entry | Fault:
        """One structure as it is in its file; a free atom has no label."""
        which, index = self._home(number)
        try:
            return entry_of(self._files[which].atoms(index), index, self.paths[which], self._keys)
        except FAULTS as error:
            return Fault(self.place(number), str(error) or type(error).__name__)

    def labelled(self, numbers: Sequence[int]) -> Iterator[Labelled]:
        """The structures with these numbers; those that can't be learned, and free atoms, are left out."""
        for number in numbers:
            entry = self.entry(number)
            if isinstance(entry, Fault) or entry.label is None:
                continue
            which, index = self._home(number)
            frame = Frame(
                system=entry.frame.system,
                trajectory=-1 - which,
                md_step=index + 1,
                generation=0,
                numbers=entry.frame.numbers,
                positions=entry.frame.positions,
                cell=entry.frame.cell,
                pbc=entry.frame.pbc,
                charge=entry.frame.charge,
                spin=entry.frame.spin,
                config_type=entry.frame.config_type,
            )
            yield Labelled(number, self.place(number), frame, entry.label)

    def number_of(self, frame: Frame) -> int:
        """The number of a structure that :meth:`labelled` has given."""
        which = -1 - frame.trajectory
        return frame.md_step - 1 + (int(self._ends[which - 1]) if which else 0)

    def place(self, number: int) -> str:
        """File and place in it, as a person counts: ``pool.xyz, structure 7``."""
        which, index = self._home(number)
        return f"{self.paths[which].name}, structure {index + 1}"

    def problem(self, fault: Fault) -> Problem:
        """What is said of a structure that can't be learned."""
        keys = self._keys
        allowed = f"{keys.energy} in eV, {keys.forces} in eV/Å"
        advice = f"If the file uses other names, give them as {SETTINGS_OF_KEYS}." if "has no" in fault.found else ""
        return Problem(fault.place, fault.found, allowed, advice)

    def _home(self, number: int) -> tuple[int, int]:
        """Number of the file, and of the structure in it."""
        which = int(np.searchsorted(self._ends, number, side="right"))
        return which, number - (int(self._ends[which - 1]) if which else 0)


def _opened(path: Path, keys: Keys) -> LabelledFile:
    suffix = path.suffix.lower()
    if suffix in XYZ_SUFFIXES:
        return _XyzFile(path)
    return hdf5_file(path, keys) if is_hdf5(path) else _AseFile(path, keys)


class _XyzFile:
    """Extended XYZ: where each structure begins is found once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = np.fromiter(_starts(path), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def atoms(self, index: int) -> Any:
        start, end = self._starts[index : index + 2].tolist()
        with self._path.open("rb") as file:
            file.seek(start)
            text = file.read(end - start).decode("utf-8-sig", errors="replace")
        return atoms_of_block(next(blocks(StringIO(text))))


def _starts(path: Path) -> Iterator[int]:
    """Where structures begin, and the end of the file, bytes.

    Raises
    ------
    ValueError
        The file is not made of whole structures.
    """
    at, n_lines = 0, 0
    with path.open("rb") as file:
        for header in file:
            n_lines += 1
            start, at = at, at + len(header)
            word = header.removeprefix(b"\xef\xbb\xbf").strip()
            if not word or word.startswith(b"VEC"):
                continue
            if not word.isdigit() or int(word) == 0:
                raise ValueError(f"line {n_lines}: a number of atoms should stand here")
            lines = list(islice(file, int(word) + 1))
            if len(lines) < int(word) + 1:
                raise ValueError(f"line {n_lines}: the file ends within this structure of {int(word)} atoms")
            n_lines += len(lines)
            at += sum(map(len, lines))
            yield start
    yield at


class _AseFile:
    """What else ASE reads; its structures are held together, and their labels are results of calculators."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self._path, self._keys = path, keys

    @cached_property
    def _images(self) -> list[Any]:
        from ase.io import read
        from ase.io.formats import UnknownFileTypeError

        try:
            images: list[Any] = read(self._path, index=":")
        except UnknownFileTypeError as error:
            raise ValueError(f"ASE knows no format of this name, {error}") from None
        return images

    def __len__(self) -> int:
        return len(self._images)

    def atoms(self, index: int) -> Any:
        atoms = self._images[index].copy()
        calculator = self._images[index].calc
        results = {} if calculator is None else calculator.results
        for name, key in (("energy", self._keys.energy), ("stress", self._keys.stress)):
            if name in results:
                atoms.info.setdefault(key, results[name])
        if "forces" in results and self._keys.forces not in atoms.arrays:
            atoms.arrays[self._keys.forces] = results["forces"]
        return atoms
