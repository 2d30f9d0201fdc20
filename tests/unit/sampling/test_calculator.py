"""ASE calculators and references as force models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones as AseLennardJones

from aims_pax.batch import AtomBatch
from aims_pax.frame import FailureReason, FloatArray, Frame, Label, LabelFailure
from aims_pax.sampling import BatchedSampler, CalculatorForces, ReferenceForces, StatisticalEnsemble, TrajectoryStart
from aims_pax.sampling.calculator import frames_of
from aims_pax.testing.drivers import LennardJones


class Fragile(AseLennardJones):  # type: ignore[misc]
    """Lennard-Jones that does not converge when an atom is beyond x = 2.5 Å."""

    def calculate(self, atoms: Atoms, properties: Sequence[str], system_changes: Sequence[str]) -> None:
        if atoms.positions[:, 0].max() > 2.5:
            raise RuntimeError("SCF not converged in 250 cycles")
        super().calculate(atoms, properties, system_changes)


class CrystalFails:
    """A reference that labels clusters only, and fails at one of its calculations."""

    name = "test"

    def __init__(self, *, failing_call: int = -1) -> None:
        self.n_calls = 0
        self._failing_call = failing_call

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        return ["no crystals"] if periodic else []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        assert folder.is_dir()
        self.n_calls += 1
        if frame.pbc.any() or self.n_calls == self._failing_call:
            return LabelFailure(FailureReason.NOT_CONVERGED, "no crystals")
        forces: FloatArray = -0.05 * (frame.positions - frame.positions.mean(axis=0))
        return Label(float(frame.n_atoms), forces, None, self.name, 0.0)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        return None


def new_argon_calculator() -> AseLennardJones:
    return AseLennardJones(epsilon=0.0104, sigma=3.4, rc=15.0)


def test_a_calculator_drives_the_same_dynamics_as_the_formula(cluster: Frame) -> None:
    start = TrajectoryStart(cluster, StatisticalEnsemble.NVT, 20.0, 2.0, 0.01, 42)
    by_calculator = BatchedSampler([start, start], CalculatorForces(new_argon_calculator))
    by_formula = BatchedSampler([start, start], LennardJones(cutoff=200.0))
    for sampler in (by_calculator, by_formula):
        sampler.advance([0, 1], 50)
    for trajectory in (0, 1):
        ours, theirs = by_calculator.frame(trajectory).positions, by_formula.frame(trajectory).positions
        np.testing.assert_allclose(ours, theirs, atol=2e-5)  # the formula is weaker by (1 - r²/200²)³


def test_each_trajectory_has_one_calculator_of_its_own(starts: Sequence[TrajectoryStart]) -> None:
    made = []

    def new_calculator() -> AseLennardJones:
        made.append(new_argon_calculator())
        return made[-1]

    sampler = BatchedSampler(starts, CalculatorForces(new_calculator))
    sampler.advance([1, 2], 5)
    sampler.advance([2, 1], 5)
    assert len(made) == 2
    assert made[0] is not made[1]


def test_a_calculation_that_fails_stops_its_trajectory_alone(cluster: Frame) -> None:
    away = Frame("away", 0, 0, 0, cluster.numbers, cluster.positions + 2.0)
    starts = [TrajectoryStart(frame, StatisticalEnsemble.NVE, 10.0, 2.0, 0.0, 1) for frame in (cluster, away)]
    sampler = BatchedSampler(starts, CalculatorForces(lambda: Fragile(epsilon=0.0104, sigma=3.4, rc=20.0)))
    advanced = sampler.advance([0, 1], 4)
    assert [one.md_step for one in advanced] == [4, 0]
    assert advanced[1].problem == "no forces: RuntimeError: SCF not converged in 250 cycles"
    assert [one.lacks_forces for one in advanced] == [False, True]


def test_a_mistake_in_a_calculator_is_told_with_its_type(cluster: Frame) -> None:
    class Broken(AseLennardJones):  # type: ignore[misc]
        def calculate(self, *_: object) -> None:
            raise AttributeError("a typing mistake")

    sampler = BatchedSampler(
        [TrajectoryStart(cluster, StatisticalEnsemble.NVE, 10.0, 2.0, 0.0, 1)], CalculatorForces(Broken)
    )
    (stopped,) = sampler.advance([0], 1)
    assert stopped.problem == "no forces: AttributeError: a typing mistake"


def test_a_driver_whose_numbers_are_no_good_is_not_said_to_have_failed(cluster: Frame) -> None:
    class Infinite(AseLennardJones):  # type: ignore[misc]
        def calculate(self, *args: object) -> None:
            super().calculate(*args)
            self.results["forces"] = self.results["forces"] * np.inf

    sampler = BatchedSampler(
        [TrajectoryStart(cluster, StatisticalEnsemble.NVE, 10.0, 2.0, 0.0, 1)], CalculatorForces(Infinite)
    )
    (stopped,) = sampler.advance([0], 1)
    assert stopped.problem == "forces on 4 of 4 atoms are not finite"
    assert not stopped.lacks_forces


def test_every_step_of_reference_dynamics_is_a_label(
    starts: Sequence[TrajectoryStart], tmp_path: Path, cluster: Frame
) -> None:
    forces = ReferenceForces(CrystalFails(), tmp_path, want_stress=False)
    sampler = BatchedSampler(starts, forces)
    advanced = sampler.advance([1, 0], 3)
    assert [one.md_step for one in advanced] == [3, 0]
    label = forces.result_of(sampler.frame(1))
    assert isinstance(label, Label)
    positions = sampler.frame(1).positions
    np.testing.assert_allclose(label.forces, -0.05 * (positions - positions.mean(axis=0)))
    assert advanced[1].problem == "no forces: not converged: no crystals"
    failure = forces.result_of(sampler.frame(0))
    assert isinstance(failure, LabelFailure)
    assert failure.reason is FailureReason.NOT_CONVERGED


def test_a_driver_knows_the_system_of_each_structure_with_its_charge_and_spin(
    starts: Sequence[TrajectoryStart], cluster: Frame
) -> None:
    charged = replace(starts[1], frame=replace(cluster, system="ion", charge=1, spin=2))
    sampler = BatchedSampler([starts[0], charged], LennardJones())
    sampler.advance([0, 1], 3)
    first, second = frames_of(sampler.batch([1, 0]))
    assert (first.system, first.charge, first.spin, first.trajectory) == ("ion", 1, 2, 1)
    assert (second.system, second.trajectory) == (starts[0].frame.system, 0)
    np.testing.assert_array_equal(first.positions, sampler.frame(1).positions)


def test_a_label_is_never_given_to_another_structure(starts: Sequence[TrajectoryStart], tmp_path: Path) -> None:
    forces = ReferenceForces(CrystalFails(), tmp_path, want_stress=False)
    sampler = BatchedSampler(starts, forces)
    checkpoint = sampler.checkpoint(1)
    sampler.advance([1], 3)
    sampler.rewind(1, checkpoint)
    assert forces.result_of(sampler.frame(1)) is None
    assert forces.result_of(sampler.frame(2)) is None


def test_a_label_keeps_its_structure_when_the_batch_moves_on(cluster: Frame, tmp_path: Path) -> None:
    forces = ReferenceForces(CrystalFails(), tmp_path, want_stress=False)
    batch = AtomBatch.from_frames([cluster], None)
    forces.energies_forces(batch)
    batch.positions += 1.0
    assert isinstance(forces.result_of(cluster), Label)


def test_a_failure_does_not_cost_the_other_trajectories_their_labels(
    starts: Sequence[TrajectoryStart], tmp_path: Path
) -> None:
    reference = CrystalFails(failing_call=6)  # two at the start, two for step 1, and the second of step 2
    sampler = BatchedSampler(starts, ReferenceForces(reference, tmp_path, want_stress=False))
    advanced = sampler.advance([1, 2], 4)
    assert [one.md_step for one in advanced] == [4, 1]
    assert reference.n_calls == 2 + 2 + 2 + 2
