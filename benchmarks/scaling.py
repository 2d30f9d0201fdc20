"""Do more workers finish sooner? Makespan of active learning against the ideal, for 1 to 32 workers.

    python benchmarks/scaling.py                          half an hour
    python benchmarks/scaling.py --quick --json scaling.json

Measured are the campaign's own parts: the loop of active learning with its learner, the run store, the batched sampler,
and the pool of Parsl with workers on this machine. 160 atoms, as in the paper's CsPbI3. Forces and computers take no
part: labels sleep on their workers, and the committee is a stand-in of springs whose MD steps and epochs sleep, too, as
long as --sampling and --training say in units of a label. Which structures it is unsure of is drawn: deviations are
distributed exponentially, so that 37 % of the uncertainty estimates are above their mean, the threshold.

The clock starts when every worker has finished a first label, and stops after the last epoch. Ideal is what the labels
alone take on workers that never wait: labels times their duration over workers. `waves` is the same with the last,
partly filled wave counted as a whole one. `planned` is what `aims-pax plan` predicts for the same settings.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee, CommitteeForces
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.forecast.pace import RECORD_S
from aims_pax.forecast.simulation import Pace, Workload, mean_outcome
from aims_pax.frame import Frame, LabelFailure, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.selectors import MovingThreshold
from aims_pax.learner.state import Rules
from aims_pax.learner.transition import begin
from aims_pax.protocols import EpochPlan, EpochReport, LabelJob, Prediction, Status
from aims_pax.sampling import BatchedSampler, Langevin, TrajectoryStart
from aims_pax.selection import SCORES
from aims_pax.settings.methods.reference import AseCalculatorSettings
from aims_pax.stages.activities import Activity, Stopwatch
from aims_pax.stages.bench import Bench
from aims_pax.stages.loop.parts import GoesBackTo, LoopParts
from aims_pax.stages.loop.recording import NoRecorder
from aims_pax.stages.loop.shell import Loop
from aims_pax.stages.loop.trainer import Stagnations
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import Watching
from aims_pax.testing.committee import SpringCommittee
from aims_pax.testing.drivers import Tethers
from aims_pax.testing.springs import Nature

STEPS_PER_CHECK = 10
EPOCHS_PER_LABEL = 2
PICK_RATE = math.exp(-1)
VALID_RATIO = 0.1
MIN_WAVES = 11
"""Labels for each worker below which the goals are not meant."""

GOALS = {1: 0.97, 2: 0.97, 4: 0.97, 8: 0.97, 16: 0.97, 32: 0.90}


@dataclass(frozen=True, slots=True)
class Case:
    """One campaign to be measured. Times in s; `sampling_s` and `training_s` for each label."""

    workers: int
    trajectories: int
    label_s: float
    sampling_s: float
    training_s: float
    goal: int

    @property
    def step_s(self) -> float:
        """One MD step of one trajectory."""
        return self.sampling_s * PICK_RATE / STEPS_PER_CHECK

    @property
    def epoch_s(self) -> float:
        return self.training_s / EPOCHS_PER_LABEL

    @property
    def rules(self) -> Rules:
        return Rules(
            selectors=(MovingThreshold(c_x=0.0, quiet_limit_steps=50_000),),
            cadence=PerLabel(EPOCHS_PER_LABEL, epochs_per_slice=1),
            quota=Quota(VALID_RATIO),
            skip_steps=STEPS_PER_CHECK,
            max_failures=3,
            max_train_size=self.goal,
        )

    def predicted_efficiency(self) -> float:
        """What the queueing simulation says of the same settings."""
        pace = Pace((self.label_s,), 0.0, self.step_s, self.epoch_s, PICK_RATE, RECORD_S)
        return mean_outcome(Workload(self.rules, pace, self.trajectories), n_workers=self.workers).efficiency


@dataclass(frozen=True, slots=True)
class Record:
    """What one campaign took, s. Below `efficiency`: what the campaign's own process did."""

    workers: int
    trajectories: int
    label_s: float
    labels: int
    start_s: float
    makespan_s: float
    ideal_s: float
    whole_waves_s: float
    predicted_s: float
    efficiency: float
    sampling_s: float
    training_s: float
    recording_s: float
    waiting_s: float


UNMEASURED = EpochPlan(valid_skip=sys.maxsize, validates_last=False)
"""Errors take a time that no sleep stands for."""


