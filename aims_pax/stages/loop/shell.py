"""One loop: trajectories sample, a pool labels, a committee learns; what happens next is decided by the learner.

What differs between one loop and another is said by its rules (which structures are labelled, who waits, when the
committee trains) and by its parts (what drives the MD, where a failed trajectory goes back to).
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from aims_pax.departure import Reason
from aims_pax.frame import Label, LabelFailure, LabelledFrame
from aims_pax.labelling.desk import Answer
from aims_pax.learner.decide import decide, ended_by_a_failure, reopened, resumed
from aims_pax.learner.events import (
    Advance,
    Ask,
    Asked,
    AwaitLabel,
    ChunkDone,
    ChunkUnphysical,
    Consequence,
    Distribute,
    Distributed,
    EpochsDone,
    Event,
    Finish,
    KeepLabel,
    LabelFailed,
    Rescored,
    Rewind,
    SubmitLabel,
    Train,
    Withdraw,
)
from aims_pax.learner.state import Phase, State, StopReason
from aims_pax.learner.transition import equilibration_left, transition
from aims_pax.protocols import Committee, LabelDone
from aims_pax.sampling import Advanced
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.loop.checkpoints import Checkpoints
from aims_pax.stages.loop.judging import Judgements, Opinion, arrived
from aims_pax.stages.loop.keeping import Keeping
from aims_pax.stages.loop.moving import advance
from aims_pax.stages.loop.parts import PICKING_PAUSED, REOPENED, GoesBackTo, LoopParts
from aims_pax.stages.loop.redundancy import Redundancy
from aims_pax.stages.loop.requests import Requests
from aims_pax.stages.loop.sharing import Round
from aims_pax.stages.loop.showing import Showing
from aims_pax.stages.loop.telling import Diary
from aims_pax.stages.loop.trainer import Stagnations
from aims_pax.stages.loop.wrecks import WreckWatch


class Loop:
    """One stage of sampling, labelling and learning, from wherever the store says that it stands to its end.

    Parameters
    ----------
    stage : str
        Its name, under which the store keeps its state.
    committee : Committee or None
        As the run has left it; None until the first round of labels.
    stagnations : Stagnations or None
        Of its members, where optimizers are reset.
    """

    def __init__(
        self,
        bench: Bench,
        stage: str,
        parts: LoopParts,
        state: State,
        *,
        committee: Committee | None,
        stagnations: Stagnations | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench, self._stage, self._parts, self._clock = bench, stage, parts, clock
        self._desk = bench.desk(stage, is_revocable=parts.withdraws)
        self.state = state
        self.stuck: list[Advanced] = []
        self.last_failure: LabelFailure | None = None
        self._diary = Diary(stage, parts)
        self._trainer = None if committee is None else parts.new_trainer(committee, parts.plan, stagnations)
        self._requests = Requests(self._desk, bench.store, parts, self._diary)
        self._wrecks = WreckWatch()
        self._first_labels: list[Label] = []
        self._judgements = Judgements(stage, parts, len(state.trajectories))
        self._redundancy = Redundancy(bench.store, self._desk, parts, self._judgements)
        self._keeping = Keeping(bench, stage, parts)
        self._checkpoints = Checkpoints(parts.sampler, packed=None)
        self._last_commit = clock()
        self._n_initial_valid = 0 if committee is None else committee.n_valid(0) - state.counts[0].n_valid
        self._showing = Showing(bench, stage, parts, state)

    def run(self) -> StopReason:
        """Go on until the learner says that it is over; returns why.

        Raises
        ------
        Departed
            The campaign was asked to leave; this moment is stored.
        """
        with self._bench.departure.cooperating():
            self._resume()
            while True:
                self._hear(timeout_s=0.0)
                if self._bench.departure.reason is not None:
                    self._commit()
                    self._bench.departure.leave()
                command = decide(self.state, self._parts.rules)
                self._showing.show(self.state, command, None if self._trainer is None else self._trainer.committee)
                match command:
                    case Advance():
                        self._advance(command)
                    case Ask():
                        self._transition(Asked())
                        self._commit()
                    case Distribute():
                        self._distribute()
                    case Train(n_epochs):
                        self._train(n_epochs)
                    case AwaitLabel():
                        self._await_labels()
                    case Finish(reason):
                        self._commit()
                        return reason

    def step_done(self) -> None:
        """A driver that takes long for each MD step has made one more, of one trajectory."""
        self._showing.step_done()

    def _resume(self) -> None:
        """Take over the stored positions, noise streams and checkpoints, and the labels in flight."""
        memory, stored = self._bench.memory, self._keeping.recall_sampler()
        if stored is not None:
            self._checkpoints = stored
        if self.state.weighs_molecules and self._trainer is not None:  # the checkpoint may be from before that
            self._committee.weigh_molecules(self._parts.molecules_by_system, weight=self._parts.molecules_weight)
        before, is_reopened = self.state, memory.recall_json(REOPENED) is not None
        if is_reopened:
            self.state = reopened(self.state, self._parts.rules)
        self.state = resumed(self.state, self._parts.rules)
        for index in self.state.in_phase(Phase.RUNNING):
            if ended_by_a_failure(before.trajectories[index]):
                self._checkpoints.go_back(index)
        if is_reopened or stored is None:
            with self._committing():
                memory.forget(REOPENED)
        with self._bench.stopwatch.during(Activity.LABELLING):
            finished = self._desk.resume(self._parts.known_label)
        self._answers(finished)

    # -- sampling ---------------------------------------------------------------------------------------------

    def _advance(self, command: Advance) -> None:
        parts, stopwatch = self._parts, self._bench.stopwatch
        is_equilibrating = equilibration_left(self.state, parts.rules) > 0
        if is_equilibrating and self.state.n_equilibrated == 0:
            self._diary.equilibrating()
        with stopwatch.during(Activity.SAMPLING):
            parts.forget_history()
            advanced = advance(parts.sampler, command.trajectories, command.n_steps, recorder=parts.recorder)
        scores: dict[int, float | None] = {}
        if parts.score is not None:
            sound = [moved.trajectory for moved in advanced if moved.problem is None]
            with stopwatch.during(Activity.CHECKING):
                scores = self._judgements.scores(self._committee, sound)
        self.stuck = []
        for moved in advanced:
            is_running = self.state.trajectories[moved.trajectory].phase is Phase.RUNNING
            if is_running:  # else the loop has come to its end within this batch
                self._heard(moved, scores)
        is_over = is_equilibrating and equilibration_left(self.state, parts.rules) == 0
        if self._requests.are_waiting or is_over or self._clock() - self._last_commit > parts.quiet_commit_s:
            self._commit()
        if is_over:
            n_all = range(len(self.state.trajectories))
            self._diary.equilibrated(float(np.mean([parts.sampler.kinetic_temperature(index) for index in n_all])))

    def _heard(self, moved: Advanced, scores: dict[int, float | None]) -> None:
        """Tell the learner of one trajectory's chunk."""
        index, score = moved.trajectory, scores.get(moved.trajectory)
        n_steps = moved.md_step - self.state.trajectories[index].md_step
        problem = moved.problem
        if problem is None and index in scores and score is None:
            problem = "the forces of a committee member are not finite"
        if problem is not None:
            self._diary.stopped(index, moved.md_step, problem)
            self.stuck.append(moved)
            self._transition(ChunkUnphysical(index, n_steps, problem))
            return
        if self._parts.goes_back_to is GoesBackTo.LAST_CHUNK:
            self._checkpoints.take(index)
        of_molecules = () if score is None else self._judgements.of_molecules(index)
        event, like = ChunkDone(index, n_steps, score, of_molecules), None
        if score is not None:
            event, like = self._redundancy.looked_at(event, self.state, self._committee)
        consequences = self._transition(event)
        if like is not None:
            self._diary.passed_over(index, moved.md_step, like=like)
        if score is not None:
            generation = self._committee.generation
            self._judgements.note(moved, score, state=self.state, consequences=consequences, generation=generation)
            self._diary.judged(index, moved.md_step, score)

    # -- labels -----------------------------------------------------------------------------------------------

    def _hear(self, *, timeout_s: float | None) -> None:
        """Take the labels that have come."""
        with self._bench.stopwatch.during(Activity.LABELLING):
            done = self._desk.collect(timeout_s=timeout_s)
        self._answers(done)

    def _await_labels(self) -> None:
        """Wait for a label; leave when no more come before the walltime."""
        self._hear(timeout_s=None)
        if self._desk.only_held:
            self._bench.departure.ask(Reason.WALLTIME)

    def _answers(self, done: Sequence[LabelDone]) -> None:
        """Store labels together with what the learner makes of them, then let the committee have them.

        Those that arrived together are committed together: a wave of labels costs one commit, not one each.
        """
        if not done:
            return
        answers: list[Answer] = []
        labelled: list[LabelledFrame] = []
        with self._committing(flushed=True):
            for one in done:
                answer = self._desk.record(one)
                answers.append(answer)
                if self._parts.rules.wrecks is None:
                    self._wrecks.note(answer.result)
                if isinstance(answer.result, Label):
                    labelled += self._labelled(answer, answer.result)
                else:
                    self._failed(answer, answer.result)
        if labelled:
            self._committee.add(labelled)
        for answer in answers:
            self._desk.tidy(answer)
        self._send()

    def _labelled(self, answer: Answer, label: Label) -> list[LabelledFrame]:
        """Place a label in the dataset, if it is not one of a round, which is placed as a whole."""
        index = answer.frame.trajectory
        prediction = self._bench.store.prediction_of(answer.label_id)
        consequences = self._transition(event := arrived(answer.frame, label, prediction))
        kept = next((one for one in consequences if isinstance(one, KeepLabel)), None)
        if kept is None:
            if self.state.n_round == 0:
                self._first_labels.append(label)
            self._diary.collected(label, self.state)
            return []
        if kept.is_checkpoint and self._parts.goes_back_to is GoesBackTo.LAST_LABEL:
            self._checkpoints.take(index)
        sizes = self.state.train_size, self.state.counts[0].n_valid + self._n_initial_valid
        self._diary.kept(answer, label, kept.split, sizes=sizes)
        self._diary.checked(event, self.state)
        if kept.split is None:
            return []
        self._bench.store.assign(answer.label_id, kept.split, None)
        if self._trainer is not None:
            self._trainer.dataset_grew(kept.split)
        return [LabelledFrame(answer.label_id, answer.frame, label, kept.split, None)]

    def _failed(self, answer: Answer, failure: LabelFailure) -> None:
        self.last_failure = failure
        self._diary.failed(answer, failure)
        event = LabelFailed(answer.frame.trajectory, answer.frame.md_step, failure.reason.is_unphysical)
        self._transition(event)

    # -- training ---------------------------------------------------------------------------------------------

    @property
    def _committee(self) -> Committee:
        assert self._trainer is not None, "there is a committee as soon as anything was learned"
        return self._trainer.committee

    def _distribute(self) -> None:
        """Give each member its share of the round, or all of it to all members."""
        store, rules, n_round = self._bench.store, self._parts.rules, self.state.n_round
        waiting = Round.waiting(store, self._stage)
        if n_round == 0:
            waiting.require_something_to_learn(self._first_labels)
        rng = np.random.default_rng((self._parts.seed, n_round))
        with self._committing(flushed=True):
            self._transition(Distributed(waiting.shared(store, self.state.counts, rules.quota, rng)))
        placed = list(store.labelled(after=waiting.n_before))
        if self._trainer is None:
            with self._bench.stopwatch.during(Activity.STARTING):
                committee = self._parts.build_committee(placed)
                self._trainer = self._parts.new_trainer(committee, self._parts.plan, None)
        self._committee.add(placed)
        self._diary.distributed(
            self.state.n_round, len(waiting.label_ids), self.state.counts, n_probed=len(waiting.probed)
        )

    def _train(self, n_epochs: int) -> None:
        memory, stopwatch = self._bench.memory, self._bench.stopwatch
        assert self._trainer is not None
        with stopwatch.during(Activity.TRAINING):
            force_mae = self._trainer.train(n_epochs)
        self._transition(EpochsDone(n_epochs, force_mae))
        with stopwatch.during(Activity.RECORDING):
            checkpoint = memory.write_committee(self._committee)
        with stopwatch.during(Activity.CHECKING):
            second_looks = self._redundancy.second_looks(self.state, self._committee)
        with self._committing(flushed=True):
            self._trainer.record(self._bench.store)
            memory.keep_committee(checkpoint)
            for event in second_looks:
                self._look_again(event)
        with stopwatch.during(Activity.RECORDING):
            memory.forget_other_checkpoints()
        self._send()

    def _look_again(self, event: Rescored) -> None:
        """Withdraw a request that the learner would not make now, if no worker has begun it by this moment.

        What a worker has begun is kept, whatever the learner would make of it; so it hears of what is withdrawn alone.
        """
        if not any(isinstance(one, Withdraw) for one in transition(self.state, event, self._parts.rules)[1]):
            return
        label_id = self._desk.withdraw(self._parts.sampler.frame(event.trajectory))
        if label_id is not None:
            self._transition(event)
            self._diary.withdrawn(event.trajectory, event.md_step, label_id)

    # -- state ------------------------------------------------------------------------------------------------

    def _transition(self, event: Event) -> tuple[Consequence, ...]:
        """What the learner makes of an event; trajectories go back at once, picks wait for the next commit."""
        before = self.state
        self.state, consequences = transition(before, event, self._parts.rules)
        if not isinstance(event, ChunkDone):  # quiet ones have a table of their own
            self._keeping.note(type(event).__name__, dataclasses.asdict(event))
        for consequence in consequences:
            match consequence:
                case SubmitLabel():
                    self._requests.want(consequence)
                case Rewind(index):
                    self._checkpoints.go_back(index)
                    self._diary.rewound(index)
        if self.state.pause_epochs > before.pause_epochs:
            self._keeping.note(PICKING_PAUSED, {"n_pauses": self.state.n_pauses})
            self._diary.pausing(self.state.n_pauses)
        if self.state.weighs_molecules and not before.weighs_molecules and self._trainer is not None:
            self._trainer.weigh_molecules(self._parts.molecules_by_system, weight=self._parts.molecules_weight)
            self._diary.weighing(self._parts.molecules_weight)
        if self.state.stopping is not None and before.stopping is None:
            self._diary.stopping(self.state.stopping)
        return consequences

    def _commit(self) -> None:
        """Store this moment together with the labels that it asks for, and only then have them computed."""
        with self._committing():
            pass
        self._send()

    @contextmanager
    def _committing(self, *, flushed: bool = False) -> Iterator[None]:
        """Store what is done within, with everything that a resumed run needs, of one and the same moment.

        Parameters
        ----------
        flushed : bool
            Whether to wait for the disk: for what was paid for.
        """
        store = self._bench.store
        transaction = store.transaction if flushed else store.unflushed_transaction
        with self._bench.stopwatch.during(Activity.RECORDING), transaction():
            yield
            self._requests.enter(self._predicted, self._judgements)
            self._judgements.write(store)
            stagnations = None if self._trainer is None else self._trainer.stagnations
            self._keeping.write(self.state, self._checkpoints, stagnations)
        self._last_commit = self._clock()

    def _predicted(self, trajectories: Sequence[int]) -> dict[int, Opinion]:
        """What the committee says of structures that are asked for; nothing where there is none yet."""
        if self._trainer is None or not trajectories:
            return {}
        return self._judgements.predicted(self._committee, trajectories)

    def _send(self) -> None:
        """Have the labels computed that were committed; those that the driver knows are answered at once."""
        with self._bench.stopwatch.during(Activity.LABELLING):
            known = self._requests.send()
        self._answers(known)
