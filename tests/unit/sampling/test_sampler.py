"""Trajectories are independent, exactly resumable, rewindable, and stop before anything unphysical spreads."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import Frame
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Langevin, TrajectoryStart
from aims_pax.testing.drivers import LennardJones, Tethers
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

Starts = Sequence[TrajectoryStart]


class Trap(LennardJones):
    """Lennard-Jones that answers nonsense for one trajectory at its n-th evaluation."""

    def __init__(self, trajectory: int, *, call: int, force: float) -> None:
        super().__init__()
        self._trajectory, self._call, self._force = trajectory, call, force

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        energies, forces = super().energies_forces(batch)
        mine = batch.trajectory == self._trajectory
        self._call -= int(mine.any())
        if self._call == 0:
            forces[mine[batch.structure]] = self._force
        return energies, forces


def assert_same_point(sampler: BatchedSampler, other: BatchedSampler, trajectory: int, *, atol: float = 0.0) -> None:
    ours, theirs = sampler.checkpoint(trajectory), other.checkpoint(trajectory)
    assert ours.md_step == theirs.md_step
    np.testing.assert_allclose(ours.positions, theirs.positions, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.momenta, theirs.momenta, rtol=0, atol=atol)


def test_a_trajectory_does_not_depend_on_which_others_share_its_batch(starts: Starts) -> None:
    together, apart = BatchedSampler(starts, LennardJones()), BatchedSampler(starts, LennardJones())
    together.advance([0, 1, 2, 3], 150)
    for trajectory in (2, 0, 3, 1):
        apart.advance([trajectory], 150)
        assert_same_point(together, apart, trajectory, atol=1e-12)


def test_a_trajectory_does_not_depend_on_the_length_of_its_chunks(starts: Starts) -> None:
    whole, pieces = BatchedSampler(starts, LennardJones()), BatchedSampler(starts, LennardJones())
    whole.advance([0, 1, 2, 3], 150)
    for n_steps in (1, 25, 0, 70, 54):
        pieces.advance([0, 1, 2, 3], n_steps)
    for trajectory in range(4):
        assert_same_point(whole, pieces, trajectory)
    assert whole.save() == pieces.save()


def test_waiting_trajectories_stand_still(starts: Starts) -> None:
    sampler, fresh = BatchedSampler(starts, LennardJones()), BatchedSampler(starts, LennardJones())
    moved = sampler.advance([3, 1], 30)
    assert [(one.trajectory, one.md_step, one.problem) for one in moved] == [(3, 30, None), (1, 30, None)]
    for trajectory in (0, 2):
        assert_same_point(sampler, fresh, trajectory)


def test_copies_of_one_structure_with_one_seed_go_different_ways(crystal: Frame) -> None:
    start = TrajectoryStart.steady(crystal, Langevin(0.001), 40.0, 4.0, 7)
    sampler = BatchedSampler([start, start], LennardJones())
    sampler.advance([0, 1], 50)
    assert np.abs(sampler.frame(0).positions - sampler.frame(1).positions).max() > 0.05


def test_resumed_equals_uninterrupted(starts: Starts) -> None:
    uninterrupted = BatchedSampler(starts, LennardJones())
    uninterrupted.advance([0, 1, 2, 3], 40)
    uninterrupted.rewind(2, uninterrupted.checkpoint(1))
    uninterrupted.advance([0, 2], 37)
    resumed = BatchedSampler(starts, LennardJones())
    resumed.load(uninterrupted.save())
    for sampler in (uninterrupted, resumed):
        sampler.advance([0, 1, 2, 3], 80)
    for trajectory in range(4):
        assert_same_point(resumed, uninterrupted, trajectory)
    assert resumed.save() == uninterrupted.save()


def test_a_state_of_other_structures_is_refused(starts: Starts) -> None:
    saved = BatchedSampler(starts[:2], LennardJones()).save()
    with pytest.raises(StoreError, match="belongs to other structures"):
        BatchedSampler(starts, LennardJones()).load(saved)


def test_a_damaged_state_is_refused(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    with pytest.raises(StoreError, match="can't be read"):
        sampler.load(sampler.save()[:-400])


def test_frames_carry_their_identity(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    sampler.advance([1], 12)
    frame = sampler.frame(1)
    assert (frame.system, frame.trajectory, frame.md_step, frame.generation) == ("cluster", 1, 12, 0)
    before = frame.positions.copy()
    sampler.advance([1], 12)
    assert np.array_equal(frame.positions, before)


def test_frames_keep_the_charge_and_spin_of_their_start(cluster: Frame) -> None:
    start = TrajectoryStart.steady(replace(cluster, charge=-1, spin=2), Langevin(0.01), 20.0, 2.0, 42)
    sampler = BatchedSampler([start], LennardJones())
    sampler.advance([0], 2)
    assert (sampler.frame(0).charge, sampler.frame(0).spin) == (-1, 2)


def test_the_batch_holds_where_the_trajectories_stand(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    sampler.advance([0, 1, 2, 3], 45)
    batch = sampler.batch([2, 0]).within(7.0)
    fresh = AtomBatch.from_frames([sampler.frame(2), sampler.frame(0)], 7.0)
    assert [origin.system for origin in batch.origins] == [origin.system for origin in fresh.origins]
    for name in set(AtomBatch.__slots__) - {"origins"}:
        assert torch.equal(getattr(batch, name), getattr(fresh, name)), name


def test_rewinding_restores_phase_space_and_lets_noise_and_steps_go_on(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    sampler.advance([0], 20)
    checkpoint = sampler.checkpoint(0)
    sampler.advance([0], 30)
    first_way = sampler.checkpoint(0)
    sampler.rewind(0, checkpoint)
    rewound = sampler.checkpoint(0)
    assert np.array_equal(rewound.positions, checkpoint.positions)
    assert np.array_equal(rewound.momenta, checkpoint.momenta)
    assert rewound.md_step == 50
    sampler.advance([0], 30)
    assert sampler.frame(0).md_step == 80
    assert np.abs(sampler.frame(0).positions - first_way.positions).max() > 1e-3


def test_rewinding_draws_new_momenta_where_there_is_no_noise(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    checkpoint = sampler.checkpoint(2)
    momenta = []
    for _ in range(200):
        sampler.rewind(2, checkpoint)
        momenta.append(sampler.checkpoint(2).momenta)
    assert np.array_equal(sampler.checkpoint(2).positions, checkpoint.positions)
    assert len({one.tobytes() for one in momenta}) == 200
    np.testing.assert_allclose(np.sum(momenta, axis=1), 0.0, atol=1e-12)


def test_the_first_step_after_a_rewind_is_driven_by_the_forces_there() -> None:
    frame = Frame("atom", 0, 0, 0, np.array([6]), np.array([[1.0, 0.0, 0.0]]))
    sampler = BatchedSampler([TrajectoryStart.steady(frame, VELOCITY_VERLET, 300.0, 1.0, 1)], Tethers(5.0))
    checkpoint = sampler.checkpoint(0)
    sampler.advance([0], 50)
    sampler.rewind(0, checkpoint)
    rewound = sampler.checkpoint(0)
    sampler.advance([0], 1)
    mass = 12.011 * AMU_ANG2_PER_FS2_EV
    expected = rewound.positions + rewound.momenta / mass - 5.0 * rewound.positions / (2 * mass)
    np.testing.assert_allclose(sampler.frame(0).positions, expected, atol=1e-14)


def test_a_checkpoint_of_another_structure_is_refused(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    with pytest.raises(ShapeError, match=r"trajectory 0 has 32 atoms; the checkpoint holds positions \(4, 3\)"):
        sampler.rewind(0, sampler.checkpoint(1))


def test_a_new_generation_of_forces_drives_the_very_next_step() -> None:
    frame = Frame("atom", 0, 0, 0, np.array([6]), np.array([[1.0, 0.0, 0.0]]))
    start = TrajectoryStart.steady(frame, VELOCITY_VERLET, 0.0, 1.0, 1)
    model = Tethers(1.0)
    sampler, informed = BatchedSampler([start], model), BatchedSampler([start], model)
    for one in (sampler, informed):
        one.advance([0], 5)
    model.stiffness, model.generation = 3.0, 1
    sampler.advance([0], 1)
    expected = informed.checkpoint(0)
    mass = 12.011 * AMU_ANG2_PER_FS2_EV
    moved = expected.positions + expected.momenta / mass - 3.0 * expected.positions / (2 * mass)
    np.testing.assert_allclose(sampler.frame(0).positions, moved, atol=1e-14)
    assert sampler.frame(0).generation == 1


@pytest.mark.parametrize(
    ("force", "words"),
    [
        (float("nan"), "forces on 4 of 4 atoms are not finite"),
        (float("inf"), "forces on 4 of 4 atoms are not finite"),
        (99.0, "the force on atom 0 (Ar) is 171.5 eV/Å; the limit is 50 eV/Å"),
    ],
)
def test_a_wild_force_stops_its_trajectory_at_its_last_sound_structure(
    starts: Starts, force: float, words: str
) -> None:
    sampler, calm = BatchedSampler(starts, Trap(1, call=14, force=force)), BatchedSampler(starts, LennardJones())
    advanced = sampler.advance([0, 1, 2, 3], 40)
    assert [one.problem for one in advanced] == [None, words, None, None]
    assert [one.md_step for one in advanced] == [40, 12, 40, 40]
    calm.advance([0, 1, 2, 3], 12)
    assert_same_point(sampler, calm, 1, atol=1e-12)
    calm.advance([0, 2, 3], 28)
    for trajectory in (0, 2, 3):
        assert_same_point(sampler, calm, trajectory, atol=1e-12)


def test_a_wild_force_at_the_very_start_is_a_problem_too(starts: Starts) -> None:
    sampler = BatchedSampler(starts, Trap(2, call=1, force=float("nan")))
    advanced = sampler.advance([0, 1, 2, 3], 3)
    assert [one.md_step for one in advanced] == [3, 3, 0, 3]
    assert advanced[2].problem == "forces on 4 of 4 atoms are not finite"


def test_an_infinite_limit_still_stops_infinite_forces(starts: Starts) -> None:
    model = Trap(1, call=3, force=float("inf"))
    sampler = BatchedSampler(starts, model, max_force_ev_per_ang=float("inf"))
    assert sampler.advance([1], 9)[0].problem == "forces on 4 of 4 atoms are not finite"


def test_overlapping_atoms_stop_their_trajectory_before_the_model_sees_them(starts: Starts) -> None:
    # Two hydrogen atoms that springs pull through the origin.
    frame = Frame("h2", 0, 0, 0, np.array([1, 1]), np.array([[0.6, 0.0, 0.0], [-0.6, 0.0, 0.0]]))
    start = TrajectoryStart.steady(frame, VELOCITY_VERLET, 0.0, 0.5, 1)
    sampler = BatchedSampler([start], Tethers(2.0))
    advanced = sampler.advance([0], 200)[0]
    assert advanced.problem is not None
    assert advanced.problem.startswith("atoms 0 (H) and 1 (H) are 0.3")
    assert 0 < advanced.md_step < 200
    distance = np.ptp(sampler.frame(0).positions[:, 0])
    assert 0.31 < distance < 0.4


def test_vibrations_of_hot_molecules_do_not_look_like_overlaps() -> None:
    # O-H of water by a spring of its real stiffness between its atoms, at 1500 K.
    frame = Frame("oh", 0, 0, 0, np.array([8, 1]), np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0]]))

    class Bond(Tethers):
        def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
            ends = batch.positions.reshape(-1, 2, 3)
            vectors = ends[:, 1] - ends[:, 0]
            lengths = vectors.norm(dim=1, keepdim=True)
            pull = self.stiffness * (lengths - 0.96) / lengths * vectors
            energies = 0.5 * self.stiffness * (lengths - 0.96).square().squeeze(1)
            return energies, torch.stack((pull, -pull), dim=1).reshape(-1, 3)

    sampler = BatchedSampler(
        [TrajectoryStart.steady(frame, Langevin(0.01), 1500.0, 0.5, k) for k in range(20)],
        Bond(48.0),
    )
    assert all(one.problem is None for one in sampler.advance(range(20), 2000))


def test_a_failure_right_after_a_rewind_is_not_repeated_with_the_same_noise(starts: Starts) -> None:
    sampler = BatchedSampler(starts, Trap(1, call=2, force=float("nan")))
    checkpoint = sampler.checkpoint(1)
    calm = BatchedSampler(starts, LennardJones())
    assert sampler.advance([1], 1)[0].problem is not None
    sampler.rewind(1, checkpoint)
    sampler.advance([1], 1)
    calm.advance([1], 1)
    assert sampler.frame(1).md_step == 1
    assert np.abs(sampler.checkpoint(1).momenta - calm.checkpoint(1).momenta).max() > 1e-6


def test_kinetic_temperature_counts_the_degrees_of_freedom_that_move(starts: Starts) -> None:
    sampler = BatchedSampler(starts, LennardJones())
    temperatures = []
    checkpoint = sampler.checkpoint(2)
    for _ in range(1500):
        sampler.rewind(2, checkpoint)
        temperatures.append(sampler.kinetic_temperature(2))
    # 9 degrees of freedom: standard error sqrt(2 / 9 / 1500) = 1.2 %; counting 12 would give 25 % less.
    assert np.mean(temperatures) == pytest.approx(15.0, rel=0.05)


@pytest.mark.parametrize(("dynamics", "degrees"), [(Langevin(0.01), 12), (VELOCITY_VERLET, 9)])
def test_a_thermostat_heats_the_centre_of_mass_too(cluster: Frame, dynamics: Langevin, degrees: int) -> None:
    sampler = BatchedSampler([TrajectoryStart.steady(cluster, dynamics, 20.0, 2.0, 42)], LennardJones())
    kinetic = (sampler.checkpoint(0).momenta ** 2).sum() / (2 * 39.948 * AMU_ANG2_PER_FS2_EV)
    assert sampler.kinetic_temperature(0) == pytest.approx(2 * kinetic / (degrees * BOLTZMANN_EV_PER_K))
