"""EMT that takes its time, and tells a ledger what was computed and when its result was safe on the disk.

Imported by workers, as ``torture.witness:Witnessed``. Which folder it tells, the environment says.
"""

import io
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT

from aims_pax.labelling import worker

FOLDER: Final = "TORTURE_FOLDER"
"""Environment variable with the campaign's folder of evidence. It also marks all processes of the campaign."""

LEDGER: Final = "ledger.jsonl"
WORKERS: Final = "workers"

SHORTEST_S, LONGEST_S = 0.05, 0.35

_looked_at = 0.0


class Witnessed(EMT):
    """EMT; how long it sleeps depends on the structure alone, so that repeated runs meet the same labels."""

    def calculate(self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), *args: Any) -> None:
        assert atoms is not None
        (_evidence() / WORKERS / str(os.getpid())).touch()
        part = float(np.abs(atoms.positions).sum()) * 1e3 % 1.0
        time.sleep(SHORTEST_S + (LONGEST_S - SHORTEST_S) * part)
        super().calculate(atoms, list(properties), *args)


def _evidence() -> Path:
    return Path(os.environ[FOLDER])


def _looking(*args: Any, **kwargs: Any) -> Any:
    """Note when this worker looked for a finished result: what is safe by then must not be computed again."""
    global _looked_at
    _looked_at = time.time()
    return _read_finished(*args, **kwargs)


def _witnessed(folder: Path, content: bytes) -> None:
    """Write a result, then enter it into the ledger; a process killed in between leaves no line, never a false one."""
    _write_result(folder, content)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        is_label = "forces" in file.files
    line = {"label": folder.name, "is_label": is_label, "looked": _looked_at, "safe": time.time(), "pid": os.getpid()}
    with (_evidence() / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(line) + "\n")


if FOLDER in os.environ:
    _read_finished, _write_result = worker.read_finished, worker.write_result
    worker.read_finished, worker.write_result = _looking, _witnessed
