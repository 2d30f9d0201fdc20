"""Initial dataset generation: a driver samples, the reference labels, every member learns its own share."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from aims_pax.committee import Committee, EpochPlan
from aims_pax.dataset.splits import distribute, place_all
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Frame, Label, LabelFailure, LabelledFrame, Split, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.learner import initial as learner
from aims_pax.learner.initial import (
    AwaitRoundLabel,
    DistributeRound,
    Equilibrate,
    FrameSubmitted,
    GaveUp,
    GiveUp,
    InitialCommand,
    InitialFinish,
    InitialPolicy,
    InitialState,
    InitialStop,
    RoundDistributed,
    RoundEpochsDone,
    RoundLabelArrived,
    RoundLabelFailed,
    SampleFrame,
    StepsEquilibrated,
    TrainRound,
)
from aims_pax.learner.quota import Quota
from aims_pax.protocols import LabelDone, Observer, Status
from aims_pax.sampling import Advanced, BatchedSampler, TrajectoryCheckpoint
from aims_pax.stages.activities import Activity, Stopwatch
from aims_pax.stages.memory import Memory
from aims_pax.stages.recording import NoRecorder, TrajectoryRecorder
from aims_pax.stages.sanity import is_probe
from aims_pax.stages.trainer import CommitteeTrainer
from aims_pax.stages.wrecks import WreckWatch, require_something_to_learn, stuck_words

diary = logging.getLogger("aims_pax.initial")

MAX_DRIVER_FAILURES = 10
"""Times in a row that the driver's MD may become unphysical before nothing sensible is left to do."""

QUIET_COMMIT_S = 2.0
"""Seconds of equilibration that a kill may cost."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How the points of each member are split so far, and which structure is sent next; can be journalled.

    Parameters
    ----------
    quotas : tuple of Quota
        One for each member, or a single one when all members share all points.
    next_system : int
        The sampled structure that is sent to the reference next; 0 when all have to advance first.
    """

    quotas: tuple[Quota, ...]
    next_system: int = 0


@dataclass(frozen=True, slots=True)
class InitialParts:
    """What initial dataset generation is made of; assembled in :mod:`aims_pax.stages.assembly`.

    Parameters
    ----------
    sampler : BatchedSampler
        One trajectory for each starting structure, moved by the driver.
    forget_history : callable
        Makes the driver compute the next step without its past; called before each structure.
    known_label : callable
        The label of a structure, where the driver is the reference itself and has
        computed it already (`initial_sampling: aimd`); else None.
    build_committee : callable
        Makes the committee from the first labels.
    skip_steps : int
        MD steps between structures (`skip_step_initial`).
    distinct : bool
        Whether each member has its own points (`distinct_model_sets`).
    plan : EpochPlan
        What belongs to each epoch.
    labels_per_line : int
        Labels between two lines of progress in the diary (`progress_dft_update`).
    seed : int
        Of the distribution of points to members.
    """

    store: RunStore
    memory: Memory
    desk: LabelDesk
    sampler: BatchedSampler
    recorder: TrajectoryRecorder | NoRecorder
    forget_history: Callable[[], None]
    known_label: Callable[[Frame], Label | LabelFailure | None]
    build_committee: Callable[[Sequence[LabelledFrame]], Committee]
    policy: InitialPolicy
    stopwatch: Stopwatch
    observer: Observer
    departure: Departure
    skip_steps: int
    n_systems: int
    distinct: bool
    plan: EpochPlan
    labels_per_line: int
    seed: int


