"""Errors by blocks: known deviations give the known numbers, and correlated structures widen the interval."""

from dataclasses import dataclass

import numpy as np
import pytest

from aims_pax.evaluation.blocks import blocked_errors, blocked_table, blocks_of
from aims_pax.frame import FloatArray, Frame, Label


@dataclass(frozen=True)
class Said:
    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None = None


def frame(trajectory: int, md_step: int) -> Frame:
    return Frame("x", trajectory, md_step, 0, np.array([1, 1]), np.zeros((2, 3)))


def test_many_trajectories_are_the_blocks_and_few_are_cut_in_time() -> None:
    many = [frame(trajectory, step) for step in (0, 1) for trajectory in range(8)]
    assert [block.tolist() for block in blocks_of(many)] == [[k, k + 8] for k in range(8)]
    one = [frame(0, step) for step in (50, 10, 40, 20, 30, 60, 70, 80, 90, 100, 110, 120)]
    assert [block.tolist() for block in blocks_of(one)] == [[1, 3], [4, 2], [0, 5], [6, 7], [8, 9], [10, 11]]


def test_errors_are_those_of_the_member_or_of_the_mean() -> None:
    frames = [frame(trajectory, step) for trajectory in range(6) for step in range(3)]
    labels = [Label(-1.0, np.zeros((2, 3)), None, "x", 0.0) for _ in frames]
    said = [Said(np.array([-0.9, -1.1]), np.stack([np.full((2, 3), 0.1), np.full((2, 3), -0.3)])) for _ in frames]
    first = blocked_errors(frames, labels, said, member=0)
    mean = blocked_errors(frames, labels, said, member=None)
    assert (first.n_structures, first.n_blocks) == (18, 6)
    assert first.force_mae_ev_per_ang.value == pytest.approx(0.1)
    assert first.energy_mae_ev_per_atom.value == pytest.approx(0.05)
    assert mean.force_rmse_ev_per_ang.value == pytest.approx(0.1)
    assert mean.energy_mae_ev_per_atom.value == pytest.approx(0.0)
    assert first.force_mae_ev_per_ang.low == pytest.approx(0.1), "all blocks are alike"
    assert "100.00  (100.00 to 100.00)" in blocked_table({"a": first})


def test_the_interval_is_that_of_trajectories_not_of_structures() -> None:
    rng = np.random.default_rng(1)
    by_trajectory = rng.normal(0.1, 0.02, 8)
    frames = [frame(trajectory, step) for trajectory in range(8) for step in range(50)]
    labels = [Label(0.0, np.zeros((2, 3)), None, "x", 0.0) for _ in frames]
    said = [Said(np.zeros(1), np.full((1, 2, 3), by_trajectory[one.trajectory])) for one in frames]
    found = blocked_errors(frames, labels, said, member=0).force_mae_ev_per_ang
    assert found.low is not None
    assert found.high is not None
    expected = 2.365 * by_trajectory.std(ddof=1) / np.sqrt(8)  # Student's t of 7 degrees of freedom
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=1e-3)


def test_a_single_structure_has_no_interval() -> None:
    found = blocked_errors(
        [frame(0, 0)], [Label(0.0, np.ones((2, 3)), None, "x", 0.0)], [Said(np.zeros(1), np.zeros((1, 2, 3)))], member=0
    )
    assert found.force_mae_ev_per_ang.low is None
    assert blocked_table({"a": found}).splitlines()[1].startswith("a  1000.00")
