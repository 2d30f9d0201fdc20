"""Selectors whose labels judge: at random and on fixed steps, beside the threshold whose labels are learned."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_pax.frame import Split
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide, resumed
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    Consequence,
    EpochsDone,
    Event,
    Finish,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    SubmitLabel,
    Train,
)
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import FixedSteps, Memory, MovingThreshold, Observation, PickReason, RandomShare
from aims_pax.learner.state import Phase, Pick, Rules, State, StopReason
from aims_pax.learner.transition import begin, transition

THRESHOLD = MovingThreshold(c_x=0.0, quiet_limit_steps=10**6)
RULES = Rules(
    selectors=(THRESHOLD, RandomShare(share=0.2, seed=1), FixedSteps(interval_steps=100)),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=3,
    max_train_size=50,
)


def start(rules: Rules = RULES, *, n_trajectories: int = 1) -> State:
    return begin(rules, n_trajectories=n_trajectories, n_initial_train=10)


def play(state: State, *events: Event, rules: Rules = RULES) -> tuple[State, tuple[Consequence, ...]]:
    consequences: tuple[Consequence, ...] = ()
    for event in events:
        state, consequences = transition(state, event, rules)
    return state, consequences


def test_structure_on_a_fixed_step_is_labelled_and_its_trajectory_goes_on() -> None:
    state, consequences = play(start(), *[ChunkDone(0, 25, 0.1)] * 4)
    assert consequences == (SubmitLabel(0, PickReason.DUE, "analysis"),)
    assert state.in_phase(Phase.RUNNING) == (0,)
    assert state.in_flight == (Pick(0, 100, "analysis", PickReason.DUE),)
    assert decide(state, RULES) == Advance((0,), 25)


def test_label_of_analysis_is_set_aside_and_trains_nobody() -> None:
    state, _ = play(start(), *[ChunkDone(0, 25, 0.1)] * 5)
    before = state
    state, consequences = play(state, LabelArrived(0, 100))
    assert consequences == (KeepLabel(0, None, is_checkpoint=False),)
    assert state.counts == before.counts
    assert state.trajectories == before.trajectories
    assert not isinstance(decide(state, RULES), Train)


def test_failed_label_of_analysis_leaves_its_trajectory_where_it_is() -> None:
    state, _ = play(start(), *[ChunkDone(0, 25, 0.1)] * 5)
    again, consequences = play(state, LabelFailed(0, 100))
    assert consequences == ()
    assert again.trajectories == tuple(replace(one, n_labels=one.n_labels - 1) for one in state.trajectories)
    assert again.n_failed == 1


def test_labels_at_random_validate_and_test_in_turn() -> None:
    share = RandomShare(share=0.2, seed=1)
    memory, places = Memory(share.name), []
    for _ in range(4):
        places.append(share.split_of(memory))
        memory = replace(memory, n_labelled=memory.n_labelled + 1)
    assert places == [Split.VALIDATION, Split.TEST] * 2


def test_validation_at_random_leaves_more_of_the_picked_labels_to_training() -> None:
    state = replace(start(), in_flight=(Pick(0, 0, "random share"),))
    state, consequences = play(state, LabelArrived(0, 0))
    assert consequences == (KeepLabel(0, Split.VALIDATION, is_checkpoint=False),)
    assert (state.counts[0].n_train, state.counts[0].n_valid) == (0, 1)


def test_structure_that_two_want_is_judged_by() -> None:
    """Else errors at random would be those of structures at which nobody was unsure."""
    state, _ = play(start(), *[ChunkDone(0, 25, 0.1)] * 3, ChunkDone(0, 10, 0.1), *[ChunkDone(0, 1, 0.1)] * 7)
    state, consequences = play(state, ChunkDone(0, 100, 9.0))
    assert consequences == (SubmitLabel(0, PickReason.DUE, "analysis"),)


def test_draw_depends_on_nothing_but_the_structure() -> None:
    share = RandomShare(share=0.5, seed=3)
    memory = Memory(share.name)
    seen = [Observation(0, 25 * n, 0, 0.1, 10, n_steps=25, n_asked=1) for n in range(200)]
    first, second = ([share.judged(memory, one)[1] for one in seen] for _ in range(2))
    assert first == second
    assert 20 <= sum(one is PickReason.RANDOM for one in first) <= 60, "a fifth of them, within five sigma"
    others = [RandomShare(0.5, seed=4).judged(memory, one)[1] for one in seen]
    assert others != first


@settings(deadline=None)
@given(st.floats(0.05, 0.5), st.integers(1, 4), st.integers(0, 2**32))
def test_share_is_kept_over_a_whole_campaign(share: float, n_trajectories: int, seed: int) -> None:
    rules = replace(RULES, selectors=(THRESHOLD, RandomShare(share, seed=seed)), max_train_size=150)
    random, state = Random(seed), begin(rules, n_trajectories=n_trajectories, n_initial_train=3)
    n_random = n_judged = 0
    for _ in range(100_000):
        state = from_text(State, to_text(state)) if random.random() < 0.01 else state
        match decide(state, rules):
            case Advance(trajectories, n_steps):
                for index in trajectories:
                    if state.trajectories[index].phase is Phase.RUNNING:
                        state, asked = transition(state, ChunkDone(index, n_steps, random.expovariate(1.0)), rules)
                        n_random += any(getattr(one, "reason", None) is PickReason.RANDOM for one in asked)
            case Train(n_epochs):
                state, _ = transition(state, EpochsDone(n_epochs, None), rules)
            case AwaitLabel():
                pass
            case Finish(reason):
                assert reason is StopReason.TRAIN_SIZE
                break
        while state.in_flight and random.random() < 0.5:
            pick = random.choice(state.in_flight)
            state, kept = transition(state, LabelArrived(pick.trajectory, pick.md_step), rules)
            n_judged += any(isinstance(one, KeepLabel) and not one.is_checkpoint for one in kept)
    else:
        pytest.fail("the campaign did not end")
    assert n_judged == n_random
    assert n_random <= share * (state.n_requested + 1)
    # What is due is taken by chance, which grows with what is lacking and is certain at five.
    assert n_random >= share * state.n_requested - 6


def test_labels_in_flight_of_a_selector_that_was_switched_off_are_set_aside() -> None:
    state, _ = play(start(), *[ChunkDone(0, 25, 0.1)] * 5)
    rules = replace(RULES, selectors=(THRESHOLD,))
    state, consequences = play(resumed(state, rules), LabelArrived(0, 100), rules=rules)
    assert consequences == (KeepLabel(0, None, is_checkpoint=False),)
    assert state.in_flight == ()
