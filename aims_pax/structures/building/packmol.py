"""Packmol as a process: what it reads, and how it ends.

L. Martínez, R. Andrade, E. G. Birgin, J. M. Martínez, J. Comput. Chem. 30, 2157 (2009).
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.structures.building.failure import NotBuilt

INSTALL: Final = "python -m pip install 'aims-pax[workflows]'"
LIMIT_S: Final = 300.0
"""Far beyond what some hundred molecules take, which is a second."""

N_LOOPS: Final = 40
"""Rounds of Packmol. Water of 1.4 g/cm³ takes three, of 1.6 up to thirteen; its own limit is 50 for each molecule."""

_UNPACKED: Final = 173
"""What version 21 ends with when it has found no packing."""


class Ending(StrEnum):
    """How Packmol ended without a packing."""

    UNPACKED = "unpacked"
    """It has found none."""
    TIMED_OUT = "timed out"
    """It was still looking."""


@dataclass(frozen=True, slots=True)
class Group:
    """Molecules of one kind, and what holds for them.

    Parameters
    ----------
    numbers : (n_atoms,) int
    positions : (n_atoms, 3), Å
        Of one molecule.
    n : int
        How many.
    rules : tuple of str
        Lines within their ``structure`` block.
    """

    numbers: IntArray
    positions: FloatArray
    n: int
    rules: tuple[str, ...]


def program() -> str:
    """Path of Packmol: beside this Python, or wherever the shell finds it.

    Raises
    ------
    NotBuilt
        It is not installed.
    """
    beside = Path(sys.executable).parent / "packmol"
    found = str(beside) if beside.is_file() else shutil.which("packmol")
    if found is None:
        raise NotBuilt("Molecules are packed by Packmol, which is not installed.", f"Install it: {INSTALL}")
    return found


def packed_positions(
    groups: Sequence[Group], head: Sequence[str], *, seed: int, limit_s: float = LIMIT_S
) -> FloatArray | Ending:
    """Positions of all atoms, group by group, molecule by molecule, (n_atoms, 3) Å; or how it ended without.

    The same input, seed and version give the same positions to the last digit.

    Parameters
    ----------
    groups : sequence of Group
    head : sequence of str
        Lines before the first group: tolerance, periodicity.
    seed : int
    limit_s : float, s

    Raises
    ------
    NotBuilt
        Packmol is not installed, or can't do with its input.
    """
    command = [program()]
    with TemporaryDirectory(prefix="packmol-") as name:
        folder = Path(name)
        lines = [*head, "filetype xyz", "output packed.xyz", f"seed {seed}", f"nloop {N_LOOPS}"]
        for index, group in enumerate(groups):
            _write(folder / f"{index}.xyz", group.numbers, group.positions)
            lines += [f"structure {index}.xyz", f"  number {group.n}"]
            lines += [*(f"  {rule}" for rule in group.rules), "end structure"]
        orders = folder / "packmol.inp"
        orders.write_text("\n".join([*lines, ""]), encoding="utf-8")
        try:
            with orders.open(encoding="utf-8") as text:  # Packmol reads it twice, which a pipe does not allow
                done = subprocess.run(
                    command, stdin=text, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False
                )
        except subprocess.TimeoutExpired:
            return Ending.TIMED_OUT
        except OSError as error:
            raise NotBuilt(f"Packmol can't be started: {error}.", f"Install it anew: {INSTALL}") from error
        if done.returncode == _UNPACKED or "ENDED WITHOUT PERFECT PACKING" in done.stdout:
            return Ending.UNPACKED
        if done.returncode or "Success!" not in done.stdout:
            raise NotBuilt(f"Packmol gave up: {_last_words(done.stdout + done.stderr)}", f"Install its own: {INSTALL}")
        return _read(folder / "packed.xyz", sum(group.n * len(group.numbers) for group in groups))


def _write(path: Path, numbers: IntArray, positions: FloatArray) -> None:
    from ase.data import chemical_symbols

    rows = [
        f"{chemical_symbols[number]} {x:.10f} {y:.10f} {z:.10f}"
        for number, (x, y, z) in zip(numbers.tolist(), positions.tolist(), strict=True)
    ]
    path.write_text("\n".join([str(len(rows)), "", *rows, ""]), encoding="utf-8")


def _read(path: Path, n_atoms: int) -> FloatArray:
    rows = path.read_text(encoding="utf-8").splitlines()[2 : 2 + n_atoms]
    return np.array([[float(value) for value in row.split()[1:4]] for row in rows], dtype=np.float64).reshape(-1, 3)


def _last_words(text: str) -> str:
    """The lines that tell an error, or the last ones."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip(" #-\t")]
    telling = [line for line in lines if "ERROR" in line]
    return " ".join(telling[:3] or lines[-3:]) or "without a word."
