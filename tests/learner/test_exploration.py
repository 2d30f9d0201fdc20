"""Rounds of exploration: what follows what, and when it is over."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner.exploration import (
    Beyond,
    End,
    Exploration,
    RoundRules,
    SetErrors,
    Step,
    Truth,
    begun,
    judged,
    labelled,
    learned,
    measured,
    moved,
    reopened,
)
from aims_pax.learner.journal import from_text, to_text

ERRORS = (SetErrors("test", False, "", 3, 0.001, 0.1, None),)
BEYOND = (
    Beyond("forces", "eV/Å", 0.1, 0.5, 12, 0.05, 4, 0.2),
    Beyond("energy", "eV/atom", 0.001, None, 0, 0.001, 0, None),
)
TRUTHS = (Truth("forces", "eV/Å", 3, 2, 0.12, 0.1),)


def one_round(state: Exploration, rules: RoundRules, n_above: int, n_answers: int) -> Exploration:
    """A round that finds so many frames of ten, of which so many get a label."""
    state = moved(state, n_trajectories=4, n_ended_early=1, md_steps=400)
    found = replace(state.present, n_frames=10, n_above=n_above, n_selected=n_above, beyond=BEYOND)
    state = judged(state, found, first_label=7)
    if state.step is Step.LABEL:
        state = labelled(state, rules, n_labelled=n_answers, n_failed=n_above - n_answers)
    if state.step is Step.LEARN:
        state = learned(state, n_epochs=5, n_train=20)
    assert state.step is Step.MEASURE
    return measured(state, rules, errors=ERRORS, truths=TRUTHS)


def test_rounds_go_on_until_nothing_is_beyond_a_tolerance() -> None:
    rules, state = RoundRules(10), begun(n_first=30, measured=ERRORS)
    for n_above in (6, 2):
        state = one_round(state, rules, n_above, n_above)
        assert (state.step, state.ended) == (Step.MOVE, None)
    state = one_round(state, rules, 0, 0)
    assert state.ended is End.NOTHING_ABOVE
    assert [one.number for one in state.rounds] == [0, 1, 2, 3]
    assert [one.n_labelled for one in state.rounds] == [0, 6, 2, 0]
    assert state.n_epochs == 10


def test_labels_of_the_last_round_are_learned() -> None:
    state = one_round(begun(n_first=30, measured=ERRORS), RoundRules(1), 3, 3)
    assert state.ended is End.LOOPS
    assert (state.present.n_labelled, state.present.n_epochs) == (3, 5)


def test_round_whose_labels_all_fail_trains_nothing_and_is_followed_by_another() -> None:
    state = one_round(begun(n_first=30, measured=ERRORS), RoundRules(2), 3, 0)
    assert (state.present.number, state.ended) == (2, None)
    assert state.over[-1].n_epochs == 0


@pytest.mark.parametrize("n_above", [3, 0])
def test_models_that_are_only_judged_have_one_round(n_above: int) -> None:
    state = one_round(begun(n_first=30, measured=ERRORS), RoundRules(1, trains=False), n_above, n_above)
    assert (state.ended, state.present.n_labelled, state.present.n_epochs) == (End.JUDGED, n_above, 0)


def test_trajectories_of_later_rounds_have_numbers_of_their_own() -> None:
    rules, state = RoundRules(10), begun(n_first=30, measured=ERRORS)
    assert state.n_trajectories_before == 0
    state = one_round(one_round(state, rules, 1, 1), rules, 1, 1)
    assert state.n_trajectories_before == 8


def test_a_trajectory_tells_its_round() -> None:
    rules, state = RoundRules(10), begun(n_first=30, measured=ERRORS)
    state = one_round(one_round(state, rules, 1, 1), rules, 1, 1)
    state = moved(state, n_trajectories=2, n_ended_early=0, md_steps=20)
    assert [state.round_of(number) for number in (0, 3, 4, 7, 8, 9)] == [1, 1, 2, 2, 3, 3]
    assert state.round_of(-1) == 1, "frames that were brought along"


def test_more_rounds_may_be_allowed_than_before_and_nothing_else_reopens_it() -> None:
    state = one_round(begun(n_first=30, measured=ERRORS), RoundRules(1), 3, 3)
    assert reopened(state, RoundRules(1)) == state
    further = reopened(state, RoundRules(2))
    assert (further.ended, further.present.number, further.step) == (None, 2, Step.MOVE)
    done = one_round(begun(n_first=30, measured=ERRORS), RoundRules(1), 0, 0)
    assert reopened(done, RoundRules(5)) == done


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 6))
def test_every_state_is_journalled_to_the_same(found: list[int], max_rounds: int) -> None:
    rules, state = RoundRules(max_rounds), begun(n_first=30, measured=ERRORS)
    for n_above in found:
        if state.ended is None:
            state = one_round(state, rules, n_above, max(0, n_above - 1))
        assert from_text(Exploration, to_text(state)) == state
        assert state.present.number <= max_rounds
