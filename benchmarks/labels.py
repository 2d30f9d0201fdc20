"""What does a label cost besides itself? Overhead of the pool.

    python benchmarks/labels.py                        two minutes
    python benchmarks/labels.py --quick --json labels.json

From handing a label to the pool until its answer is there, minus the time that the reference says it took. One label
at a time, so that none waits in a queue; the workers are on this machine, and have finished a label before.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, LabelFailure
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelJob
from aims_pax.settings.methods.reference import AseCalculatorSettings

LABEL_S = 0.2
MAX_OVERHEAD_MS = 50.0


@dataclass(frozen=True, slots=True)
class Overhead:
    """Milliseconds that a label takes besides itself."""

    workers: int
    labels: int
    median_ms: float
    p95_ms: float
    max_ms: float


def overhead(workers: int, n_labels: int, folder: Path) -> Overhead:
    """One label after the other on warm workers."""
    (folder / "marks").mkdir()
    arguments = {"label_s": LABEL_S, "marks": str(folder / "marks")}
    settings = AseCalculatorSettings(type="ase-calculator", calculator="sleeping:Sleeping", arguments=arguments)
    structure = frame_of(bulk("Cu", cubic=True) * 2, system="copper")
    run_dir = folder / "parsl"
    pool = ParslPool(settings, local_config(workers), want_stress=False, run_dir=run_dir)
    try:
        n_sent = 0
        while len(list((folder / "marks").iterdir())) < workers:
            for _ in range(workers):
                n_sent += 1
                pool.submit(LabelJob(n_sent, structure, folder / str(n_sent)))
            while pool.n_in_flight:
                pool.collect(timeout_s=None)
        found = sorted(_one(pool, structure, folder, n_sent + index) for index in range(1, n_labels + 1))
    finally:
        pool.close()
    return Overhead(workers, n_labels, statistics.median(found), found[int(0.95 * len(found))], found[-1])


def _one(pool: ParslPool, structure: Frame, folder: Path, number: int) -> float:
    """Milliseconds between submission and answer that were not the label's."""
    started = time.perf_counter()
    pool.submit(LabelJob(number, structure, folder / str(number)))
    (done,) = pool.collect(timeout_s=None)
    elapsed = time.perf_counter() - started
    if isinstance(done.result, LabelFailure):
        raise SystemExit(f"a label failed: {done.result.message}")
    return 1000 * (elapsed - done.result.wall_s)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--labels", type=int, default=100, help="labels for each number of workers")
    parser.add_argument("--quick", action="store_true", help="two workers, fewer labels; half a minute")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.workers, arguments.labels = [2], 30
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    overheads = []
    print(f"overhead of a label of {LABEL_S:g} s, local workers, goal: median below {MAX_OVERHEAD_MS:g} ms")
    for workers in arguments.workers:
        with tempfile.TemporaryDirectory(prefix="aims-pax-labels-") as folder:
            found = overhead(workers, arguments.labels, Path(folder))
        overheads.append(asdict(found))
        word = "ok" if found.median_ms < MAX_OVERHEAD_MS else "MISSED"
        print(
            f"{workers:4d} workers: median {found.median_ms:6.1f} ms   95 % below {found.p95_ms:6.1f} ms   "
            f"worst {found.max_ms:6.1f} ms   {word}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(overheads, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
