"""How many workers a campaign keeps busy: its learner, played against a clock that is only counted.

The decisions are those of :mod:`aims_pax.learner.active` itself; sampling, training and labels take the time that
they are said to take.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean
from typing import Final, Protocol

from aims_pax.learner.active import begin, decide, resumed, transition
from aims_pax.learner.events import Advance, AwaitLabel, ChunkDone, EpochsDone, Finish, LabelArrived, SubmitLabel, Train
from aims_pax.learner.state import Phase, Policy, State
from aims_pax.learner.threshold import Threshold

WELL_USED: Final = 0.9
"""Share of its time that a worker computes, below which another worker is called wasted."""

OWN_PROCESS: Final = 0
"""Number of workers where there are none: the campaign computes its labels itself, and does nothing else meanwhile."""

_THRESHOLD, _QUIET, _UNSURE = 1.0, 0.0, 2.0
"""A frozen threshold and two scores: which structures cross is drawn, not predicted."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes.

    Parameters
    ----------
    label_s : tuple of float
        Durations of labels; each label takes one of them, drawn at random.
    batch_step_s, trajectory_step_s : float
        One MD step of n trajectories in one batch takes ``batch_step_s + n * trajectory_step_s``, checks included.
    epoch_s : float
        One epoch of the whole committee.
    pick_rate : float
        Fraction of the uncertainty checks after which a label is asked for, 0 < fraction <= 1.
    record_s : float
        What the campaign's own process does for each label besides: storing it, handing it out.
    checkpoint_s : float
        Writing the committee, after each visit to training.
    """

    label_s: tuple[float, ...]
    batch_step_s: float
    trajectory_step_s: float
    epoch_s: float
    pick_rate: float
    record_s: float = 0.0
    checkpoint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """An active-learning stage that is to be simulated.

    Parameters
    ----------
    policy : Policy
        Its goals must be some that end without forces: structures, MD steps or epochs.
    n_initial_train : int
        Training structures that it starts from.
    state : State or None
        Where a run that has begun stands; what follows is then what it has still to do.
    """

    policy: Policy
    pace: Pace
    n_trajectories: int
    valid_ratio: float = 0.1
    n_initial_train: int = 0
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulated stage took; of a run that had begun, what was left of it.

    Parameters
    ----------
    n_md_steps : int
        Of all trajectories together.
    n_train : int
        Training structures of a member at its end.
    makespan_s : float
        From the first MD step to the last epoch.
    labels_s : float
        Sum of the durations of all labels.
    sampling_s, training_s, waiting_s : float
        What the campaign's own process did meanwhile.
    """

    n_workers: int
    n_labels: int
    n_md_steps: int
    n_epochs: int
    n_train: int
    makespan_s: float
    labels_s: float
    sampling_s: float
    training_s: float
    waiting_s: float

    @property
    def busy_workers(self) -> float:
        """Workers that compute, on average over the whole stage."""
        return self.labels_s / self.makespan_s if self.makespan_s else 0.0

    @property
    def efficiency(self) -> float:
        """Share of their time that the workers compute; equally, the ideal makespan over that of the stage."""
        return self.busy_workers / max(1, self.n_workers)

    @property
    def worker_hours(self) -> float:
        """Hours that are paid for when all workers are held from beginning to end."""
        return self.n_workers * self.makespan_s / 3600


def simulate(workload: Workload, *, n_workers: int, seed: int = 0) -> Outcome:
    """Play one active-learning stage on a number of workers, none of which fails or starts late."""
    return _Stage(workload, n_workers, Random(seed)).play()


def mean_outcome(workload: Workload, *, n_workers: int, n_plays: int = 3) -> Outcome:
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


def worth_having(outcomes: Sequence[Outcome]) -> Outcome:
    """The largest number of workers that are well used; the smallest number when none is."""
    by_size = sorted(outcomes, key=lambda outcome: outcome.n_workers)
    used = [outcome for outcome in by_size if outcome.efficiency >= WELL_USED]
    return used[-1] if used else by_size[0]


class Crew(Protocol):
    """Whoever computes labels."""

    def submit(self, number: int, *, now_s: float, label_s: float) -> float:
        """Ask for a label; returns how long the campaign itself is held up by it, s."""

    def next_done_s(self) -> float:
        """When the next label is done."""

    def done(self, now_s: float) -> list[int]:
        """Numbers of the labels that are done by now, first come first."""


