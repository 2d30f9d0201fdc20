"""Estimates on errors whose relation to the score is known."""

import numpy as np
import pytest

from aims_pax.frame import CommitteePrediction, Label
from aims_pax.selection.calibration import (
    FITS,
    LEAST_STRUCTURES,
    LEVELS,
    Calibration,
    Evidence,
    Quantity,
    Residuals,
    Rule,
    calibrated,
    choose,
    structure_quantile,
    trial_of,
)
from aims_pax.selection.calibration.isotonic import pooled
from aims_pax.selection.calibration.quantiles import quantile_plane

from .errors import drawn


@pytest.mark.parametrize("name", [name for name in FITS if name != "slope through zero"])
def test_intervals_hold_what_they_promise_of_structures_to_come(name: str) -> None:
    """Four standard errors of 2000 structures' coverage, and as much for the 300 that were fitted to."""
    estimate, later = FITS[name](drawn(300)), drawn(2000, seed=1)
    assert estimate is not None
    half_widths = estimate.half_widths(later.score, later.n_atoms)
    found = trial_of((name, Quantity.FORCES), later, half_widths, estimate.expected(later.score, later.n_atoms))
    assert found.coverage == pytest.approx(LEVELS, abs=0.05)


@pytest.mark.parametrize("name", FITS)
def test_expected_errors_are_root_mean_squares(name: str) -> None:
    estimate, later = FITS[name](drawn(300)), drawn(2000, seed=1)
    assert estimate is not None
    expected = np.sqrt(np.mean(estimate.expected(later.score, later.n_atoms) ** 2))
    assert expected == pytest.approx(np.sqrt(np.mean(later.error**2)), rel=0.15)


def test_slope_promises_the_intervals_of_normal_errors() -> None:
    """Components that are normal with the score as their standard deviation: 50, 80 and 90 % as they should be."""
    rng = np.random.default_rng(0)
    score = np.repeat(rng.uniform(0.5, 2.0, 400), 30)
    of_normal = Residuals(
        score, np.abs(rng.normal(size=len(score)) * score), np.full(len(score), 10), np.repeat(np.arange(400), 30),
        np.repeat(np.arange(400) // 40, 30),
    )  # fmt: skip
    estimate = FITS["slope through zero"](of_normal)
    assert estimate is not None
    found = trial_of(("", Quantity.FORCES), of_normal, estimate.half_widths(score, of_normal.n_atoms), score)
    assert found.coverage == pytest.approx(LEVELS, abs=0.02)


def test_quantile_regression_finds_the_power_of_the_score() -> None:
    estimate = FITS["quantile regression"](drawn(1000, power=0.7))
    assert estimate is not None
    powers = [power for _, power, _ in estimate.record()["coefficients"]]
    assert powers == pytest.approx([0.7] * 3, abs=0.15)


def test_quantile_regression_sees_that_errors_grow_with_size() -> None:
    small, large = drawn(60, n_atoms=4), drawn(60, n_atoms=16, seed=1)
    both = Residuals(
        np.concatenate([small.score, large.score]),
        np.concatenate([small.error, 2 * large.error]),
        np.concatenate([small.n_atoms, large.n_atoms]),
        np.concatenate([small.structure, large.structure + 60]),
        np.concatenate([small.block, large.block]),
    )
    estimate = FITS["quantile regression"](both)
    assert estimate is not None
    assert [size for *_, size in estimate.record()["coefficients"]] == pytest.approx([0.5] * 3, abs=0.2)
    ones = np.ones(1)
    small_bound, large_bound = (estimate.half_widths(ones, np.array([n_atoms]))[-1, 0] for n_atoms in (4, 16))
    assert large_bound == pytest.approx(2 * small_bound, rel=0.35)


def test_a_plane_of_quantiles_leaves_its_share_above() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=500), rng.normal(size=500)
    for level in LEVELS:
        intercept, slope = quantile_plane(y + 2 * x, [np.ones(500), x], np.ones(500), level)
        assert np.mean(y + 2 * x <= intercept + slope * x + 1e-9) == pytest.approx(level, abs=5 / 500)


