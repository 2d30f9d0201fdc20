"""The initial stage, played against a clock that is only counted: its labels, MD steps, epochs and time.

The decisions are those of :mod:`aims_pax.learner.initial` itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from aims_pax.dataset.splits import place_all
from aims_pax.forecast.simulation import crew
from aims_pax.learner.initial import (
    AwaitRoundLabel,
    DistributeRound,
    Equilibrate,
    FrameSubmitted,
    GiveUp,
    InitialFinish,
    InitialPolicy,
    InitialState,
    RoundDistributed,
    RoundEpochsDone,
    RoundLabelArrived,
    SampleFrame,
    StepsEquilibrated,
    TrainRound,
    decide,
    transition,
)
from aims_pax.learner.quota import Quota

BEGINNING: Final = InitialState()
"""Nothing is sampled yet."""


@dataclass(frozen=True, slots=True)
class RoundsWork:
    """An initial stage that is to be played.

    Parameters
    ----------
    policy : InitialPolicy
        With a limit that ends it without forces: structures or epochs.
    skip_steps : int
        MD steps of each system between two of its structures.
    driver_step_s : tuple of float
        One MD step of each system, s; they move one after the other.
    label_s : tuple of float
        A label of each system, s; 0 where the driver has computed it already.
    n_owners : int
        Members that share the labels, each with structures of its own.
    epoch_s : callable
        One epoch of all members, s, by the training structures of a member.
    checkpoint_s, record_s : float
        Writing the committee after training, and storing a label.
    state : InitialState
        Where the stage stands.
    """

    policy: InitialPolicy
    skip_steps: int
    driver_step_s: tuple[float, ...]
    label_s: tuple[float, ...]
    n_owners: int
    valid_ratio: float
    epoch_s: Callable[[int], float]
    checkpoint_s: float = 0.0
    record_s: float = 0.0
    state: InitialState = BEGINNING


@dataclass(frozen=True, slots=True)
class RoundsOutcome:
    """What was left of an initial stage.

    Parameters
    ----------
    n_train : int
        Training structures of a member at its end.
    """

    n_labels: int
    n_md_steps: int
    n_epochs: int
    n_train: int
    makespan_s: float


def play_rounds(work: RoundsWork, *, n_workers: int) -> RoundsOutcome:
    """Play an initial stage on a number of workers, none of which fails or starts late."""
    return _Rounds(work, n_workers).play()


class _Rounds:
    """The shell of :mod:`aims_pax.stages.initial` with nothing in it but time."""

    def __init__(self, work: RoundsWork, n_workers: int) -> None:
        self._work, self._crew = work, crew(n_workers)
        self._now_s, self._next_system = 0.0, 0
        self._n_labels = self._n_md_steps = 0
        self._points_each_round = work.policy.labels_per_round // work.n_owners
        self._quota, _ = place_all(Quota(work.valid_ratio), work.state.n_round * self._points_each_round)

    def play(self) -> RoundsOutcome:
        policy, begun = self._work.policy, self._work.state
        state = begun
        for number in range(begun.n_in_flight):
            self._submit(number % len(self._work.label_s))
        while True:
            state = self._answered(state)
            match decide(state, policy):
                case Equilibrate(n_steps):
                    self._move(n_steps)
                    state = transition(state, StepsEquilibrated(n_steps), policy)
                case SampleFrame():
                    state = self._sampled(state)
                case AwaitRoundLabel():
                    self._now_s = max(self._now_s, self._crew.next_done_s())
                case DistributeRound():
                    self._quota, _ = place_all(self._quota, self._points_each_round)
                    state = transition(state, RoundDistributed(self._quota.n_train), policy)
                case TrainRound(n_epochs):
                    self._now_s += n_epochs * self._work.epoch_s(state.train_size) + self._work.checkpoint_s
                    state = transition(state, RoundEpochsDone(n_epochs, None), policy)
                case InitialFinish() | GiveUp():
                    n_epochs = state.n_epochs - begun.n_epochs
                    return RoundsOutcome(self._n_labels, self._n_md_steps, n_epochs, state.train_size, self._now_s)
                case command:
                    assert_never(command)

    def _answered(self, state: InitialState) -> InitialState:
        for _ in self._crew.done(self._now_s):
            self._n_labels += 1
            self._now_s += self._work.record_s
            state = transition(state, RoundLabelArrived(), self._work.policy)
        return state

    def _move(self, n_steps: int) -> None:
        """MD of every system, one after the other."""
        self._now_s += n_steps * sum(self._work.driver_step_s)
        self._n_md_steps += n_steps * len(self._work.driver_step_s)

    def _sampled(self, state: InitialState) -> InitialState:
        work = self._work
        if self._next_system == 0:
            self._move(work.skip_steps)
        self._submit(self._next_system)
        self._next_system = (self._next_system + 1) % len(work.label_s)
        return transition(state, FrameSubmitted(), work.policy)

    def _submit(self, system: int) -> None:
        self._now_s += self._crew.submit(system, now_s=self._now_s, label_s=self._work.label_s[system])
