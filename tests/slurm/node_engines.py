"""ASE calculators for the nodes of the private Slurm: cheap, and telling where they ran.

Workers import this file by PYTHONPATH.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT


def structure(positions: Any) -> str:
    """A short name of a geometry."""
    return hashlib.sha256(np.ascontiguousarray(positions, dtype="<f8").tobytes()).hexdigest()[:12]


class Told(EMT):
    """EMT that takes `wall_s` seconds and writes to `log` when and where each calculation begins and ends."""

    def __init__(self, log: str, wall_s: float) -> None:
        super().__init__()
        self.log, self.wall_s = Path(log), wall_s

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        self._tell("begin", atoms)
        time.sleep(self.wall_s)
        super().calculate(atoms, properties, system_changes)
        self._tell("end", atoms)

    def _tell(self, what: str, atoms: Any) -> None:
        event = {
            "what": what,
            "structure": structure(atoms.positions),
            "time": time.time(),
            "pid": os.getpid(),
            "job": int(os.environ.get("SLURM_JOB_ID", "0")),
            "node": os.environ.get("SLURMD_NODENAME", "here"),
            "cores": sorted(os.sched_getaffinity(0)),
        }
        with self.log.open("a", encoding="utf-8") as file:  # one short write: lines of several workers do not mix
            file.write(json.dumps(event) + "\n")


class AcrossNodes(Calculator):
    """Lennard-Jones whose pairs are shared among MPI ranks, which srun places on all nodes of the job."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ASE has it

    def __init__(self, log: str, launch: str) -> None:
        super().__init__()
        self.log, self.launch = Path(log), launch

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        ranks = Path(__file__).with_name("lennard_jones_mpi.py")
        answer = subprocess.run(
            [*self.launch.split(), sys.executable, str(ranks)],
            input=json.dumps(atoms.positions.tolist()),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        said = json.loads(answer.splitlines()[-1])
        self.results = {"energy": said["energy"], "forces": np.array(said["forces"])}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"ranks": said["nodes"], "job": int(os.environ["SLURM_JOB_ID"])}) + "\n")
