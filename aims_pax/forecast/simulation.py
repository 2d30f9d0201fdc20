"""What a stage takes: its learner, played against a clock that is only counted.

The decisions are those of :mod:`aims_pax.learner` itself; sampling, training and labels take the time that they are
said to take.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean
from typing import Final, Generic, Protocol, TypeVar, assert_never

from aims_pax.forecast.crew import crew
from aims_pax.forecast.outcome import Outcome, in_proportion
from aims_pax.forecast.rounds import rounds_ahead
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.decide import decide, resumed
from aims_pax.learner.events import (
    Advance,
    Ask,
    Asked,
    AwaitLabel,
    ChunkDone,
    Distribute,
    Distributed,
    EpochsDone,
    Event,
    Finish,
    LabelArrived,
    Train,
)
from aims_pax.learner.goals import labels_allowed, with_trajectories
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.state import Phase, Pick, Rules, State
from aims_pax.learner.transition import begin, transition

MOST_EVENTS: Final = 20_000
"""Events after which a play breaks off, some 1.5 s; the rest is taken to go on in proportion."""

_THRESHOLD, _QUIET, _UNSURE = 1.0, 0.0, 2.0
"""A frozen threshold and two scores: which structures cross is drawn, not predicted."""


class Times(Protocol):
    """How long everything takes, s."""

    @property
    def pick_rate(self) -> float:
        """Fraction of the structures that are judged by their score after which a label is asked for."""
        ...

    @property
    def record_s(self) -> float:
        """What the campaign's own process does for each label besides: storing it, handing it out."""
        ...

    @property
    def checkpoint_s(self) -> float:
        """Writing the committee, after each visit to training."""
        ...

    def step_s(self, trajectories: Sequence[int]) -> float:
        """One MD step of these trajectories."""
        ...

    def label_s_of(self, trajectory: int, rng: Random) -> float:
        """One label of a structure of this trajectory."""
        ...

    def epoch_s_of(self, n_train: int) -> float:
        """One epoch of the whole committee, on so many training structures."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes where the committee drives all trajectories in one batch.

    Parameters
    ----------
    label_s : tuple of float
        Durations of labels; each label takes one of them, drawn at random.
    batch_step_s, trajectory_step_s : float
        One MD step of n trajectories in one batch takes ``batch_step_s + n * trajectory_step_s``, estimates included.
    epoch_s : float
        One epoch of the whole committee.
    pick_rate : float
        Fraction of the uncertainty estimates after which a label is asked for, 0 < fraction <= 1.
    record_s, checkpoint_s : float
        See :class:`Times`.
    """

    label_s: tuple[float, ...]
    batch_step_s: float
    trajectory_step_s: float
    epoch_s: float
    pick_rate: float
    record_s: float = 0.0
    checkpoint_s: float = 0.0

    def step_s(self, trajectories: Sequence[int]) -> float:
        return self.batch_step_s + len(trajectories) * self.trajectory_step_s

    def label_s_of(self, trajectory: int, rng: Random) -> float:
        return rng.choice(self.label_s)

    def epoch_s_of(self, n_train: int) -> float:
        return self.epoch_s


@dataclass(frozen=True, slots=True)
class DriverPace:
    """How long everything takes where another driver moves the systems.

    Parameters
    ----------
    driver_step_s, label_s : tuple of float
        One MD step and one label of each system; a label takes 0 where the driver has computed it already.
    epoch_s : callable
        One epoch of all members, by the training structures of a member.
    n_at_once : int
        Systems that the driver moves at a time: one after the other in the campaign's own process, side by side on
        workers.
    record_s, checkpoint_s : float
        See :class:`Times`.
    """

    driver_step_s: tuple[float, ...]
    label_s: tuple[float, ...]
    epoch_s: Callable[[int], float]
    n_at_once: int = 1
    record_s: float = 0.0
    checkpoint_s: float = 0.0
    pick_rate: float = 1.0

    def step_s(self, trajectories: Sequence[int]) -> float:
        """None waits for the steps of another: the slowest sets the time, or all the work on those who share it."""
        each = [self.driver_step_s[index] for index in trajectories]
        return max([*each, sum(each) / self.n_at_once])

    def label_s_of(self, trajectory: int, rng: Random) -> float:
        return self.label_s[trajectory]

    def epoch_s_of(self, n_train: int) -> float:
        return self.epoch_s(n_train)


