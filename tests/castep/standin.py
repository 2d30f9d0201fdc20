"""A stand-in that plays CASTEP's side of hybrid-md, step by step; CASTEP itself was never run.

It calls the decision maker before and after each step, does what the exit codes say, and writes what CASTEP writes:
structures computed by both into SEED.hybrid-md.xyz, and the log of each call into SEED.castep. What the reference and
the model say is told by the test.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write

Ask = Callable[[list[str]], int]
"""Calls the decision maker; returns its exit code."""

Said = Callable[[Atoms, int], tuple[float, Any]]
"""Energy (eV) and forces (n_atoms, 3) (eV/Å) of a structure at a step."""


@dataclass
class Castep:
    """One MD run.

    Parameters
    ----------
    mode : str
        What the generation of 2024 is called with; empty: that of 2021 to 2023.
    """

    folder: Path
    ask: Ask
    qm: Said
    ff: Said
    atoms: Atoms
    mode: str = ""
    seed: str = "run"
    codes: list[tuple[str, int, int]] = field(default_factory=list)
    qm_steps: list[int] = field(default_factory=list)
    models_read: list[int] = field(default_factory=list)
    forces_by: dict[int, str] = field(default_factory=dict)
    n_calls: int = 0

    def initialise(self, reached: int | None = None) -> None:
        code = self._call("initialise", 0, *([] if reached is None else [str(reached)]))
        assert code & 1
        self._copy_log()

    def run(self, last: int, *, first: int = 1) -> None:
        """Steps of MD; one that may wait for its next call by the newer interface does."""
        step = first
        while step <= last:
            before = self._call("pre-step", step, str(step))
            does_qm = bool(before & 2)
            uses_qm = bool(before & (8 if self.mode else 16))
            if does_qm:
                self.qm_steps.append(step)
                self._write(step)
            self.forces_by[step] = "QM" if uses_qm else "FF"
            after = self._call("post-step", step, str(step))
            if after & 1:
                self._copy_log()
            if after & 2:
                self.models_read.append(step)
            step += self._interval() if self.mode else 1

    @property
    def output(self) -> str:
        """SEED.castep."""
        return (self.folder / f"{self.seed}.castep").read_text(encoding="utf-8")

    def _interval(self) -> int:
        """What the file says at the call that wrote it, counted down by the steps that were made since."""
        return int((self.folder / f"{self.seed}.ml-energy-num.txt").read_text(encoding="utf-8"))

    def _call(self, command: str, step: int, *further: str) -> int:
        self.n_calls += 1
        code = self.ask([command, *([self.mode] if self.mode else []), str(self.folder / self.seed), *further])
        self.codes.append((command, step, code))
        assert code != 64
        return code

    def _write(self, step: int) -> None:
        (qm_energy, qm_forces), (ff_energy, ff_forces) = self.qm(self.atoms, step), self.ff(self.atoms, step)
        atoms = self.atoms.copy()
        atoms.info |= {"QM_energy": qm_energy, "FF_energy": ff_energy}
        atoms.arrays["QM_forces"], atoms.arrays["FF_forces"] = np.array(qm_forces), np.array(ff_forces)
        write(self.folder / f"{self.seed}.hybrid-md.xyz", atoms, format="extxyz", append=True)

    def _copy_log(self) -> None:
        log = self.folder / f"{self.seed}.hybrid-md-temporary-log"
        with (self.folder / f"{self.seed}.castep").open("a", encoding="utf-8") as file:
            file.write(log.read_text(encoding="utf-8"))
        log.unlink()
