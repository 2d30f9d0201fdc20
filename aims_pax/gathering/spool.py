"""Structures that were read, on disk until they are written: sets may be larger than the memory."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from aims_pax.calculations.step import Step
from aims_pax.errors import Problem, UserError
from aims_pax.frame import BoolArray, FloatArray, IntArray

N_BESIDES = 15
"""Numbers of a structure besides positions and forces: nine of the cell, six of the stress."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What structures of the same atoms in the same order share.

    Parameters
    ----------
    numbers : (n_atoms,) int
    pbc : (3,) bool
    """

    numbers: IntArray
    pbc: BoolArray


@dataclass(frozen=True, slots=True)
class Row:
    """One structure of the spool.

    Parameters
    ----------
    file : int
        Number of the output.
    step : int
        In it, from 1.
    kind, method : int
        Numbers of these.
    offset : int
        Where its numbers begin, bytes.
    energy : float, eV
    max_force : float, eV/Å
    charge, spin : int or None
    has_stress : bool
    is_free_atom : bool
    """

    file: int
    step: int
    kind: int
    method: int
    offset: int
    energy: float
    max_force: float
    charge: int | None
    spin: int | None
    has_stress: bool
    is_free_atom: bool


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The arrays of one structure.

    Parameters
    ----------
    positions, forces : (n_atoms, 3), Å and eV/Å
    cell : (3, 3), Å
    stress : (6,), eV/Å³, or None
    """

    positions: FloatArray
    forces: FloatArray
    cell: FloatArray
    stress: FloatArray | None


class Spool:
    """Structures in a temporary file.

    Parameters
    ----------
    file : binary file
        Empty.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._end, self._is_flushed = file, 0, True
        self._kinds: dict[tuple[bytes, bytes], int] = {}
        self.kinds: list[Kind] = []
        self.rows: list[Row] = []

    def add(self, step: Step, *, file: int, number: int, method: int, is_free_atom: bool) -> Row:
        """Keep a step that lacks nothing; forces of a free atom are zero by symmetry."""
        assert step.numbers is not None, "judged to be whole"
        assert step.positions is not None, "judged to be whole"
        assert step.cell is not None, "judged to be whole"
        assert step.energy is not None, "judged to be whole"
        forces = step.forces if step.forces is not None else np.zeros_like(step.positions)
        stress = step.stress if step.stress is not None else np.full(6, np.nan)
        block = np.concatenate([step.positions.ravel(), forces.ravel(), step.cell.ravel(), stress]).astype(np.float64)
        row = Row(
            file=file,
            step=number,
            kind=self._kind(step),
            method=method,
            offset=self._end,
            energy=float(step.energy),
            max_force=float(np.sqrt(np.einsum("ij,ij->i", forces, forces).max(initial=0.0))),
            charge=step.charge,
            spin=step.spin,
            has_stress=step.stress is not None,
            is_free_atom=is_free_atom,
        )
        self._end += self._file.write(block.tobytes())
        self._is_flushed = False
        self.rows.append(row)
        return row

    def forget(self, *, file: int) -> None:
        """Keep nothing of an output, the last one that structures were added of."""
        self.rows[:] = [row for row in self.rows if row.file != file]

    def _kind(self, step: Step) -> int:
        assert step.numbers is not None, "judged to be whole"
        numbers, pbc = step.numbers.astype(np.int64), np.array(step.pbc, dtype=np.bool_)
        key = (numbers.tobytes(), pbc.tobytes())
        if key not in self._kinds:
            self._kinds[key] = len(self.kinds)
            self.kinds.append(Kind(numbers, pbc))
        return self._kinds[key]

    def kind_of(self, row: Row) -> Kind:
        """Atoms and periodicity of a structure."""
        return self.kinds[row.kind]

    def numbers_of(self, row: Row) -> Numbers:
        """The arrays of a structure."""
        if not self._is_flushed:
            self._file.flush()
            self._is_flushed = True
        n_atoms = len(self.kinds[row.kind].numbers)
        size = 8 * (6 * n_atoms + N_BESIDES)
        values = np.frombuffer(os.pread(self._file.fileno(), size, row.offset), dtype=np.float64)
        positions, forces, rest = np.split(values, [3 * n_atoms, 6 * n_atoms])
        return Numbers(
            positions.reshape(n_atoms, 3),
            forces.reshape(n_atoms, 3),
            rest[:9].reshape(3, 3),
            rest[9:] if row.has_stress else None,
        )


@contextmanager
def spooled(folder: Path | None = None) -> Iterator[Spool]:
    """A spool in a file that no folder lists: it is gone with the process.

    Parameters
    ----------
    folder : Path or None
        On whose disk it lies; None: where temporary files usually do.

    Raises
    ------
    UserError
        Nothing can be written there, or no more.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=1 << 20) as file:
            yield Spool(file)
    except OSError as error:
        where = str(folder or tempfile.gettempdir())
        found = f"No temporary file can be written here ({error.strerror})."
        raise UserError(Problem(where, found, "a folder that you may write to, with room")) from error