class SleepingSprings(SpringCommittee):
    """Springs that hold every atom in its place, sleep for work, and are unsure by the dice."""

    def __init__(self, case: Case, structure: Frame) -> None:
        super().__init__((1, 2), nature=Nature(Tethers(5.0, torch.as_tensor(structure.positions))))
        self._case = case
        self._dice = np.random.default_rng(1)

    def evaluate(
        self, batch: AtomBatch, *, members: Sequence[int] | None = None, want_stress: bool = False
    ) -> Prediction:
        """What moves the trajectories."""
        time.sleep(self._case.step_s * batch.n_structures)
        return super().evaluate(batch, members=members, want_stress=want_stress)

    def opinions(self, batch: AtomBatch, *, want_stress: bool = False) -> Prediction:
        """Two opinions that differ on the first atom of each structure."""
        forces = torch.zeros(2, len(batch.positions), 3, dtype=torch.float64)
        doubts = torch.as_tensor(self._dice.exponential(0.1, batch.n_structures))
        first = torch.cumsum(batch.n_atoms, dim=0) - batch.n_atoms
        forces[0, first, 0], forces[1, first, 0] = doubts, -doubts
        return Prediction(torch.zeros(2, batch.n_structures), forces, None)

    def train(
        self, n_epochs: int, *, members: Sequence[int] | None = None, plan: EpochPlan = UNMEASURED
    ) -> list[EpochReport]:
        """Epochs that take their time."""
        time.sleep(self._case.epoch_s * n_epochs)
        return super().train(n_epochs, members=members, plan=UNMEASURED)

    def save(self, path: Path) -> None:
        """Writing the weights is counted to the epochs."""
        path.write_bytes(b"")


class Unwatched:
    """Nobody looks at a benchmark."""

    def show(self, status: Status) -> None:
        """Not shown."""

    def close(self) -> None:
        """Nothing to close."""


def crystal() -> Frame:
    """As many atoms as the paper's CsPbI3 has, 160."""
    return frame_of(bulk("Cu", "fcc", a=3.6, cubic=True) * (4, 5, 2), system="crystal")


def warmed_pool(case: Case, structure: Frame, folder: Path) -> ParslPool:
    """A pool whose workers have all finished a label."""
    marks = folder / "marks"
    marks.mkdir()
    settings = AseCalculatorSettings(
        type="ase-calculator",
        calculator="sleeping:Sleeping",
        arguments={"label_s": case.label_s, "marks": str(marks)},
    )
    run_dir = folder / "parsl"
    config = local_config(case.workers)
    pool = ParslPool(settings, config, want_stress=False, run_dir=run_dir)
    n_sent = 0
    while len(list(marks.iterdir())) < case.workers:
        for _ in range(case.workers):
            n_sent += 1
            pool.submit(LabelJob(-n_sent, structure, folder / "warming" / str(n_sent)))
        while pool.n_in_flight:
            for done in pool.collect(timeout_s=None):
                if isinstance(done.result, LabelFailure):
                    raise SystemExit(f"a first label failed: {done.result.message}")
    return pool


def run(case: Case, folder: Path) -> Record:
    """One campaign, measured."""
    structure = crystal()
    started = time.perf_counter()
    pool = warmed_pool(case, structure, folder)
    start_s = time.perf_counter() - started
    try:
        with RunStore.open(folder) as store:
            stopwatch = Stopwatch()
            stage = active_learning(case, store, pool, stopwatch, folder)
            started = time.perf_counter()
            stage.run()
            makespan_s = time.perf_counter() - started
            n_labels = store.counts().n_received
    finally:
        pool.close()
    ideal_s = n_labels * case.label_s / case.workers
    seconds = stopwatch.seconds()
    return Record(
        workers=case.workers,
        trajectories=case.trajectories,
        label_s=case.label_s,
        labels=n_labels,
        start_s=start_s,
        makespan_s=makespan_s,
        ideal_s=ideal_s,
        whole_waves_s=math.ceil(n_labels / case.workers) * case.label_s,
        predicted_s=ideal_s / case.predicted_efficiency(),
        efficiency=ideal_s / makespan_s,
        sampling_s=seconds[Activity.SAMPLING] + seconds[Activity.CHECKING],
        training_s=seconds[Activity.TRAINING],
        recording_s=seconds[Activity.RECORDING] + seconds[Activity.DECIDING],
        waiting_s=seconds[Activity.LABELLING],
    )


@dataclass(frozen=True)
class MeasuredBench:
    """What a stage works with, of a campaign that has no settings: its pool stands already."""

    store: RunStore
    memory: Memory
    folder: RunFolder
    pool: ParslPool
    stopwatch: Stopwatch
    observer: Watching
    departure: Departure = field(default_factory=Departure)

    def desk(self, stage: str, *, reference: str | None = None, is_revocable: bool = False) -> LabelDesk:
        """Where a stage asks for labels."""
        return LabelDesk(self.store, self.pool, self.folder, stage, keeps_folders=False, departure=self.departure)


