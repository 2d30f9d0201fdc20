"""Thresholds and budgets of some trajectories: what one system says of its own does not touch the others."""

from dataclasses import replace
from random import Random

import pytest

from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide, reopened, resumed
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    EpochsDone,
    Finish,
    LabelArrived,
    LabelFailed,
    Train,
)
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import MovingThreshold, thresholds
from aims_pax.learner.state import Budget, Phase, Rules, State, StopReason
from aims_pax.learner.transition import begin, transition

SHARED = MovingThreshold(c_x=0.0, quiet_limit_steps=10**6, trajectories=frozenset({0, 1}))
OWN = MovingThreshold(c_x=0.0, quiet_limit_steps=10**6, system="ice", trajectories=frozenset({2}))
RULES = Rules(
    selectors=(SHARED, OWN),
    cadence=PerLabel(epochs_per_label=1, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=100,
    max_train_size=40,
    budgets=(Budget(frozenset({2}), 3),),
)

EAGER = (MovingThreshold(c_x=0.0, quiet_limit_steps=25),)
"""Asks for every structure."""


def test_each_trajectory_is_judged_by_the_threshold_that_concerns_it() -> None:
    state = begin(RULES, n_trajectories=3)
    for _ in range(12):
        for index, score in ((0, 0.1), (1, 0.1), (2, 5.0)):
            state, _ = transition(state, ChunkDone(index, 25, score), RULES)
    shared, own = (state.memory_of(one.name) for one in (SHARED, OWN))
    assert (shared.n_scores, own.n_scores) == (24, 12)
    assert SHARED.value(shared) == pytest.approx(0.1)
    assert OWN.value(own) == pytest.approx(5.0)
    assert thresholds(RULES.selectors, 3) == {0: SHARED, 1: SHARED, 2: OWN}
    state, consequences = transition(state, ChunkDone(0, 25, 0.5), RULES)
    assert consequences, "far above the threshold of its own, and far below that of the other system"
    assert state.in_flight[0].selector == "moving threshold"


def played(rules: Rules, seed: int, *, failures: float = 0.0) -> State:
    """A whole campaign with scores drawn at random, of which some labels fail."""
    rng, state = Random(seed), begin(rules, n_trajectories=3)
    for _ in range(4000):
        match decide(state, rules):
            case Advance(trajectories, n_steps):
                for index in trajectories:
                    if state.trajectories[index].phase is Phase.RUNNING:
                        state, _ = transition(state, ChunkDone(index, n_steps, rng.random()), rules)
            case Train(n_epochs):
                state, _ = transition(state, EpochsDone(n_epochs, None), rules)
            case AwaitLabel():
                pick = rng.choice(state.in_flight)
                answer = LabelFailed if rng.random() < failures else LabelArrived
                state, _ = transition(state, answer(pick.trajectory, pick.md_step), rules)
            case Finish():
                return state
    raise AssertionError("the campaign does not come to an end")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("failures", [0.0, 0.3])
def test_a_system_gets_as_many_labels_as_it_may_and_the_others_go_on(seed: int, failures: float) -> None:
    state = played(RULES, seed, failures=failures)
    assert state.trajectories[2].n_labels == 3
    assert state.trajectories[2].phase is Phase.FINISHED
    assert sum(one.n_labels for one in state.trajectories) == state.n_received
    assert state.stopping is StopReason.TRAIN_SIZE


def answered(state: State, rules: Rules, *, index: int, fails: bool) -> State:
    """The state after the label of a trajectory that waits for one, and its epochs."""
    pick = next(one for one in state.in_flight if one.trajectory == index)
    state, _ = transition(state, (LabelFailed if fails else LabelArrived)(index, pick.md_step), rules)
    return state if fails else transition(state, EpochsDone(1, None), rules)[0]


@pytest.mark.parametrize("fails", [True, False])
def test_a_label_that_fails_gives_its_place_back_to_all_of_its_system(fails: bool) -> None:
    rules = replace(RULES, selectors=EAGER, budgets=(Budget(frozenset({0, 1}), 1),))
    state, _ = transition(begin(rules, n_trajectories=3), ChunkDone(0, 25, 0.1), rules)
    assert [one.phase for one in state.trajectories] == [Phase.WAITING, Phase.FINISHED, Phase.RUNNING]
    state = answered(state, rules, index=0, fails=fails)
    expected = Phase.RUNNING if fails else Phase.FINISHED
    assert [state.trajectories[index].phase for index in (0, 1)] == [expected, expected]


def test_a_budget_that_is_raised_while_a_run_is_interrupted_wakes_its_trajectories() -> None:
    rules = replace(RULES, selectors=EAGER, budgets=(Budget(frozenset({0, 1}), 1),))
    state, _ = transition(begin(rules, n_trajectories=3), ChunkDone(0, 25, 0.1), rules)
    assert resumed(state, rules) == state
    more = replace(rules, budgets=(Budget(frozenset({0, 1}), 5),))
    assert resumed(state, more).trajectories[1].phase is Phase.RUNNING
    fewer = replace(more, budgets=(Budget(frozenset({2}), 0),))
    assert resumed(state, fewer).trajectories[2].phase is Phase.FINISHED


def test_a_campaign_whose_budgets_are_all_spent_ends_for_that_reason_and_goes_on_with_more() -> None:
    rules = replace(RULES, budgets=(Budget(frozenset({0, 1}), 4), Budget(frozenset({2}), 3)))
    state = played(rules, 1)
    assert state.stopping is StopReason.BUDGETS
    assert state.n_received == 7
    more = replace(rules, budgets=(Budget(frozenset({0, 1}), 6), rules.budgets[1]))
    again = reopened(state, more)
    assert again.stopping is None
    assert [one.phase for one in again.trajectories] == [Phase.RUNNING, Phase.RUNNING, Phase.FINISHED]
    assert reopened(state, rules) == state, "nothing more may be asked for"
