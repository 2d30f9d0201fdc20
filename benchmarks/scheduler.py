"""Does a run become slower as it grows? Learner, store and committee after 10^2 to 10^7 checks and up to 10^5 labels.

    python benchmarks/scheduler.py                        ten minutes, 2 GB of memory, 1 GB of disk
    python benchmarks/scheduler.py --quick --json scheduler.json

Three tables:

1. Decisions of the learner (one `decide` and one `transition`) in a second, for 32 trajectories that are sampled,
   labelled and trained, from the beginning of a run to its end. Deviations are drawn, labels arrive at once.
2. The store of a run with so many labels of nine atoms and so many checks: its size, how long it takes to open it, to
   count what it holds, and to commit one more turn (a check of each trajectory, the learner's state). `checks_s` is
   what reading all checks for the figures takes at the end of a run, `memory_mib` how much that holds.
3. The labelled graphs that a committee of the smallest models keeps in memory, and what an epoch of
   replay_strategy random_subset takes besides training, in ms.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule

from aims_pax.committee import RandomSubset
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.graph import LabelledGraph, ModelFrame
from aims_pax.committee.mace.replay import points_of_epoch
from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Label, LabelledFrame, Split, Stage
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide
from aims_pax.learner.events import Advance, ChunkDone, EpochsDone, LabelArrived, SubmitLabel, Train
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import MovingThreshold
from aims_pax.learner.state import Phase, Rules, State
from aims_pax.learner.transition import begin, transition
from aims_pax.stages.memory import Memory

N_TRAJECTORIES = 32
RULES = Rules(
    selectors=(MovingThreshold(c_x=0.0, quiet_limit_steps=50_000),),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=20,
    max_failures=10,
)


@dataclass(frozen=True, slots=True)
class Decisions:
    """Speed of the learner after so many checks."""

    what: str
    n_checks: int
    n_labels: int
    decisions_per_s: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Growth:
    """The store of a run of this length."""

    what: str
    n_labels: int
    n_checks: int
    size_mib: float
    opening_s: float
    counting_s: float
    commit_s: float
    checks_s: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Graphs:
    """The labelled structures of a committee in memory."""

    what: str
    n_labels: int
    adding_us_per_label: float
    memory_mib: float
    kib_per_label: float
    drawing_ms: float


def memory_mib() -> float:
    """Memory that this process has now, MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def seconds_since(started: float) -> float:
    return time.perf_counter() - started


# -- 1. the learner -------------------------------------------------------------------------------------------


def decisions(n_rows: int, every: int) -> Iterator[Decisions]:
    """A campaign of the learner alone, told of so many times, whenever so many checks have been made."""
    state: State = begin(RULES, n_trajectories=N_TRAJECTORIES, n_initial_train=10)
    dice = np.random.default_rng(1)
    n_decisions, started, told = 0, time.perf_counter(), 0
    while n_rows:
        command = decide(state, RULES)
        match command:
            case Advance(trajectories, n_steps):
                for trajectory in trajectories:
                    event = ChunkDone(trajectory, n_steps, float(dice.exponential(0.1)))
                    state, wanted = transition(state, event, RULES)
                    n_decisions += 1
                    if any(isinstance(one, SubmitLabel) for one in wanted):
                        arrived = LabelArrived(trajectory, state.trajectories[trajectory].md_step)
                        state, _ = transition(state, arrived, RULES)
                        n_decisions += 1
            case Train(n_epochs):
                state, _ = transition(state, EpochsDone(n_epochs, 0.05), RULES)
                n_decisions += 1
            case _:
                raise SystemExit(f"unexpected: {command}")
        if state.memories[0].n_scores >= told + every:
            rate = n_decisions / seconds_since(started)
            yield Decisions("decisions", state.memories[0].n_scores, state.n_received, rate, memory_mib())
            n_rows, told = n_rows - 1, state.memories[0].n_scores
            n_decisions, started = 0, time.perf_counter()


# -- 2. the store ---------------------------------------------------------------------------------------------


def structure(index: int, dice: np.random.Generator) -> LabelledFrame:
    """Ethanol, distorted, with numbers of no meaning for a label."""
    atoms = molecule("CH3CH2OH")
    positions = atoms.positions + dice.normal(scale=0.05, size=atoms.positions.shape)
    frame = Frame("ethanol", index % N_TRAJECTORIES, index, 1, np.array(atoms.numbers, dtype=np.int64), positions)
    split = Split.VALIDATION if index % 10 == 1 else Split.TRAINING
    return LabelledFrame(index, frame, Label(-310.0, dice.normal(size=(9, 3)), None, "none", 1.0), split, None)