def active_learning(case: Case, store: RunStore, pool: ParslPool, stopwatch: Stopwatch, root: Path) -> Loop:
    """The stage as a campaign assembles it, but for its committee."""
    folder = RunFolder(root, root / "labels")
    committee = cast(Committee, SleepingSprings(case, crystal()))  # the loop asks for no more than this has
    starts = [TrajectoryStart.steady(crystal(), Langevin(0.01), 30.0, 1.0, 1)] * case.trajectories
    memory = Memory(store, folder)
    watching = Watching(Unwatched(), store, memory, stopwatch=stopwatch, n_workers=case.workers)
    bench = MeasuredBench(store, memory, folder, pool, stopwatch, watching)
    parts = LoopParts(
        rules=case.rules,
        sampler=BatchedSampler(starts, CommitteeForces(committee, member=0)),
        recorder=NoRecorder(),
        goes_back_to=GoesBackTo.LAST_LABEL,
        plan=EpochPlan(),
        build_committee=lambda _: committee,
        score=SCORES["max_atomic_sd"],
    )
    state = begin(case.rules, n_trajectories=case.trajectories)
    stagnations = Stagnations.begin(committee.n_members, patience=10, margin=0.002)
    return Loop(cast(Bench, bench), str(Stage.ACTIVE), parts, state, committee=committee, stagnations=stagnations)


def cases(arguments: argparse.Namespace) -> list[Case]:
    """What is to be measured: every number of workers with the given trajectories, the largest with more of them."""
    found = []
    for label_s in arguments.label_s:
        for workers in arguments.workers:
            crowds = [arguments.trajectories]
            if workers >= arguments.trajectories:
                crowds += [math.ceil(arguments.trajectories * factor) for factor in arguments.more]
            times = (label_s, arguments.sampling * label_s, arguments.training * label_s)
            for crowd in crowds:
                n_waves = max(arguments.waves, math.ceil(1.25 * crowd / workers))
                found.append(Case(workers, crowd, *times, goal_of(n_waves * workers, crowd)))
    return found


def goal_of(n_labels: int, n_trajectories: int) -> int:
    """Size of the training set at which a campaign must stop asking, to make almost so many labels and never more.

    A label more than whole waves would cost a wave. In flight are, when it stops, at most the other trajectories'.
    """
    counts = SplitCounts()
    for _ in range(n_labels - n_trajectories + 1):
        counts, _split = Quota(VALID_RATIO).place(counts)
    return counts.n_train


def show(record: Record) -> None:
    """One line of the table, and whether the goal was met."""
    goal = GOALS.get(record.workers)
    word = ""
    if goal is not None and record.efficiency >= goal:
        word = f"goal {goal:.2f}: ok"
    elif goal is not None:
        few = record.labels < MIN_WAVES * record.workers
        word = f"goal {goal:.2f}: " + (
            "not judged by so few labels: beginning and end weigh too much" if few else "MISSED"
        )
    own = (record.sampling_s, record.training_s, record.recording_s, record.waiting_s)
    shares = "  ".join(f"{100 * seconds / record.makespan_s:5.1f}" for seconds in own)
    print(
        f"{record.label_s:6g} {record.workers:8d} {record.trajectories:13d} {record.labels:7d} {record.start_s:8.1f} "
        f"{record.makespan_s:9.2f} {record.ideal_s:9.2f} {record.whole_waves_s:9.2f} {record.predicted_s:9.2f} "
        f"{record.efficiency:11.3f}   {shares}   {word}",
        flush=True,
    )


HEADER = (
    "label s  workers  trajectories  labels  start s  makespan     ideal     waves   planned  efficiency"
    "   sampling, training, recording, waiting: % of the time"
)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--label-s", type=float, nargs="+", default=[2.0, 10.0], help="durations of a label")
    parser.add_argument("--trajectories", type=int, default=32)
    parser.add_argument(
        "--more", type=float, nargs="*", default=[1.5, 2.0], help="also so many times the trajectories, at most workers"
    )
    parser.add_argument("--sampling", type=float, default=0.005, help="MD for each label, in units of a label")
    parser.add_argument("--training", type=float, default=0.005, help="epochs for each label, in units of a label")
    parser.add_argument("--waves", type=int, default=12, help="labels for each worker, at least")
    parser.add_argument(
        "--quick", action="store_true", help="2, 8 and 16 workers, few labels of 2 s; under two minutes"
    )
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.workers, arguments.label_s, arguments.waves = [2, 8, 16], [2.0], 4
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    torch.set_num_threads(1)
    print(
        f"{crystal().n_atoms} atoms; for each label the main process sleeps {arguments.sampling:g} labels for MD and "
        f"up to {arguments.training:g} for training (labels that arrive together share their epochs)\n\n{HEADER}"
    )
    records = []
    for case in cases(arguments):
        with tempfile.TemporaryDirectory(prefix="aims-pax-scaling-") as folder:
            records.append(run(case, Path(folder)))
        show(records[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in records], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
