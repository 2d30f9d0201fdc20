"""Structures that are passed over, and requests that are withdrawn: nothing that was paid for is lost."""

from dataclasses import replace
from random import Random

import pytest

from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    EpochsDone,
    Finish,
    LabelArrived,
    LabelFailed,
    Rescored,
    SubmitLabel,
    Train,
    Withdraw,
)
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.molecules import MovingThresholdOfMolecules
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import FixedSteps, MovingThreshold, PickReason
from aims_pax.learner.state import LIVE, Budget, Phase, Pick, Rules, State
from aims_pax.learner.transition import OutOfTurn, asks_by_score, begin, transition

WHOLE = MovingThreshold(c_x=0.0, quiet_limit_steps=1000)
RULES = Rules(
    selectors=(WHOLE,),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=3,
    max_train_size=30,
)


def quiet(n: int = 12, rules: Rules = RULES, *, n_trajectories: int = 3) -> State:
    state = begin(rules, n_trajectories=n_trajectories)
    for _ in range(n):
        state, _ = transition(state, ChunkDone(0, 25, 0.1, (0.01, 0.02)), rules)
    return state


def unsure(state: State, index: int, rules: Rules = RULES) -> State:
    return transition(state, ChunkDone(index, 25, 5.0), rules)[0]


# -- passed over ----------------------------------------------------------------------------------------------


def test_a_structure_nearly_alike_is_passed_over_and_its_trajectory_goes_on() -> None:
    state = unsure(quiet(), 1)
    before = state.memory_of(WHOLE.name)
    state, consequences = transition(state, ChunkDone(2, 25, 5.0, is_alike=True), RULES)
    assert consequences == ()
    assert state.in_phase(Phase.RUNNING) == (0, 2)
    assert (state.n_passed_over, state.n_requested) == (1, 1)
    assert state.trajectories[2].quiet_steps == 0, "it has crossed the threshold"
    assert state.memory_of(WHOLE.name).n_scores == before.n_scores + 1, "its score counts all the same"
    assert from_text(State, to_text(state)) == state


def test_only_what_a_score_asks_for_is_passed_over() -> None:
    rules = replace(RULES, selectors=(replace(WHOLE, quiet_limit_steps=25),))
    _, consequences = transition(quiet(0, rules), ChunkDone(1, 25, 0.01, is_alike=True), rules)
    assert consequences == (SubmitLabel(1, PickReason.QUIET, WHOLE.name),), "a control after a long time"
    rules = replace(RULES, selectors=(WHOLE, FixedSteps(25)))
    _, consequences = transition(quiet(0, rules), ChunkDone(1, 25, 5.0, is_alike=True), rules)
    assert consequences == (SubmitLabel(1, PickReason.DUE, FixedSteps.NAME),), "it judges, and nobody learns from it"


def test_whether_a_structure_asks_is_known_before_it_does() -> None:
    state = quiet()
    assert asks_by_score(state, ChunkDone(1, 25, 5.0), RULES)
    assert not asks_by_score(state, ChunkDone(1, 25, 0.01), RULES)
    assert state == quiet()


def test_those_that_stand_wait_for_a_label_or_are_learned_from() -> None:
    state = unsure(unsure(quiet(), 1), 2)
    state, _ = transition(state, LabelArrived(1, 25), RULES)
    assert state.standing == (1, 2)
    for _ in range(2):
        state, _ = transition(state, EpochsDone(1, None), RULES)
    assert state.standing == (2,)


# -- withdrawn ------------------------------------------------------------------------------------------------


def test_a_request_of_which_the_models_have_become_sure_is_withdrawn() -> None:
    rules = replace(RULES, budgets=(Budget(frozenset({1}), 1),))
    state = unsure(quiet(rules=rules), 1, rules)
    before = state.memory_of(WHOLE.name)
    state, consequences = transition(state, Rescored(1, 25, 0.05), rules)
    assert consequences == (Withdraw(1, 25),)
    assert state.in_phase(Phase.RUNNING) == (0, 1, 2), "its place in the budget is free again"
    assert (state.n_withdrawn, state.n_requested, state.in_flight) == (1, 0, ())
    assert state.trajectories[1].n_labels == 0
    assert replace(state.memory_of(WHOLE.name), n_picked=1) == before, "a second look moves no threshold"
    assert from_text(State, to_text(state)) == state


