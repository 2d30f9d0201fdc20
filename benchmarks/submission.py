"""Labels on a real Slurm with a limit, by a program that is killed twice: is any computed twice, or forgotten?

    python benchmarks/submission.py                         40 labels, 5 in flight, of 2 s; root, slurm-wlm, munge
    python benchmarks/submission.py --limit 0 --kills 0     the same without a limit, and without kills

A private Slurm of eight nodes (tests/slurm/daemons.py) has jobs of one label at a time. ``aims-pax relabel`` labels the
structures, is killed by SIGKILL when a third and two thirds of them are labelled, and started again by the same
command. Each execution appends a line to a log when it begins, and another when it ends: what is printed is counted
there, and in the file that was written.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import read, write

HERE = Path(__file__).resolve().parents[1]
NODES = HERE / "tests" / "slurm"
N_NODES = 8


@dataclass(frozen=True, slots=True)
class Record:
    """What was counted.

    Parameters
    ----------
    n_asked, n_written : int
        Structures, and those of the file that was written.
    n_begun, n_finished, n_cut : int
        Executions; those that a kill has ended.
    n_twice, n_forgotten : int
        Structures with two finished executions, and with none.
    n_wrong : int
        Structures of the file whose energy is another than that of their positions.
    most_at_once, most_jobs : int
        Executions, and jobs in Slurm's queue, at a time.
    wall_s : float
        All calls together.
    """

    n_asked: int
    n_written: int
    n_begun: int
    n_finished: int
    n_cut: int
    n_twice: int
    n_forgotten: int
    n_wrong: int
    most_at_once: int
    most_jobs: int
    wall_s: float


@contextmanager
def private_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which the commands of Slurm go to a Slurm of its own."""
    command = [sys.executable, str(NODES / "daemons.py"), str(folder), str(N_NODES), "1"]
    daemons = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert daemons.stdout is not None
    if not daemons.stdout.readline():
        sys.exit(f"the private Slurm did not start: {daemons.communicate()[1]}")
    try:
        yield os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PYTHONPATH": f"{NODES}:{HERE}"}
    finally:
        daemons.communicate()


def structures(n: int) -> list[Atoms]:
    """Four atoms of copper each, no two alike."""
    rng = np.random.default_rng(0)
    tetrahedron = 1.8 * np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    return [Atoms("Cu4", positions=tetrahedron + rng.normal(0, 0.05, (4, 3))) for _ in range(n)]


def settings(log: Path, *, limit: int, wall_s: float) -> dict[str, Any]:
    """Labels that tell when they begin and end, on as many nodes as there are."""
    options = {
        "ready": "slurm_node_per_label",
        "max_blocks": N_NODES,
        "worker_init": f"export PYTHONPATH={NODES}:{HERE}",
    }
    cluster: dict[str, Any] = {"parsl_config": str(NODES / "hasty.py"), "options": options}
    reference = {
        "type": "ase-calculator",
        "calculator": "node_engines:Told",
        "arguments": {"log": str(log), "wall_s": wall_s},
    }
    return {"REFERENCE": reference, "CLUSTER": cluster | ({"max_in_flight": limit} if limit else {})}


def events(log: Path) -> list[dict[str, Any]]:
    """What executions have told."""
    if not log.is_file():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def labelled(folder: Path, env: dict[str, str], *, n: int, n_kills: int) -> tuple[list[float], int]:
    """Call the command until all is labelled; when it was killed, and the most jobs that Slurm had at a time."""
    words = ["relabel", "structures.extxyz", "--settings", "aims_PAX.yaml", "--out", "labelled.extxyz"]
    killed: list[float] = []
    most_jobs = 0
    while True:
        command = subprocess.Popen([sys.executable, "-m", "aims_pax", *words], cwd=folder, env=env)
        while command.poll() is None:
            queue = subprocess.run(["squeue", "--noheader", "--format=%T"], env=env, capture_output=True, text=True)
            most_jobs = max(most_jobs, len(queue.stdout.split()))
            told = Counter(event["what"] for event in events(folder / "log"))  # cut executions begin, and never end
            if len(killed) < n_kills and told["end"] >= n * (len(killed) + 1) / (n_kills + 1):
                command.send_signal(signal.SIGKILL)
                killed.append(time.time())
                print(f"killed after {told['end']} labels")
            time.sleep(0.1)
        if command.returncode == 0:
            return killed, most_jobs
        if command.returncode != -signal.SIGKILL:
            sys.exit(f"the command ended with exit code {command.returncode}")


def most_at_once(told: list[dict[str, Any]], killed: list[float]) -> tuple[int, int]:
    """Executions at a time, and those that a kill has ended; such a one counts until its worker's job was gone."""
    spans, begun = [], dict[tuple[str, int], float]()
    for event in told:
        key = (event["structure"], event["pid"])
        if event["what"] == "begin":
            begun[key] = event["time"]
        else:
            spans.append((begun.pop(key), event["time"]))
    cut = [(began, min(moment for moment in killed if moment > began)) for began in begun.values()]
    moments = sorted([(began, 1) for began, _ in spans + cut] + [(ended, -1) for _, ended in spans + cut])
    running = np.cumsum([step for _, step in moments])
    return int(running.max()), len(cut)


def measured(folder: Path, env: dict[str, str], *, n: int, limit: int, n_kills: int, wall_s: float) -> Record:
    """All of it once."""
    structure = import_module("node_engines").structure  # of tests/slurm, as the workers have it
    given, log = structures(n), folder / "log"
    write(folder / "structures.extxyz", given)
    given = read(folder / "structures.extxyz", ":")
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings(log, limit=limit, wall_s=wall_s)), encoding="utf-8")
    started = time.perf_counter()
    killed, most_jobs = labelled(folder, env, n=n, n_kills=n_kills)
    wall = time.perf_counter() - started
    told = events(log)
    finished = Counter(event["structure"] for event in told if event["what"] == "end")
    most, n_cut = most_at_once(told, killed)
    found = read(folder / "labelled.extxyz", ":")
    return Record(
        n_asked=n,
        n_written=len(found),
        n_begun=sum(event["what"] == "begin" for event in told),
        n_finished=finished.total(),
        n_cut=n_cut,
        n_twice=sum(times > 1 for times in finished.values()),
        n_forgotten=sum(structure(one.positions) not in finished for one in given),
        n_wrong=sum(not _is_right(one, other) for one, other in zip(found, given, strict=True)),
        most_at_once=most,
        most_jobs=most_jobs,
        wall_s=round(wall, 1),
    )


def _is_right(one: Atoms, given: Atoms) -> bool:
    from ase.calculators.emt import EMT

    own = given.copy()
    own.calc = EMT()
    return bool(
        np.allclose(one.positions, given.positions, atol=1e-9)
        and abs(one.info["REF_energy"] - own.get_potential_energy()) < 1e-6
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--limit", type=int, default=5, help="max_in_flight; 0: none")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--wall-s", type=float, default=2.0, help="of a label")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    sys.path.insert(0, str(NODES))
    with tempfile.TemporaryDirectory() as place, private_slurm(Path(place) / "slurm") as env:
        folder = Path(place) / "project"
        folder.mkdir()
        record = measured(folder, env, n=asked.labels, limit=asked.limit, n_kills=asked.kills, wall_s=asked.wall_s)
    for name, value in asdict(record).items():
        print(f"{name:14} {value}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
