"""Deviations, errors and slopes against direct evaluations of the paper's formulas."""

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.frame import CommitteePrediction, Label
from aims_pax.protocols import FramePrediction
from aims_pax.selection import energy_sd, ensemble_sd, stress_sd
from aims_pax.selection.calibration import (
    Amounts,
    Quantity,
    Slopes,
    deviation_of,
    error_of_mean,
    error_of_members,
    fit_slopes,
    together,
)


def members(n_members: int = 4, n_atoms: int = 5) -> tuple[FramePrediction, Label]:
    rng = np.random.default_rng(1)
    said = FramePrediction(
        rng.normal(size=n_members), rng.normal(size=(n_members, n_atoms, 3)), rng.normal(size=(n_members, 6))
    )
    return said, Label(0.3, rng.normal(size=(n_atoms, 3)), rng.normal(size=6), "none", 0.0)


def test_deviations_are_the_scores_of_these_names() -> None:
    said, _ = members()
    found = deviation_of(together(said))
    assert said.stress is not None
    assert found.of(Quantity.ENERGY) == pytest.approx(energy_sd(said.energies, n_atoms=5), rel=1e-12)
    assert found.of(Quantity.FORCES) == pytest.approx(ensemble_sd(said.forces), rel=1e-12)
    assert found.of(Quantity.STRESS) == pytest.approx(stress_sd(said.stress), rel=1e-12)


def test_errors_of_members_are_known_from_mean_and_deviation() -> None:
    """What a store keeps gives the paper's e, which is of members one by one."""
    said, label = members()
    found = error_of_members(together(said), label)
    assert found.energy_ev_per_atom == pytest.approx(
        np.sqrt(np.mean((said.energies - label.energy) ** 2)) / 5, rel=1e-12
    )
    assert found.forces_ev_per_ang == pytest.approx(np.sqrt(np.mean((said.forces - label.forces) ** 2)), rel=1e-12)
    assert said.stress is not None
    tensors = (said.stress - label.stress)[:, (0, 5, 4, 5, 1, 3, 4, 3, 2)]
    assert found.stress_ev_per_ang3 == pytest.approx(np.sqrt(np.mean(tensors**2)), rel=1e-12)


def test_error_of_the_mean_is_less_than_that_of_its_members() -> None:
    said, label = members()
    mean, of_members = error_of_mean(together(said), label), error_of_members(together(said), label)
    for quantity in Quantity:
        less, more = mean.of(quantity), of_members.of(quantity)
        assert less is not None
        assert more is not None
        assert less < more


def test_without_a_stress_there_is_no_error_of_it() -> None:
    said, label = members()
    without = together(FramePrediction(said.energies, said.forces, None))
    assert deviation_of(without).stress_ev_per_ang3 is None
    assert error_of_members(without, label).stress_ev_per_ang3 is None


def test_a_label_of_other_atoms_is_refused() -> None:
    said, label = members()
    shorter = Label(label.energy, label.forces[:3], None, "none", 0.0)
    with pytest.raises(ShapeError, match="do not belong together"):
        error_of_mean(together(said), shorter)


def test_slope_is_least_squares_through_zero() -> None:
    rng = np.random.default_rng(2)
    errors, deviations = rng.uniform(0.1, 1.0, 50), rng.uniform(0.1, 1.0, 50)
    pairs = [(Amounts(d / 7, d), Amounts(e / 7, e)) for d, e in zip(deviations, errors, strict=True)]
    found = fit_slopes(pairs)
    (expected,), *_ = np.linalg.lstsq(errors[:, None], deviations, rcond=None)
    assert found.energy is not None
    assert found.forces is not None
    assert found.energy.value == pytest.approx(expected, rel=1e-10)
    assert found.forces.value == pytest.approx(expected, rel=1e-10)
    assert found.forces.n_structures == 50
    assert found.stress is None


def test_a_threshold_is_the_deviation_of_an_error_as_large_as_the_tolerance() -> None:
    slopes = fit_slopes([(Amounts(0.5, 0.05, 2.0), Amounts(1.0, 0.2, 1.0))])
    for quantity, slope in zip(Quantity, (0.5, 0.25, 2.0), strict=True):
        tau = slopes.threshold(quantity, 0.1)
        assert tau == pytest.approx(0.1 * slope)
        assert slopes.error(quantity, tau) == pytest.approx(0.1)


def test_what_is_not_finite_is_left_out() -> None:
    good, bad = (Amounts(1.0, 1.0), Amounts(2.0, 2.0)), (Amounts(np.nan, np.inf), Amounts(1.0, 1.0))
    assert fit_slopes([good, bad]) == fit_slopes([good])


@pytest.mark.parametrize(
    "pairs", [[], [(Amounts(0.0, 0.0), Amounts(0.0, 0.0))], [(Amounts(0.0, 0.0), Amounts(1.0, 1.0))]]
)
def test_nothing_gives_no_slope(pairs: list[tuple[Amounts, Amounts]]) -> None:
    found = fit_slopes(pairs)
    assert found == Slopes()
    assert found.threshold(Quantity.FORCES, 0.1) is None


def test_a_record_gives_the_same_slopes_again() -> None:
    for slopes in (
        fit_slopes([(Amounts(0.5, 0.05, 2.0), Amounts(1.0, 0.2, 1.0))]),
        fit_slopes([(Amounts(1.0, 2.0), Amounts(1.0, 1.0))]),
        Slopes(),
    ):
        assert Slopes.of_record(slopes.record()) == slopes


def test_deviation_needs_no_members_beside_mean_and_deviation() -> None:
    stored = CommitteePrediction(3, -10.0, 0.2, np.zeros((4, 3)), np.full((4, 3), 0.1))
    assert deviation_of(stored) == Amounts(pytest.approx(0.05), pytest.approx(0.1))
