"""The rounds of an exploration, from wherever the store says that they stand to their end."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from aims_pax.committee import CommitteeForces
from aims_pax.dataset.durable import replacing
from aims_pax.errors import CampaignStopped
from aims_pax.frame import CommitteePrediction, Frame
from aims_pax.learner.exploration import (
    Exploration,
    RoundRules,
    Step,
    begun,
    judged,
    labelled,
    learned,
    measured,
    moved,
    reopened,
)
from aims_pax.learner.selectors import RandomShare
from aims_pax.protocols import Driver
from aims_pax.reference.dispersion import Dispersion
from aims_pax.selection.calibration import Amounts, deviation_of
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.convergence import Convergence, ConvergenceParts, ConvergenceState, annealing_rules
from aims_pax.stages.epochs import epochs_trained
from aims_pax.stages.exploring import judging
from aims_pax.stages.exploring.answers import MAX_AHEAD, Answers, asks_of, keep_wishes, wished
from aims_pax.stages.exploring.brought import brought_frames
from aims_pax.stages.exploring.moving import Motion, Movement, forget_motion, frames_kept
from aims_pax.stages.exploring.starts import Start, drawn, driving_member, eligible, pool_of, trajectories_of
from aims_pax.stages.exploring.telling import tell_judgement, tell_round
from aims_pax.stages.states import EXPLORATIONS, MOTIONS, convergence_key
from aims_pax.stages.watching import status_at_rest
from aims_pax.structures.vacuum import with_opened_gaps

diary = logging.getLogger("aims_pax.explore")

AT_ONCE: Final = 64
"""Frames that are judged between two moments at which a run can be left."""

ROUNDS_APART: Final = 1 << 34
"""Between the seeds of two rounds: more than seeds of MD are apart."""


class Rounds:
    """Moves, judges, asks for labels, learns and measures; whatever it has committed outlives the process.

    Parameters
    ----------
    bench : Bench
    name : str
        Of the stage, under which the store keeps where it stands.
    settings : ExploreSettings
    """

    def __init__(self, bench: Bench, name: str, settings: ExploreSettings) -> None:
        self._bench, self._name, self._settings = bench, name, settings
        self._rules = RoundRules(settings.rounds, trains=settings.train)
        self._learns_stress = bench.project.mace.general.compute_stress
        self._n_epochs_before = epochs_trained(bench, besides=name)
        with bench.stopwatch.during(Activity.STARTING):
            self._committee = bench.existing_committee()

    def run(self) -> None:
        """Go on until the rules say that it is over.

        Raises
        ------
        Departed
            The campaign was asked to leave; what was committed is kept.
        CampaignStopped
            Too many labels failed in a row, or no trajectory comes to a frame.
        """
        self.state = self._begun()
        steps = {
            Step.MOVE: self._move,
            Step.JUDGE: self._judge,
            Step.LABEL: self._label,
            Step.LEARN: self._learn,
            Step.MEASURE: self._measure,
        }
        while self.state.ended is None:
            steps[self.state.step]()
        diary.info("%s is over after round %d: %s", self._name, self.state.present.number, self.state.ended)

    # -- beginning ------------------------------------------------------------------------------------------------

    def _begun(self) -> Exploration:
        """Where it stands; a new one begins with the errors of the models that there are."""
        if self._bench.memory.recall_bytes(self._key) is not None:
            return reopened(self._stored(), self._rules)
        if self._bench.memory.committee_checkpoint() is None:  # of models that were given
            self._bench.keep_committee(self._committee)
        points = list(self._bench.store.labelled())
        with self._bench.stopwatch.during(Activity.CHECKING):
            errors = judging.measured_errors(
                points, self._committee, n_first=len(points), learns_stress=self._learns_stress
            )
        state = begun(n_first=len(points), measured=errors)
        self._commit(state)
        return state

    # -- MD -------------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        """MD of one member from drawn structures; or none, where frames are brought along."""
        number = self.state.present.number
        if self._is_brought:
            self._commit(moved(self.state, n_trajectories=0, n_ended_early=0, md_steps=0))
            return
        starts, member = self._starts(), self._member()
        diary.info(
            "%s, round %d: %d trajectories of %g ps, driven by %s",
            *(self._name, number, len(starts), self._settings.length, self._committee.names[member]),
        )

        def show(interval: int, md_steps: int, n_moving: int) -> None:
            words = f"frame {interval} of {self._settings.frames_per_trajectory}" if interval else "no frames yet"
            self._show(f"MD, {words}", n_running=n_moving, md_steps=md_steps)

        with self._bench.stopwatch.during(Activity.STARTING):
            base = 2 * starts[0].md.seed + 1 + assembly.apart(self._name)
            movement = Movement(
                self._bench,
                self._name,
                self._settings,
                starts,
                self._driver(member),
                seed=base + number * ROUNDS_APART,
                show=show,
            )
        movement.run()
        early, md_steps = len(movement.state.early), movement.md_steps
        if early:
            diary.info("%s, round %d: %d of %d trajectories ended early", self._name, number, early, len(starts))
        self._commit(moved(self.state, n_trajectories=len(starts), n_ended_early=early, md_steps=md_steps))

    @property
    def _is_brought(self) -> bool:
        """Whether the frames of the present round come from files."""
        return self._settings.frames is not None and self.state.present.number == 1

    def _starts(self) -> list[Start]:
        project, settings = self._bench.project, self._settings
        if settings.start_structures is not None:
            pool = eligible(self._of_files(settings.start_structures, "start files"))
        else:
            pool = pool_of(project, self._bench.store.labelled(), stage=self._name)
        return trajectories_of(project, settings, drawn(pool, settings, number=self.state.present.number))

    def _member(self) -> int:
        number, n_members = self.state.present.number, self._committee.n_members
        return driving_member(self._settings, number=number, n_members=n_members)

    def _driver(self, member: int) -> Driver:
        """One member, with dispersion where it is asked for."""
        from aims_pax.sampling import DispersedForces

        forces = CommitteeForces(self._committee, member=member)
        correction = self._settings.dispersion
        return forces if correction is None else DispersedForces(forces, Dispersion(correction))

    # -- judging --------------------------------------------------------------------------------------------------

    def _frames(self) -> tuple[list[Frame], int]:
        """All frames of the round, and of how many a gap was opened."""
        bench, settings = self._bench, self._settings
        if self._is_brought:
            frames = self._of_files(self._settings.frames or (), "files")
        else:
            first, generation = self.state.n_trajectories_before, self._committee.generation
            frames = frames_kept(bench, self._name, self._starts(), first=first, generation=generation)
        if not settings.open_gaps:
            return frames, 0
        cutoff = self._committee.cutoff
        assert cutoff is not None, "models of forces have a reach"
        opened = [with_opened_gaps(frame, r_max_ang=cutoff, vacuum_ang=settings.vacuum) for frame in frames]
        return opened, sum(new is not old for new, old in zip(opened, frames, strict=True))

    def _of_files(self, files: Sequence[Path], called: str) -> list[Frame]:
        """Structures of files, which must stay as they are until what comes of them is labelled."""
        bench, key = self._bench, f"{MOTIONS}{self._name} {called}"
        sizes = [path.stat().st_size for path in files]
        known = bench.memory.recall_json(key)
        if known is None:
            with bench.store.transaction():
                bench.memory.keep_json(key, sizes)
        elif known != sizes:
            raise CampaignStopped(
                f"files of {self._name} ({', '.join(path.name for path in files)}) were changed since they were first "
                "read; put them back, or begin another run"
            )
        return brought_frames(bench.project, files)

    def _judge(self) -> None:
        """Score all frames, fit thresholds, and choose what is labelled; that is remembered with the frames."""
        bench, present = self._bench, self.state.present
        frames, n_opened = self._frames()
        if not frames:
            raise CampaignStopped(self._why_no_frame())
        said = self._opinions(frames)
        with bench.stopwatch.during(Activity.CHECKING):
            thresholds = judging.fitted_slopes(bench.store, self._committee, learns_stress=self._learns_stress)
        wanted = judging.tolerances(self._settings, learns_stress=self._learns_stress)
        deviations = [deviation_of(one) for one in said]
        found = judging.beyond(deviations, thresholds, wanted)
        why = {number: names for number, one in enumerate(deviations) if (names := judging.above(one, found))}
        drawn_frames = judging.at_random(len(frames), self._settings, number=present.number)
        others = [number for number in why if number not in set(drawn_frames)]
        picked = judging.chosen(others, self._settings, number=present.number) if self._settings.label else []
        judgement = replace(
            present,
            n_frames=len(frames),
            n_opened=n_opened,
            beyond=found,
            n_above=len(why),
            n_selected=len(picked) + len(drawn_frames),
            n_random=len(drawn_frames),
            calibrated_on=thresholds.fitted_to,
        )
        self._save(frames, deviations, why)
        wishes = {number: f"{' and '.join(why[number])} beyond tolerance" for number in picked}
        wishes |= dict.fromkeys(drawn_frames, RandomShare.NAME)
        first_label = 1 + max((job.label_id for job in bench.store.jobs()), default=0)
        after = judged(self.state, judgement, first_label=first_label)
        with bench.stopwatch.during(Activity.RECORDING), bench.store.transaction():
            if after.step is Step.LABEL:
                keep_wishes(bench, self._name, wishes)
            else:
                forget_motion(bench, self._name)
            self._keep(after)
            bench.store.append_journal("FramesJudged", {"stage": self._name, **asdict(judgement)})
        self.state = after
        tell_judgement(self._name, judgement)

    def _save(self, frames: Sequence[Frame], deviations: Sequence[Amounts], why: Mapping[int, Sequence[str]]) -> None:
        """Write the frames that are beyond a tolerance for a person to look at, with their deviations."""
        folder, number = self._bench.folder.trajectories, self.state.present.number
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{self._name}_round_{number}.extxyz") as file:
            for place, names in why.items():
                file.write(judging.block_beyond(frames[place], deviations[place], names))

    def _opinions(self, frames: Sequence[Frame]) -> list[CommitteePrediction]:
        """What all members say of all frames."""
        said: list[CommitteePrediction] = []
        with self._bench.departure.cooperating():
            for start in range(0, len(frames), AT_ONCE):
                with self._bench.stopwatch.during(Activity.CHECKING):
                    some = frames[start : start + AT_ONCE]
                    said += judging.predicted(self._committee, some, learns_stress=self._learns_stress)
                self._show(f"judging, {len(said)} of {len(frames)} frames")
                if self._bench.departure.reason is not None:
                    self._bench.departure.leave()
        return said

    def _why_no_frame(self) -> str:
        motion = self._bench.memory.recall(f"{MOTIONS}{self._name}", Motion)
        early = "" if motion is None or not motion.early else f", the first of them so: {motion.early[0].words}"
        return (
            f"no trajectory of {self._name} came to its first frame{early}. The models are not good enough to drive "
            "this MD: train them on more structures, or begin with a lower temperature, a shorter "
            "thermalization_time and sampling_time, or a lower MD.timestep"
        )

    # -- labels ---------------------------------------------------------------------------------------------------

    def _label(self) -> None:
        """Have all labels of the round computed, and give their structures a place where they are learned."""
        bench, settings, committee = self._bench, self._settings, self._committee
        answers = Answers(bench, self._name, settings, self.state)
        batch = answers.batch(committee, n_epochs=self._n_epochs_before + self.state.n_epochs)
        if not answers.are_complete:
            asks = asks_of(
                bench, wished(bench, self._name, self._frames()[0]), committee, learns_stress=self._learns_stress
            )
            batch.run(bench.desk(self._name), answers.missing(asks), max_ahead=MAX_AHEAD)
        bench.close()  # nodes should not idle while models learn and drive
        after = labelled(self.state, self._rules, n_labelled=batch.n_received, n_failed=batch.n_failed)
        with bench.store.transaction():
            answers.place_drawn()
            if settings.train:
                answers.place()
            bench.memory.forget(convergence_key(self._name))
            forget_motion(bench, self._name)
            self._keep(after)
        if settings.train:
            committee.add(list(bench.store.labelled()))
        self.state = after

    # -- learning -------------------------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Train all members to convergence, from where they stand."""
        bench, key = self._bench, convergence_key(self._name)
        committee, number = self._committee, self.state.present.number
        rules = annealing_rules(self._settings, bench.project.mace.training, is_end=False)
        parts = ConvergenceParts(committee, bench.store, bench.memory, bench.stopwatch, bench.departure)

        def show(n_epochs: int, force_mae: float | None) -> None:
            words = f"round {number}, converging, epoch {n_epochs} of at most {rules.max_epochs}"
            self._show(words, n_epochs=n_epochs, force_mae=force_mae)

        def ended(done: ConvergenceState) -> None:
            self._keep(learned(self.state, n_epochs=done.n_epochs, n_train=committee.n_train(0)))

        convergence = Convergence(parts, rules, valid_skip=self._settings.valid_skip, key=key)
        convergence.run(tuple(range(committee.n_members)), show=show, ended=ended)
        self.state = self._stored()

    def _measure(self) -> None:
        """Errors at the end of the round, and what labels say of those that were expected."""
        bench, present = self._bench, self.state.present
        with bench.stopwatch.during(Activity.CHECKING):
            errors = judging.measured_errors(
                list(bench.store.labelled()),
                self._committee,
                n_first=self.state.n_first,
                learns_stress=self._learns_stress,
            )
        after_label = self.state.first_label - 1
        labels = [one for one in bench.store.predicted(after=after_label) if one.stage == self._name]
        truths = judging.truths([one for one in labels if one.source != RandomShare.NAME], present.beyond)
        missed = judging.missed([one for one in labels if one.source == RandomShare.NAME], present.beyond)
        self._commit(measured(self.state, self._rules, errors=errors, truths=truths, missed=missed))
        tell_round(self._name, replace(present, errors=errors, truths=truths, missed=missed))

    # -- what is kept and shown -----------------------------------------------------------------------------------

    @property
    def _key(self) -> str:
        return f"{EXPLORATIONS}{self._name}"

    def _stored(self) -> Exploration:
        state = self._bench.memory.recall(self._key, Exploration)
        assert state is not None, "it was kept when it began"
        return state

    def _keep(self, state: Exploration) -> None:
        """Within the caller's transaction."""
        self._bench.memory.keep(self._key, state)
        self._bench.memory.keep_time(self._bench.stopwatch)

    def _commit(self, state: Exploration) -> None:
        with self._bench.store.transaction():
            self._keep(state)
        self.state = state

    def _show(
        self,
        activity: str,
        *,
        n_running: int = 0,
        md_steps: int = 0,
        n_epochs: int = 0,
        force_mae: float | None = None,
    ) -> None:
        state, committee = self.state, self._committee
        words = activity if activity.startswith("round") else f"round {state.present.number}, {activity}"
        self._bench.observer.show(
            replace(
                status_at_rest(self._bench.store.counts(), stage=self._name, activity=words),
                n_train=committee.n_train(0),
                n_valid=committee.n_valid(0),
                n_running=n_running,
                md_steps=sum(one.md_steps for one in state.over) + (md_steps or state.present.md_steps),
                epochs=self._n_epochs_before + state.n_epochs + n_epochs,
                force_mae_ev_per_ang=force_mae,
            )
        )