def fill(store: RunStore, n_labels: int, n_checks: int) -> None:
    """Labels and checks as a run writes them, but a thousand at a time."""
    dice = np.random.default_rng(2)
    for start in range(1, n_labels + 1, 1000):
        with store.transaction():
            for index in range(start, min(start + 1000, n_labels + 1)):
                point = structure(index, dice)
                label_id = store.add_job(point.frame, Stage.ACTIVE)
                store.add_label(label_id, point.label)
                store.assign(label_id, point.split, None)
    for start in range(0, n_checks, 100_000):
        rows = range(start, min(start + 100_000, n_checks))
        store.append_scores(ScoreRow(row, row % N_TRAJECTORIES, 20 * row, row // 100, 0.1, 0.2, False) for row in rows)


def growth(n_labels: int, n_checks: int) -> Growth:
    """A store of this size, opened and used."""
    state = begin(RULES, n_trajectories=N_TRAJECTORIES, n_initial_train=10)
    for _ in range(13):
        for index in state.in_phase(Phase.RUNNING):
            state, _ = transition(state, ChunkDone(index, 20, 0.1), RULES)
    with tempfile.TemporaryDirectory(prefix="aims-pax-scheduler-") as name:
        folder = Path(name)
        with RunStore.open(folder) as store:
            fill(store, n_labels, n_checks)
        size_mib = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        started = time.perf_counter()
        with RunStore.open(folder) as store:
            opening_s = seconds_since(started)
            started = time.perf_counter()
            store.counts()
            counting_s = seconds_since(started)
            commit_s = commits(store, Memory(store, RunFolder(folder, folder)), state, first=n_checks)
            before, started = memory_mib(), time.perf_counter()
            checks = store.scores()
            checks_s, held_mib = seconds_since(started), memory_mib() - before
            assert len(checks) >= n_checks
    return Growth("store", n_labels, n_checks, size_mib, opening_s, counting_s, commit_s, checks_s, held_mib)


def commits(store: RunStore, memory: Memory, state: State, *, first: int) -> float:
    """Seconds of a commit, the median of twenty."""
    times = []
    for turn in range(20):
        numbers = range(first + turn * N_TRAJECTORIES, first + (turn + 1) * N_TRAJECTORIES)
        started = time.perf_counter()
        with store.transaction():
            store.append_scores(ScoreRow(n, n % N_TRAJECTORIES, 20 * n, 1, 0.1, 0.2, False) for n in numbers)
            memory.keep("learner.active", state)
        times.append(seconds_since(started))
    return float(np.median(times))


# -- 3. the committee's graphs --------------------------------------------------------------------------------


def graphs(n_labels: int) -> Graphs:
    """Graphs of ethanol with a cutoff of 5 Å, in float32."""
    dice = np.random.default_rng(3)
    model = ModelFrame(Elements((1, 6, 8)), 5.0, torch.float32, torch.device("cpu"))
    points = (structure(index, dice) for index in range(1, n_labels + 1))
    before, started = memory_mib(), time.perf_counter()
    kept = [LabelledGraph.build(point, model, atomic_energies_ev=np.zeros(3)) for point in points]
    built_s, held_mib = seconds_since(started), memory_mib() - before
    visits = {graph.label_id: 2 for graph in kept}
    generator = torch.Generator().manual_seed(1)
    started = time.perf_counter()
    for _ in range(10):
        points_of_epoch(kept, RandomSubset(50, 10, fresh_epochs=2), generator, visits=visits)
    drawing_ms = 100 * seconds_since(started)
    return Graphs("graphs", n_labels, 1e6 * built_s / n_labels, held_mib, 1024 * held_mib / n_labels, drawing_ms)


def measurements(*, quick: bool) -> Iterator[Decisions | Growth | Graphs]:
    """All records, each printed as soon as it is there."""
    print("   checks   labels   decisions/s   memory MiB")
    for one in decisions(3 if quick else 5, every=20_000 if quick else 200_000):
        print(f"{one.n_checks:9d} {one.n_labels:8d} {one.decisions_per_s:13.0f} {one.memory_mib:12.0f}", flush=True)
        yield one
    print("\n labels    checks   store MiB   open ms   count ms   commit ms   read checks s   holding MiB")
    for n_labels, n_checks in ((100, 10_000), (10_000, 1_000_000), *(() if quick else ((100_000, 10_000_000),))):
        row = growth(n_labels, n_checks)
        print(
            f"{row.n_labels:7d} {row.n_checks:9d} {row.size_mib:11.1f} {1e3 * row.opening_s:9.1f} "
            f"{1e3 * row.counting_s:10.1f} {1e3 * row.commit_s:11.1f} {row.checks_s:15.2f} {row.memory_mib:13.0f}",
            flush=True,
        )
        yield row
    print("\n labels   adding us   memory MiB   KiB each   drawing ms")
    for n_labels in (1000, 10_000, *(() if quick else (100_000,))):
        held = graphs(n_labels)
        print(
            f"{held.n_labels:7d} {held.adding_us_per_label:11.0f} {held.memory_mib:12.0f} {held.kib_per_label:10.1f} "
            f"{held.drawing_ms:12.2f}",
            flush=True,
        )
        yield held


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the labels and checks; within two minutes")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    records = [asdict(record) for record in measurements(quick=arguments.quick)]
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
