"""Plays workflows: structures are built, move, are judged and labelled, and the committee learns."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from aims_pax.committee import EpochPlan
from aims_pax.frame import Frame, LabelFailure, LabelledFrame
from aims_pax.labelling.desk import Answer
from aims_pax.learner.workflows import (
    Advance,
    AllLearned,
    Await,
    Build,
    BuildFailed,
    Built,
    Consequence,
    Doing,
    DrivenBy,
    End,
    EpochsDone,
    Event,
    Finish,
    HoldFrame,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    LearnAll,
    Moved,
    PhaseOver,
    Player,
    PlayState,
    Submit,
    Train,
    begin,
    decide,
    driver_of,
    reopened,
    transition,
)
from aims_pax.protocols import Committee, LabelDone
from aims_pax.sampling import TrajectoryStart
from aims_pax.selection import score_of
from aims_pax.settings.stages.uncertainty import kind_named
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings import pretrained
from aims_pax.stages.bench import Bench
from aims_pax.stages.loop.judging import opinions, scores_of
from aims_pax.stages.loop.trainer import CommitteeTrainer
from aims_pax.stages.playing.books import Books
from aims_pax.stages.playing.cast import Role, rules_of
from aims_pax.stages.playing.drivers import Drivers
from aims_pax.stages.playing.learning import learn_all
from aims_pax.stages.playing.motion import Beginning, Motion
from aims_pax.stages.playing.record import PHASE_OVER, told_of
from aims_pax.stages.playing.scenes import Scenes
from aims_pax.stages.playing.segments import program_of_phase
from aims_pax.stages.playing.showing import Showing
from aims_pax.stages.playing.windows import Scored, Windows
from aims_pax.stages.states import PLAYS
from aims_pax.structures.augmentation.streams import Streams
from aims_pax.structures.building.failure import NotBuilt

diary = logging.getLogger("aims_pax.explore")

COMMIT_S: Final = 10.0
"""Seconds of uneventful MD that a kill may cost."""


class Playing:
    """All players of a stage, from wherever the store says that they stand to their end.

    Parameters
    ----------
    bench : Bench
    name : str
        Of the stage, under which the store keeps where it stands.
    settings : PlaySettings
    roles : sequence of Role
        By player.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        settings: PlaySettings,
        roles: Sequence[Role],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench, self._name, self._settings, self._roles, self._clock = bench, name, settings, roles, clock
        self._key = f"{PLAYS}{name}"
        self._scores_stress = kind_named(settings.uncertainty_type).of_stress
        self._score = score_of(settings.uncertainty_type, relative_eps_ev_per_ang=settings.relative_force_eps)
        with bench.stopwatch.during(Activity.STARTING):
            # A probe's labels alone make no models.
            has_models = bench.memory.committee_checkpoint() is not None or bench.memory.recall_json(pretrained.KEY)
            self._committee = bench.committee() if has_models else None
        stored = bench.memory.recall(self._key, PlayState)
        began_with_models = self._committee is not None if stored is None else not bench.memory.recall_json(self._own)
        self._rules = rules_of(bench.project, settings, roles, has_committee=began_with_models)
        self.state = begin(self._rules, has_committee=began_with_models) if stored is None else stored
        self._trainer = None if self._committee is None else self._new_trainer(self._committee)
        references = {system.name: bench.project.reference_for(system) for system in bench.project.systems}
        self._scenes = Scenes(bench.memory, self._key, roles, references=references, seed=settings.seed)
        self._windows = Windows(bench.memory, self._key, stage=name, kind=settings.uncertainty_type)
        self._drivers = Drivers(bench.project, settings, lambda: self._committee)
        folder, limit = bench.folder.root / "lammps", settings.max_force
        self._motion = Motion(self._drivers, folder=folder, overlap=settings.overlap, max_force_ev_per_ang=limit)
        self._journal: list[tuple[str, dict[str, Any]]] = []
        self._showing = Showing(bench, name, roles)
        self._books = Books(bench, name, roles, self._showing)
        self._last_commit = clock()

    @property
    def _own(self) -> str:
        """Under which is kept that this stage has begun without models, and makes its own."""
        return f"{self._key} own models"

    def run(self) -> End:
        """Go on until the learner says that it is over; returns why.

        Raises
        ------
        Departed
            The campaign was asked to leave; this moment is stored.
        CampaignStopped
            The reference can't be had.
        """
        with self._bench.departure.cooperating():
            self._resume()
            while True:
                self._hear(timeout_s=0.0)
                if self._bench.departure.reason is not None:
                    self._commit()
                    self._bench.departure.leave()
                command = decide(self.state, self._rules)
                self._showing.show(self.state, command, self._committee)
                match command:
                    case Build(player):
                        self._build(player)
                    case Advance():
                        self._advance(command)
                    case Train(n_epochs):
                        self._train(n_epochs)
                    case LearnAll():
                        self._learn_all()
                    case Await():
                        self._hear(timeout_s=None)
                        self._books.leave_if_held()
                    case Finish(end):
                        self.state = replace(self.state, stopping=end)
                        self._commit()
                        self._motion.close()
                        return end

    def _resume(self) -> None:
        """Take over players on their way, and the labels in flight."""
        memory, saved = self._bench.memory, self._bench.memory.recall_bytes(f"{self._key} motion")
        if saved is None:
            with self._bench.store.transaction():
                memory.keep_json(self._own, self._committee is None)
        else:
            moving = self.state.doing(Doing.MOVING)
            self._motion.load(saved, {k: self._beginning(k) for k in moving})
        self.state = reopened(self.state, self._rules)
        self._answers(self._books.resume())

    # -- phases -----------------------------------------------------------------------------------------------

    def _driven_by(self, player: int) -> DrivenBy:
        return driver_of(self.state.players[player], self._rules, player)

    def _build(self, index: int) -> None:
        """Make the structure of a player's phase, and let it begin."""
        player = self.state.players[index]
        try:
            with self._bench.stopwatch.during(Activity.STARTING):
                scene = self._scenes.build(index, visit=player.visit, phase=player.phase)
                beginning = self._beginning(index)
        except NotBuilt as error:
            self._transition(BuildFailed(index, str(error)))
            self._commit()
            return
        self._showing.begun(index, player, scene, self._driven_by(index))
        self._motion.begin(index, beginning)
        self._transition(Built(index))
        self._commit()

    def _beginning(self, index: int) -> Beginning:
        """How a player begins its present phase; of the same visit and phase always the same."""
        player, role = self.state.players[index], self._roles[index]
        scene, run = self._scenes.present(index), role.phase(player.phase).settings.run
        system = next(one for one in self._bench.project.systems if one.name == role.workflow.system)
        program = program_of_phase(run, self._bench.project.md_of(system), scene)
        stream = Streams(self._settings.seed).of(f"{role.called(player.phase)} motion", str(role.replica), player.visit)
        frame = replace(scene.frame, trajectory=index, md_step=0, generation=0)
        start = TrajectoryStart(frame, program, seed=int(stream.integers(2**32)), stream=0)
        lines = None if run.lines is None else role.workflow.lines[run.lines]
        return Beginning(self._driven_by(index), start, lines)

    def _advance(self, command: Advance) -> None:
        """Move players, and judge those that are due."""
        with self._bench.stopwatch.during(Activity.SAMPLING):
            self._drivers.forget_history()
            advanced = self._motion.advance(command.players, command.n_steps)
        sound = {one.trajectory for one in advanced if one.problem is None}
        at_rest = {index for index in sound if self._is_at_rest(index)}
        scores = self._scores(sorted(sound & {*command.judged, *filter(self._samples, at_rest)}))
        for moved in advanced:
            index, player = moved.trajectory, self.state.players[moved.trajectory]
            score, problem = scores.get(index), moved.problem
            if problem is None and index in scores and score is None:
                problem = "the forces of a committee member are not finite"
            n_steps = moved.md_step - player.phase_step
            self._heard(Moved(index, n_steps, score, problem, is_at_rest=index in at_rest))
        if self._books.are_waiting or self._clock() - self._last_commit > COMMIT_S:
            self._commit()

    def _is_at_rest(self, index: int) -> bool:
        run = self._roles[index].phase(self.state.players[index].phase).settings.run
        return run.is_relaxation and self._motion.is_at_rest(index)

    def _samples(self, index: int) -> bool:
        return self._rules.phase(index, self.state.players[index].phase).n_windows > 0

    def _scores(self, players: Sequence[int]) -> dict[int, float | None]:
        """How much the committee disagrees about where some players stand; nothing where there is none."""
        found: dict[int, float | None] = {}
        if self._committee is None:
            return found
        with self._bench.stopwatch.during(Activity.CHECKING):
            for sampler, own, places in self._motion.together(players):
                said = opinions(self._committee, sampler, places, want_stress=self._scores_stress)
                scores = scores_of(said, self._score)
                found |= {player: scores[place] for player, place in zip(own, places, strict=True)}
        return found

    def _heard(self, event: Moved) -> None:
        """Tell the learner of one player, and do what follows."""
        index, before = event.player, self.state.players[event.player]
        phase, step = self._rules.phase(index, before.phase), before.phase_step + event.n_steps
        if event.score is not None:
            generation = 0 if self._committee is None else self._committee.generation
            number, md_step = self.state.n_scores + 1, before.md_step + event.n_steps
            self._windows.scored(index, Scored(number, md_step, generation, event.score, phase.threshold))
        asked = [one for one in self._transition(event) if isinstance(one, Submit)]
        if event.problem is not None or event.is_at_rest or step == phase.window_end(max(0, step - 1)):
            picked = asked[0].md_step if asked else None
            self._windows.over(index, selector=self._roles[index].workflow.name, picked=picked)

    def _phase_over(self, over: PhaseOver, before: PlayState) -> None:
        """A player leaves a phase: what it has come to may be the beginning of others."""
        index, role, player = over.player, self._roles[over.player], before.players[over.player]
        driven_by = driver_of(player, self._rules, index)
        if player.doing is Doing.MOVING:
            if not over.words:
                self._scenes.over(index, phase=over.phase, frame=self._motion.frame(index))
            self._motion.leave(index)
        first_step = self.state.players[index].md_step - over.n_steps
        told = told_of(over, role, driven_by=driven_by, first_step=first_step, project=self._bench.project)
        self._journal.append((PHASE_OVER, told | {"stage": self._name}))
        self._showing.over(over, told)

    def _frame(self, index: int, player: Player) -> Frame:
        """Where a player stands that was there when it moved, under the identity that it has in the store."""
        frame, called = self._motion.frame(index), self._roles[index].called(player.phase)
        md_step = player.md_step - player.phase_step + frame.md_step
        return replace(frame, trajectory=index, md_step=md_step, config_type=called)

    # -- labels -----------------------------------------------------------------------------------------------

    def _hear(self, *, timeout_s: float | None) -> None:
        """Take the labels that have come."""
        self._answers(self._books.hear(timeout_s=timeout_s))

    def _answers(self, done: Sequence[LabelDone]) -> None:
        """Store labels together with what the learner makes of them, then let the committee have them."""
        if not done:
            return
        labelled: list[LabelledFrame] = []
        with self._committing(flushed=True):
            answers = [self._books.record(one) for one in done]
            for answer in answers:
                labelled += self._placed(answer)
        if labelled and self._committee is not None:
            self._committee.add(labelled)
        self._books.tidy(answers)

    def _placed(self, answer: Answer) -> Iterator[LabelledFrame]:
        """Tell the learner of an answer, and give a label its place in the dataset."""
        frame, result = answer.frame, answer.result
        if isinstance(result, LabelFailure):
            self._showing.failed(answer, result)
            self._transition(LabelFailed(frame.trajectory, frame.md_step, result.reason.is_unphysical))
            return
        for kept in self._transition(LabelArrived(frame.trajectory, frame.md_step)):
            if isinstance(kept, KeepLabel):
                self._bench.store.assign(answer.label_id, kept.split, None)
                self._showing.kept(answer, result, kept.split)
                yield LabelledFrame(answer.label_id, frame, result, kept.split, None)

    # -- training ---------------------------------------------------------------------------------------------

    def _train(self, n_epochs: int) -> None:
        """A slice of epochs on all that there is."""
        bench, memory = self._bench, self._bench.memory
        assert self._trainer is not None
        assert self._committee is not None
        with bench.stopwatch.during(Activity.TRAINING):
            force_mae = self._trainer.train(n_epochs)
        self._transition(EpochsDone(n_epochs, force_mae))
        with bench.stopwatch.during(Activity.RECORDING):
            checkpoint = memory.write_committee(self._committee)
        with self._committing(flushed=True):
            self._trainer.record(bench.store)
            memory.keep_committee(checkpoint)
        with bench.stopwatch.during(Activity.RECORDING):
            memory.forget_other_checkpoints()

    def _learn_all(self) -> None:
        """Make models of all labels, or train those that there are to convergence; then players go on."""
        bench, memory = self._bench, self._bench.memory
        if not (self.state.n_unlearned if self.state.has_committee else self.state.counts.n_train):
            self._transition(AllLearned(0))
            self._commit()
            return
        self._committee, n_epochs = learn_all(
            bench,
            self._name,
            self._settings,
            self._committee,
            n_labels=self.state.n_received,
            show=lambda words, mae: self._showing.learning(self.state, self._committee, words, mae),
        )
        for member in range(self._committee.n_members):  # convergence has left small steps
            self._committee.reset_optimizer(member)
        with bench.stopwatch.during(Activity.RECORDING):
            checkpoint = memory.write_committee(self._committee)
        self._transition(AllLearned(n_epochs))
        with self._committing(flushed=True):
            memory.keep_committee(checkpoint)
        with bench.stopwatch.during(Activity.RECORDING):
            memory.forget_other_checkpoints()
        self._trainer = self._new_trainer(self._committee)
        self._drivers.follow(self._committee)

    def _new_trainer(self, committee: Committee) -> CommitteeTrainer:
        return CommitteeTrainer(committee, EpochPlan(valid_skip=self._settings.valid_skip, validates_last=False))

    # -- what is kept -----------------------------------------------------------------------------------------

    def _transition(self, event: Event) -> tuple[Consequence, ...]:
        before = self.state
        self.state, consequences = transition(before, event, self._rules)
        for one in consequences:
            match one:
                case HoldFrame(index):
                    self._windows.hold(index, self._frame(index, before.players[index]))
                case Submit():
                    self._books.want(one, self._windows.frame(one))
                case PhaseOver():
                    self._phase_over(one, before)
        return consequences

    def _commit(self) -> None:
        with self._committing():
            pass
        self._books.send()

    @contextmanager
    def _committing(self, *, flushed: bool = False) -> Iterator[None]:
        """A transaction that ends with everything that a resumed run needs of this moment.

        Parameters
        ----------
        flushed : bool
            Whether to wait for the disk: for what was paid for.
        """
        store, memory = self._bench.store, self._bench.memory
        transaction = store.transaction if flushed else store.unflushed_transaction
        with self._bench.stopwatch.during(Activity.RECORDING), transaction():
            yield
            self._books.enter(self._committee)
            for kind, payload in self._journal:
                store.append_journal(kind, payload)
            self._journal.clear()
            memory.keep(self._key, self.state)
            self._scenes.keep()
            self._windows.keep(store)
            memory.keep_bytes(f"{self._key} motion", self._motion.save())
            memory.keep_time(self._bench.stopwatch)
            self._bench.observer.keep()
        self._last_commit = self._clock()
