"""The state machine of initial dataset generation."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.errors import AimsPaxError
from aims_pax.learner.initial import (
    AwaitRoundLabel,
    DistributeRound,
    Equilibrate,
    FrameSubmitted,
    GiveUp,
    InitialEvent,
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
    decide,
    resumed,
    transition,
)
from aims_pax.learner.journal import from_text, to_text

POLICY = InitialPolicy(labels_per_round=4, epochs_per_round=5, max_failures=3, max_train_size=2)


def play(*events: InitialEvent, policy: InitialPolicy = POLICY) -> InitialState:
    state = InitialState()
    for event in events:
        state = transition(state, event, policy)
    return state


EQUILIBRATING = replace(POLICY, equilibration_steps=60, steps_per_chunk=25)


def test_nothing_is_sampled_before_the_equilibration_is_over() -> None:
    chunks, state = [], InitialState()
    while isinstance(command := decide(state, EQUILIBRATING), Equilibrate):
        chunks.append(command.n_steps)
        state = from_text(InitialState, to_text(transition(state, StepsEquilibrated(command.n_steps), EQUILIBRATING)))
    assert chunks == [25, 25, 10]
    assert command == SampleFrame()
    assert not state.has_sampled


@pytest.mark.parametrize(
    "events",
    [
        [FrameSubmitted()],
        [FrameSubmitted(), RoundLabelFailed()],
        [*[FrameSubmitted()] * 4, *[RoundLabelArrived()] * 4, RoundDistributed(1), RoundEpochsDone(5, None)],
    ],
)
def test_run_that_has_sampled_is_not_equilibrated_any_more(events: list[InitialEvent]) -> None:
    state = play(*events, policy=EQUILIBRATING)
    assert decide(state, EQUILIBRATING) == decide(state, POLICY)
    with pytest.raises(AimsPaxError, match="equilibrated after its first structure"):
        transition(state, StepsEquilibrated(25), EQUILIBRATING)


def test_state_of_a_version_without_equilibration_is_read() -> None:
    text = to_text(play(FrameSubmitted())).replace(', "n_equilibrated": 0', "")
    assert "n_equilibrated" not in text
    assert from_text(InitialState, text) == play(FrameSubmitted())


def test_round_asks_for_its_labels_and_then_waits() -> None:
    assert decide(play(), POLICY) == SampleFrame()
    assert decide(play(*[FrameSubmitted()] * 4), POLICY) == AwaitRoundLabel()


def test_failed_label_is_replaced_by_another_sample() -> None:
    state = play(*[FrameSubmitted()] * 4, RoundLabelFailed())
    assert decide(state, POLICY) == SampleFrame()
    assert (state.n_in_flight, state.n_failed) == (3, 1)


def test_complete_round_is_distributed_and_trained_on() -> None:
    labels: list[InitialEvent] = [*[FrameSubmitted()] * 4, *[RoundLabelArrived()] * 4]
    assert decide(play(*labels), POLICY) == DistributeRound()
    assert decide(play(*labels, RoundDistributed(1)), POLICY) == TrainRound(5)
    assert decide(play(*labels, RoundDistributed(1), RoundEpochsDone(5, None)), POLICY) == SampleFrame()


@pytest.mark.parametrize(
    ("policy", "size", "mae", "reason"),
    [
        (POLICY, 2, None, InitialStop.SET_SIZE),
        (replace(POLICY, max_epochs=5), 1, None, InitialStop.EPOCHS),
        (replace(POLICY, desired_force_mae=0.5), 1, 0.4, InitialStop.FORCE_MAE),
    ],
)
def test_initial_dataset_stops_at_its_criterion(
    policy: InitialPolicy, size: int, mae: float | None, reason: InitialStop
) -> None:
    labels: list[InitialEvent] = [*[FrameSubmitted()] * 4, *[RoundLabelArrived()] * 4]
    state = play(*labels, RoundDistributed(size), RoundEpochsDone(5, mae), policy=policy)
    assert decide(state, policy) == InitialFinish(reason)


def test_only_failures_in_a_row_give_up() -> None:
    failures: list[InitialEvent] = [FrameSubmitted(), RoundLabelFailed()] * 2
    state = play(*failures, FrameSubmitted(), RoundLabelArrived(), *failures)
    assert decide(state, POLICY) == SampleFrame()
    assert decide(transition(play(*failures, FrameSubmitted()), RoundLabelFailed(), POLICY), POLICY) == GiveUp(3)


def test_label_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(AimsPaxError, match="nobody asked for"):
        play(RoundLabelArrived())


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32))
def test_every_label_is_answered_once_and_resume_changes_nothing(
    per_round: int, epochs: int, n_rounds: int, seed: int
) -> None:
    random = Random(seed)
    policy = InitialPolicy(
        labels_per_round=per_round, epochs_per_round=epochs, max_failures=10**6, max_train_size=n_rounds * per_round
    )
    state, n_received, n_rounds_done = InitialState(), 0, 0
    for _ in range(10_000):
        state = from_text(InitialState, to_text(state))
        match decide(state, policy):
            case SampleFrame():
                state = transition(state, FrameSubmitted(), policy)
            case AwaitRoundLabel():
                failed = random.random() < 0.3
                n_received += not failed
                state = transition(state, RoundLabelFailed() if failed else RoundLabelArrived(), policy)
            case DistributeRound():
                assert state.n_in_flight == 0
                assert state.n_received == per_round
                n_rounds_done += 1
                state = transition(state, RoundDistributed(n_rounds_done * per_round), policy)
            case TrainRound(n):
                state = transition(state, RoundEpochsDone(n, None), policy)
            case InitialFinish(reason):
                assert reason is InitialStop.SET_SIZE
                assert n_received == n_rounds * per_round
                return
    pytest.fail("initial dataset generation did not end")


def test_labels_in_flight_are_awaited_before_giving_up() -> None:
    failures: list[InitialEvent] = [*[FrameSubmitted()] * 4, *[RoundLabelFailed()] * 3]
    assert decide(play(*failures), POLICY) == AwaitRoundLabel()
    assert decide(play(*failures, RoundLabelArrived()), POLICY) == SampleFrame()


def test_lowered_number_of_epochs_ends_the_stage_when_a_run_goes_on() -> None:
    labels: list[InitialEvent] = [*[FrameSubmitted()] * 4, *[RoundLabelArrived()] * 4]
    state = play(*labels, RoundDistributed(1), RoundEpochsDone(3, None))
    policy = replace(POLICY, max_epochs=2)
    assert decide(resumed(state, policy), policy) == InitialFinish(InitialStop.EPOCHS)
    assert resumed(state, POLICY) == state
