"""What it costs a label never to be lost: time that flushing to disk adds, on the disk of a folder.

    python benchmarks/durability.py                              1000 labels, in the present folder
    python benchmarks/durability.py /scratch/me --quick --json durability.json

Three things are written for each label: that it was asked for, with the state of sampler and learner; the file of its
result, by the worker; and the label itself with its place in the dataset and the learner's state. The last is flushed
to the disk before anything acts on it; the first two must outlive a kill, for which being written is enough. The same
is done once more without any flush (SQLite's synchronous=OFF), in turn with the first, and the difference is
what durability adds. Ethanol, 32 trajectories.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase.build import molecule

from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Label, Split, Stage
from aims_pax.labelling.result import discard, encode, write_result

GOAL_MS = 5.0
SAMPLER_BYTES, LEARNER_BYTES = 32 * 9 * 4 * 3 * 8, 12_000
"""States that are stored with each request: four vectors for each atom; 400 scores and what else a learner knows."""

STEPS = ("request", "result file", "answer")


@dataclass(frozen=True, slots=True)
class Record:
    """Time that flushing adds to one step of a label, or to all of them together, in ms.

    Parameters
    ----------
    step : str
    unflushed_ms : float
        Median without any flush.
    added_ms, added_95_ms : float
        Median and 95th percentile with flushes, above the median without.
    """

    step: str
    unflushed_ms: float
    added_ms: float
    added_95_ms: float


class Campaign:
    """A run store, and the calculations beside it, that labels are stored in."""

    def __init__(self, folder: Path, *, flushes: bool) -> None:
        self.store = RunStore.open(folder)
        self._folder, self._flushes = folder, flushes
        self._rng = np.random.default_rng(1)
        ethanol = molecule("CH3CH2OH")
        self._numbers, self._positions = np.array(ethanol.numbers, dtype=np.int64), ethanol.positions
        if not flushes:
            self.store._database._connection.execute("PRAGMA synchronous = OFF")

    def label(self, md_step: int) -> tuple[float, ...]:
        """Take one label from its request to the store; seconds of each step."""
        return tuple(self._steps(md_step))

    def _steps(self, md_step: int) -> Iterator[float]:
        positions = self._positions + self._rng.normal(scale=0.05, size=(9, 3))
        frame = Frame("ethanol", md_step % 32, md_step, 0, self._numbers, positions)
        label = Label(-154.0, self._rng.normal(size=(9, 3)), None, "tblite GFN2-xTB", 1.0)
        sampler, learner = self._rng.bytes(SAMPLER_BYTES), self._rng.bytes(LEARNER_BYTES)
        request = self.store.unflushed_transaction if self._flushes else self.store.transaction
        with timed() as seconds, request():
            label_id = self.store.add_job(frame, Stage.ACTIVE)
            self.store.save_state("sampler", sampler)
            self.store.save_state("learner", learner)
        yield seconds[0]
        job = self._folder / "calculations" / f"{label_id:06d}"
        job.mkdir(parents=True)
        content = encode(label, frame)
        with timed() as seconds:
            write_result(job, content)
        yield seconds[0]
        with timed() as seconds, self.store.transaction():
            self.store.add_label(label_id, label)
            self.store.assign(label_id, Split.TRAINING)
            self.store.save_state("learner", learner)
        yield seconds[0]
        discard(job)


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds that the block took, as the only element of a list that is filled when it ends."""
    seconds: list[float] = []
    start = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - start)


def measure(folder: Path, n_labels: int) -> list[Record]:
    """Store so many labels with flushes and as many without, in turn."""
    with ExitStack() as stack:
        campaigns = [Campaign(folder / name, flushes=name == "flushed") for name in ("flushed", "unflushed")]
        for campaign in campaigns:
            stack.enter_context(campaign.store)
        seconds = np.array([[campaign.label(n) for campaign in campaigns] for n in range(1, n_labels + 1)])
    seconds = np.concatenate([seconds, seconds.sum(axis=2, keepdims=True)], axis=2)
    flushed, unflushed = (seconds * 1000).transpose(1, 2, 0)
    return [
        Record(step, float(base), float(np.median(times) - base), float(np.percentile(times, 95) - base))
        for step, times, base in zip((*STEPS, "label"), flushed, np.median(unflushed, axis=1), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path.cwd(), help="on the disk to be measured")
    parser.add_argument("--quick", action="store_true", help="a fifth of the labels; some seconds")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="durability-") as folder:
        records = measure(Path(folder), 200 if arguments.quick else 1000)
    print(f"{'step':12s} {'no flush':>9s} {'added':>9s} {'95 %':>9s}   ms")
    for record in records:
        print(f"{record.step:12s} {record.unflushed_ms:9.2f} {record.added_ms:9.2f} {record.added_95_ms:9.2f}")
    added = records[-1].added_ms
    verdict = "ok" if added < GOAL_MS else "MISSED"
    print(f"durability adds {added:.2f} ms to a label (goal: below {GOAL_MS:g})  {verdict}")
    if arguments.json:
        said = {"disk": os.fspath(arguments.folder), "records": [asdict(record) for record in records]}
        arguments.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