def test_pooled_values_rise_and_keep_their_mean() -> None:
    values, weights = np.array([3.0, 1.0, 2.0, 5.0, 4.0]), np.array([1.0, 2.0, 1.0, 1.0, 3.0])
    found = pooled(values, weights)
    np.testing.assert_allclose(found, [5 / 3, 5 / 3, 2.0, 4.25, 4.25])
    assert (found * weights).sum() == pytest.approx((values * weights).sum())


def test_a_structure_to_come_weighs_as_much_as_one_that_was_seen() -> None:
    """Of nine structures the largest value holds 90 %; with eight not even that, and it is all that there is."""
    for n, place in ((9, 8), (19, 17), (8, 7)):
        one_each = Residuals(np.ones(n), np.arange(n) + 0.5, np.ones(n, dtype=np.int64), np.arange(n), np.arange(n))
        assert structure_quantile(one_each, one_each.error, 0.9) == place + 0.5


def test_structures_count_alike_whatever_their_size() -> None:
    few, many = drawn(30, n_atoms=2), drawn(30, n_atoms=40, seed=1)
    both = Residuals(
        *(np.concatenate([getattr(few, name), getattr(many, name)]) for name in ("score", "error", "n_atoms")),
        np.concatenate([few.structure, many.structure + 30]),
        np.concatenate([few.block, many.block]),
    )
    of_few = both.weight[: len(few.score)].sum()
    assert of_few == pytest.approx(0.5)


def test_what_is_told_of_a_block_does_not_know_its_errors() -> None:
    one = drawn(40)
    changed = Residuals(one.score, np.where(one.block == 3, 100.0, one.error), one.n_atoms, one.structure, one.block)
    told = [
        some.told_by_others(lambda part: lambda score, n_atoms: np.full(len(score), part.error.mean()))
        for some in (one, changed)
    ]
    fold = next(part for part in one.folds() if part[one.block == 3].all())
    np.testing.assert_array_equal(told[0][fold], told[1][fold])
    assert (told[0][~fold] < told[1][~fold]).all()


def test_the_choice_holds_90_percent_and_has_the_lowest_loss() -> None:
    found = choose({Quantity.FORCES: drawn(200)})
    assert found is not None
    holding = [trial for trial in found.trials if trial.misses <= 1.96]
    assert found.trial.loss == min(trial.loss for trial in holding)
    assert {trial.name for trial in found.trials} == set(FITS)
    assert "narrowest" in found.why


def test_a_score_that_knows_nothing_is_not_followed() -> None:
    """Errors that are drawn without looking at the score: the constant does as well as any, and no bound falls."""
    one = drawn(200, power=0.0)
    mixed = Residuals(np.random.default_rng(0).permutation(one.score), one.error, one.n_atoms, one.structure, one.block)
    found = choose({Quantity.FORCES: mixed})
    assert found is not None
    losses = {trial.name: trial.loss for trial in found.trials}
    assert losses["constant"] < losses["split conformal"]
    assert found.estimate.NAME in ("constant", "isotonic regression", "quantile regression")
    ends = found.estimate.half_widths(np.array([0.1, 10.0]), np.array([6, 6]))[-1]
    assert 1.0 <= ends[1] / ends[0] < 1.6


def test_too_few_structures_are_told_as_such() -> None:
    assert choose({Quantity.FORCES: drawn(LEAST_STRUCTURES - 1)}) is None
    assert choose({Quantity.FORCES: drawn(LEAST_STRUCTURES)}) is not None
    assert choose({Quantity.FORCES: drawn(LEAST_STRUCTURES, n_blocks=2)}) is None


def test_members_that_always_agree_leave_the_constant() -> None:
    one = drawn(40)
    found = choose(
        {Quantity.FORCES: Residuals(np.zeros(len(one.score)), one.error, one.n_atoms, one.structure, one.block)}
    )
    assert found is not None
    assert found.estimate.NAME in ("constant", "isotonic regression")
    assert "slope through zero" not in {trial.name for trial in found.trials}