AnyPace = TypeVar("AnyPace", bound=Times, covariant=True)


@dataclass(frozen=True, slots=True)
class Workload(Generic[AnyPace]):
    """A stage that is to be simulated.

    Parameters
    ----------
    rules : Rules
        Its goals must be some that end without forces: structures, MD steps or epochs.
    n_initial_train : int
        Training structures that it starts from.
    n_owners : int
        Members that have points of their own; 1 when all share all points.
    state : State or None
        Where a run that has begun stands; what follows is then what it has still to do.
    """

    rules: Rules
    pace: AnyPace
    n_trajectories: int
    n_initial_train: int = 0
    n_owners: int = 1
    state: State | None = None


def simulate(workload: Workload[Times], *, n_workers: int, seed: int = 0) -> Outcome:
    """Play one stage on a number of workers, none of which fails or starts late."""
    return _Play(workload, n_workers, Random(seed)).play()


def mean_outcome(workload: Workload[Times], *, n_workers: int, n_plays: int = 3) -> Outcome:
    """The mean of some plays that differ in what is drawn: which structures are picked, and how long labels take."""
    plays = [simulate(workload, n_workers=n_workers, seed=seed) for seed in range(n_plays)]
    return Outcome(
        n_workers=n_workers,
        n_labels=round(fmean(play.n_labels for play in plays)),
        n_md_steps=round(fmean(play.n_md_steps for play in plays)),
        n_epochs=round(fmean(play.n_epochs for play in plays)),
        n_train=round(fmean(play.n_train for play in plays)),
        makespan_s=fmean(play.makespan_s for play in plays),
        labels_s=fmean(play.labels_s for play in plays),
        sampling_s=fmean(play.sampling_s for play in plays),
        training_s=fmean(play.training_s for play in plays),
        waiting_s=fmean(play.waiting_s for play in plays),
    )


def crowded(workload: Workload[AnyPace], n_trajectories: int) -> Workload[AnyPace]:
    """The same with another number of trajectories."""
    rules = with_trajectories(workload.rules, workload.n_trajectories, n_trajectories)
    return replace(workload, rules=rules, n_trajectories=n_trajectories)


def _share_of_goal(begun: State, state: State, rules: Rules) -> float:
    """How much has been done of what there was to do, by the goal that is nearest; 0 as long as nothing of it is."""
    if isinstance(rules.cadence, PerRound):
        return (state.n_received - begun.n_received) / rounds_ahead(rules, begun).n_labels
    most = rules.max_md_steps and rules.max_md_steps * len(begun.trajectories)
    asked = [sum(one.n_labels for one in each.trajectories) for each in (begun, state)]
    goals: tuple[tuple[float, float, float | None], ...] = (
        (begun.train_size, state.train_size, rules.max_train_size),
        (begun.n_epochs, state.n_epochs, rules.max_epochs),
        (begun.md_steps, state.md_steps, most),
        (asked[0], asked[1], labels_allowed(rules, len(begun.trajectories))),
    )
    return max((now - before) / (goal - before) for before, now, goal in goals if goal is not None)