def test_a_request_of_which_the_models_are_unsure_still_is_kept() -> None:
    state = unsure(quiet(), 1)
    for score in (4.0, None):
        assert transition(state, Rescored(1, 25, score), RULES) == (state, ())


def test_molecules_must_have_become_sure_too() -> None:
    rules = replace(RULES, selectors=(WHOLE, MovingThresholdOfMolecules(c_x=0.0)))
    state = quiet(rules=rules)
    state, _ = transition(state, ChunkDone(1, 25, 0.05, (0.5, 0.01)), rules)
    assert state.in_flight[0].reason is PickReason.BETWEEN
    assert transition(state, Rescored(1, 25, 0.05, (0.5, 0.01)), rules)[1] == ()
    assert transition(state, Rescored(1, 25, 5.0, (0.001, 0.001)), rules)[1] == ()
    assert transition(state, Rescored(1, 25, 0.05, (0.001, 0.001)), rules)[1] == (Withdraw(1, 25),)


def test_controls_are_not_withdrawn_nor_anything_at_the_end_nor_what_older_versions_asked_for() -> None:
    rules = replace(RULES, selectors=(replace(WHOLE, quiet_limit_steps=25),))
    state, _ = transition(quiet(0, rules), ChunkDone(1, 25, 0.01), rules)
    assert state.in_flight
    assert state.withdrawable == ()
    with pytest.raises(OutOfTurn, match="waits for no label of step 25"):
        transition(state, Rescored(1, 25, 0.001), rules)
    last = replace(RULES, max_train_size=1)
    state = unsure(unsure(quiet(rules=last), 1, last), 2, last)
    assert [pick.trajectory for pick in state.withdrawable] == [1, 2]
    state, _ = transition(state, LabelArrived(1, 25), last)
    assert state.stopping is not None
    assert state.withdrawable == ()
    old = replace(unsure(quiet(), 1), in_flight=(Pick(1, 25, WHOLE.name),))
    assert old.withdrawable == ()


@pytest.mark.parametrize("seed", range(25))
def test_random_campaigns_end_and_account_for_every_label(seed: int) -> None:
    rng, state, n_asked, n_withdrawn = Random(seed), begin(RULES, n_trajectories=4), 0, 0
    for _ in range(6000):
        match decide(state, RULES):
            case Advance(trajectories, n_steps):
                for index in trajectories:
                    if state.trajectories[index].phase is Phase.RUNNING:
                        event = ChunkDone(index, n_steps, rng.expovariate(5.0), is_alike=rng.random() < 0.3)
                        state, consequences = transition(state, event, RULES)
                        n_asked += len(consequences)
            case Train(n_epochs):
                state, _ = transition(state, EpochsDone(n_epochs, None), RULES)
                for pick in state.withdrawable:
                    if rng.random() < 0.5:
                        event_again = Rescored(pick.trajectory, pick.md_step, rng.expovariate(10.0))
                        state, consequences = transition(state, event_again, RULES)
                        n_withdrawn += len(consequences)
            case AwaitLabel():
                pick = rng.choice(state.in_flight)
                answer = LabelFailed if rng.random() < 0.2 else LabelArrived
                state, _ = transition(state, answer(pick.trajectory, pick.md_step), RULES)
            case Finish():
                break
        assert {pick.trajectory for pick in state.in_flight} == set(state.in_phase(Phase.WAITING))
        assert n_asked == state.n_requested + state.n_withdrawn
    assert all(one.phase not in LIVE for one in state.trajectories)
    assert state.in_flight == ()
    assert state.n_withdrawn == n_withdrawn
    assert sum(one.n_labels for one in state.trajectories) == state.n_received
    assert state.n_passed_over > 0