def evidence(n_structures: int, *, with_stress: bool) -> Evidence:
    rng = np.random.default_rng(4)
    said, labels = [], []
    for _ in range(n_structures):
        size = np.exp(rng.normal(0.0, 0.5))
        stress = rng.normal(size=(2, 6)) * size if with_stress else None
        deviation = None if stress is None else np.abs(stress[0])
        said.append(
            CommitteePrediction(
                *(1, 0.0, 0.04 * size, np.zeros((4, 3)), np.abs(rng.normal(size=(4, 3))) * size),
                *(None if stress is None else stress[0], deviation),
            )
        )
        labels.append(
            Label(
                rng.normal() * 0.08 * size,
                rng.normal(size=(4, 3)) * size,
                None if stress is None else stress[1],
                "none",
                0.0,
            )
        )
    return Evidence(said, labels, np.arange(n_structures) // 5)


def test_errors_of_a_structure_have_their_shapes_and_units() -> None:
    given = evidence(60, with_stress=True)
    calibration = Calibration({quantity: Rule(one.estimate, one.by) for quantity, one in calibrated(given).items()})
    told = calibration.errors_of(given.said[0])
    assert told.energy is not None
    assert told.energy_interval is not None
    assert told.forces is not None
    assert told.forces_interval is not None
    assert told.stress is not None
    assert told.stress_interval is not None
    assert told.forces.shape == told.forces_interval.shape == (4,)
    within = [abs(label.energy - said.energy) <= (calibration.errors_of(said).energy_interval or 0.0)
              for said, label in zip(given.said, given.labels, strict=True)]  # fmt: skip
    assert np.mean(within) == pytest.approx(0.9, abs=0.08)


def test_without_stresses_none_is_told() -> None:
    given = evidence(40, with_stress=False)
    found = calibrated(given)
    assert set(found) == {Quantity.ENERGY, Quantity.FORCES}
    told = Calibration({quantity: Rule(one.estimate, one.by) for quantity, one in found.items()}).errors_of(
        given.said[0]
    )
    assert told.stress is None
    assert told.stress_interval is None


@pytest.mark.parametrize("name", FITS)
def test_a_record_tells_the_same_errors(name: str) -> None:
    estimate, said = FITS[name](drawn(60)), evidence(1, with_stress=False).said[0]
    assert estimate is not None
    before = Calibration({Quantity.FORCES: Rule(estimate, Quantity.FORCES)})
    after = Calibration.of_record(before.record())
    assert after.record() == before.record()
    first, second = before.errors_of(said), after.errors_of(said)
    np.testing.assert_array_equal(np.array(first.forces), np.array(second.forces))
    np.testing.assert_array_equal(np.array(first.forces_interval), np.array(second.forces_interval))
    assert first.energy is None


def test_energies_are_told_by_forces_where_their_own_deviation_knows_less() -> None:
    """Members whose energies agree by chance, and whose errors of energy are as large as their forces disagree."""
    rng = np.random.default_rng(5)
    sizes = np.exp(rng.normal(0.0, 0.8, 120))
    said = [
        CommitteePrediction(1, 0.0, 0.01 * abs(rng.normal()), np.zeros((4, 3)), np.full((4, 3), size)) for size in sizes
    ]
    labels = [Label(0.1 * size * rng.normal(), size * rng.normal(size=(4, 3)), None, "none", 0.0) for size in sizes]
    found = calibrated(Evidence(said, labels, np.arange(120) // 10))[Quantity.ENERGY]
    assert found.by is Quantity.FORCES
    assert "on the deviation of the forces" in found.words
    calibration = Calibration({Quantity.ENERGY: Rule(found.estimate, found.by)})
    small, large = (calibration.errors_of(said[place]).energy for place in (sizes.argmin(), sizes.argmax()))
    assert small is not None
    assert large is not None
    assert large > 5 * small
