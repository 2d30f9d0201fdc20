"""Scores against direct evaluations of their definitions."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aims_pax.errors import ShapeError
from aims_pax.protocols import FramePrediction
from aims_pax.selection import (
    SCORES,
    component_relative_sd,
    component_sd,
    energy_sd,
    ensemble_sd,
    max_atomic_sd,
    max_relative_sd,
    mean_atomic_sd,
    molecular_sds,
    score_of,
    stress_sd,
)
from aims_pax.settings.stages.uncertainty import UNCERTAINTIES


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
    agreeing = FramePrediction(np.full(3, -7.0), np.repeat(forces[:1], 3, axis=0), np.full((3, 6), 0.01))
    assert all(score(agreeing) == pytest.approx(0.0, abs=1e-15) for score in SCORES.values())


def test_every_measure_that_settings_name_is_there() -> None:
    assert list(SCORES) == list(UNCERTAINTIES)


def test_each_score_looks_at_its_part_of_one_prediction() -> None:
    rng = np.random.default_rng(3)
    said = FramePrediction(rng.normal(size=4), rng.normal(size=(4, 9, 3)), rng.normal(size=(4, 6)))
    expected = {
        "max_atomic_sd": max_atomic_sd(said.forces),
        "mean_atomic_sd": mean_atomic_sd(said.forces),
        "ensemble_sd": ensemble_sd(said.forces),
        "component_sd": component_sd(said.forces),
        "max_relative_sd": max_relative_sd(said.forces),
        "component_relative_sd": component_relative_sd(said.forces),
        "energy_sd": energy_sd(said.energies, n_atoms=9),
        "stress_sd": stress_sd(said.stress),
    }
    assert {name: score(said) for name, score in SCORES.items()} == expected
    assert {name: score_of(name)(said) for name in SCORES} == expected


def test_relative_deviation_is_that_of_an_atom_over_its_force() -> None:
    """Of two atoms with the same deviation the one counts whose force is small; eps keeps it from diverging."""
    forces = np.zeros((2, 2, 3))
    forces[:, 0, 0] = 3.0
    forces[0, :, 1], forces[1, :, 1] = 0.1, -0.1
    deviation = 0.1 / math.sqrt(3)
    assert max_relative_sd(forces, eps_ev_per_ang=0.5) == pytest.approx(deviation / 0.5, rel=1e-12)
    assert max_relative_sd(forces[:, :1], eps_ev_per_ang=0.5) == pytest.approx(deviation / 3.5, rel=1e-12)
    said = FramePrediction(np.zeros(2), forces, None)
    assert score_of("max_relative_sd", relative_eps_ev_per_ang=2.0)(said) == pytest.approx(deviation / 2.0, rel=1e-12)


def test_energy_deviation_is_per_atom() -> None:
    assert energy_sd(np.array([-10.0, -10.2]), n_atoms=5) == pytest.approx(0.1 / 5, rel=1e-12)


def test_stress_deviation_does_not_depend_on_the_axes() -> None:
    tensors = np.random.default_rng(4).normal(size=(3, 3, 3))
    tensors = tensors + tensors.swapaxes(1, 2)
    turn = Rotation.from_rotvec([0.3, -1.0, 0.7]).as_matrix()

    def voigt(some: np.ndarray) -> np.ndarray:
        return some[:, (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)]

    expected = math.sqrt(np.square(tensors - tensors.mean(axis=0)).mean())
    assert stress_sd(voigt(tensors)) == pytest.approx(expected, rel=1e-12)
    assert stress_sd(voigt(turn @ tensors @ turn.T)) == pytest.approx(expected, rel=1e-12)


def test_a_structure_without_a_stress_has_no_score_of_it() -> None:
    assert math.isnan(SCORES["stress_sd"](FramePrediction(np.zeros(2), np.zeros((2, 3, 3)), None)))


def test_molecules_are_judged_by_the_sum_of_their_forces() -> None:
    """Each member has other forces within a molecule: they cancel, as a bond that is wrong pushes both of its ends."""
    rng = np.random.default_rng(5)
    within, between = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 3))
    forces = np.zeros((4, 5, 3))
    forces[:, 0] += within[:, 0]
    forces[:, 1] -= within[:, 0]
    forces[:, 2] += within[:, 1] + between
    forces[:, 3] -= within[:, 1]
    found = molecular_sds(forces, ((0, 1), (2, 3)))
    assert found.shape == (2,)
    assert found[0] == pytest.approx(0.0, abs=1e-14)
    assert found[1] == pytest.approx(max_atomic_sd(between[:, None]), rel=1e-12)


def test_a_molecule_of_one_atom_is_that_atom() -> None:
    forces = np.random.default_rng(6).normal(size=(4, 3, 3))
    assert molecular_sds(forces, [[atom] for atom in range(3)]).max() == pytest.approx(max_atomic_sd(forces), rel=1e-12)


def test_score_of_one_member_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least two committee members"):
        max_atomic_sd(np.zeros((1, 9, 3)))
    with pytest.raises(ShapeError, match="at least two committee members"):
        energy_sd(np.zeros(1), n_atoms=9)
    with pytest.raises(ShapeError, match="at least two committee members"):
        stress_sd(np.zeros((1, 6)))


def test_forces_of_wrong_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="n_members, n_atoms, 3"):
        max_atomic_sd(np.zeros((9, 3)))


def test_the_relative_deviation_of_components_is_that_of_the_paper() -> None:
    forces = np.array([[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], [[3.0, 0.0, 0.2], [0.0, 2.0, 0.0]]])
    # deviations of the first atom: 1 along x with mean 2, 0.1 along z with mean 0.1
    assert component_relative_sd(forces, eps_ev_per_ang=0.1) == pytest.approx(0.5)
    assert component_relative_sd(forces, eps_ev_per_ang=1.0) == pytest.approx(1 / 3)
    with pytest.raises(ShapeError, match="at least two"):
        component_relative_sd(forces[:1])


def test_the_deviation_of_components_looks_at_each_axis_alone() -> None:
    """Of an atom that is unsure along all axes and one that is along a single axis, it finds the second."""
    forces = np.zeros((2, 2, 3))
    forces[0, 0], forces[1, 0] = 0.2, -0.2
    forces[0, 1, 2], forces[1, 1, 2] = 5.3, 4.7
    assert component_sd(forces) == pytest.approx(0.3, rel=1e-12)
    assert max_atomic_sd(forces) == pytest.approx(0.2, rel=1e-12)
    assert component_relative_sd(forces, eps_ev_per_ang=1.0) == pytest.approx(0.2, rel=1e-12)
    with pytest.raises(ShapeError, match="at least two"):
        component_sd(forces[:1])
