"""ASE calculators and references as force models."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from ase.calculators.lj import LennardJones as AseLennardJones
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import FailureReason, FloatArray, Frame, Label, LabelFailure
from aims_pax.sampling import (
    VELOCITY_VERLET,
    BatchedSampler,
    CalculatorForces,
    Langevin,
    ReferenceForces,
    TrajectoryStart,
)
from aims_pax.sampling.calculator import frames_of, shared_by_system
from aims_pax.testing.drivers import LennardJones


class Fragile(AseLennardJones):  # type: ignore[misc]
    """Lennard-Jones that does not converge when an atom is beyond x = 2.5 Å."""

    def calculate(self, atoms: Atoms, properties: Sequence[str], system_changes: Sequence[str]) -> None:
        if atoms.positions[:, 0].max() > 2.5:
            raise RuntimeError("SCF not converged in 250 cycles")
        super().calculate(atoms, properties, system_changes)


class CrystalFails:
    """Labels clusters only, one structure each time that it is waited for, and fails at one of its labels.

    The last that was asked for comes first.
    """

    def __init__(self, *, failing_call: int = -1) -> None:
        self.labelled: list[Frame] = []
        self._failing_call = failing_call
        self._asked: list[Frame] = []
        self._answers: list[tuple[Frame, Label | LabelFailure]] = []

    def ask(self, frame: Frame) -> None:
        self._asked.append(frame)

    def answer(self, frame: Frame) -> Label | LabelFailure | None:
        for known, answer in reversed(self._answers):
            if known.trajectory == frame.trajectory and np.array_equal(known.positions, frame.positions):
                return answer
        return None

    def wait(self) -> None:
        frame = self._asked.pop()
        self.labelled.append(frame)
        answer: Label | LabelFailure = LabelFailure(FailureReason.NOT_CONVERGED, "no crystals")
        if not frame.pbc.any() and len(self.labelled) != self._failing_call:
            forces: FloatArray = -0.05 * (frame.positions - frame.positions.mean(axis=0))
            answer = Label(float(frame.n_atoms), forces, None, "test", 0.0)
        self._answers.append((frame, answer))


class Tethered:
    """The forces of :class:`CrystalFails`, for a whole batch at once."""

    generation = 0
    cutoff = None

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        each = [-0.05 * (frame.positions - frame.positions.mean(axis=0)) for frame in frames_of(batch)]
        return batch.n_atoms.to(torch.float64), torch.as_tensor(np.concatenate(each))


def new_argon_calculator() -> AseLennardJones:
    return AseLennardJones(epsilon=0.0104, sigma=3.4, rc=15.0)


def test_a_calculator_drives_the_same_dynamics_as_the_formula(cluster: Frame) -> None:
    start = TrajectoryStart.steady(cluster, Langevin(0.01), 20.0, 2.0, 42)
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


def test_trajectories_of_a_system_can_share_a_calculator(starts: Sequence[TrajectoryStart]) -> None:
    made = []

    def new_calculator() -> AseLennardJones:
        made.append(new_argon_calculator())
        return made[-1]

    one, other = starts[1], replace(starts[2], frame=replace(starts[2].frame, system="another"))
    everyone = range(4)
    sampler = BatchedSampler([one, other, one, other], CalculatorForces(new_calculator, owner=shared_by_system))
    alone = BatchedSampler([one, other, one, other], CalculatorForces(new_argon_calculator))
    sampler.advance(everyone, 5)
    alone.advance(everyone, 5)
    assert len(made) == 2
    for trajectory in everyone:
        np.testing.assert_array_equal(sampler.frame(trajectory).positions, alone.frame(trajectory).positions)


def test_a_calculation_that_fails_stops_its_trajectory_alone(cluster: Frame) -> None:
    away = Frame("away", 0, 0, 0, cluster.numbers, cluster.positions + 2.0)
    starts = [TrajectoryStart.steady(frame, VELOCITY_VERLET, 10.0, 2.0, 1) for frame in (cluster, away)]
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
        [TrajectoryStart.steady(cluster, VELOCITY_VERLET, 10.0, 2.0, 1)],
        CalculatorForces(Broken),
    )
    (stopped,) = sampler.advance([0], 1)
    assert stopped.problem == "no forces: AttributeError: a typing mistake"


def test_a_driver_whose_numbers_are_no_good_is_not_said_to_have_failed(cluster: Frame) -> None:
    class Infinite(AseLennardJones):  # type: ignore[misc]
        def calculate(self, *args: object) -> None:
            super().calculate(*args)
            self.results["forces"] = self.results["forces"] * np.inf

    sampler = BatchedSampler(
        [TrajectoryStart.steady(cluster, VELOCITY_VERLET, 10.0, 2.0, 1)],
        CalculatorForces(Infinite),
    )
    (stopped,) = sampler.advance([0], 1)
    assert stopped.problem == "forces on 4 of 4 atoms are not finite"
    assert not stopped.lacks_forces


def test_every_step_of_reference_dynamics_is_a_label(starts: Sequence[TrajectoryStart]) -> None:
    forces = ReferenceForces(CrystalFails())
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


def test_a_label_is_never_given_to_another_structure(starts: Sequence[TrajectoryStart]) -> None:
    forces = ReferenceForces(CrystalFails())
    sampler = BatchedSampler(starts, forces)
    start, checkpoint = sampler.frame(1), sampler.checkpoint(1)
    sampler.advance([1], 3)
    newest = forces.result_of(sampler.frame(1))
    assert isinstance(newest, Label)
    sampler.rewind(1, checkpoint)
    own = forces.result_of(sampler.frame(1))
    assert isinstance(own, Label)
    np.testing.assert_array_equal(own.forces, -0.05 * (start.positions - start.positions.mean(axis=0)))
    assert not np.array_equal(own.forces, newest.forces)
    assert forces.result_of(sampler.frame(2)) is None


def test_a_label_keeps_its_structure_when_the_batch_moves_on(cluster: Frame) -> None:
    forces = ReferenceForces(CrystalFails())
    batch = AtomBatch.from_frames([cluster], None)
    forces.energies_forces(batch)
    batch.positions += 1.0
    assert isinstance(forces.result_of(cluster), Label)


def test_each_trajectory_waits_for_its_own_steps_alone(starts: Sequence[TrajectoryStart]) -> None:
    """The labeller serves whoever asked last, so that one trajectory comes to its end before the other has moved."""
    labeller = CrystalFails()
    sampler = BatchedSampler(starts, ReferenceForces(labeller))
    advanced = sampler.advance([1, 2], 4)
    assert [one.md_step for one in advanced] == [4, 4]
    assert [frame.trajectory for frame in labeller.labelled] == [2] * 5 + [1] * 5


def test_a_step_that_waits_alone_is_the_step_of_a_batch(starts: Sequence[TrajectoryStart]) -> None:
    by_reference = BatchedSampler(starts, ReferenceForces(CrystalFails()))
    by_formula = BatchedSampler(starts, Tethered())
    for sampler in (by_reference, by_formula):
        sampler.advance([1, 2], 30)
    for trajectory in (1, 2):
        ours, theirs = by_reference.frame(trajectory).positions, by_formula.frame(trajectory).positions
        np.testing.assert_array_equal(ours, theirs)


def test_a_failure_does_not_cost_the_other_trajectories_their_labels(starts: Sequence[TrajectoryStart]) -> None:
    labeller = CrystalFails(failing_call=3)  # of trajectory 2, which is served first: its second step
    sampler = BatchedSampler(starts, ReferenceForces(labeller))
    advanced = sampler.advance([1, 2], 4)
    assert [one.md_step for one in advanced] == [4, 1]
    assert [one.lacks_forces for one in advanced] == [False, True]
    assert len(labeller.labelled) == 5 + 3
