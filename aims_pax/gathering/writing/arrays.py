"""Arrays by composition in the layout of AtomProNet.

For each composition a folder ``counts_32_48`` with ``positions.npz`` (n, atoms, 3) in Å, ``forces.npz`` (n, atoms, 3)
in eV/Å, ``lattice.npz`` (n, 9) in Å, rows of the cell one after the other, ``energies.npz`` (n, 1) in eV,
``pressures.npz`` (n, 6) in eV and ``symbols.npz`` (n, atoms); ``Converted.npz`` has all of them. Each array stands
under the name of its file. ``pressures`` are what VASP prints as Total above its row in kB: the virial, minus stress by
volume, positive under compression, in the order xx, yy, zz, xy, yz, zx.

Source: MusannaGalib/AtomProNet at 4a53d01, combine.py and npz_to_extxyz.py.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aims_pax.frame import FloatArray, IntArray
from aims_pax.gathering.spool import Kind, Numbers, Row, Spool

_FROM_VOIGT: Final = (0, 1, 2, 5, 3, 4)
"""Places of xx, yy, zz, xy, yz, zx in ASE's order."""

CONVERTED: Final = "Converted.npz"


def write_npz(folder: Path, spool: Spool, rows: Sequence[Row]) -> list[str]:
    """Write a folder for each composition; their names are the result.

    Structures of the same atoms in the same order share one. Where some have no stress, their rows of pressures are
    NaN; where none has, there is no such file.
    """
    by_atoms: dict[bytes, list[Row]] = {}
    for row in rows:
        by_atoms.setdefault(spool.kind_of(row).numbers.tobytes(), []).append(row)
    names = _names([spool.kind_of(mine[0]).numbers for mine in by_atoms.values()])
    for name, mine in zip(names, by_atoms.values(), strict=True):
        _write_composition(folder / name, spool, mine)
    return names


def _names(compositions: Sequence[IntArray]) -> list[str]:
    """Names by counts of neighbouring atoms of one element; where two are called the same, elements follow."""
    runs = [[(int(number), len(list(same))) for number, same in groupby(one.tolist())] for one in compositions]
    by_counts = ["_".join(["counts", *(str(count) for _, count in one)]) for one in runs]
    return [
        name if by_counts.count(name) == 1 else "_".join([name, *(chemical_symbols[number] for number, _ in one)])
        for name, one in zip(by_counts, runs, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Column:
    """One array: the shape of a row, and what makes it."""

    shape: tuple[int, ...]
    of: Callable[[Row, Kind, Numbers], NDArray[Any]]
    dtype: str = "<f8"


def _columns(n_atoms: int, *, has_stress: bool) -> Mapping[str, _Column]:
    columns = {
        "positions": _Column((n_atoms, 3), lambda row, kind, numbers: numbers.positions),
        "lattice": _Column((9,), lambda row, kind, numbers: numbers.cell.ravel()),
        "symbols": _Column((n_atoms,), lambda row, kind, numbers: _symbols(kind), dtype="<U2"),
        "energies": _Column((1,), lambda row, kind, numbers: np.array([row.energy])),
        "forces": _Column((n_atoms, 3), lambda row, kind, numbers: numbers.forces),
    }
    if has_stress:
        columns["pressures"] = _Column((6,), lambda row, kind, numbers: _pressures(numbers))
    return columns


def _symbols(kind: Kind) -> NDArray[Any]:
    return np.array([chemical_symbols[number] for number in kind.numbers])


def _pressures(numbers: Numbers) -> FloatArray:
    if numbers.stress is None:
        return np.full(6, np.nan)
    virial: FloatArray = -numbers.stress[list(_FROM_VOIGT)] * abs(np.linalg.det(numbers.cell))
    return virial


def _write_composition(folder: Path, spool: Spool, rows: Sequence[Row]) -> None:
    folder.mkdir(parents=True)
    columns = _columns(len(spool.kind_of(rows[0]).numbers), has_stress=any(row.has_stress for row in rows))
    with zipfile.ZipFile(folder / CONVERTED, "w") as together:
        for name, column in columns.items():
            with zipfile.ZipFile(folder / f"{name}.npz", "w") as alone:
                for archive in (alone, together):
                    _write_array(archive, name, (len(rows), *column.shape), column, values=_rows(spool, rows, column))


def _rows(spool: Spool, rows: Iterable[Row], column: _Column) -> Iterator[NDArray[Any]]:
    for row in rows:
        yield np.ascontiguousarray(column.of(row, spool.kind_of(row), spool.numbers_of(row)), dtype=column.dtype)


def _write_array(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], column: _Column, *, values: Iterable[NDArray[Any]]
) -> None:
    """Write an array row by row, as NumPy writes whole ones."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(column.dtype)), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for row in values:
            file.write(row.tobytes())
