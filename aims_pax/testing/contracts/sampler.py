"""What every sampler owes to a stage."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from aims_pax.errors import ShapeError, StoreError
from aims_pax.protocols import Driver, Sampler
from aims_pax.sampling.bias import Distance, Load, Metadynamics, Restraint
from aims_pax.sampling.dynamics import (
    VELOCITY_VERLET,
    Bussi,
    CellRescaling,
    Fire,
    Langevin,
    MartynaTobiasKlein,
    NoseHoover,
    Shape,
)
from aims_pax.testing.contracts.structures import cluster, crystal, dimer, rattled
from aims_pax.testing.drivers import Bonds, FailingDriver, Tethers
from aims_pax.trajectory import Held, Segment, TrajectoryCheckpoint, TrajectoryStart
from aims_pax.units import BOLTZMANN_EV_PER_K

EVERYONE = range(9)

STILL = (Held((0,)), Held((2, 3), directions=(False, False, True)))
LED = (Held((1,), velocity_ang_per_fs=(0.0, 1e-3, 0.0)),)

HOT = Segment(Langevin(0.02), 1.0, 300.0)


def pieces_of(checkpoint: TrajectoryCheckpoint) -> list[object]:
    """All that it holds, to be compared."""
    values = [getattr(checkpoint, name) for name in checkpoint.__slots__]
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]


class SamplerContract:
    """Derive from it, and give :meth:`make`."""

    BATCH_TOLERANCE_ANG = 1e-11
    """Rounding of forces may depend on what shares a batch; 60 steps carry it on."""

    def make(self, starts: Sequence[TrajectoryStart], driver: Driver) -> Sampler:
        """A new sampler; trajectory k begins at the k-th start."""
        raise NotImplementedError("say how a sampler is made")

    def starts(self) -> list[TrajectoryStart]:
        """Trajectories that differ in everything; the third conserves its energy."""
        loose, tight = Shape(isotropic=False), Shape(isotropic=True)
        heating = Segment(Bussi(20.0), 0.5, 100.0, n_steps=25, final_temperature_k=400.0)
        pressed = Segment(MartynaTobiasKlein(loose, 20.0, 300.0), 0.5, 300.0, pressure_ev_per_ang3=0.01)
        return [
            TrajectoryStart.steady(cluster(), Langevin(0.02), 300.0, 1.0, 7),
            TrajectoryStart.steady(crystal(), Langevin(0.01), 200.0, 0.5, 7),
            TrajectoryStart.steady(cluster(), VELOCITY_VERLET, 250.0, 0.5, 8),
            TrajectoryStart.steady(dimer(), Langevin(0.05), 100.0, 1.0, 9),
            TrajectoryStart.steady(cluster(), NoseHoover(20.0), 300.0, 1.0, 3),
            TrajectoryStart.steady(crystal(), CellRescaling(tight, 20.0, 60.0, 1.0), 300.0, 0.5, 3),
            TrajectoryStart(crystal(), (heating, pressed), 4),
            TrajectoryStart(rattled(cluster(), 1), (Segment(Fire(), 1.0, 300.0, n_steps=17), heating), 5),
            TrajectoryStart(crystal(), (replace(heating, n_steps=30, held=STILL), replace(heating, held=LED)), 6),
        ]

    @pytest.fixture
    def sampler(self) -> Sampler:
        """Four trajectories that bonds move."""
        return self._new()

    def test_trajectories_are_told_in_the_order_asked_for(self, sampler: Sampler) -> None:
        """With the steps that each has made in all."""
        sampler.advance([1], 3)
        moved = sampler.advance([3, 1, 0], 5)
        assert [(one.trajectory, one.md_step, one.problem) for one in moved] == [
            (3, 5, None),
            (1, 8, None),
            (0, 5, None),
        ]

    def test_a_trajectory_moves_by_its_atoms_momenta(self, sampler: Sampler) -> None:
        """It does move; and one that nobody asks to move does not."""
        before = [sampler.frame(trajectory).positions for trajectory in range(4)]
        sampler.advance([0, 2], 10)
        for trajectory in (0, 2):
            assert 1e-3 < np.abs(sampler.frame(trajectory).positions - before[trajectory]).max() < 2.0
        for trajectory in (1, 3):
            np.testing.assert_array_equal(sampler.frame(trajectory).positions, before[trajectory])
            assert sampler.frame(trajectory).md_step == 0

    def test_frames_have_an_identity(self, sampler: Sampler) -> None:
        """System, trajectory, steps, and the generation that drove them."""
        sampler.advance([1], 4)
        frame = sampler.frame(1)
        assert (frame.system, frame.trajectory, frame.md_step, frame.generation) == ("crystal", 1, 4, 0)
        assert frame.pbc.all()
        np.testing.assert_array_equal(frame.cell, crystal().cell)
        np.testing.assert_array_equal(frame.numbers, crystal().numbers)

    def test_frames_and_checkpoints_are_copies(self, sampler: Sampler) -> None:
        """What a label or a checkpoint keeps must not move on with the trajectory."""
        frame, checkpoint = sampler.frame(0), sampler.checkpoint(0)
        positions, momenta = frame.positions.copy(), checkpoint.momenta.copy()
        sampler.advance([0], 5)
        np.testing.assert_array_equal(frame.positions, positions)
        np.testing.assert_array_equal(checkpoint.positions, positions)
        np.testing.assert_array_equal(checkpoint.momenta, momenta)

    def test_a_trajectory_does_not_depend_on_which_others_move_with_it(self) -> None:
        """Else labels would depend on how fast others come."""
        together, apart = self._new(), self._new()
        together.advance(EVERYONE, 60)
        for trajectory in (2, 0, 6, 3, 1, 8, 7, 5, 4):
            apart.advance([trajectory], 60)
            self._assert_same(together, apart, trajectory, atol=self.BATCH_TOLERANCE_ANG)

    def test_a_trajectory_does_not_depend_on_the_length_of_its_chunks(self) -> None:
        """Bit for bit."""
        whole, pieces = self._new(), self._new()
        whole.advance(EVERYONE, 60)
        for n_steps in (1, 24, 0, 30, 5):
            pieces.advance(EVERYONE, n_steps)
        for trajectory in EVERYONE:
            self._assert_same(whole, pieces, trajectory)

    def test_copies_of_one_start_go_different_ways(self) -> None:
        """Trajectories of one seed have noise of their own."""
        start = TrajectoryStart.steady(cluster(), Langevin(0.05), 300.0, 1.0, 7)
        sampler = self.make([start, start], Bonds())
        sampler.advance([0, 1], 40)
        assert np.abs(sampler.frame(0).positions - sampler.frame(1).positions).max() > 1e-2

    def test_a_resumed_sampler_is_the_one_that_was_interrupted(self) -> None:
        """Bit for bit, trajectories that have been rewound included."""
        uninterrupted = self._new()
        start = uninterrupted.checkpoint(2)
        uninterrupted.advance(EVERYONE, 20)
        for trajectory in (5, 6, 7):
            assert pieces_of(uninterrupted.checkpoint(trajectory)) == pieces_of(
                TrajectoryCheckpoint.from_bytes(uninterrupted.checkpoint(trajectory).to_bytes())
            )
        uninterrupted.rewind(2, start)
        uninterrupted.advance([0, 2, 6], 7)
        content = uninterrupted.save()
        resumed = self._new()
        resumed.load(content)
        for sampler in (uninterrupted, resumed):
            sampler.advance(EVERYONE, 25)
            sampler.rewind(2, start)
            sampler.advance([2], 3)
        for trajectory in EVERYONE:
            self._assert_same(uninterrupted, resumed, trajectory)
        assert uninterrupted.save() == resumed.save()

    @pytest.mark.parametrize("harm", ["cut short", "empty", "of other structures"])
    def test_a_state_that_is_not_its_own_is_refused(self, sampler: Sampler, harm: str) -> None:
        """Going on from half a state would look like a run that is well."""
        other = self.make([TrajectoryStart.steady(crystal(), Langevin(0.02), 300.0, 1.0, 7)], Bonds())
        content = {"cut short": sampler.save()[:200], "empty": b"", "of other structures": other.save()}[harm]
        with pytest.raises(StoreError, match=r"."):
            sampler.load(content)

    @pytest.mark.parametrize("trajectory", [0, 2, 4, 5, 6])
    def test_a_rewound_trajectory_counts_on_and_takes_another_way(self, sampler: Sampler, trajectory: int) -> None:
        """Else it would fail again at the same place, and two frames would have one name."""
        checkpoint = sampler.checkpoint(trajectory)
        sampler.advance([trajectory], 20)
        first = sampler.frame(trajectory)
        sampler.rewind(trajectory, checkpoint)
        np.testing.assert_array_equal(sampler.frame(trajectory).positions, checkpoint.positions)
        np.testing.assert_array_equal(sampler.frame(trajectory).cell, checkpoint.cell)
        assert sampler.frame(trajectory).md_step == 20
        sampler.advance([trajectory], 20)
        assert sampler.frame(trajectory).md_step == 40
        assert np.abs(sampler.frame(trajectory).positions - first.positions).max() > 1e-6

    def test_a_rewind_moves_no_other_trajectory(self, sampler: Sampler) -> None:
        """Nor does it disturb their noise."""
        undisturbed = self._new()
        for one in (sampler, undisturbed):
            one.advance([0, 1, 2, 3], 10)
        sampler.rewind(0, sampler.checkpoint(0))
        for one in (sampler, undisturbed):
            one.advance([1, 2, 3], 10)
        for trajectory in (1, 2, 3):
            self._assert_same(sampler, undisturbed, trajectory)

    def test_a_checkpoint_of_another_structure_is_refused(self, sampler: Sampler) -> None:
        """Two atoms can't stand where four have stood."""
        with pytest.raises(ShapeError, match=r"trajectory 0 has 4 atoms"):
            sampler.rewind(0, sampler.checkpoint(3))

    def test_steps_below_zero_are_refused_and_none_are_no_steps(self, sampler: Sampler) -> None:
        """Asking for none is what a stage does that has nothing to do."""
        with pytest.raises(ShapeError, match="-1 steps"):
            sampler.advance([0], -1)
        assert [one.md_step for one in sampler.advance([0], 0)] == [0]

    def test_who_gets_no_forces_stays_at_its_last_sound_structure(self) -> None:
        """And says why, while the others go on."""
        driver = FailingDriver(Bonds(), 1, calls=[4], words="the basis set is exhausted")
        sampler, sound = self.make(self.starts(), driver), self._new()
        moved = {one.trajectory: one for one in sampler.advance([0, 1, 2, 3], 9)}
        assert moved[1].problem is not None
        assert "the basis set is exhausted" in moved[1].problem
        assert moved[1].lacks_forces
        assert moved[1].md_step == sampler.frame(1).md_step == 2, "the start has forces, too"
        sound.advance([1], 2)
        np.testing.assert_allclose(sampler.frame(1).positions, sound.frame(1).positions, atol=self.BATCH_TOLERANCE_ANG)
        for trajectory in (0, 2, 3):
            assert (moved[trajectory].problem, moved[trajectory].md_step) == (None, 9)

    def test_absurd_forces_stop_a_trajectory_with_a_number(self) -> None:
        """They are no failure of the driver."""
        driver = FailingDriver(Bonds(), 0, calls=[3], force_ev_per_ang=1e6)
        (moved,) = self.make(self.starts()[:1], driver).advance([0], 9)
        assert moved.problem is not None
        assert "eV/Å" in moved.problem
        assert not moved.lacks_forces
        assert moved.md_step == 1

    def test_a_failure_after_a_rewind_is_not_repeated_with_the_same_noise(self) -> None:
        """The noise of a step that failed is used up."""
        sampler = self.make(self.starts(), FailingDriver(Bonds(), 0, calls=[2]))
        calm, checkpoint = self._new(), sampler.checkpoint(0)
        assert sampler.advance([0], 1)[0].problem is not None
        sampler.rewind(0, checkpoint)
        for one in (sampler, calm):
            one.advance([0], 1)
        assert np.abs(sampler.checkpoint(0).momenta - calm.checkpoint(0).momenta).max() > 1e-6

    def test_a_new_generation_drives_the_very_next_step(self) -> None:
        """Old forces belong to models that are gone."""
        start = TrajectoryStart.steady(cluster(), VELOCITY_VERLET, 300.0, 1.0, 7)
        changing, other = Tethers(1.0), Tethers(3.0)
        learned, fresh = self.make([start], changing), self.make([start], other)
        changing.stiffness, changing.generation = 3.0, 1
        for sampler in (learned, fresh):
            sampler.advance([0], 3)
        self._assert_same(learned, fresh, 0)
        assert learned.frame(0).generation == 1

    def test_a_batch_holds_the_structures_asked_for_with_their_pairs(self, sampler: Sampler) -> None:
        """In the order asked for; more pairs than the cutoff demands are welcome."""
        sampler.advance([0, 1, 2, 3], 30)
        batch = sampler.batch([3, 1])
        assert batch.trajectory.tolist() == [3, 1]
        positions = np.concatenate([sampler.frame(3).positions, sampler.frame(1).positions])
        np.testing.assert_array_equal(batch.positions.numpy(force=True), positions)
        _, forces = Bonds().energies_forces(batch)
        expected = [Bonds().energies_forces(self._alone(sampler, trajectory))[1] for trajectory in (3, 1)]
        np.testing.assert_allclose(forces.numpy(force=True), np.concatenate(expected), atol=1e-11)

    def test_a_barostat_moves_the_cell_and_nothing_else_does(self, sampler: Sampler) -> None:
        """The cell of a frame is the one that its atoms are in."""
        sampler.advance(EVERYONE, 40)
        for trajectory, moves in ((1, False), (5, True), (6, True)):
            cell = sampler.frame(trajectory).cell
            assert (np.abs(cell - crystal().cell).max() > 1e-3) == moves
            assert np.array_equal(sampler.batch([trajectory]).cells[0].numpy(force=True), cell)
        strained = sampler.frame(5).cell
        np.testing.assert_allclose(strained, strained[0, 0] * np.eye(3), atol=1e-12)

    def test_what_an_ensemble_conserves_is_conserved(self, sampler: Sampler) -> None:
        """Chains, barostat and work of the pressure included; where nothing is, there is no number."""
        sampler.advance(EVERYONE, 26)  # trajectory 6 is under pressure by then
        before = {trajectory: sampler.conserved_energy(trajectory) for trajectory in (2, 4, 6)}
        kinetic = {trajectory: sampler.total_energy(trajectory) for trajectory in before}
        sampler.advance(EVERYONE, 60)
        for trajectory, energy in before.items():
            assert sampler.conserved_energy(trajectory) == pytest.approx(energy, abs=5e-3)
        assert abs(sampler.total_energy(6) - kinetic[6]) > 0.02
        assert np.isnan(sampler.conserved_energy(0))

    def test_a_relaxation_ends_before_its_time_and_the_program_goes_on(self, sampler: Sampler) -> None:
        """Then the segment after it begins, from rest."""
        start = TrajectoryStart(cluster(), (Segment(Fire(0.05), 1.0, 300.0, n_steps=500), HOT), 5)
        sampler = self.make([start], Bonds())
        for _ in range(40):
            sampler.advance([0], 10)
            if sampler.checkpoint(0).segment:
                break
        assert sampler.frame(0).md_step < 400
        first = sampler.checkpoint(0)
        assert (first.segment, sampler.kinetic_temperature(0) > 0) == (1, first.segment_step > 0)

    def test_md_after_a_relaxation_has_its_temperature(self) -> None:
        """Else a thermostat that scales momenta would find none: at the bottom nothing moves by itself."""
        still = Segment(Fire(0.01), 1.0, 300.0, n_steps=1000)
        after = Segment(Bussi(20.0), 0.5, 300.0)
        sampler = self.make([TrajectoryStart(cluster(), (still, after), seed) for seed in range(8)], Bonds())
        sampler.advance(range(8), 1000)
        assert {sampler.checkpoint(trajectory).segment for trajectory in range(8)} == {1}
        mean = np.mean([sampler.kinetic_temperature(trajectory) for trajectory in range(8)])
        assert mean == pytest.approx(300.0, rel=0.6)  # 72 degrees of freedom: a standard error of 17 %

    def test_held_atoms_stay_or_go_on_as_is_said(self) -> None:
        """Along their directions alone; what is held is no degree of freedom."""
        sampler = self._new()
        begin = sampler.frame(8).positions
        sampler.advance([8], 30)
        still, momenta = sampler.frame(8).positions, sampler.checkpoint(8).momenta
        np.testing.assert_array_equal(still[0], begin[0])
        np.testing.assert_array_equal(still[2:, 2], begin[2:, 2])
        assert np.abs(still - begin)[1].min() > 1e-4
        assert np.abs(still - begin)[2:, :2].min() > 1e-5
        np.testing.assert_array_equal(momenta[1, (0, 2)], 0.0)  # by now atom 1 is led
        sampler.advance([8], 20)
        led = sampler.frame(8).positions
        np.testing.assert_allclose(led[1] - still[1], (0.0, 20 * 0.5 * 1e-3, 0.0), atol=1e-12)
        assert (led != still)[(0, 2, 3), :].all(), "set free, with the momenta that they had"
        kinetic = sampler.total_energy(8) - float(Bonds().energies_forces(self._alone(sampler, 8))[0][0])
        assert sampler.kinetic_temperature(8) == pytest.approx(2 * kinetic / (9 * BOLTZMANN_EV_PER_K))

    def test_atoms_are_not_held_where_the_cell_moves(self) -> None:
        """The cell would move them."""
        with pytest.raises(ShapeError, match="can't be held"):
            Segment(MartynaTobiasKlein(Shape(isotropic=True), 20.0, 300.0), 0.5, 300.0, held=STILL)

    def test_energy_is_conserved_without_thermostat(self, sampler: Sampler) -> None:
        """To a part of the kinetic energy of 0.1 eV that the time step of 0.5 fs leaves."""
        before = sampler.total_energy(2)
        energies = []
        for _ in range(20):
            sampler.advance([2], 10)
            energies.append(sampler.total_energy(2))
        assert np.abs(np.array(energies) - before).max() < 2e-3

    def test_temperature_is_that_of_the_momenta(self) -> None:
        """Cold at zero kelvin; proportional to what was asked for, with the same drawing."""
        starts = [
            TrajectoryStart.steady(cluster(), Langevin(0.02), temperature, 1.0, 7)
            for temperature in (1e-9, 100.0, 100.0)
        ]
        cold, warm, _ = (self.make(starts, Bonds()).kinetic_temperature(trajectory) for trajectory in range(3))
        assert cold < 1e-6
        assert 5.0 < warm < 500.0

    def test_biases_are_felt_and_what_they_have_learned_is_saved(self) -> None:
        """Steps, chunks and interruptions apart; only where a bias is, and a rewind takes nothing back."""
        pull = Load((0,), (0.3, 0.0, 0.0)), Restraint(Distance((0, 1)), 2.6, 8.0)
        hills = Metadynamics((Distance((0, 1)),), (0.1,), 0.05, 3)
        biased = replace(HOT, biases=(*pull, hills))
        program = replace(HOT, n_steps=9), replace(biased, n_steps=14), replace(HOT, biases=(hills,))
        starts = [TrajectoryStart(dimer(), each, 4) for each in ((HOT,), (biased,), program)]
        whole, pieces, bare = (self.make(starts, Bonds()) for _ in range(3))
        whole.advance(range(3), 40)
        bare.advance([0], 40)
        self._assert_same(whole, bare, 0, atol=self.BATCH_TOLERANCE_ANG)
        for n_steps in (4, 20):
            pieces.advance(range(3), n_steps)
        content, pieces = pieces.save(), self.make(starts, Bonds())
        pieces.load(content)
        pieces.advance(range(3), 16)
        for trajectory in range(3):
            self._assert_same(whole, pieces, trajectory)
        assert whole.save() == pieces.save()
        before = self.make(starts, Bonds()).checkpoint(1)
        fresh, learned = self.make(starts, Bonds()).total_energy(1), self.make(starts, Bonds())
        learned.advance([1], 30)
        learned.rewind(1, before)
        assert learned.total_energy(1) > fresh + 0.04

    def _new(self) -> Sampler:
        return self.make(self.starts(), Bonds())

    @staticmethod
    def _alone(sampler: Sampler, trajectory: int):  # type: ignore[no-untyped-def]
        from aims_pax.batch import AtomBatch

        return AtomBatch.from_frames([sampler.frame(trajectory)], Bonds().cutoff)

    @staticmethod
    def _assert_same(one: Sampler, other: Sampler, trajectory: int, *, atol: float = 0.0) -> None:
        ours, theirs = one.checkpoint(trajectory), other.checkpoint(trajectory)
        assert ours.md_step == theirs.md_step
        np.testing.assert_allclose(ours.positions, theirs.positions, rtol=0, atol=atol)
        np.testing.assert_allclose(ours.momenta, theirs.momenta, rtol=0, atol=100 * atol)
        assert (ours.segment, ours.segment_step) == (theirs.segment, theirs.segment_step)
        assert ours.cell is not None
        assert theirs.cell is not None
        np.testing.assert_allclose(ours.cell, theirs.cell, rtol=0, atol=atol)
        assert ours.own is not None
        assert theirs.own is not None
        np.testing.assert_allclose(ours.own, theirs.own, rtol=0, atol=1e4 * atol)
