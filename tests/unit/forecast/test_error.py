from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.records import EpochRow
from aims_pax.dataset.store import RunStore
from aims_pax.forecast.curves.error import (
    FROM_SHARE,
    LEAST_POINTS,
    MOST_FACTOR,
    LearningCurve,
    error_ahead,
    laws_of,
    learning_curve,
)
from aims_pax.forecast.curves.power import fitted_power
from aims_pax.frame import FloatArray
from aims_pax.learner.state import State
from aims_pax.protocols import MemberErrors
from aims_pax.stages.states import keep_state


def curve(n_train: FloatArray, *, power: float = 0.7, noise: float = 0.0, seed: int = 0) -> LearningCurve:
    """Errors that fall as a power of the structures, from 0.2 eV/Å with ten, and are measured with a noise."""
    rng = np.random.default_rng(seed)
    return LearningCurve(n_train, 0.2 * (n_train / 10) ** -power * np.exp(noise * rng.normal(size=len(n_train))))


def sizes(last: int) -> FloatArray:
    return np.arange(10.0, last + 1)


@pytest.mark.parametrize("power", [0.7, 1.2])
def test_a_power_goes_on_as_it_has_come_along(power: float) -> None:
    ahead = error_ahead(curve(sizes(40), power=power), goal=80, wanted=0.2 * 6**-power)
    assert ahead is not None
    low, likely, high = ahead.force_maes
    assert likely == pytest.approx(0.2 * 8**-power, rel=0.03), "2000 laws, of spread 0.2 at twice the structures"
    assert low < likely < high < 2 * low
    low, likely, high = ahead.n_wanted
    assert likely == pytest.approx(60, rel=0.03)
    assert 40 < low < likely < high < 110


def test_intervals_hold_as_often_as_they_say() -> None:
    """Noise of 15 %: 80 % are claimed; what may change besides in real runs makes them hold somewhat more often."""
    held = []
    for seed in range(60):
        whole = curve(sizes(60), noise=0.15, seed=seed)
        laws = laws_of(whole.until(21))
        assert laws is not None
        low, _, high = laws.errors(60.0)
        held.append(low <= whole.maes[-1] <= high)
    assert 0.75 <= np.mean(held) <= 1.0


def test_a_curve_of_which_only_the_end_is_a_power_has_a_wide_interval() -> None:
    falls_late = curve(sizes(40))
    falls_late.maes[:20] = falls_late.maes[20]
    laws, straight = laws_of(falls_late), laws_of(curve(sizes(40)))
    assert laws is not None
    assert straight is not None
    low, _, high = laws.errors(80.0)
    assert low < 0.2 * 8**-0.7 < high
    assert high / low > 1.2 * straight.errors(80.0)[2] / straight.errors(80.0)[0]


def test_the_same_curve_has_the_same_forecast() -> None:
    noisy = curve(sizes(40), noise=0.2)
    assert error_ahead(noisy, goal=80) == error_ahead(noisy, goal=80)


@pytest.mark.parametrize(
    ("known", "goal"),
    [
        (curve(sizes(10 + LEAST_POINTS - 2)), 30),
        (curve(sizes(40)), int(40 / FROM_SHARE) + 1),
        (curve(sizes(40)), 40),
        (curve(sizes(40)), None),
        (curve(np.zeros(0)), 40),
        (curve(sizes(18), noise=0.8), 50),
    ],
    ids=["too few points", "too early", "at the goal", "no goal", "nothing yet", "noise only"],
)
def test_nothing_is_foretold_where_that_would_mean_nothing(known: LearningCurve, goal: int | None) -> None:
    assert error_ahead(known, goal=goal) is None


def test_what_is_told_is_never_wider_than_a_factor() -> None:
    for seed in range(20):
        ahead = error_ahead(curve(sizes(24), noise=0.3, seed=seed), goal=70, wanted=0.08)
        if ahead is None:
            continue
        for low, likely, high in (one for one in (ahead.force_maes, ahead.n_wanted) if one):
            assert low <= likely <= high <= MOST_FACTOR * low * (1 + 1e-9)


def test_an_error_that_does_not_fall_reaches_none_that_is_lower() -> None:
    ahead = error_ahead(curve(sizes(40), power=0.0, noise=0.05), goal=80, wanted=0.05)
    assert ahead is not None
    assert ahead.n_wanted == ()
    assert ahead.force_maes


def test_a_stage_without_a_goal_has_the_structures_to_its_wanted_error() -> None:
    ahead = error_ahead(curve(sizes(40)), goal=None, wanted=0.06)
    assert ahead is not None
    assert ahead.force_maes == ()
    assert ahead.n_wanted[1] == pytest.approx(10 * (0.06 / 0.2) ** (-1 / 0.7), rel=0.03)


def test_long_runs_are_thinned_out_and_say_the_same() -> None:
    ahead = error_ahead(curve(np.arange(10.0, 4000.0)), goal=8000)
    assert ahead is not None
    assert ahead.force_maes[1] == pytest.approx(0.2 * 800**-0.7, rel=0.03)


def test_the_curve_is_the_newest_error_of_each_size_over_the_members(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        keep_state(store, "active", State((), n_initial_train=4))
        rows = [
            (0, 0, 4, (0.9, 0.9)),
            (1, 1, 5, (0.4, 0.6)),
            (2, 2, 5, (0.3, 0.5)),
            (3, 3, 7, (0.2, 0.2)),
            (4, 4, 9, (0.01, 0.03)),
        ]
        store.add_epochs(
            EpochRow(epoch, generation, member, 1.0, MemberErrors(1.0, 0.001, mae, None), n, 1)
            for epoch, generation, n, maes in rows
            for member, mae in enumerate(maes)
        )
        whole = learning_curve(store, "active")
        learned = learning_curve(store, "active", until_generation=3)
        nothing = learning_curve(store, "convergence")
    assert len(nothing.n_train) == 0, "no loop"
    assert whole.n_train.tolist() == [5, 7, 9]
    assert whole.maes == pytest.approx([0.4, 0.2, 0.02])
    assert learned.n_train.tolist() == [5, 7], "what convergence has added is left out"


def test_a_power_is_fitted_within_bounds() -> None:
    assert fitted_power([1.0, 2.0, 4.0], [3.0, 12.0, 48.0], least=1.0, most=3.0) == pytest.approx(2.0)
    assert fitted_power([1.0, 2.0], [1.0, 32.0], least=1.0, most=2.0) == 2.0
    assert fitted_power([5.0, 5.0], [1.0, 2.0], least=1.0, most=2.0) == 1.0