class InitialDataset:
    """The initial stage, from wherever the store says that it stands to its end.

    Parameters
    ----------
    committee : Committee or None
        As it was when the run was interrupted; None until the first round is complete.
    """

    def __init__(
        self, parts: InitialParts, state: InitialState, *, shares: Shares, committee: Committee | None
    ) -> None:
        self._parts, self.state, self._shares = parts, state, shares
        self._trainer = None if committee is None else CommitteeTrainer(committee, parts.plan)
        self._checkpoints: dict[int, TrajectoryCheckpoint] = {}
        self._last_failure = ""
        self._last_commit = time.monotonic()
        self._wrecks = WreckWatch()
        self._first_labels: list[Label] = []

    def run(self) -> InitialStop:
        """Go on until a stopping criterion is met; returns which.

        Raises
        ------
        Departed
            The campaign was asked to leave; every step is stored when it is over.
        """
        with self._parts.departure.cooperating():
            self._resume()
            while True:
                self._answers(self._collect(timeout_s=0.0))
                if self._parts.departure.reason is not None:
                    self._parts.departure.leave()
                command = learner.decide(self.state, self._parts.policy)
                self._show(command)
                match command:
                    case Equilibrate(n_steps):
                        self._equilibrate(n_steps)
                    case SampleFrame():
                        self._sample()
                    case AwaitRoundLabel():
                        self._await_labels()
                    case DistributeRound():
                        self._distribute()
                    case TrainRound(n_epochs):
                        self._train(n_epochs, self._trainer)
                    case InitialFinish(reason):
                        diary.info("initial dataset complete: %s", reason)
                        return reason
                    case GiveUp(n_failed):
                        self._give_up(n_failed)

    def _give_up(self, n_failed: int) -> NoReturn:
        parts = self._parts
        with parts.stopwatch.during(Activity.RECORDING), parts.store.transaction():
            self.state = learner.transition(self.state, GaveUp(), parts.policy)
            self._write_state()
        raise CampaignStopped(
            f"the reference failed for {n_failed} structures in a row{self._last_failure}. The folders of the "
            "calculations (CLUSTER.calc_dir) hold what it said. Mend it, then the same command tries again"
        )

    def _resume(self) -> None:
        stored = self._parts.memory.recall_bytes("sampler.initial")
        if stored is not None:
            self._parts.sampler.load(stored)
        for index in range(self._parts.n_systems):
            self._checkpoints[index] = self._parts.sampler.checkpoint(index)
        with self._parts.stopwatch.during(Activity.LABELLING):
            finished = self._parts.desk.resume()
        self._answers(finished)

    # -- sampling ---------------------------------------------------------------------------------------------

    def _equilibrate(self, n_steps: int) -> None:
        """Let the driver move every system on, and store now and then where it stands."""
        parts, n_before = self._parts, self.state.n_equilibrated
        if n_before == 0:
            diary.info(
                "equilibrating: %d MD steps of each starting structure, not labelled", parts.policy.equilibration_steps
            )
        with parts.stopwatch.during(Activity.SAMPLING):
            parts.forget_history()
            self._advance_all(n_steps)
        self.state = learner.transition(self.state, StepsEquilibrated(n_steps), parts.policy)
        is_over = self.state.n_equilibrated >= parts.policy.equilibration_steps
        now = time.monotonic()
        if is_over or parts.departure.reason is not None or now - self._last_commit > QUIET_COMMIT_S:
            with parts.stopwatch.during(Activity.RECORDING), parts.store.unflushed_transaction():
                self._write_state()
            self._last_commit = now
        if is_over:
            temperatures = [parts.sampler.kinetic_temperature(index) for index in range(parts.n_systems)]
            diary.info(
                "equilibrated: kinetic temperature now %.0f K; structures are labelled from here", np.mean(temperatures)
            )

    def _sample(self) -> None:
        parts, system = self._parts, self._shares.next_system
        if system == 0:
            with parts.stopwatch.during(Activity.SAMPLING):
                parts.forget_history()
                self._advance_all(parts.skip_steps)
        frame = parts.sampler.frame(system)
        self._shares = replace(self._shares, next_system=(system + 1) % parts.n_systems)
        known = parts.known_label(frame)
        with parts.stopwatch.during(Activity.RECORDING), parts.store.unflushed_transaction():
            label_id = parts.desk.request(frame)
            self.state = learner.transition(self.state, FrameSubmitted(), parts.policy)
            self._write_state()
        diary.debug("%s  step %d  -> label %d", frame.system, frame.md_step, label_id)
        if known is None:
            with parts.stopwatch.during(Activity.LABELLING):
                parts.desk.send(label_id)
        else:
            self._answers([LabelDone(label_id, known)])

    def _advance_all(self, n_steps: int) -> None:
        """Move every system on; what becomes unphysical goes back and tries again."""
        pending = list(range(self._parts.n_systems))
        stopped: list[Advanced] = []
        for _ in range(MAX_DRIVER_FAILURES):
            advanced = self._parts.recorder.advance(self._parts.sampler, pending, n_steps)
            stopped = [moved for moved in advanced if moved.problem is not None]
            for moved in advanced:
                if moved.problem is None:
                    self._checkpoints[moved.trajectory] = self._parts.sampler.checkpoint(moved.trajectory)
                    continue
                diary.warning("system %d  step %d  stopped: %s", moved.trajectory, moved.md_step, moved.problem)
                self._parts.sampler.rewind(moved.trajectory, self._checkpoints[moved.trajectory])
            pending = [moved.trajectory for moved in stopped]
            if not pending:
                return
        names = [self._parts.sampler.frame(moved.trajectory).system for moved in stopped]
        raise CampaignStopped(stuck_words(stopped, names, n_times=MAX_DRIVER_FAILURES))

    # -- labels -----------------------------------------------------------------------------------------------

    def _collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        with self._parts.stopwatch.during(Activity.LABELLING):
            return self._parts.desk.collect(timeout_s=timeout_s)

    def _await_labels(self) -> None:
        """Wait for a label; leave when no more come before the walltime."""
        self._answers(self._collect(timeout_s=None))
        if self._parts.desk.only_held:
            self._parts.departure.ask(Reason.WALLTIME)

    def _answers(self, done: Sequence[LabelDone]) -> None:
        """Store each answer together with what the learner makes of it."""
        for one in done:
            with self._parts.stopwatch.during(Activity.RECORDING), self._parts.store.transaction():
                answer = self._parts.desk.record(one)
                arrived = isinstance(answer.result, Label)
                event = RoundLabelArrived() if arrived else RoundLabelFailed()
                self.state = learner.transition(self.state, event, self._parts.policy)
                self._write_state()
            self._wrecks.note(answer.result)
            if self.state.n_round == 0 and isinstance(answer.result, Label):
                self._first_labels.append(answer.result)
            if isinstance(answer.result, LabelFailure):
                found = f"{answer.result.reason}: {answer.result.message}"
                self._last_failure = f", the last time {found}"
                diary.warning("label %d failed, %s", answer.label_id, found)
            elif self.state.n_received % self._parts.labels_per_line == 0:
                diary.info(
                    "round %d  %d of %d labels, the last one after %.1f s",
                    *(self.state.n_round + 1, self.state.n_received, self._parts.policy.labels_per_round),
                    answer.result.wall_s,
                )
            self._parts.desk.tidy(answer)

    def _distribute(self) -> None:
        """Give each member its share of the round, or all of it to all members."""
        parts = self._parts
        waiting = parts.store.unassigned(Stage.INITIAL)
        probed = [label_id for label_id in waiting if is_probe(parts.store.frame_of(label_id))]
        round_labels = [label_id for label_id in waiting if label_id not in probed]
        if self.state.n_round == 0 and len(self._first_labels) == len(round_labels):  # else: resumed, and some are gone
            require_something_to_learn(self._first_labels)
        quotas = list(self._shares.quotas)
        rng = np.random.default_rng((parts.seed, self.state.n_round))
        counts = parts.store.counts()
        n_before = counts.n_placed
        with parts.stopwatch.during(Activity.RECORDING), parts.store.transaction():
            for label_id in probed:  # beside the quotas: no member's share is smaller or larger for them
                parts.store.assign(label_id, Split.TRAINING)
            for owner, share in enumerate(distribute(len(round_labels), len(quotas), rng)):
                quotas[owner], splits = place_all(quotas[owner], len(share))
                for position, split in zip(share.tolist(), splits, strict=True):
                    parts.store.assign(round_labels[position], split, owner if parts.distinct else None)
            self._shares = replace(self._shares, quotas=tuple(quotas))
            train_size = min(quota.n_train for quota in quotas)
            self.state = learner.transition(self.state, RoundDistributed(train_size), parts.policy)
            self._write_state()
        placed = list(parts.store.labelled(after=n_before))
        if self._trainer is None:
            with parts.stopwatch.during(Activity.STARTING):
                self._trainer = CommitteeTrainer(parts.build_committee(placed), parts.plan)
        self._trainer.committee.add(placed)
        if probed:
            diary.info("round %d  %d structures of the probe train every member, too", self.state.n_round, len(probed))
        diary.info(
            "round %d  %d labels distributed: each member has %d + %d structures",
            self.state.n_round,
            len(round_labels),
            quotas[0].n_train,
            quotas[0].n_valid,
        )

    # -- training ---------------------------------------------------------------------------------------------

    def _train(self, n_epochs: int, trainer: CommitteeTrainer | None) -> None:
        parts = self._parts
        assert trainer is not None, "epochs are due only after a round of labels"
        with parts.stopwatch.during(Activity.TRAINING):
            force_mae = trainer.train(n_epochs)
        self.state = learner.transition(self.state, RoundEpochsDone(n_epochs, force_mae), parts.policy)
        with parts.stopwatch.during(Activity.RECORDING):
            checkpoint = parts.memory.write_committee(trainer.committee)
            with parts.store.transaction():
                trainer.record(parts.store)
                parts.memory.keep_committee(checkpoint)
                self._write_state()
            parts.memory.forget_other_checkpoints()

    # -- state ------------------------------------------------------------------------------------------------

    def _activity(self, command: InitialCommand) -> str:
        """What is being done, in words."""
        match command:
            case Equilibrate():
                n_made, n_all = self.state.n_equilibrated, self._parts.policy.equilibration_steps
                return f"equilibrating, step {n_made} of {n_all}"
            case TrainRound() | DistributeRound():
                return "training"
            case _:
                return "sampling and labelling"

    def _write_state(self) -> None:
        """Everything that a resumed run needs, of one and the same moment."""
        memory = self._parts.memory
        memory.keep("learner.initial", self.state)
        memory.keep("shares", self._shares)
        memory.keep_bytes("sampler.initial", self._parts.sampler.save())
        memory.keep_time(self._parts.stopwatch)

    def _show(self, command: InitialCommand) -> None:
        state, parts = self.state, self._parts
        training = isinstance(command, TrainRound | DistributeRound)
        received = sum(quota.n_train + quota.n_valid for quota in self._shares.quotas) + state.n_received
        parts.observer.show(
            Status(
                stage=Stage.INITIAL,
                n_running=0 if training else parts.n_systems,
                n_waiting=state.n_in_flight,
                n_training=parts.n_systems if training else 0,
                n_finished=0,
                n_labels_requested=received + state.n_in_flight + state.n_failed,
                n_labels_received=received,
                n_labels_failed=state.n_failed,
                n_train=state.train_size,
                n_valid=self._shares.quotas[0].n_valid,
                train_goal=_whole(parts.policy.max_train_size),
                md_steps=sum(parts.sampler.frame(index).md_step for index in range(parts.n_systems)),
                epochs=state.n_epochs,
                threshold=float("inf"),
                last_score=None,
                force_mae_ev_per_ang=state.force_mae,
                activity=self._activity(command),
            )
        )


def _whole(limit: float) -> int | None:
    return int(limit) if np.isfinite(limit) else None
