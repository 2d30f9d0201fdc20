"""References that take a given time: what benchmarks of labelling let the workers do."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from tblite.ase import TBLite


class Sleeping(Calculator):  # type: ignore[misc]
    """Sleeps, and gives small forces that depend on nothing.

    Parameters
    ----------
    label_s : float
        Time that a label takes, s.
    marks : str
        Folder in which every process that has begun a label leaves a file named by its process id.
    """

    implemented_properties: ClassVar = ["energy", "forces"]

    def __init__(self, label_s: float, marks: str) -> None:
        super().__init__()
        self._label_s, self._marks = label_s, Path(marks)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy", "forces"),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Sleep."""
        super().calculate(atoms, properties, system_changes)
        (self._marks / str(os.getpid())).touch()
        time.sleep(self._label_s)
        forces = np.full((len(self.atoms), 3), 0.01)
        self.results = {"energy": -float(len(self.atoms)), "forces": forces}


class SlowTightBinding(TBLite):  # type: ignore[misc]
    """GFN2-xTB whose labels take as long as those of an expensive method, while the computer is free for others."""

    def __init__(self, label_s: float) -> None:
        super().__init__(method="GFN2-xTB", verbosity=0)
        self._label_s = label_s

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy", "forces"),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute, and sleep for what is left of the time."""
        began = time.monotonic()
        super().calculate(atoms, list(properties), list(system_changes))
        time.sleep(max(0.0, self._label_s - (time.monotonic() - began)))
