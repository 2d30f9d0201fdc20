"""ASE calculators for references: EMT that is watched, and misbehaves where it is told to."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT

from aims_pax.frame import FloatArray

STRONG_EV_PER_ANG = 150.0
"""Beyond what the projects here allow, 100 eV/Å."""


class Watched(EMT):
    """EMT that remembers the structures it was given, in all instances together, and fails at chosen calls.

    `manners` says what happens at a call (from 1): ``raise``, ``unconverged``, ``nan``, ``strong`` (a force of
    :data:`STRONG_EV_PER_ANG`) or ``die``, the last by SIGKILL. `always` is what happens at every other call; ``log``,
    where set, is a file that gets a line for each finished calculation.
    """

    computed: ClassVar[list[FloatArray]] = []
    manners: ClassVar[dict[int, str]] = {}
    always: ClassVar[str] = "compute"
    log: ClassVar[Path | None] = None

    @classmethod
    def forget(cls) -> None:
        cls.computed, cls.manners, cls.always, cls.log = [], {}, "compute", None

    def calculate(self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), *args: Any) -> None:
        assert atoms is not None
        self.computed.append(atoms.positions.copy())
        manner = self.manners.get(len(self.computed), self.always)
        if manner == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if manner == "raise":
            raise RuntimeError("the calculation was told to fail")
        if manner == "unconverged":
            raise RuntimeError("SCF not converged in 250 cycles, as it was told")
        super().calculate(atoms, list(properties), *args)
        if manner == "nan":
            self.results["forces"] = np.full((len(atoms), 3), np.nan)
        if manner == "strong":
            self.results["forces"][0] = [0.0, STRONG_EV_PER_ANG, 0.0]
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(atoms.positions.tobytes().hex() + "\n")


class Wordy(EMT):
    """EMT that leaves a file in its folder, as engines do."""

    def calculate(self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), *args: Any) -> None:
        super().calculate(atoms, list(properties), *args)
        Path(self.directory, "output.txt").write_text(f"{self.results['energy']:.6f} eV\n", encoding="utf-8")


WATCHED = f"{__name__}:Watched"
WORDY = f"{__name__}:Wordy"
PLAIN = "ase.calculators.emt:EMT"
SPRINGS = "aims_pax.testing.references:SpringCalculator"
"""What models that are springs can learn to the end."""


def emt(positions: FloatArray, symbols: str) -> tuple[float, FloatArray]:
    """Energy and forces by an EMT of its own, eV and eV/Å."""
    atoms = Atoms(symbols, positions=positions, calculator=EMT())
    return float(atoms.get_potential_energy()), np.asarray(atoms.get_forces())


def reference_section(path: str = WATCHED) -> Mapping[str, Any]:
    """REFERENCE for one of these calculators."""
    return {"type": "ase-calculator", "calculator": path, "max_force_ev_per_ang": 100.0}
