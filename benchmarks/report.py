"""Time and size of the report of a large run: its store is made here, with labels and predictions drawn at random.

    python benchmarks/report.py 10000
    python benchmarks/report.py 10000 --atoms 50 --keep /tmp/large

What is measured is reading, drawing and writing; the numbers in the store mean nothing.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from aims_pax.dataset.records import EpochRow, ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, Frame, Label, Split
from aims_pax.page.document import file_address, page_of
from aims_pax.page.material import read_material
from aims_pax.page.writing import write_page
from aims_pax.protocols import MemberErrors

N_TRAJECTORIES, N_MEMBERS, N_WORKERS, LABEL_S = 32, 4, 24, 600.0


def fill(folder: Path, n_labels: int, n_atoms: int) -> None:
    """Write a store: a tenth of the labels at random, as many failures as there are in practice, ten scores a label."""
    rng = np.random.default_rng(0)
    now = 1.7e9
    numbers = rng.choice([1, 6, 7, 8], n_atoms)
    side = 2.2 * n_atoms ** (1 / 3)
    with RunStore.open(folder, clock=lambda: now) as store, store.transaction():
        for n in range(n_labels):
            now += LABEL_S / N_WORKERS
            trajectory, step = n % N_TRAJECTORIES, 20 * (n // N_TRAJECTORIES)
            error = 0.5 / np.sqrt(1 + n / 100)
            frame = Frame(
                f"system {trajectory % 3}", trajectory, step, n // 10, numbers, side * rng.random((n_atoms, 3))
            )
            source = "random share" if n % 10 == 0 else "moving threshold"
            label_id = store.add_job(frame, "active", source=source)
            forces = rng.normal(size=(n_atoms, 3))
            deviation = np.abs(rng.normal(0.0, 0.7 * error, (n_atoms, 3)))
            said = forces + rng.normal(0.0, error, (n_atoms, 3))
            store.add_prediction(label_id, CommitteePrediction(n // 10, -1.0 + 0.1 * error, 0.1, said, deviation))
            wall_s, worker = LABEL_S * rng.uniform(0.7, 1.3), f"node{n % N_WORKERS} 42"
            store.add_label(label_id, Label(-1.0, forces, None, "none", wall_s, worker=worker))
            store.assign(label_id, (Split.VALIDATION, Split.TEST)[n % 20 // 10] if n % 10 == 0 else Split.TRAINING)
            store.append_journal("LabelArrived", {"trajectory": trajectory, "md_step": step})
            if n % 5 == 0:
                store.append_journal("EpochsDone", {"n_epochs": 2, "force_mae": error})
                measured = MemberErrors(error, error / 10, error, None)
                store.add_epochs(
                    EpochRow(n // 5 + 1, n // 10, member, error, measured, 9 * n // 10 + 1, n // 20 + 1)
                    for member in range(N_MEMBERS)
                )
            store.save_state("progress", b'"active"')
            store.append_scores(
                ScoreRow(10 * n + k, trajectory, step + k, n // 10, error * rng.uniform(0.2, 1.2), error, k == 9)
                for k in range(10)
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=int)
    parser.add_argument("--atoms", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="make the run here, or use the one that is there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary) / "large"
        if not (folder / "run.db").exists():
            fill(folder, asked.labels, asked.atoms)
        began = time.process_time()
        material = read_material(folder, name="large")
        read = time.process_time()
        page_of([material], address=file_address("large_files"))
        drawn = time.process_time()
        written = write_page([material], folder / "report.html")
        ended = time.process_time()
        files = sum(path.stat().st_size for path in written.folder.rglob("*.*"))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"store            {(folder / 'run.db').stat().st_size / 1e6:8.1f} MB")
        print(f"reading          {read - began:8.1f} s of CPU")
        print(f"drawing the page {drawn - read:8.1f} s")
        print(f"drawing, writing {ended - drawn:8.1f} s")
        print(f"page             {written.page.stat().st_size / 1e6:8.2f} MB")
        print(f"files beside it  {files / 1e6:8.1f} MB")
        print(f"memory at most   {peak_mb:8.0f} MB")


if __name__ == "__main__":
    main()
