"""What every driver owes to a sampler."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame, Label
from aims_pax.protocols import AnswersLater, Driver, ExplainsFailures, ForgetsHistory, KnowsLabels
from aims_pax.testing.contracts.structures import cluster, crystal, rattled


class DriverContract:
    """Derive from it, and give :meth:`make`; the structures can be others where these are none for the driver."""

    FORCE_TOLERANCE_EV_PER_ANG = 1e-5
    """Of forces against differences of energies over 1e-4 Å; single precision and self-consistency need more."""

    def make(self) -> Driver:
        """A new driver."""
        raise NotImplementedError("say how a driver is made")

    def structures(self) -> list[Frame]:
        """Some that the driver can do, of different sizes where it can."""
        return [rattled(cluster(), 1), rattled(crystal(), 2), rattled(cluster(), 3)]

    def impossible(self) -> Frame | None:
        """One that it can't compute; None where it gives numbers for everything."""
        return None

    @pytest.fixture
    def driver(self) -> Driver:
        """A new driver."""
        return self.make()

    @pytest.fixture
    def frames(self) -> list[Frame]:
        """Of trajectories 0, 1, ..."""
        return [replace(frame, trajectory=index) for index, frame in enumerate(self.structures())]

    def test_energies_and_forces_are_doubles_without_gradients(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """On the batch's device, one energy for each structure, one force for each atom."""
        batch = self._batch(driver, frames)
        energies, forces = driver.energies_forces(batch)
        assert energies.shape == (len(frames),)
        assert forces.shape == (sum(frame.n_atoms for frame in frames), 3)
        for tensor in (energies, forces):
            assert tensor.dtype == torch.float64
            assert tensor.device == batch.device
            assert not tensor.requires_grad
            assert bool(tensor.isfinite().all())

    def test_forces_are_the_negative_gradient_of_the_energy(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """Else nothing is conserved, and no temperature means anything."""
        frame, step_ang = frames[0], 1e-4
        _, forces = driver.energies_forces(self._batch(driver, [frame]))
        for atom, axis in ((0, 0), (1, 2)):
            energies = []
            for sign in (1, -1):
                positions = frame.positions.copy()
                positions[atom, axis] += sign * step_ang
                moved = self._batch(driver, [replace(frame, positions=positions)])
                energies.append(float(driver.energies_forces(moved)[0][0]))
            expected = -(energies[0] - energies[1]) / (2 * step_ang)
            assert float(forces[atom, axis]) == pytest.approx(expected, abs=self.FORCE_TOLERANCE_EV_PER_ANG)

    def test_a_structure_does_not_feel_the_others(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """To rounding, which may depend on the size of a batch."""
        energies, forces = driver.energies_forces(self._batch(driver, frames))
        ends = np.cumsum([frame.n_atoms for frame in frames])
        for index, frame in enumerate(frames):
            alone, own = self.make().energies_forces(self._batch(driver, [frame]))
            there = forces[ends[index] - frame.n_atoms : ends[index]]
            assert float(energies[index]) == pytest.approx(float(alone[0]), abs=self._rounding)
            np.testing.assert_allclose(there.numpy(force=True), own.numpy(force=True), atol=self._rounding)

    def test_the_order_of_the_structures_changes_nothing(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """Forces belong to atoms, and not to places in a batch."""
        energies, forces = driver.energies_forces(self._batch(driver, frames))
        other_energies, other_forces = driver.energies_forces(self._batch(driver, frames[::-1]))
        np.testing.assert_allclose(other_energies.numpy(force=True), energies.flip(0).numpy(force=True), atol=1e-6)
        sizes = [frame.n_atoms for frame in frames]
        own = torch.cat(torch.split(forces, sizes)[::-1])
        np.testing.assert_allclose(other_forces.numpy(force=True), own.numpy(force=True), atol=self._rounding)

    def test_the_same_structures_get_the_same_forces_again(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """As long as the generation is the same; and the batch is as it was."""
        batch = self._batch(driver, frames)
        positions, generation = batch.positions.clone(), driver.generation
        energies, forces = (one.clone() for one in driver.energies_forces(batch))
        again = driver.energies_forces(batch)
        assert torch.equal(batch.positions, positions)
        assert driver.generation == generation
        np.testing.assert_allclose(again[0].numpy(force=True), energies.numpy(force=True), atol=self._rounding)
        np.testing.assert_allclose(again[1].numpy(force=True), forces.numpy(force=True), atol=self._rounding)

    def test_pairs_beyond_the_cutoff_change_nothing(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """Lists of neighbours are kept with a skin."""
        if driver.cutoff is None:
            pytest.skip("needs no pairs")
        _, forces = driver.energies_forces(self._batch(driver, frames))
        wide = AtomBatch.from_frames(frames, driver.cutoff + 0.7)
        np.testing.assert_allclose(
            driver.energies_forces(wide)[1].numpy(force=True), forces.numpy(force=True), atol=self._rounding
        )

    def test_a_structure_that_cannot_be_computed_gets_no_numbers(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """NaN for it, its forces for every other; and words, where the driver has some."""
        impossible = self.impossible()
        if impossible is None:
            pytest.skip("computes everything")
        sound, broken = frames[0], replace(impossible, trajectory=1)
        energies, forces = driver.energies_forces(self._batch(driver, [sound, broken]))
        assert bool(energies[1].isnan())
        assert bool(forces[sound.n_atoms :].isnan().all())
        expected = self.make().energies_forces(self._batch(driver, [sound]))[1]
        np.testing.assert_allclose(forces[: sound.n_atoms].numpy(force=True), expected.numpy(force=True), atol=1e-6)
        if isinstance(driver, ExplainsFailures):
            assert driver.failure_of(1)
            assert driver.failure_of(0) is None

    def test_a_failure_is_explained_until_the_trajectory_moves_on(
        self, driver: Driver, frames: Sequence[Frame]
    ) -> None:
        """The words are of the newest structure."""
        impossible = self.impossible()
        if impossible is None or not isinstance(driver, ExplainsFailures):
            pytest.skip("has nothing to explain")
        driver.energies_forces(self._batch(driver, [replace(impossible, trajectory=0)]))
        assert driver.failure_of(0)
        driver.energies_forces(self._batch(driver, [frames[0]]))
        assert driver.failure_of(0) is None

    def test_a_driver_without_its_past_goes_on(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """As it does after an interruption, with the same forces to what self-consistency leaves."""
        if not isinstance(driver, ForgetsHistory):
            pytest.skip("has no past")
        before = driver.energies_forces(self._batch(driver, frames))[1].clone()
        driver.forget()
        after = driver.energies_forces(self._batch(driver, frames))[1]
        np.testing.assert_allclose(after.numpy(force=True), before.numpy(force=True), atol=1e-3)

    def test_answers_that_come_later_are_those_that_come_at_once(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """Each is given once, to the trajectory that asked."""
        if not isinstance(driver, AnswersLater):
            pytest.skip("answers at once")
        for frame in frames:
            driver.ask(self._batch(driver, [frame]))
        come: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}
        while len(come) < len(frames):
            newest = driver.answers()
            assert newest
            assert not come.keys() & newest.keys()
            come |= newest
        for frame in frames:
            energies, forces = self.make().energies_forces(self._batch(driver, [frame]))
            assert torch.equal(come[frame.trajectory][0], energies)
            assert torch.equal(come[frame.trajectory][1], forces)

    def test_a_label_that_it_knows_is_that_of_the_very_structure(self, driver: Driver, frames: Sequence[Frame]) -> None:
        """With the forces that it drove with, and for no other structure."""
        if not isinstance(driver, KnowsLabels):
            pytest.skip("knows no labels")
        _, forces = driver.energies_forces(self._batch(driver, [frames[0]]))
        known = driver.result_of(frames[0])
        assert isinstance(known, Label)
        np.testing.assert_array_equal(known.forces, forces.numpy(force=True))
        assert driver.result_of(rattled(frames[0], 99)) is None
        assert driver.result_of(replace(frames[0], trajectory=77)) is None

    @property
    def _rounding(self) -> float:
        return self.FORCE_TOLERANCE_EV_PER_ANG

    @staticmethod
    def _batch(driver: Driver, frames: Sequence[Frame]) -> AtomBatch:
        return AtomBatch.from_frames(frames, driver.cutoff)
