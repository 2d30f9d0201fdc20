"""Active learning: carries out what the learner decides, and feeds back what came of it."""

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aims_pax.committee import Committee
from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.frame import Label, LabelFailure, LabelledFrame, Stage
from aims_pax.labelling.desk import Answer, LabelDesk
from aims_pax.learner import active as learner
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    ChunkUnphysical,
    Command,
    Consequence,
    EpochsDone,
    Event,
    Finish,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    Rewind,
    SubmitLabel,
    Train,
)
from aims_pax.learner.state import LIVE, Phase, PickReason, Policy, State, StopReason, Trajectory
from aims_pax.protocols import LabelDone, Observer, Score, Status
from aims_pax.sampling import Advanced, BatchedSampler, TrajectoryCheckpoint
from aims_pax.stages.activities import Activity, Stopwatch
from aims_pax.stages.memory import Memory, pack, unpack
from aims_pax.stages.recording import NoRecorder, TrajectoryRecorder
from aims_pax.stages.trainer import CommitteeTrainer
from aims_pax.stages.wrecks import WreckWatch

diary = logging.getLogger("aims_pax.active")

ACTIVITY_WORDS: Mapping[type[Command], str] = {
    Advance: "sampling",
    Train: "training",
    AwaitLabel: "waiting for labels",
    Finish: "finished",
}

REOPENED: Final = "reopened"
"""Name under which the store keeps that a run which had ended is to go on under goals that ask for more."""

QUIET_COMMIT_S = 10.0
"""Seconds of uneventful MD that an interruption may cost: a commit is made at least this often."""


@dataclass(frozen=True, slots=True)
class ActiveParts:
    """What active learning is made of; assembled in :mod:`aims_pax.stages.assembly`.

    Parameters
    ----------
    score : Score
    moves_checkpoints : bool
        Whether a labelled structure becomes its trajectory's checkpoint (`update_md_checkpoints`).
    n_epochs_before : int
        Epochs that the members were trained in earlier stages, for the display.
    """

    store: RunStore
    memory: Memory
    desk: LabelDesk
    sampler: BatchedSampler
    recorder: TrajectoryRecorder | NoRecorder
    committee: Committee
    trainer: CommitteeTrainer
    score: Score
    policy: Policy
    stopwatch: Stopwatch
    observer: Observer
    departure: Departure
    moves_checkpoints: bool
    n_epochs_before: int


