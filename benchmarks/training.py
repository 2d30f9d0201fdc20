"""How much of the models' own speed does training keep, and what do shared epochs save?

    python benchmarks/training.py                         half an hour
    python benchmarks/training.py --quick --json training.json

Ethanol labelled by GFN2-xTB, four members, two cores or as many as OMP_NUM_THREADS says. Three tables:

1. Epochs of a committee against a bare forward and backward pass of the same models on the same batches, put together
   beforehand; the two take turns, and the fastest of all rounds counts. `validated` is the speed with a validation
   pass over a ninth as many structures after every epoch, as valid_skip 1 asks for.
2. The training of an active-learning run to a number of structures: epochs that all trajectories share (with writing
   the checkpoint after each), against epochs of every point by itself, as aims-PAX trains. The learner itself decides
   who trains when; deviations are drawn (exponential: 37 % are above their mean), and a label takes as long as
   --label-rounds turns of sampling. The time of an epoch is measured at several sizes of the set.
   Labels that arrive one at a time share nothing: the goal is for labels that are there at once (0 turns).
3. With --curves: force MAE on structures never seen, as a set grows by two structures at a time with two epochs each,
   for replay_strategy full_dataset and random_subset, and after convergence on the whole set; mean and standard
   deviation over three seeds.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ethanol import MODELS, labelled_ethanol, mace_settings

from aims_pax.committee import Committee, EpochPlan, Handling, RandomSubset
from aims_pax.committee.cores import side_by_side
from aims_pax.committee.mace.graph import join_graphs
from aims_pax.frame import LabelledFrame, Split
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide
from aims_pax.learner.events import Advance, AwaitLabel, ChunkDone, EpochsDone, Finish, LabelArrived, SubmitLabel, Train
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import MovingThreshold
from aims_pax.learner.state import Rules
from aims_pax.learner.transition import begin, transition

Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
SEEDS = (1, 2, 3, 4)
BATCH_SIZE = 5
EPOCHS_PER_LABEL = 2
VALID_RATIO = 0.1
UNVALIDATED = EpochPlan(valid_skip=2**60, validates_last=False)
GOALS = {"fraction_of_limit": 0.85, "per_point_over_run": 3.0}


@dataclass(frozen=True, slots=True)
class Throughput:
    """Structures that one committee trains on in a second; each counts once, although every member sees it."""

    what: str
    model: str
    compiled: bool
    n_members: int
    batch_size: int
    structures_per_s: float
    limit_structures_per_s: float
    fraction_of_limit: float
    validated_structures_per_s: float


@dataclass(frozen=True, slots=True)
class EpochCost:
    """Wall time of an epoch with its validation, which grows with the set, and of writing a checkpoint, s."""

    per_structure_s: float
    offset_s: float
    writing_s: float

    def epoch_s(self, n_structures: int) -> float:
        return self.offset_s + self.per_structure_s * n_structures


@dataclass(frozen=True, slots=True)
class RunTraining:
    """Training of one run, s; `n_epochs` is what the shared epochs come to, `n_per_point_epochs` the others."""

    what: str
    model: str
    n_structures: int
    n_trajectories: int
    label_rounds: int
    n_epochs: int
    n_per_point_epochs: int
    run_training_s: float
    per_point_training_s: float
    per_point_over_run: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Force MAE at one size of a growing set, eV/Å, over the seeds, and the training that it took until then."""

    what: str
    strategy: str
    n_structures: int
    force_mae_ev_per_ang: float
    spread_ev_per_ang: float
    training_s: float


def seconds(work: Callable[[], object], clock: Clock) -> float:
    """How long a call takes."""
    started = clock()
    work()
    return clock() - started


# -- 1. throughput --------------------------------------------------------------------------------------------


