"""ASE calculators that fail in the ways that the table in docs/durability.md names.

Workers import this file by PYTHONPATH.
"""

import hashlib
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT


def structure(positions: Any) -> str:
    """A short name of a geometry."""
    return hashlib.sha256(np.ascontiguousarray(positions, dtype="<f8").tobytes()).hexdigest()[:12]


class Faulty(EMT):
    """EMT that fails in one `manner`; with a `token`, a file, only as long as that exists, which it then removes."""

    def __init__(self, manner: str, token: str = "") -> None:
        super().__init__()
        self.manner, self.token = manner, Path(token) if token else None

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        is_due = self.token is None or self.token.exists()
        if is_due and self.token is not None:
            self.token.unlink()
        if is_due:
            self._before()
        super().calculate(atoms, properties, system_changes)
        if is_due:
            self._after(len(atoms))

    def _before(self) -> None:
        match self.manner:
            case "raise":
                raise RuntimeError("the basis set is exhausted")
            case "memory":
                np.ones(1 << 57)  # an exbibyte: more than any machine can address
            case "hang":
                time.sleep(600)
            case "worker":
                os.kill(os.getpid(), signal.SIGKILL)
            case "block":
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(600)
            case "write":
                Path(self.directory, "density.cube").write_bytes(bytes(1 << 20))
            case "purge":
                shutil.rmtree(self.directory)
                Path(self.directory, "density.cube").write_bytes(b"0")

    def _after(self, n_atoms: int) -> None:
        match self.manner:
            case "nan":
                self.results["forces"] = np.full((n_atoms, 3), np.nan)
            case "no forces":
                self.results["forces"] = np.zeros((n_atoms, 3))
            case "no energy":
                self.results["energy"] = self.results["free_energy"] = np.inf
            case "absurd":
                self.results["forces"] = np.full((n_atoms, 3), 1e4)
            case "fewer atoms":
                self.results["forces"] = self.results["forces"][:-1]


FAILURES = ("raise", "nan", "absurd", "not converged")


def fate(geometry: str, failing: float) -> str:
    """How the calculation of a structure ends by itself: in ``label`` or in one of the failures, always the same."""
    share = int(geometry, 16) / 16 ** len(geometry)
    return FAILURES[int(share / failing * len(FAILURES))] if share < failing else "label"


class Unreliable(EMT):
    """EMT that fails for a share of the structures, in several manners; some calculations take their worker along.

    Parameters
    ----------
    log : str
        A file that gets a line for each calculation.
    failing : float
        Share of the structures whose calculation fails, whenever it is tried.
    deadly : float
        Share of the calculations that end by the death of the worker, of whatever structure.
    wall_s : float
        Time that a calculation takes, s.
    """

    def __init__(self, log: str, failing: float, deadly: float, wall_s: float) -> None:
        super().__init__()
        self.log, self.failing, self.deadly, self.wall_s = Path(log), failing, deadly, wall_s

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        time.sleep(self.wall_s)
        geometry = structure(atoms.positions)
        is_deadly = random.SystemRandom().random() < self.deadly
        end = "death" if is_deadly else fate(geometry, self.failing)
        super().calculate(atoms, properties, system_changes)
        with self.log.open("a", encoding="utf-8") as file:  # one short write: lines of several workers do not mix
            file.write(f"{end},{geometry}\n")
        match end:
            case "death":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise RuntimeError("the basis set is exhausted")
            case "not converged":
                raise RuntimeError("SCF did not converge in 40 cycles")
            case "nan":
                self.results["forces"] = np.full((len(atoms), 3), np.nan)
            case "absurd":
                self.results["forces"] = np.full((len(atoms), 3), 1e4)
