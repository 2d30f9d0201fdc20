"""How much processor time does a campaign take while it waits for a label?

    python benchmarks/idle.py                          a minute and a half
    python benchmarks/idle.py --quick --json idle.json

A campaign as `aims-pax al` runs it, one trajectory, whose first label sleeps for a minute. Processor time of its own
process while nothing happens, and beside it that of Parsl's processes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

MAX_IDLE_PERCENT = 2.0


@dataclass(frozen=True, slots=True)
class Idle:
    """Processor time of a waiting campaign, in percent of one core."""

    wait_s: float
    campaign_percent: float
    interchange_percent: float
    manager_percent: float
    workers_percent: float


def waiting(wait_s: float, folder: Path) -> Idle:
    """A campaign of its own, watched while it waits for one label."""
    marks = folder / "marks"
    marks.mkdir()
    write_project(folder, wait_s, marks)
    command = [sys.executable, "-c", "from aims_pax.cli.main import run_al; run_al()", str(folder)]
    with open(folder / "output.txt", "w", encoding="utf-8") as output:
        campaign = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not any(marks.iterdir()):
            time.sleep(0.2)
            if campaign.poll() is not None:
                raise SystemExit((folder / "output.txt").read_text(encoding="utf-8"))
        time.sleep(0.1 * wait_s)  # what the request itself still does
        before, started = _processor_s(campaign, folder), time.perf_counter()
        time.sleep(0.8 * wait_s)
        after, elapsed = _processor_s(campaign, folder), time.perf_counter() - started
        if campaign.wait(600) != 0:
            raise SystemExit((folder / "output.txt").read_text(encoding="utf-8"))
    finally:
        campaign.kill()
    percent = {who: 100 * (after[who] - before[who]) / elapsed for who in after}
    return Idle(wait_s, percent["campaign"], percent["interchange"], percent["manager"], percent["workers"])


def _processor_s(campaign: subprocess.Popen[bytes], folder: Path) -> dict[str, float]:
    """Processor seconds so far of the campaign and of what it has started.

    Blocks are no children of the campaign: they are known by the folder of their logs, which the manager is told.
    """
    seconds = {"campaign": _own_s(psutil.Process(campaign.pid)), "interchange": 0.0, "manager": 0.0, "workers": 0.0}
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if "HTEX interchange" in words and process.ppid() == campaign.pid:
                seconds["interchange"] += _own_s(process)
            elif "process_worker_pool" in words and str(folder) in words and "/bash" not in words:
                seconds["manager"] += _own_s(process)
                seconds["workers"] += sum(_own_s(child) for child in process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    return seconds


def _own_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def write_project(folder: Path, wait_s: float, marks: Path) -> None:
    """Active learning that needs one label and begins with a dataset from a file."""
    given = []
    for number in range(4):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=number)
        atoms.calc = EMT()
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        given.append(atoms)
    write(folder / "train.extxyz", given[:3])
    write(folder / "valid.extxyz", given[3:])
    write(folder / "copper.xyz", bulk("Cu", cubic=True))
    active = {
        "num_trajectories": 1,
        "ensemble_size": 2,
        "max_train_set_size": 4,
        "uncert_not_crossed_limit": 1,
        "initial_train_dataset": "train.extxyz",
        "initial_valid_dataset": "valid.extxyz",
        "max_convergence_epochs": 1,
        "converge_al": False,
        "save_trajectories": False,
    }
    arguments = {"label_s": wait_s, "marks": str(marks)}
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": "sleeping:Sleeping", "arguments": arguments},
        "ACTIVE_LEARNING": active,
        "MD": {"stat_ensemble": "nvt"},
        "MISC": {"path_to_geometry": "copper.xyz"},
        "CLUSTER": {"type": "local", "max_workers": 1},
    }
    architecture = {"num_channels": 4, "max_L": 0, "max_ell": 1, "correlation": 1, "r_max": 4.0, "MLP_irreps": "4x0e"}
    mace = {
        "GENERAL": {"name_exp": "waiting", "seed": 1},
        "ARCHITECTURE": {**architecture, "atomic_energies": {29: 0.0}},
        "MISC": {"device": "cpu"},
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump(mace), encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait-s", type=float, default=60.0, help="duration of the label that is waited for")
    parser.add_argument("--quick", action="store_true", help="a wait of 15 s")
    parser.add_argument("--json", type=Path, help="also write the record to this file")
    arguments = parser.parse_args()
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory(prefix="aims-pax-idle-") as folder:
        idle = waiting(15.0 if arguments.quick else arguments.wait_s, Path(folder))
    word = "ok" if idle.campaign_percent < MAX_IDLE_PERCENT else "MISSED"
    print(
        f"waiting for a label of {idle.wait_s:g} s, percent of a core (goal: below {MAX_IDLE_PERCENT:g} %): "
        f"campaign {idle.campaign_percent:.2f}   {word}\n"
        f"  beside it: interchange {idle.interchange_percent:.2f}, manager {idle.manager_percent:.2f}, "
        f"worker {idle.workers_percent:.2f}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(idle)], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
