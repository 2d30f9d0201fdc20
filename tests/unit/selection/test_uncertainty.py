"""Scores against a direct evaluation of Eq. 1."""

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.selection import SCORES, ensemble_sd, max_atomic_sd, mean_atomic_sd


def direct_equation_1(forces: np.ndarray) -> float:
    """Eq. 1 written out, atom by atom."""
    n_members, n_atoms, _ = forces.shape
    deviations = []
    for i in range(n_atoms):
        mean = sum(forces[j, i] for j in range(n_members)) / n_members
        total = sum((forces[j, i, k] - mean[k]) ** 2 for j in range(n_members) for k in range(3))
        deviations.append(np.sqrt(total / (3 * n_members)))
    return float(max(deviations))


@pytest.mark.parametrize(("n_members", "n_atoms"), [(2, 1), (4, 9), (7, 42)])
def test_max_atomic_sd_is_equation_1(n_members: int, n_atoms: int) -> None:
    forces = np.random.default_rng(1).normal(size=(n_members, n_atoms, 3))
    assert max_atomic_sd(forces) == pytest.approx(direct_equation_1(forces), rel=1e-12)


def test_scores_are_ordered_and_vanish_when_members_agree() -> None:
    forces = np.random.default_rng(2).normal(size=(4, 9, 3))
    assert mean_atomic_sd(forces) <= ensemble_sd(forces) <= max_atomic_sd(forces)
    agreeing = np.repeat(forces[:1], 3, axis=0)
    assert all(score(agreeing) == pytest.approx(0.0, abs=1e-15) for score in SCORES.values())


def test_score_of_one_member_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least two committee members"):
        max_atomic_sd(np.zeros((1, 9, 3)))


def test_forces_of_wrong_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="n_members, n_atoms, 3"):
        max_atomic_sd(np.zeros((9, 3)))