class _Play:
    """The shell of :mod:`aims_pax.stages.loop.shell` with nothing in it but time."""

    def __init__(self, workload: Workload[Times], n_workers: int, rng: Random) -> None:
        self._workload, self._pace = workload, workload.pace
        whole = max(workload.rules.steps_per_chunk, workload.rules.equilibration_steps)
        self._rules = replace(workload.rules, steps_per_chunk=whole)  # nobody waits for the end of a chunk here
        self._n_workers, self._rng = n_workers, rng
        self._workers = crew(n_workers)
        self._asked: list[Pick] = []
        self._n_events = 0
        self._now_s = 0.0
        self._labels_s = self._sampling_s = self._training_s = self._waiting_s = 0.0

    def play(self) -> Outcome:
        begun = self._begun()
        self._state = replace(begun, memories=tuple(replace(one, frozen_at=_THRESHOLD) for one in begun.memories))
        for pick in begun.in_flight:
            self._submit(pick)
        while self._n_events < MOST_EVENTS or not _share_of_goal(begun, self._state, self._rules):
            self._answered()
            match decide(self._state, self._rules):
                case Advance(trajectories, n_steps):
                    self._advanced(trajectories, n_steps)
                case Ask():
                    self._feed(Asked())
                case Distribute():
                    self._feed(Distributed(self._shared()))
                case Train(n_epochs):
                    epoch_s = self._pace.epoch_s_of(self._state.train_size)
                    self._training_s += self._passes(n_epochs * epoch_s + self._pace.checkpoint_s)
                    self._feed(EpochsDone(n_epochs, None))
                case AwaitLabel():
                    self._waiting_s += self._passes(max(0.0, self._workers.next_done_s() - self._now_s))
                case Finish():
                    return self._outcome(begun)
                case command:
                    assert_never(command)
        if isinstance(self._rules.cadence, PerRound):
            return self._rounds_in_proportion(begun)
        factor = 1 / _share_of_goal(begun, self._state, self._rules)
        return in_proportion(self._outcome(begun), factor, n_train_before=begun.train_size)

    def _rounds_in_proportion(self, begun: State) -> Outcome:
        """Rounds that go on as they have begun: their numbers are known, and epochs take longer as the dataset grows.

        A round may be longer than a play, which then has seen no epoch at all.
        """
        played, ahead = self._outcome(begun), rounds_ahead(self._rules, begun)
        rest = in_proportion(played, ahead.n_labels / played.n_labels)
        epoch_s = self._pace.epoch_s_of((ahead.n_train_first + ahead.n_train) // 2)
        training_s = ahead.n_epochs * epoch_s + ahead.n_rounds * self._pace.checkpoint_s
        return replace(
            rest,
            n_labels=ahead.n_labels,
            n_md_steps=ahead.n_md_steps,
            n_epochs=ahead.n_epochs,
            n_train=ahead.n_train,
            makespan_s=rest.makespan_s - rest.training_s + training_s,
            training_s=training_s,
        )

    def _begun(self) -> State:
        work = self._workload
        if work.state is not None:
            return resumed(work.state, self._rules)
        return begin(
            self._rules,
            n_trajectories=work.n_trajectories,
            n_initial_train=work.n_initial_train,
            n_owners=work.n_owners,
        )

    def _feed(self, event: Event) -> None:
        self._n_events += 1
        known = set(self._state.in_flight)
        self._state, _ = transition(self._state, event, self._rules)
        for pick in self._state.in_flight:
            if pick not in known:
                self._submit(pick)

    def _answered(self) -> None:
        for number in self._workers.done(self._now_s):
            self._passes(self._pace.record_s)
            pick = self._asked[number]
            self._feed(LabelArrived(pick.trajectory, pick.md_step))

    def _advanced(self, trajectories: tuple[int, ...], n_steps: int) -> None:
        self._sampling_s += self._passes(n_steps * self._pace.step_s(trajectories))
        for index in trajectories:
            if self._state.trajectories[index].phase is not Phase.RUNNING:
                continue  # the stage has come to its end within this batch
            score = _UNSURE if self._rng.random() < self._pace.pick_rate else _QUIET
            self._feed(ChunkDone(index, n_steps, score))

    def _shared(self) -> tuple[SplitCounts, ...]:
        counts, quota = self._state.counts, self._rules.quota
        share = self._state.n_in_round // len(counts)
        return tuple(quota.after(one, share) for one in counts)

    def _submit(self, pick: Pick) -> None:
        label_s = self._pace.label_s_of(pick.trajectory, self._rng)
        self._labels_s += label_s
        self._asked.append(pick)
        number = len(self._asked) - 1
        self._waiting_s += self._passes(self._workers.submit(number, now_s=self._now_s, label_s=label_s))

    def _passes(self, seconds: float) -> float:
        self._now_s += seconds
        return seconds

    def _outcome(self, begun: State) -> Outcome:
        state = self._state
        return Outcome(
            n_workers=self._n_workers,
            n_labels=state.n_received - begun.n_received,
            n_md_steps=state.md_steps - begun.md_steps,
            n_epochs=state.n_epochs - begun.n_epochs,
            n_train=state.train_size,
            makespan_s=self._now_s,
            labels_s=self._labels_s,
            sampling_s=self._sampling_s,
            training_s=self._training_s,
            waiting_s=self._waiting_s,
        )
