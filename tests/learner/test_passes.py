"""Passes over a labelled stock: what is picked, when the committee is trained, and when it is over."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.frame import Split
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.passes import (
    Close,
    End,
    Judge,
    Learn,
    Passes,
    StockRules,
    decide,
    judged,
    measured,
    reopened,
    taken,
    trained,
)
from aims_pax.learner.quota import Quota

RULES = StockRules(n_stock=10, stride=4, epochs_per_batch=7, quota=Quota(0.25))


def learned(state: Passes, rules: StockRules, error: float | None = 0.1) -> Passes:
    """The state after all epochs that are due."""
    while isinstance(command := decide(state, rules), Learn):
        state = trained(state, command.n_epochs)
    return measured(state, rules, error)


def test_structures_above_the_mean_of_past_validation_errors_are_picked() -> None:
    state = Passes(errors=(0.2, 0.4))
    assert state.threshold(RULES) == pytest.approx(0.3)
    assert state.threshold(replace(RULES, c_x=-0.5)) == pytest.approx(0.15)
    _, picked = judged(state, RULES, 4, [0.29, 0.31, 0.3, math.nan])
    assert sorted(picked) == [1, 3], "a committee that fails is wrong"


def test_everything_is_picked_while_nothing_was_measured() -> None:
    after, picked = judged(Passes(), RULES, 4, [0.0, 1.0])
    assert list(picked.values()) == [Split.TRAINING, Split.VALIDATION]
    assert (after.counts.n_train, after.counts.n_valid) == (1, 1)


def test_a_chunk_is_learned_before_the_next_is_judged() -> None:
    after, _ = judged(Passes(errors=(0.2,)), RULES, 4, [1.0, 0.1])
    assert decide(after, RULES) == Learn(5)
    after = trained(after, 5)
    assert decide(after, RULES) == Learn(2)
    after = measured(trained(after, 2), RULES, 0.1)
    assert after.errors == (0.2, 0.1)
    assert after.n_epochs == 7
    assert decide(after, RULES) == Judge(4, 8)


def test_where_nothing_is_picked_nothing_is_trained() -> None:
    after, picked = judged(Passes(errors=(0.2,)), RULES, 4, [0.1] * 4)
    assert picked == {}
    assert decide(after, RULES) == Judge(4, 8)


def test_passes_repeat_until_one_picks_nothing() -> None:
    state = Passes(errors=(0.2,))
    state, _ = judged(state, RULES, 10, [0.3])
    assert (state.n_passes, state.position, state.ended) == (1, 0, None)
    state = learned(state, RULES)
    state, _ = judged(state, RULES, 10, [0.01])
    assert decide(state, RULES) == Close(End.NOTHING_PICKED)


def test_the_goal_of_the_training_set_is_met_exactly_and_learned() -> None:
    rules = replace(RULES, max_train_size=3)
    state, picked = judged(Passes(errors=(0.2,)), rules, 10, [1.0] * 10)
    assert state.counts.n_train == 3
    assert len(picked) == state.counts.n_train + state.counts.n_valid
    assert isinstance(decide(state, rules), Learn)
    assert decide(learned(state, rules), rules) == Close(End.TRAIN_SIZE)


def test_the_goal_of_the_error_ends_it() -> None:
    rules = replace(RULES, desired_error=0.15)
    assert measured(Passes(), rules, 0.2).ended is None
    assert decide(measured(Passes(), rules, 0.15), rules) == Close(End.ERROR)
    assert measured(Passes(), rules, None).ended is None


def test_a_stock_that_is_used_up_ends_it() -> None:
    rules = replace(RULES, n_stock=3)
    state, _ = taken(Passes(), rules, 3)
    assert decide(learned(state, rules), rules) == Close(End.USED_UP)


def test_the_threshold_freezes_at_a_size() -> None:
    rules = replace(RULES, freeze_train_size=2)
    state = measured(taken(Passes(), rules, 3)[0], rules, 0.4)
    assert state.frozen_at == pytest.approx(0.4)
    assert measured(state, rules, 0.1).threshold(rules) == pytest.approx(0.4)


def test_it_goes_on_where_a_goal_is_not_reached_any_more() -> None:
    rules = replace(RULES, max_train_size=2, desired_error=0.2)
    full = learned(taken(Passes(), rules, 10)[0], rules, 0.3)
    assert reopened(full, rules).ended is End.TRAIN_SIZE
    assert reopened(full, replace(rules, max_train_size=3)).ended is None
    good = measured(Passes(), rules, 0.15)
    assert reopened(good, rules).ended is End.ERROR
    assert reopened(good, replace(rules, desired_error=0.1)).ended is None
    assert reopened(good, replace(rules, desired_error=None)).ended is None
    assert reopened(Passes(ended=End.NOTHING_PICKED), RULES).ended is End.NOTHING_PICKED


@given(st.data())
def test_every_walk_ends_and_can_be_journalled(data: st.DataObject) -> None:
    n_stock = data.draw(st.integers(1, 12))
    rules = StockRules(
        n_stock,
        stride=data.draw(st.integers(1, 5)),
        epochs_per_batch=data.draw(st.integers(1, 12)),
        quota=Quota(data.draw(st.sampled_from((0.1, 0.5)))),
        max_train_size=data.draw(st.none() | st.integers(1, 12)),
        freeze_train_size=data.draw(st.sampled_from((2.0, math.inf))),
    )
    state, splits = taken(Passes(), rules, min(n_stock, 2))
    left = n_stock - len(splits)
    for _ in range(500):
        state = from_text(Passes, to_text(state))
        match decide(state, rules):
            case Learn(n_epochs):
                state = trained(state, n_epochs)
                if not state.epochs_due:
                    state = measured(state, rules, data.draw(st.none() | st.floats(0.1, 1.0)))
            case Judge(first, last):
                assert 0 <= first < last <= n_stock
                errors = [data.draw(st.floats(0.0, 1.0)) for _ in range(min(left, last - first))]
                state, picked = judged(state, rules, last, errors)
                left -= len(picked)
            case Close():
                break
        n = state.counts.n_train + state.counts.n_valid
        assert n == state.n_taken == n_stock - left
        assert abs(state.counts.n_valid - rules.quota.ratio * n) <= 1
        assert rules.max_train_size is None or state.counts.n_train <= rules.max_train_size
    else:
        raise AssertionError("it does not end")