class ActiveLearning:
    """One active-learning stage, from wherever the store says that it stands to its end."""

    def __init__(self, parts: ActiveParts, state: State, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._clock = parts, clock
        self.state = state
        self._wrecks = WreckWatch()
        self._checks: list[ScoreRow] = []
        self._noted: list[ScoreRow] = []
        self._journal: list[tuple[str, dict[str, Any]]] = []
        self._checkpoints: dict[int, bytes] = {}  # packed: all are stored at every commit, and few have changed
        self._last_commit = clock()
        counts = parts.store.counts()
        self._n_initial_valid = parts.committee.n_valid(0) - state.quota.n_valid
        self._labels_before = (
            counts.n_requested - state.n_requested,
            counts.n_received - state.n_received,
            counts.n_failed - state.n_failed,
        )

    def run(self) -> StopReason:
        """Go on until the learner says that it is over; returns why.

        Raises
        ------
        Departed
            The campaign was asked to leave; this moment is stored.
        """
        with self._parts.departure.cooperating():
            self._resume()
            while True:
                self._answers(self._collect(timeout_s=0.0))
                if self._parts.departure.reason is not None:
                    self._commit()
                    self._parts.departure.leave()
                command = learner.decide(self.state, self._parts.policy)
                self._show(command)
                match command:
                    case Advance():
                        self._advance(command)
                    case Train(n_epochs):
                        self._train(n_epochs)
                    case AwaitLabel():
                        self._await_labels()
                    case Finish(reason):
                        self._commit()
                        return reason

    def _resume(self) -> None:
        """Take over the stored positions, noise streams and checkpoints, and the labels in flight."""
        stored = self._parts.memory.recall_bytes("sampler.active")
        if stored is None:
            everywhere = range(len(self.state.trajectories))
            self._checkpoints = {index: self._parts.sampler.checkpoint(index).to_bytes() for index in everywhere}
            self._commit()
            return
        self._parts.sampler.load(stored)
        checkpoints = self._parts.memory.recall_bytes("checkpoints.active") or b""
        self._checkpoints = {int(name): data for name, data in unpack(checkpoints).items()}
        before, is_reopened = self.state, self._parts.memory.recall_json(REOPENED) is not None
        if is_reopened:
            self.state = learner.reopened(self.state, self._parts.policy)
        self.state = learner.resumed(self.state, self._parts.policy)
        for index in self.state.in_phase(Phase.RUNNING):
            if _ended_by_a_failure(before.trajectories[index]):
                self._parts.sampler.rewind(index, TrajectoryCheckpoint.from_bytes(self._checkpoints[index]))
        if is_reopened:
            with self._parts.store.transaction():
                self._parts.memory.forget(REOPENED)
                self._write_state()
        with self._parts.stopwatch.during(Activity.LABELLING):
            finished = self._parts.desk.resume()
        self._answers(finished)

    # -- sampling ---------------------------------------------------------------------------------------------

    def _advance(self, command: Advance) -> None:
        parts = self._parts
        with parts.stopwatch.during(Activity.SAMPLING):
            advanced = parts.recorder.advance(parts.sampler, command.trajectories, command.n_steps)
        sound = [moved.trajectory for moved in advanced if moved.problem is None]
        with parts.stopwatch.during(Activity.CHECKING):
            scores = dict(zip(sound, self._scores(sound), strict=True))
        picks: list[SubmitLabel] = []
        for moved in advanced:
            is_running = self.state.trajectories[moved.trajectory].phase is Phase.RUNNING
            if is_running:  # else the campaign has come to its end within this batch
                picks += self._moved(moved, scores.get(moved.trajectory))
        if picks or self._clock() - self._last_commit > QUIET_COMMIT_S:
            self._commit(picks)

    def _moved(self, moved: Advanced, score: float | None) -> list[SubmitLabel]:
        """Tell the learner of one trajectory's chunk; returns the label that it asks for, if any."""
        index = moved.trajectory
        n_steps = moved.md_step - self.state.trajectories[index].md_step
        if score is None:
            problem = moved.problem or "the forces of a committee member are not finite"
            diary.warning("traj %02d  step %s  stopped: %s", index, _grouped(moved.md_step), problem)
            self._rewind(self._transition(ChunkUnphysical(index, n_steps, problem)))
            return []
        consequences = self._transition(ChunkDone(index, n_steps, score))
        threshold = self.state.threshold
        self._checks.append(
            ScoreRow(
                number=threshold.n_checks,
                trajectory=index,
                md_step=moved.md_step,
                generation=self._parts.committee.generation,
                score=score,
                threshold=threshold.value,
                picked=bool(consequences),
            )
        )
        diary.debug("traj %02d  step %s  deviation %.4f eV/Å", index, _grouped(moved.md_step), score)
        return [consequence for consequence in consequences if isinstance(consequence, SubmitLabel)]

    def _scores(self, trajectories: Sequence[int]) -> list[float | None]:
        """Committee deviation of the structures at which these trajectories stand, eV/Å; None if it is not finite."""
        if not trajectories:
            return []
        batch = self._parts.sampler.batch(trajectories)
        forces = self._parts.committee.opinions(batch).forces.cpu().numpy()
        scores: list[float | None] = []
        start = 0
        for n_atoms in batch.n_atoms.tolist():
            score = self._parts.score(forces[:, start : start + n_atoms])
            scores.append(score if math.isfinite(score) else None)
            start += n_atoms
        return scores

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
        """Store labels together with what the learner makes of them, then let the committee have them.

        Those that arrived together are committed together: a wave of labels costs one commit, not one each.
        """
        if not done:
            return
        answers: list[Answer] = []
        labelled: list[LabelledFrame] = []
        with self._parts.stopwatch.during(Activity.RECORDING), self._parts.store.transaction():
            for one in done:
                answer = self._parts.desk.record(one)
                answers.append(answer)
                self._wrecks.note(answer.result)
                if isinstance(answer.result, Label):
                    labelled.append(self._labelled(answer, answer.result))
                    self._parts.trainer.dataset_grew(labelled[-1].split)
                else:
                    self._failed(answer, answer.result)
            self._write_state()
        self._parts.committee.add(labelled)
        for answer in answers:
            self._parts.desk.tidy(answer)

    def _labelled(self, answer: Answer, label: Label) -> LabelledFrame:
        """Place a label in the dataset; its structure is its trajectory's checkpoint from now on."""
        index, md_step = answer.frame.trajectory, answer.frame.md_step
        consequences = self._transition(LabelArrived(index, md_step))
        (split,) = (one.split for one in consequences if isinstance(one, KeepLabel))
        self._parts.store.assign(answer.label_id, split, None)
        if self._parts.moves_checkpoints:
            self._checkpoints[index] = self._parts.sampler.checkpoint(index).to_bytes()
        quota = self.state.quota
        diary.info(
            "traj %02d  step %s  label %d after %.1f s  -> %s set (%d + %d)",
            *(index, _grouped(md_step), answer.label_id, label.wall_s, split),
            *(self.state.train_size, quota.n_valid + self._n_initial_valid),
        )
        return LabelledFrame(answer.label_id, answer.frame, label, split, None)

    def _failed(self, answer: Answer, failure: LabelFailure) -> None:
        index, md_step = answer.frame.trajectory, answer.frame.md_step
        diary.warning(
            "traj %02d  step %s  label %d failed, %s: %s",
            *(index, _grouped(md_step), answer.label_id, failure.reason, failure.message),
        )
        self._rewind(self._transition(LabelFailed(index, md_step)))

    # -- training ---------------------------------------------------------------------------------------------

    def _train(self, n_epochs: int) -> None:
        parts = self._parts
        with parts.stopwatch.during(Activity.TRAINING):
            force_mae = parts.trainer.train(n_epochs)
        self._transition(EpochsDone(n_epochs, force_mae))
        with parts.stopwatch.during(Activity.RECORDING):
            checkpoint = parts.memory.write_committee(parts.committee)
            with parts.store.transaction():
                parts.trainer.record(parts.store)
                parts.memory.keep_committee(checkpoint)
                self._write_state()
            parts.memory.forget_other_checkpoints()

    # -- state ------------------------------------------------------------------------------------------------

    def _transition(self, event: Event) -> tuple[Consequence, ...]:
        before = self.state
        self.state, consequences = learner.transition(before, event, self._parts.policy)
        if not isinstance(event, ChunkDone):  # quiet checks have a table of their own
            self._journal.append((type(event).__name__, dataclasses.asdict(event)))
        if self.state.stopping is not None and before.stopping is None:
            diary.info("no further structures are taken: %s", self.state.stopping)
        return consequences

    def _rewind(self, consequences: Sequence[Consequence]) -> None:
        for consequence in consequences:
            if isinstance(consequence, Rewind):
                index = consequence.trajectory
                self._parts.sampler.rewind(index, TrajectoryCheckpoint.from_bytes(self._checkpoints[index]))
                diary.info("traj %02d  back to its checkpoint", index)

    def _commit(self, picks: Sequence[SubmitLabel] = ()) -> None:
        """Store this moment together with the labels that it asks for, and only then have them computed."""
        parts = self._parts
        with parts.stopwatch.during(Activity.RECORDING), parts.store.unflushed_transaction():
            label_ids = [parts.desk.request(parts.sampler.frame(pick.trajectory)) for pick in picks]
            self._write_state()
        for pick, label_id in zip(picks, label_ids, strict=True):
            trajectory = self.state.trajectories[pick.trajectory]
            diary.info(
                "traj %02d  step %s  %s  -> label %d",
                *(pick.trajectory, _grouped(trajectory.md_step), self._reason(pick), label_id),
            )
            with parts.stopwatch.during(Activity.LABELLING):
                parts.desk.send(label_id)

    def _reason(self, pick: SubmitLabel) -> str:
        if pick.reason is PickReason.QUIET:
            return str(pick.reason)
        row = next(row for row in reversed(self._noted) if row.trajectory == pick.trajectory)
        return f"deviation {row.score:.3f} > {row.threshold:.3f} eV/Å"

    def _write_state(self) -> None:
        """Everything that a resumed run needs, of one and the same moment."""
        memory = self._parts.memory
        self._parts.store.append_scores(self._checks)
        self._noted, self._checks = self._checks, []
        for kind, payload in self._journal:
            self._parts.store.append_journal(kind, payload)
        self._journal.clear()
        memory.keep("learner.active", self.state)
        memory.keep("stagnations", self._parts.trainer.stagnations)
        memory.keep_bytes("sampler.active", self._parts.sampler.save())
        memory.keep_bytes("checkpoints.active", pack({str(index): data for index, data in self._checkpoints.items()}))
        memory.keep_time(self._parts.stopwatch)
        self._last_commit = self._clock()

    def _show(self, command: Command) -> None:
        state, parts = self.state, self._parts
        requested, received, failed = self._labels_before
        parts.observer.show(
            Status(
                stage=Stage.ACTIVE,
                n_running=len(state.in_phase(Phase.RUNNING)),
                n_waiting=len(state.in_phase(Phase.WAITING)),
                n_training=len(state.in_phase(Phase.TRAINING)),
                n_finished=sum(trajectory.phase not in LIVE for trajectory in state.trajectories),
                n_labels_requested=requested + state.n_requested,
                n_labels_received=received + state.n_received,
                n_labels_failed=failed + state.n_failed,
                n_train=state.train_size,
                n_valid=parts.committee.n_valid(0),
                train_goal=parts.policy.max_train_size,
                md_steps=sum(trajectory.md_step for trajectory in state.trajectories),
                epochs=parts.n_epochs_before + state.n_epochs,
                threshold=state.threshold.value,
                last_score=state.threshold.scores[-1] if state.threshold.scores else None,
                force_mae_ev_per_ang=state.force_mae,
                activity=ACTIVITY_WORDS[type(command)],
            )
        )


def _ended_by_a_failure(trajectory: Trajectory) -> bool:
    """Whether it may stand at a structure that no MD can go on from: what ends is not put back any more."""
    return trajectory.phase is Phase.FAILED or (trajectory.phase is Phase.FINISHED and trajectory.failures > 0)


def _grouped(number: int) -> str:
    """12400 as 12 400."""
    return f"{number:,}".replace(",", " ")
