"""Labels that were kept out and return: each is counted once, and quotas stay what they are."""

from dataclasses import replace

import pytest

from aims_pax.frame import Split
from aims_pax.learner.cadence import PerLabel, PerRound
from aims_pax.learner.decide import decide, resumed
from aims_pax.learner.events import ChunkDone, Distribute, LabelArrived, LabelFailed
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.returned import let_in
from aims_pax.learner.selectors import EveryStructure, FixedSteps, MovingThreshold, RandomShare
from aims_pax.learner.state import Budget, Phase, Rules, State, StopReason
from aims_pax.learner.transition import begin, transition

PICKING = MovingThreshold(c_x=0.0, quiet_limit_steps=25)
RANDOM = RandomShare(share=0.5, seed=1)
RULES = Rules(
    selectors=(PICKING, RANDOM),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=4),
    quota=Quota(0.25),
    skip_steps=25,
    max_failures=10,
    max_train_size=50,
)


def after_a_failure() -> State:
    state = begin(replace(RULES, selectors=(PICKING,)), n_trajectories=2, n_initial_train=5)
    state, _ = transition(state, ChunkDone(1, 25, 0.1), RULES)
    state, _ = transition(state, LabelFailed(1, state.trajectories[1].md_step, True), RULES)
    return state


def test_label_of_a_selector_that_learns_trains_beside_the_quota() -> None:
    before = after_a_failure()
    after, split = let_in(before, 1, selector=PICKING, cadence=None)
    assert split is Split.TRAINING
    assert after.train_size == before.train_size + 1
    assert after.counts == before.counts
    assert (after.n_received, after.n_failed, after.n_requested) == (1, 0, before.n_requested)
    assert after.trajectories[1].n_labels == before.trajectories[1].n_labels + 1
    assert after.trajectories[1].phase is before.trajectories[1].phase, "its trajectory has gone on since"


def test_label_that_judges_goes_where_the_next_one_of_its_selector_would() -> None:
    state, places = after_a_failure(), []
    for _ in range(4):
        state, split = let_in(state, 0, selector=RANDOM, cadence=None)
        places.append(split)
    assert places == [Split.VALIDATION, Split.TEST] * 2
    assert state.counts == (SplitCounts(n_valid=2),)
    assert state.train_size == after_a_failure().train_size


def test_label_of_analysis_has_no_place_while_the_loop_runs() -> None:
    _, split = let_in(after_a_failure(), 0, selector=FixedSteps(interval_steps=100), cadence=None)
    assert split is None


@pytest.mark.parametrize("stopping", [None, StopReason.ALL_FAILED])
def test_label_of_a_round_belongs_to_the_one_that_is_being_collected(stopping: StopReason | None) -> None:
    cadence = PerRound(labels_per_round=2, epochs_per_round=1)
    rules = replace(RULES, selectors=(EveryStructure(),), cadence=cadence, max_failures=2)
    state = replace(begin(rules, n_trajectories=2), n_failed=2, stopping=stopping)
    for trajectory in (0, 1):
        state, split = let_in(state, trajectory, selector=EveryStructure(), cadence=cadence)
        assert split is None
    assert state.n_in_round == 2
    assert decide(replace(state, stopping=None), rules) == Distribute()


def test_label_that_returns_counts_for_the_budget_of_its_system() -> None:
    rules = replace(RULES, selectors=(PICKING,), budgets=(Budget(frozenset({1}), max_labels=1),))
    state, _ = let_in(after_a_failure(), 1, selector=PICKING, cadence=None)
    state = resumed(state, rules)
    assert [one.phase for one in state.trajectories] == [Phase.RUNNING, Phase.FINISHED]


def test_loop_goes_on_to_ask_after_a_label_has_returned() -> None:
    state, _ = let_in(after_a_failure(), 1, selector=PICKING, cadence=None)
    state, _ = transition(state, ChunkDone(0, 25, 0.1), RULES)
    state, consequences = transition(state, LabelArrived(0, state.trajectories[0].md_step), RULES)
    assert len(consequences) == 1
    assert state.n_requested == 2