class Workers:
    """Equal workers that serve labels in the order in which they are asked for."""

    def __init__(self, n_workers: int) -> None:
        self._free_at = [0.0] * n_workers
        self._done_at: list[tuple[float, int]] = []

    def submit(self, number: int, *, now_s: float, label_s: float) -> float:
        done_s = max(now_s, heapq.heappop(self._free_at)) + label_s
        heapq.heappush(self._free_at, done_s)
        heapq.heappush(self._done_at, (done_s, number))
        return 0.0

    def next_done_s(self) -> float:
        return self._done_at[0][0]

    def done(self, now_s: float) -> list[int]:
        found = []
        while self._done_at and self._done_at[0][0] <= now_s:
            found.append(heapq.heappop(self._done_at)[1])
        return found


class OwnProcess:
    """The campaign itself, which computes a label at the moment it is asked for."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._done_s = 0.0

    def submit(self, number: int, *, now_s: float, label_s: float) -> float:
        self._done.append(number)
        self._done_s = now_s + label_s
        return label_s

    def next_done_s(self) -> float:
        return self._done_s

    def done(self, now_s: float) -> list[int]:
        found, self._done = self._done, []
        return found


def crew(n_workers: int) -> Crew:
    """So many workers, or the campaign's own process for :data:`OWN_PROCESS`."""
    return OwnProcess() if n_workers == OWN_PROCESS else Workers(n_workers)


class _Stage:
    """The shell of :mod:`aims_pax.stages.active` with nothing in it but time."""

    def __init__(self, workload: Workload, n_workers: int, rng: Random) -> None:
        self._workload, self._policy, self._pace = workload, workload.policy, workload.pace
        self._n_workers, self._rng = n_workers, rng
        self._workers = crew(n_workers)
        self._now_s = 0.0
        self._labels_s = self._sampling_s = self._training_s = self._waiting_s = 0.0

    def play(self) -> Outcome:
        begun = self._begun()
        state = replace(begun, threshold=Threshold(0.0, frozen_at=_THRESHOLD))
        for index in state.in_phase(Phase.WAITING):
            self._submit(index)
        while True:
            state = self._answered(state)
            match decide(state, self._policy):
                case Advance(trajectories, n_steps):
                    state = self._advanced(state, trajectories, n_steps)
                case Train(n_epochs):
                    self._training_s += self._passes(n_epochs * self._pace.epoch_s + self._pace.checkpoint_s)
                    state, _ = transition(state, EpochsDone(n_epochs, None), self._policy)
                case AwaitLabel():
                    self._waiting_s += self._passes(max(0.0, self._workers.next_done_s() - self._now_s))
                case Finish():
                    return self._outcome(begun, state)

    def _begun(self) -> State:
        work = self._workload
        if work.state is not None:
            return resumed(work.state, self._policy)
        return begin(
            self._policy,
            n_trajectories=work.n_trajectories,
            c_x=0.0,
            valid_ratio=work.valid_ratio,
            n_initial_train=work.n_initial_train,
        )

    def _answered(self, state: State) -> State:
        for index in self._workers.done(self._now_s):
            self._passes(self._pace.record_s)
            state, _ = transition(state, LabelArrived(index, state.trajectories[index].md_step), self._policy)
        return state

    def _advanced(self, state: State, trajectories: tuple[int, ...], n_steps: int) -> State:
        step_s = self._pace.batch_step_s + len(trajectories) * self._pace.trajectory_step_s
        self._sampling_s += self._passes(n_steps * step_s)
        for index in trajectories:
            if state.trajectories[index].phase is not Phase.RUNNING:
                continue  # the stage has come to its end within this batch
            score = _UNSURE if self._rng.random() < self._pace.pick_rate else _QUIET
            state, consequences = transition(state, ChunkDone(index, n_steps, score), self._policy)
            for consequence in consequences:
                if isinstance(consequence, SubmitLabel):
                    self._submit(consequence.trajectory)
        return state

    def _submit(self, trajectory: int) -> None:
        label_s = self._rng.choice(self._pace.label_s)
        self._labels_s += label_s
        self._waiting_s += self._passes(self._workers.submit(trajectory, now_s=self._now_s, label_s=label_s))

    def _passes(self, seconds: float) -> float:
        self._now_s += seconds
        return seconds

    def _outcome(self, begun: State, state: State) -> Outcome:
        return Outcome(
            n_workers=self._n_workers,
            n_labels=state.n_received - begun.n_received,
            n_md_steps=_md_steps(state) - _md_steps(begun),
            n_epochs=state.n_epochs - begun.n_epochs,
            n_train=state.train_size,
            makespan_s=self._now_s,
            labels_s=self._labels_s,
            sampling_s=self._sampling_s,
            training_s=self._training_s,
            waiting_s=self._waiting_s,
        )


def _md_steps(state: State) -> int:
    return sum(trajectory.md_step for trajectory in state.trajectories)
