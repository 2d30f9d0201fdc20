"""Which structures are worth a label: Eq. 2 of the paper, and what stands beside it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner.selectors import (
    MIN_SCORES,
    WINDOW,
    EveryStructure,
    Memory,
    MovingThreshold,
    Observation,
    PickReason,
)

scores = st.lists(st.floats(0.0, 1e3), min_size=0, max_size=WINDOW + 50)


def seen(score: float | None, *, quiet_steps: int = 0, train_size: int = 0) -> Observation:
    return Observation(trajectory=0, md_step=100, quiet_steps=quiet_steps, score=score, train_size=train_size)


def memory_after(values: list[float], selector: MovingThreshold, *, train_size: int = 0) -> Memory:
    memory = Memory(selector.name)
    for value in values:
        memory, _ = selector.judged(memory, seen(value, train_size=train_size))
    return memory


def moving(c_x: float = 0.0, *, freeze_train_size: float = math.inf) -> MovingThreshold:
    return MovingThreshold(c_x, quiet_limit_steps=1000, freeze_train_size=freeze_train_size)


def test_threshold_is_infinite_until_more_than_ten_scores() -> None:
    assert math.isinf(moving().value(memory_after([1.0] * MIN_SCORES, moving())))
    assert moving().value(memory_after([1.0] * (MIN_SCORES + 1), moving())) == 1.0


@given(scores, st.floats(-0.5, 0.5))
def test_threshold_is_the_scaled_mean_of_the_last_400_scores(values: list[float], c_x: float) -> None:
    value = moving(c_x).value(memory_after(values, moving(c_x)))
    if len(values) <= MIN_SCORES:
        assert math.isinf(value)
    else:
        last = values[-WINDOW:]
        assert value == pytest.approx((1 + c_x) * sum(last) / len(last), rel=1e-12)


@given(st.lists(st.floats(0.0, 10.0), min_size=11, max_size=60), st.lists(st.floats(0.0, 10.0), max_size=30))
def test_frozen_threshold_does_not_move(before: list[float], after: list[float]) -> None:
    selector = moving(freeze_train_size=5)
    frozen = selector.grown(memory_after(before, selector), 5)
    value = selector.value(frozen)
    for score in after:
        frozen, _ = selector.judged(frozen, seen(score, train_size=6))
    assert selector.value(frozen) == value
    assert selector.grown(frozen, 7) is frozen


def test_infinite_threshold_cannot_be_frozen() -> None:
    selector = moving(freeze_train_size=5)
    assert selector.grown(memory_after([1.0], selector), 5).frozen_at is None


def test_structure_above_the_threshold_is_picked_and_so_is_one_after_a_quiet_time() -> None:
    memory = memory_after([1.0] * 20, moving())
    assert moving().judged(memory, seen(1.5))[1] is PickReason.UNSURE
    assert moving().judged(memory, seen(0.5))[1] is None
    assert moving().judged(memory, seen(0.5, quiet_steps=1000))[1] is PickReason.QUIET


def test_every_structure_is_due_where_no_score_decides() -> None:
    assert EveryStructure().judged(Memory("any"), seen(None)) == (Memory("any"), PickReason.DUE)
    assert math.isinf(EveryStructure().value(Memory("any")))
