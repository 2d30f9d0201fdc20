"""The learning rate stays while that helps, then falls to almost nothing, within the cap."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.training.annealing import LAST_FACTOR, LEAST_COOLING_EPOCHS, Annealing, AnnealingRules, StageTwo


def made(rules: AnnealingRules, losses: list[float | None]) -> tuple[Annealing, list[float]]:
    """All epochs with these losses, the last of which goes on; the end, and the factor of each epoch."""
    annealing, factors = Annealing.begin(rules), []
    while not annealing.is_over(rules):
        factors.append(annealing.rate_factor(rules))
        annealing = annealing.after(losses[min(len(factors), len(losses)) - 1], rules)
    return annealing, factors


def test_a_loss_that_has_become_level_ends_the_full_rate_and_counts_as_converged() -> None:
    rules = AnnealingRules(patience=5, margin=0.01, max_epochs=100)
    annealing, factors = made(rules, [1.0, 0.8, 0.6, 0.6])
    assert annealing.is_converged
    assert factors[: 3 + 5] == [1.0] * 8
    assert annealing.n_epochs == 8 + LEAST_COOLING_EPOCHS
    assert [annealing.at(epoch).rate_factor(rules) for epoch in range(annealing.n_epochs)] == factors
    assert factors[-1] == pytest.approx(LAST_FACTOR)


def test_a_loss_that_still_falls_at_the_cap_is_told_by_how_much() -> None:
    rules = AnnealingRules(patience=5, margin=0.0, max_epochs=60)
    annealing, _ = made(rules, [0.99**epoch for epoch in range(200)])
    assert not annealing.is_converged
    assert (annealing.n_epochs, annealing.cooling_from) == (60, 30)
    assert annealing.late_fall() == pytest.approx(1 - 0.99**10)


def test_without_any_measured_loss_nothing_counts_as_converged() -> None:
    annealing, _ = made(AnnealingRules(patience=5, margin=0.0, max_epochs=60), [None])
    assert not annealing.is_converged
    assert annealing.late_fall() is None


@given(st.integers(1, 60), st.integers(1, 200), st.lists(st.floats(0, 10) | st.none(), min_size=1, max_size=80))
def test_the_rate_never_rises_and_the_cap_holds(patience: int, max_epochs: int, losses: list[float | None]) -> None:
    rules = AnnealingRules(patience=patience, margin=0.0, max_epochs=max_epochs)
    annealing, factors = made(rules, losses)
    assert annealing.n_epochs == len(factors) <= max_epochs
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == pytest.approx(LAST_FACTOR)
    assert all(math.isfinite(factor) and factor <= 1 for factor in factors)
    assert from_text(Annealing, to_text(annealing)) == annealing


@pytest.mark.parametrize(
    ("losses", "start"),
    [([1.0], 6), ([0.9**epoch for epoch in range(99)], 45)],
    ids=["a loss that is level", "a loss that still falls"],
)
def test_stage_two_begins_in_time_and_has_the_rest_of_all_epochs(losses: list[float | None], start: int) -> None:
    rules = AnnealingRules(patience=5, margin=0.0, max_epochs=60, stage_two=StageTwo(start=45, factor=0.1))
    annealing, factors = made(rules, losses)
    assert (annealing.cooling_from, annealing.n_epochs) == (start, start + 15)
    assert factors[:start] == [1.0] * start
    assert [annealing.at(epoch).is_in_stage_two(rules) for epoch in range(start + 15)] == [False] * start + [True] * 15
    plain = AnnealingRules(patience=5, margin=0.0, max_epochs=30)
    assert factors[start:] == pytest.approx(
        [0.1 * factor for factor in made(plain, [0.9**e for e in range(99)])[1][15:]]
    )


def test_without_stage_two_no_epoch_belongs_to_it() -> None:
    rules = AnnealingRules(patience=5, margin=0.0, max_epochs=60)
    annealing, _ = made(rules, [1.0])
    assert not any(annealing.at(epoch).is_in_stage_two(rules) for epoch in range(annealing.n_epochs))


@given(st.integers(1, 60), st.integers(2, 200), st.integers(1, 250), st.floats(0.001, 2.0))
def test_the_cap_holds_with_a_stage_two(patience: int, max_epochs: int, start: int, factor: float) -> None:
    rules = AnnealingRules(patience, 0.0, max_epochs, StageTwo(start, factor))
    annealing, factors = made(rules, [0.9**epoch for epoch in range(250)])
    assert annealing.n_epochs == len(factors) <= max_epochs
    assert [annealing.at(epoch).rate_factor(rules) for epoch in range(annealing.n_epochs)] == factors
