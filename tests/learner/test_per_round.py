"""The loop whose labels are collected into rounds, distributed and learned together."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner import earlier
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.decide import decide, resumed
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
    LabelArrived,
    LabelFailed,
    Rewind,
    SubmitLabel,
    Train,
)
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.selectors import EveryStructure, PickReason
from aims_pax.learner.state import Phase, Pick, Rules, State, StopReason
from aims_pax.learner.transition import OutOfTurn, begin, transition

RULES = Rules(
    selectors=(EveryStructure(),),
    cadence=PerRound(labels_per_round=4, epochs_per_round=5),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=3,
    max_train_size=2,
)


def start(rules: Rules = RULES, *, n_systems: int = 1) -> State:
    return begin(rules, n_trajectories=n_systems)


def play(*events: Event, state: State | None = None, rules: Rules = RULES) -> State:
    state = start(rules) if state is None else state
    for event in events:
        state, _ = transition(state, event, rules)
    return state


def consequences_of(event: Event, state: State, rules: Rules = RULES) -> tuple[Consequence, ...]:
    return transition(state, event, rules)[1]


EVERY = EveryStructure.NAME


def due(trajectory: int, md_step: int) -> Pick:
    return Pick(trajectory, md_step, EVERY)


def sampled(n: int) -> list[Event]:
    """A single system that has come to its next structure, which is asked for, again and again."""
    return [ChunkDone(0, 25), Asked()] * n


def arrived(n: int, *, first: int = 1) -> list[Event]:
    return [LabelArrived(0, 25 * number) for number in range(first, first + n)]


def failed(n: int, *, first: int = 1) -> list[Event]:
    return [LabelFailed(0, 25 * number) for number in range(first, first + n)]


def given_to_members(n_train: int) -> Distributed:
    return Distributed((SplitCounts(n_train, 1),))


EQUILIBRATING = replace(RULES, equilibration_steps=60, steps_per_chunk=25)


def test_nothing_is_sampled_before_the_equilibration_is_over() -> None:
    chunks, state = [], start(EQUILIBRATING)
    for _ in range(3):
        command = decide(state, EQUILIBRATING)
        assert isinstance(command, Advance)
        chunks.append(command.n_steps)
        state, consequences = transition(state, ChunkDone(0, command.n_steps), EQUILIBRATING)
        state = from_text(State, to_text(state))
        assert consequences == ()
    assert chunks == [25, 25, 10]
    assert decide(state, EQUILIBRATING) == Advance((0,), 25)
    state, _ = transition(state, ChunkDone(0, 25), EQUILIBRATING)
    assert decide(state, EQUILIBRATING) == Ask()
    assert consequences_of(Asked(), state, EQUILIBRATING) == (SubmitLabel(0, PickReason.DUE, EVERY),)


@pytest.mark.parametrize(
    "events",
    [
        sampled(1),
        [*sampled(1), *failed(1)],
        [*sampled(4), *arrived(4), given_to_members(1), EpochsDone(5, None)],
    ],
)
def test_run_that_has_sampled_is_not_equilibrated_any_more(events: list[Event]) -> None:
    state = play(*events)
    assert decide(state, EQUILIBRATING) == decide(state, RULES)


def test_round_asks_for_its_labels_and_then_waits() -> None:
    assert decide(start(), RULES) == Advance((0,), 25)
    assert decide(play(*sampled(4)), RULES) == AwaitLabel()


def test_failed_label_is_replaced_by_another_sample() -> None:
    state = play(*sampled(4), *failed(1))
    assert decide(state, RULES) == Advance((0,), 25)
    assert (len(state.in_flight), state.n_failed) == (3, 1)


def test_systems_keep_step_and_are_asked_for_in_their_order() -> None:
    state = start(n_systems=2)
    assert decide(state, RULES) == Advance((0, 1), 25)
    state = play(ChunkDone(0, 25), ChunkUnphysical(1, 3, "overlap"), state=state)
    assert decide(state, RULES) == Advance((1,), 25), "the one that failed makes its steps anew, alone"
    state = play(ChunkDone(1, 25), state=state)
    assert decide(state, RULES) == Ask()
    state, consequences = transition(state, Asked(), RULES)
    assert consequences == (SubmitLabel(0, PickReason.DUE, EVERY), SubmitLabel(1, PickReason.DUE, EVERY))
    assert state.in_flight == (due(0, 25), due(1, 28))
    assert decide(state, RULES) == Advance((0, 1), 25)


def test_structure_that_a_round_does_not_need_is_the_first_of_the_next_one() -> None:
    """Of three systems; the fourth label of a round comes from the second time that they move."""
    together: list[Event] = [*[ChunkDone(index, 25) for index in (0, 1, 2)], Asked()]
    state = play(*together, *together, state=start(n_systems=3))
    assert [(pick.trajectory, pick.md_step) for pick in state.in_flight] == [(0, 25), (1, 25), (2, 25), (0, 50)]
    assert state.offered == (due(1, 50), due(2, 50))
    state = play(LabelFailed(1, 25), state=state)
    assert decide(state, RULES) == Ask(), "another one instead of that which failed"
    state, consequences = transition(state, Asked(), RULES)
    assert consequences == (SubmitLabel(1, PickReason.DUE, EVERY),)
    state = play(*[LabelArrived(pick.trajectory, pick.md_step) for pick in state.in_flight], state=state)
    rules = replace(RULES, max_train_size=9)
    state = play(given_to_members(1), EpochsDone(5, None), state=state, rules=rules)
    assert decide(state, rules) == Ask()
    state, consequences = transition(state, Asked(), rules)
    assert consequences == (SubmitLabel(2, PickReason.DUE, EVERY),)
    assert decide(state, rules) == Advance((0, 1, 2), 25)


def test_complete_round_is_distributed_and_trained_on() -> None:
    labels = [*sampled(4), *arrived(4)]
    assert decide(play(*labels), RULES) == Distribute()
    assert decide(play(*labels, given_to_members(1)), RULES) == Train(5)
    assert decide(play(*labels, given_to_members(1), EpochsDone(5, None)), RULES) == Advance((0,), 25)


def test_size_is_that_of_the_member_with_the_fewest_structures() -> None:
    state = play(*sampled(4), *arrived(4), Distributed((SplitCounts(3, 1), SplitCounts(2, 1))))
    assert state.train_size == 2


@pytest.mark.parametrize(
    ("rules", "size", "mae", "reason"),
    [
        (RULES, 2, None, StopReason.TRAIN_SIZE),
        (replace(RULES, max_epochs=5), 1, None, StopReason.EPOCHS),
        (replace(RULES, desired_force_mae=0.5), 1, 0.4, StopReason.FORCE_MAE),
    ],
)
def test_rounds_stop_at_their_criterion(rules: Rules, size: int, mae: float | None, reason: StopReason) -> None:
    state = play(*sampled(4), *arrived(4), given_to_members(size), EpochsDone(5, mae), rules=rules)
    assert decide(state, rules) == Finish(reason)


def test_goal_is_looked_at_when_a_round_has_had_all_its_epochs() -> None:
    state = play(*sampled(4), *arrived(4), given_to_members(2), EpochsDone(3, None))
    assert decide(state, RULES) == Train(2)


def test_only_failures_in_a_row_give_up() -> None:
    state = play(*sampled(3), *failed(2), *arrived(1, first=3), *sampled(3), *failed(2, first=4))
    assert decide(state, RULES) == Advance((0,), 25)
    state = play(*failed(1, first=6), state=state)
    assert decide(state, RULES) == Finish(StopReason.ALL_FAILED)
    assert state.n_failed_in_row == 3
    assert decide(resumed(state, RULES), RULES) == Advance((0,), 25), "their user has mended it"


def test_labels_in_flight_are_awaited_before_giving_up() -> None:
    state = play(*sampled(4), *failed(3))
    assert decide(state, RULES) == AwaitLabel()
    assert decide(play(*arrived(1, first=4), state=state), RULES) == Advance((0,), 25)


def test_system_that_fails_too_often_in_a_row_ends_the_loop_once_labels_in_flight_are_in() -> None:
    state = play(*sampled(1), *[ChunkUnphysical(0, 2, "overlap")] * 9)
    assert consequences_of(ChunkUnphysical(0, 2, "overlap"), state) == (Rewind(0),)
    state = play(ChunkUnphysical(0, 2, "overlap"), state=state)
    assert state.in_phase(Phase.FAILED) == (0,)
    assert decide(state, RULES) == AwaitLabel()
    state = play(*arrived(1), state=state)
    assert decide(state, RULES) == Finish(StopReason.ALL_FAILED)
    assert decide(resumed(state, RULES), RULES) == Advance((0,), 25)


def test_sound_structure_ends_a_row_of_failures() -> None:
    unphysical = [ChunkUnphysical(0, 2, "overlap")] * 9
    state = play(*unphysical, *sampled(1), *unphysical)
    assert state.in_phase(Phase.FAILED) == ()


def test_label_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(OutOfTurn, match="arrived while it was running at step 0"):
        play(*arrived(1))


def test_lowered_number_of_epochs_ends_the_stage_when_a_run_goes_on() -> None:
    state = play(*sampled(4), *arrived(4), given_to_members(1), EpochsDone(3, None))
    rules = replace(RULES, max_epochs=2)
    assert decide(resumed(state, rules), rules) == Finish(StopReason.EPOCHS)
    assert resumed(state, RULES) == state


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32))
def test_every_label_is_answered_once_and_resume_changes_nothing(
    per_round: int, epochs: int, n_rounds: int, n_systems: int, seed: int
) -> None:
    random, n_asked = Random(seed), 0
    rules = replace(
        RULES,
        cadence=PerRound(per_round, epochs, max_md_failures=10**6),
        max_failures=10**6,
        max_train_size=n_rounds * per_round,
    )
    state = begin(rules, n_trajectories=n_systems)

    def feed(event: Event) -> None:
        nonlocal state, n_asked
        state, consequences = transition(state, event, rules)
        n_asked += sum(isinstance(consequence, SubmitLabel) for consequence in consequences)
        assert n_asked == state.n_requested == state.n_received + state.n_failed + len(state.in_flight)
        assert state.n_in_round + len(state.in_flight) <= per_round

    for _ in range(20_000):
        state = from_text(State, to_text(state))
        if state.in_flight and random.random() < 0.3:
            _answer(state, random, feed)
        match decide(state, rules):
            case Advance(trajectories, n_steps):
                assert trajectories
                for index in trajectories:
                    wrecked = random.random() < 0.1
                    feed(ChunkUnphysical(index, 1, "overlap") if wrecked else ChunkDone(index, n_steps))
            case Ask():
                feed(Asked())
            case AwaitLabel():
                _answer(state, random, feed)
            case Distribute():
                assert not state.in_flight
                assert state.n_in_round == per_round
                feed(Distributed((SplitCounts((state.n_round + 1) * per_round),)))
            case Train(n_epochs):
                feed(EpochsDone(n_epochs, None))
            case Finish(reason):
                assert reason is StopReason.TRAIN_SIZE
                assert state.n_received == n_rounds * per_round
                return
    pytest.fail("the loop did not end")


def _answer(state: State, random: Random, feed: Any) -> None:
    pick = random.choice(state.in_flight)
    kind = LabelFailed if random.random() < 0.3 else LabelArrived
    feed(kind(pick.trajectory, pick.md_step))


# -- states of version 1 --------------------------------------------------------------------------------------

VERSION_1: dict[str, Any] = {
    "n_round": 1,
    "n_in_flight": 2,
    "n_received": 1,
    "n_failed": 3,
    "n_failed_in_row": 1,
    "epochs_due": 0,
    "n_epochs": 5,
    "train_size": 3,
    "force_mae": 0.25,
    "stopping": None,
}
SHARES = {"quotas": [{"ratio": 0.1, "n_train": 3, "n_valid": 1}] * 2, "next_system": 1}


def of_version_1(data: dict[str, Any], shares: dict[str, Any] | None) -> State:
    found = earlier.of_initial_dataset(data, shares, md_steps=[75, 75], in_flight=[(1, 50), (0, 75)])
    return from_text(State, json.dumps(found))


def test_state_of_version_1_goes_on_where_it_stood() -> None:
    rules = replace(RULES, max_train_size=9)
    state = of_version_1(VERSION_1, SHARES)
    assert state.in_flight == (due(1, 50), due(0, 75))
    assert (state.n_received, state.n_failed, state.n_requested) == (9, 3, 14)
    assert state.counts == (SplitCounts(3, 1),) * 2
    assert state.offered == (due(1, 75),)
    assert (state.n_round, state.n_in_round, state.train_size, state.n_epochs) == (1, 1, 3, 5)
    assert decide(state, rules) == Ask()


def test_stopped_stage_of_version_1_says_why() -> None:
    words = "the training set has reached max_initial_set_size"
    state = of_version_1({**VERSION_1, "stopping": words}, {**SHARES, "next_system": 0})
    assert state.stopping is StopReason.TRAIN_SIZE
    assert state.in_phase(Phase.FINISHED) == (0, 1)
    assert set(earlier.STOPPED_INITIALLY.values()) <= {str(reason) for reason in StopReason}


def test_active_learning_of_version_1_goes_on_where_it_stood() -> None:
    trajectory = {"phase": "running", "md_step": 40, "quiet_steps": 15, "epochs_left": 0, "failures": 1}
    data = {
        "trajectories": [trajectory, {**trajectory, "phase": "waiting", "md_step": 60}],
        "threshold": {"c_x": -0.1, "scores": [0.1, 0.2], "n_checks": 12, "frozen_at": None},
        "quota": {"ratio": 0.1, "n_train": 7, "n_valid": 1},
        "n_initial_train": 10,
        "n_requested": 11,
        "n_received": 8,
        "n_failed": 2,
        "n_epochs": 16,
        "force_mae": 0.04,
        "turn": "train",
        "stopping": None,
    }
    state = from_text(State, json.dumps(earlier.of_active_learning(data)))
    assert state.n_requested == 11
    assert state.train_size == 17
    assert state.in_flight == (Pick(1, 60, "moving threshold"),)
    assert (state.memories[0].scores, state.memories[0].n_scores) == ((0.1, 0.2), 12)
    assert not earlier.is_present(data)