def throughput(
    model: str, *, n_structures: int, n_rounds: int, dataset: Sequence[LabelledFrame], clock: Clock, compiled: bool
) -> Throughput:
    """Epochs and bare passes, in turn."""
    committee = built(model, first(dataset, n_structures, n_structures // 9), compiled=compiled)
    graphs = committee._members[0].train_graphs
    batches = [join_graphs(graphs[start : start + BATCH_SIZE]) for start in range(0, len(graphs), BATCH_SIZE)]

    def bare(index: int) -> None:
        network = committee._members[index].model
        weights = list(network.parameters())
        for data, targets in batches:
            for weight in weights:
                weight.grad = None
            data["positions"] = data["positions"].detach()
            out = network(dict(data), training=True, compute_force=True)
            energy = (out["interaction_energy"] - targets.energy) / targets.n_atoms
            loss = energy.square().mean() + 1000.0 * (out["forces"] - targets.forces).square().mean()
            torch.autograd.backward(loss, inputs=weights)

    def limit() -> None:
        side_by_side(bare, range(committee.n_members), device=committee.device)

    ways = (lambda: committee.train(1, plan=UNVALIDATED), limit, lambda: committee.train(1))
    times = np.array([[seconds(way, clock) for way in ways] for _ in range(n_rounds)])
    ours_s, limit_s, validated_s = times.min(axis=0)
    return Throughput(
        what="throughput",
        model=model,
        compiled=compiled,
        n_members=committee.n_members,
        batch_size=BATCH_SIZE,
        structures_per_s=n_structures / ours_s,
        limit_structures_per_s=n_structures / limit_s,
        fraction_of_limit=limit_s / ours_s,
        validated_structures_per_s=n_structures / validated_s,
    )


# -- 2. a run -------------------------------------------------------------------------------------------------


def schedule(n_trajectories: int, goal: int, *, label_rounds: int) -> Iterator[tuple[int, int, int]]:
    """What a run trains: structures of the set, epochs of this slice, points for training that came before it."""
    rules = Rules(
        selectors=(MovingThreshold(c_x=0.0, quiet_limit_steps=50_000),),
        cadence=PerLabel(EPOCHS_PER_LABEL, epochs_per_slice=1),
        quota=Quota(VALID_RATIO),
        skip_steps=20,
        max_failures=3,
        max_train_size=goal,
    )
    state = begin(rules, n_trajectories=n_trajectories, n_initial_train=10)
    dice = np.random.default_rng(1)
    due: dict[int, int] = {}
    n_rounds = n_before = 0
    while True:
        for trajectory in [one for one, when in due.items() if when <= n_rounds]:
            del due[trajectory]
            arrived = LabelArrived(trajectory, state.trajectories[trajectory].md_step)
            state, _ = transition(state, arrived, rules)
        match decide(state, rules):
            case Advance(trajectories, n_steps):
                n_rounds += 1
                for trajectory in trajectories:
                    if state.stopping is None:
                        event = ChunkDone(trajectory, n_steps, float(dice.exponential()))
                        state, wanted = transition(state, event, rules)
                        due |= {
                            one.trajectory: n_rounds + label_rounds for one in wanted if isinstance(one, SubmitLabel)
                        }
            case Train(n_epochs):
                yield state.train_size, n_epochs, state.train_size - n_before
                n_before = state.train_size
                state, _ = transition(state, EpochsDone(n_epochs, None), rules)
            case AwaitLabel():
                n_rounds = min(due.values())
            case Finish():
                return


def epoch_cost(
    model: str, sizes: Sequence[int], *, dataset: Sequence[LabelledFrame], clock: Clock, compiled: bool
) -> EpochCost:
    """Measured at some sizes of the set."""
    epochs, writing_s = [], math.inf
    with tempfile.TemporaryDirectory(prefix="aims-pax-benchmark-") as folder:
        path = Path(folder) / "committee.pt"
        for size in sizes:
            points = first(dataset, size, round(size * VALID_RATIO / (1 - VALID_RATIO)))
            committee = built(model, points, compiled=compiled)
            epochs.append(min(seconds(partial(committee.train, 1), clock) for _ in range(3)))
            writing_s = min(writing_s, *(seconds(partial(committee.save, path), clock) for _ in range(3)))
    slope, offset = np.polyfit(sizes, epochs, 1)
    return EpochCost(float(slope), float(offset), writing_s)


def run_training(cost: EpochCost, *, model: str, goal: int, n_trajectories: int, label_rounds: int) -> RunTraining:
    """Both ways to train the same run."""
    ours_s = theirs_s = 0.0
    n_ours = n_theirs = 0
    for n_structures, n_epochs, n_new in schedule(n_trajectories, goal, label_rounds=label_rounds):
        ours_s += n_epochs * cost.epoch_s(n_structures) + cost.writing_s
        n_ours += n_epochs
        for n_then in range(n_structures - n_new + 1, n_structures + 1):
            theirs_s += EPOCHS_PER_LABEL * cost.epoch_s(n_then)
            n_theirs += EPOCHS_PER_LABEL
    return RunTraining(
        what="run",
        model=model,
        n_structures=goal,
        n_trajectories=n_trajectories,
        label_rounds=label_rounds,
        n_epochs=n_ours,
        n_per_point_epochs=n_theirs,
        run_training_s=ours_s,
        per_point_training_s=theirs_s,
        per_point_over_run=theirs_s / ours_s,
    )


# -- 3. learning curves ---------------------------------------------------------------------------------------


def curves(
    model: str, *, goal: int, subset: int, dataset: Sequence[LabelledFrame], clock: Clock
) -> Iterator[CurvePoint]:
    """Both replay strategies on one growing set."""
    replays = {"full_dataset": None, f"random_subset of {subset}": RandomSubset(subset, 2**60, fresh_epochs=2)}
    points = [point for point in dataset if point.split is Split.TRAINING][:goal]
    unseen = [point for point in dataset if point.split is Split.VALIDATION]
    for strategy, replay in replays.items():
        committee = Committee.build(mace_settings(model), points[:10], seeds=SEEDS[:3])
        plan = EpochPlan(valid_skip=2**60, validates_last=False, replay=replay)
        spent_s = seconds(partial(committee.train, 40, plan=UNVALIDATED), clock)
        for size in range(12, goal + 1, 2):
            committee.add(points[:size])
            spent_s += seconds(partial(committee.train, 2, plan=plan), clock)
            if size % (goal // 4) == 0:
                yield curve_point(committee, unseen, strategy, size, spent_s)
        spent_s += seconds(partial(committee.train, 40, plan=UNVALIDATED), clock)
        yield curve_point(committee, unseen, f"{strategy}, 40 epochs on all", goal, spent_s)


def curve_point(
    committee: Committee, unseen: Sequence[LabelledFrame], strategy: str, size: int, spent_s: float
) -> CurvePoint:
    """Errors of every seed, now."""
    predicted = committee.predict([point.frame for point in unseen])
    errors = np.mean(
        [
            np.abs(found.forces - point.label.forces).mean(axis=(1, 2))
            for found, point in zip(predicted, unseen, strict=True)
        ],
        axis=0,
    )
    return CurvePoint("curve", strategy, size, float(errors.mean()), float(errors.std(ddof=1)), spent_s)


# -- tables ---------------------------------------------------------------------------------------------------


def built(model: str, dataset: Sequence[LabelledFrame], *, compiled: bool) -> Committee:
    """Four members."""
    return Committee.build(
        mace_settings(model, batch_size=BATCH_SIZE), dataset, seeds=SEEDS, handling=Handling(compiled=compiled)
    )


def first(dataset: Sequence[LabelledFrame], n_train: int, n_valid: int) -> list[LabelledFrame]:
    """A smaller set."""
    wanted = {Split.TRAINING: n_train, Split.VALIDATION: n_valid}
    return [point for split, n in wanted.items() for point in [p for p in dataset if p.split is split][:n]]


def judged(value: float, goal: str) -> str:
    return f"{'ok' if value >= GOALS[goal] else 'MISSED'} (>= {GOALS[goal]:g})"


def measurements(arguments: argparse.Namespace) -> Iterator[Throughput | RunTraining | CurvePoint]:
    """All records, each printed as soon as it is there."""
    quick, clock = arguments.quick, CLOCKS[arguments.clock]
    dataset = labelled_ethanol(arguments.structures, max(arguments.structures // 9, 40), seed=1)
    print("\nmodel   batch   structures/s   limit   fraction   validated")
    for model in arguments.models:
        rate = throughput(
            model,
            n_structures=20 if quick else 40,
            n_rounds=5 if quick else 15,
            dataset=dataset,
            clock=clock,
            compiled=arguments.compile,
        )
        print(
            f"{rate.model:6s} {rate.batch_size:6d} {rate.structures_per_s:14.1f} {rate.limit_structures_per_s:7.1f} "
            f"{rate.fraction_of_limit:10.3f} {rate.validated_structures_per_s:11.1f}   "
            f"{judged(rate.fraction_of_limit, 'fraction_of_limit')}",
            flush=True,
        )
        yield rate
    print("\nmodel   structures   trajectories   label takes   epochs   per point   run s   per point s   ratio")
    sizes = [10, arguments.structures] if quick else [10, arguments.structures // 2, arguments.structures]
    for model in arguments.models:
        cost = epoch_cost(model, sizes, dataset=dataset, clock=clock, compiled=arguments.compile)
        for n_trajectories in arguments.trajectories:
            for label_rounds in arguments.label_rounds:
                run = run_training(
                    cost, model=model, goal=arguments.goal, n_trajectories=n_trajectories, label_rounds=label_rounds
                )
                print(
                    f"{run.model:6s} {run.n_structures:11d} {run.n_trajectories:14d} {run.label_rounds:6d} turns "
                    f"{run.n_epochs:8d} {run.n_per_point_epochs:11d} {run.run_training_s:7.0f} "
                    f"{run.per_point_training_s:13.0f} {run.per_point_over_run:7.2f}   "
                    f"{judged(run.per_point_over_run, 'per_point_over_run') if label_rounds == 0 else ''}",
                    flush=True,
                )
                yield run
    if not arguments.curves:
        return
    print("\nstrategy                              structures   force MAE meV/Å      training s")
    for point in curves(
        arguments.models[0], goal=arguments.curves, subset=arguments.subset, dataset=dataset, clock=clock
    ):
        print(
            f"{point.strategy:37s} {point.n_structures:11d} {1000 * point.force_mae_ev_per_ang:10.1f} "
            f"+- {1000 * point.spread_ev_per_ang:4.1f} {point.training_s:14.1f}",
            flush=True,
        )
        yield point


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["16x0", "32x1"])
    parser.add_argument("--goal", type=int, default=200, help="training structures at the end of a run")
    parser.add_argument("--structures", type=int, default=200, help="largest set that epochs are measured on")
    parser.add_argument("--trajectories", type=int, nargs="+", default=[8, 32])
    parser.add_argument(
        "--label-rounds", type=int, nargs="+", default=[0, 10], help="sampling turns that a label takes"
    )
    parser.add_argument("--curves", type=int, default=80, help="structures at the end of the learning curves; 0: none")
    parser.add_argument("--subset", type=int, default=20, help="train_subset_size of the learning curves")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: core seconds, where others use the machine"
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="with `compile: true` of mace.yaml; not for bare passes and curves; takes minutes more",
    )
    parser.add_argument("--quick", action="store_true", help="one model, small sets, no curves; within two minutes")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models, arguments.structures, arguments.curves = ["16x0"], 40, 0
    print(f"{len(SEEDS)} members, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    records = [asdict(record) for record in measurements(arguments)]
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
