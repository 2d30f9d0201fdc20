"""Trajectories under biases: what they conserve, how far they swing, and what they remember."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import Frame
from aims_pax.protocols import Bias
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Langevin, Segment, TrajectoryStart
from aims_pax.sampling.bias import (
    Angle,
    Coordination,
    Dihedral,
    Distance,
    Load,
    MeanPosition,
    Metadynamics,
    Restraint,
    Tempering,
    free_energy,
)
from aims_pax.sampling.dynamics import MartynaTobiasKlein, Shape
from aims_pax.testing.drivers import LennardJones, Tethers
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

KT_300 = BOLTZMANN_EV_PER_K * 300.0

SPRINGS: tuple[Bias, ...] = (
    Restraint(Distance((0, 1)), 4.2, 0.3),
    Restraint(Angle((0, 1, 2)), 1.2, 0.5),
    Restraint(Dihedral((0, 1, 2, 3)), 3.0, 0.4),
    Restraint(Coordination((0, 1), (2, 3), 4.0), 2.5, 0.6),
    Restraint(MeanPosition((1, 2), (0.0, 1.0, 1.0)), 1.0, 0.2),
)

HILLS = Metadynamics((Dihedral((0, 1, 2, 3)), Distance((0, 3))), (0.3, 0.2), 0.02, 7, Tempering(5.0, 300.0))
ROUGH = Metadynamics((Coordination((0,), (1, 2, 3), 3.5),), (0.2,), 0.01, 5)


def start_of(frame: Frame, *segments: Segment, seed: int = 3) -> TrajectoryStart:
    return TrajectoryStart(frame, segments, seed)


def segment(*biases: Bias, n_steps: int | None = None, friction: float = 0.02) -> Segment:
    return Segment(Langevin(friction), 2.0, 300.0, n_steps=n_steps, biases=biases)


def differing(cluster: Frame) -> list[TrajectoryStart]:
    """Under other biases each, and one under none."""
    return [
        start_of(cluster, segment(HILLS, *SPRINGS[:2])),
        start_of(cluster, segment()),
        start_of(cluster, segment(ROUGH)),
        start_of(cluster, segment(SPRINGS[3], ROUGH, HILLS, Load((1,), (0.01, 0.0, 0.0)))),
        start_of(cluster, segment(SPRINGS[4], n_steps=11), segment(HILLS, n_steps=17)),
    ]


def springs_of(cluster: Frame) -> Tethers:
    """A driver whose forces on one atom are the same bits whoever else is in the batch."""
    return Tethers(0.05, torch.as_tensor(cluster.positions))


def assert_same(one: BatchedSampler, other: BatchedSampler, trajectory: int) -> None:
    """Bit for bit, with what has been learned."""
    ours, theirs = one.checkpoint(trajectory), other.checkpoint(trajectory)
    assert np.array_equal(ours.positions, theirs.positions)
    assert np.array_equal(ours.momenta, theirs.momenta)
    assert one.total_energy(trajectory) == other.total_energy(trajectory)
    learned, again = one.learned(trajectory), other.learned(trajectory)
    assert learned.keys() == again.keys()
    for bias, rows in learned.items():
        assert np.array_equal(rows, again[bias])


@pytest.mark.parametrize("bias", [*SPRINGS, Load((0, 1), (0.002, 0.0, 0.001))])
def test_energy_is_conserved_under_a_bias(bias: Bias, crystal: Frame) -> None:
    start = start_of(crystal, Segment(VELOCITY_VERLET, 4.0, 40.0, biases=(bias,)))
    sampler = BatchedSampler([start], LennardJones())
    energies = [sampler.total_energy(0)]
    for _ in range(50):
        assert sampler.advance([0], 10)[0].problem is None
        energies.append(sampler.total_energy(0))
    # The ripple of a step of 4 fs is 3e-4 eV of 0.16 eV of kinetic energy; forces that are not the derivative of what
    # they are taken for would do as much work as the bias itself.
    assert np.ptp(energies) < 1.5e-3


def test_what_a_barostat_conserves_it_conserves_under_a_restraint(crystal: Frame) -> None:
    """By the stress of the bias: without it the cell would do work that nobody counts."""
    dynamics = MartynaTobiasKlein(Shape(isotropic=False), 100.0, 500.0)
    strong = Restraint(Distance((0, 1)), 5.0, 1.0), Restraint(Coordination((0,), tuple(range(1, 32)), 4.0), 12.0, 0.05)
    start = start_of(crystal, Segment(dynamics, 2.0, 40.0, biases=strong))
    sampler = BatchedSampler([start], LennardJones())
    before, energies = sampler.conserved_energy(0), []
    for _ in range(60):
        assert sampler.advance([0], 10)[0].problem is None
        energies.append(sampler.conserved_energy(0) - before)
    assert np.abs(np.linalg.det(sampler.frame(0).cell) / 10.8**3 - 1) > 5e-3, "the cell has moved"
    assert np.abs(energies).max() < 3e-3


def test_a_restraint_alone_swings_as_far_as_the_temperature_says() -> None:
    """Variance kT over k of a mean position, and that of a distance with its shell of r²."""
    pair = Frame("pair", 0, 0, 0, np.array([6, 6]), np.array([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    # Across the pair: along it, the distance would pull by 2 kT/r until the pair has turned round.
    held = Restraint(MeanPosition((0,), (1.0, 0.0, 1.0)), 0.5, 4.0)
    apart = Restraint(Distance((0, 1)), 3.0, 2.0)
    n = 200
    starts = [start_of(pair, Segment(Langevin(0.05), 2.0, 300.0, biases=(held, apart)), seed=k) for k in range(n)]
    sampler = BatchedSampler(starts, Tethers(0.0), skin_ang=9.0)
    sampler.advance(range(n), 250)
    places, lengths = [], []
    for _ in range(60):
        sampler.advance(range(n), 30)
        atoms = sampler.batch(range(n)).positions.reshape(n, 2, 3).numpy()
        places.append((atoms[:, 0, 0] + atoms[:, 0, 2]) / np.sqrt(2))
        lengths.append(np.linalg.norm(atoms[:, 1] - atoms[:, 0], axis=1))
    # 12 000 values that hardly know of each other (a correlation of -0.1 after 60 fs): a standard error of
    # sqrt(2 / 12000) = 1.3 % of a variance, and of 0.9 % of the width for a mean. Three of them.
    assert np.var(places) == pytest.approx(KT_300 / 4.0, rel=0.04)
    assert np.mean(places) == pytest.approx(0.5, abs=0.03 * np.sqrt(KT_300 / 4.0))
    grid = np.linspace(1.5, 4.5, 3001)
    weights = grid**2 * np.exp(-2.0 * (grid - 3.0) ** 2 / (2 * KT_300))
    mean = np.average(grid, weights=weights)
    variance = np.average((grid - mean) ** 2, weights=weights)
    assert np.mean(lengths) == pytest.approx(mean, abs=0.03 * np.sqrt(variance))
    assert np.var(lengths) == pytest.approx(variance, rel=0.04)


def test_a_load_is_the_whole_force_on_its_group(cluster: Frame) -> None:
    load = Load((0, 1, 3), (0.03, -0.06, 0.015))
    sampler = BatchedSampler([start_of(cluster, Segment(VELOCITY_VERLET, 1.0, 0.0, biases=(load,)))], Tethers(0.0))
    sampler.advance([0], 20)
    momenta = sampler.checkpoint(0).momenta
    for atom in (0, 1, 3):
        np.testing.assert_allclose(momenta[atom], 20.0 * np.array([0.01, -0.02, 0.005]), atol=1e-14)
    np.testing.assert_array_equal(momenta[2], 0.0)


def test_each_is_alone_as_it_is_among_others(cluster: Frame) -> None:
    starts, driver = differing(cluster), springs_of(cluster)
    together, apart = BatchedSampler(starts, driver), BatchedSampler(starts, driver)
    together.advance(range(5), 90)
    for trajectory in (2, 0, 3, 4, 1):
        apart.advance([trajectory], 90)
        assert_same(together, apart, trajectory)
    assert {len(rows) for rows in together.learned(3).values()} == {90 // 7, 90 // 5}
    assert together.learned(1) == {}


def test_chunks_of_any_length_are_the_same(cluster: Frame) -> None:
    starts, driver = differing(cluster), springs_of(cluster)
    whole, pieces = BatchedSampler(starts, driver), BatchedSampler(starts, driver)
    whole.advance(range(5), 90)
    for n_steps in (1, 24, 0, 4, 60, 1):
        pieces.advance(range(5), n_steps)
    assert whole.save() == pieces.save()


def test_an_interrupted_metadynamics_goes_on_to_the_last_bit(cluster: Frame) -> None:
    starts, driver = differing(cluster), springs_of(cluster)
    uninterrupted, resumed = BatchedSampler(starts, driver), BatchedSampler(starts, driver)
    uninterrupted.advance(range(5), 40)
    checkpoint = uninterrupted.checkpoint(3)
    uninterrupted.advance([0, 3, 4], 9)
    uninterrupted.rewind(3, checkpoint)
    resumed.advance(range(5), 12)  # it forgets this
    resumed.load(uninterrupted.save())
    for sampler in (uninterrupted, resumed):
        sampler.advance(range(5), 50)
    for trajectory in range(5):
        assert_same(uninterrupted, resumed, trajectory)
    assert uninterrupted.save() == resumed.save()


def test_a_rewind_takes_no_hill_back_and_feels_them_all(cluster: Frame) -> None:
    sampler = BatchedSampler([start_of(cluster, segment(HILLS))], springs_of(cluster))
    before, checkpoint = sampler.total_energy(0), sampler.checkpoint(0)
    sampler.advance([0], 70)
    hills = sampler.learned(0)[HILLS]
    sampler.rewind(0, checkpoint)
    np.testing.assert_array_equal(sampler.learned(0)[HILLS], hills)
    assert sampler.total_energy(0) > before + 1e-4
    sampler.advance([0], 70)
    np.testing.assert_array_equal(sampler.learned(0)[HILLS][:10], hills)
    assert len(sampler.learned(0)[HILLS]) == 20


def test_a_step_that_went_wrong_leaves_no_hill(cluster: Frame) -> None:
    """Neither for the one that failed nor for those who make that step again without it."""

    class Failing(Tethers):
        n_calls = 0

        def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
            energies, forces = Tethers.energies_forces(self, batch)
            type(self).n_calls += 1
            if self.n_calls == 6:
                forces = torch.where((batch.trajectory[batch.structure] == 0).unsqueeze(1), torch.nan, forces)
            return energies, forces

    every = replace(ROUGH, every_steps=1)
    starts = [start_of(cluster, segment(every), seed=k) for k in range(2)]
    sampler = BatchedSampler(starts, Failing(0.05, torch.as_tensor(cluster.positions)))
    moved = sampler.advance([0, 1], 12)
    assert [one.md_step for one in moved] == [4, 12]
    assert [len(sampler.learned(k)[every]) for k in (0, 1)] == [4, 12]
    calm = BatchedSampler(starts, springs_of(cluster))
    calm.advance([1], 12)
    assert_same(sampler, calm, 1)


def test_hills_are_laid_where_the_trajectory_is_and_become_lower(cluster: Frame) -> None:
    place = MeanPosition((0,), (1.0, 0.0, 0.0))
    hills = Metadynamics((place,), (50.0,), 0.1, 10, Tempering(3.0, 300.0))
    sampler = BatchedSampler([start_of(cluster, segment(hills))], springs_of(cluster))
    places = []
    for _ in range(5):
        sampler.advance([0], 10)
        places.append(sampler.frame(0).positions[0, 0])
    rows = sampler.learned(0)[hills]
    np.testing.assert_allclose(rows[:, 1], places, atol=1e-14)
    # So wide that each is as high as at its center.
    heights = [0.1]
    for _ in range(4):
        heights.append(0.1 * np.exp(-sum(heights) / (2 * KT_300)))
    np.testing.assert_allclose(rows[:, 0], heights, rtol=1e-3)


def test_hills_fill_a_known_well() -> None:
    """The free energy of a particle in two wells, by what each of some trajectories has learned alone."""

    class TwoWells(Tethers):
        """A barrier of 5 kT between wells at ±1 Å along x; springs along y and z."""

        def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
            x, y, z = batch.positions.unbind(1)
            barrier = 5 * KT_300
            energies = barrier * (x * x - 1).square() + y * y + z * z
            return energies, torch.stack((-4 * barrier * x * (x * x - 1), -2 * y, -2 * z), dim=1)

    n, place = 16, (MeanPosition((0,), (1.0, 0.0, 0.0)),)
    frame = Frame("atom", 0, 0, 0, np.array([6]), np.array([[1.0, 0.0, 0.0]]))
    tempered = Metadynamics(place, (0.12,), 0.3 * KT_300, 10, Tempering(6.0, 300.0))
    plain = Metadynamics(place, (0.12,), 0.1 * KT_300, 10)
    starts = [
        start_of(frame, Segment(Langevin(0.02), 8.0, 300.0, biases=(hills,)), seed=k)
        for hills in (tempered, plain)
        for k in range(n)
    ]
    sampler = BatchedSampler(starts, TwoWells(0.0), skin_ang=9.0)
    assert not any(one.problem for one in sampler.advance(range(2 * n), 5_000))
    grid = np.linspace(-1.4, 1.4, 57)
    exact = 5 * (grid**2 - 1) ** 2
    near = exact < 6
    for first, hills in ((0, tempered), (n, plain)):
        rows = [sampler.learned(first + k)[hills] for k in range(n)]
        found = np.stack([free_energy(hills, one, grid[:, None]) for one in rows]) / KT_300
        off = found - exact - (found - exact)[:, near].mean(axis=1, keepdims=True)
        error = off.std(axis=0, ddof=1) / np.sqrt(n)
        # Hills as wide as 0.12 Å round off the barrier by half of 20 kT/Å² (0.12 Å)², 0.15 kT.
        assert off[:, near].std() < 1.0
        assert (np.abs(off.mean(axis=0))[near] < 4 * error[near] + 0.2).all()


def test_new_forces_of_the_driver_come_with_the_bias(cluster: Frame) -> None:
    start = start_of(cluster, Segment(VELOCITY_VERLET, 1.0, 100.0, biases=(SPRINGS[0], ROUGH)))
    changing, other = springs_of(cluster), springs_of(cluster)
    other.stiffness = 0.2
    learned, fresh = BatchedSampler([start], changing), BatchedSampler([start], other)
    changing.stiffness, changing.generation = 0.2, 1
    for sampler in (learned, fresh):
        sampler.advance([0], 12)
    assert_same(learned, fresh, 0)


def test_forces_at_hand_are_those_of_the_segment_that_begins(cluster: Frame) -> None:
    """And what was learned in an earlier one goes on where the same bias comes again."""
    program = segment(ROUGH, n_steps=10), segment(SPRINGS[0], n_steps=10), segment(ROUGH, SPRINGS[2], n_steps=10)
    sampler = BatchedSampler([start_of(cluster, *program)], springs_of(cluster))

    def bare() -> float:
        batch = sampler.batch([0])
        energy = float(springs_of(cluster).energies_forces(batch)[0][0])
        mass = 39.948 * AMU_ANG2_PER_FS2_EV
        return energy + float((sampler.checkpoint(0).momenta ** 2).sum()) / (2 * mass)

    sampler.advance([0], 10)
    length = np.linalg.norm(sampler.frame(0).positions[1] - sampler.frame(0).positions[0])
    assert sampler.total_energy(0) - bare() == pytest.approx(0.15 * (length - 4.2) ** 2, abs=1e-12)
    assert len(sampler.learned(0)[ROUGH]) == 2
    sampler.advance([0], 10)
    assert len(sampler.learned(0)[ROUGH]) == 2
    assert sampler.total_energy(0) - bare() > 0.01, "both hills, and a spring"
    sampler.advance([0], 20)
    assert len(sampler.learned(0)[ROUGH]) == 6, "the program has begun again"


def test_trajectories_that_wait_for_their_own_forces_have_their_own_biases(cluster: Frame) -> None:
    """A driver that answers one after another, in its own order: as one that answers all at once."""

    class Later(Tethers):
        asked: tuple[AtomBatch, ...] = ()

        def ask(self, batch: AtomBatch) -> None:
            self.asked = (*self.asked, batch)

        def answers(self) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
            *rest, batch = self.asked
            type(self).asked = ()
            self.asked = tuple(rest)
            stress = torch.full((1, 6), torch.nan, dtype=torch.float64)
            return {int(batch.trajectory[0]): (*self.energies_forces(batch), stress)}

    starts = differing(cluster)
    later = BatchedSampler(starts, Later(0.05, torch.as_tensor(cluster.positions)))
    at_once = BatchedSampler(starts, springs_of(cluster))
    for sampler in (later, at_once):
        sampler.advance(range(5), 60)
    for trajectory in range(5):
        assert_same(later, at_once, trajectory)


def test_a_state_without_biases_can_be_gone_on_from(cluster: Frame) -> None:
    """One that was written before there were any; then nothing has been learned."""
    plain, driver = BatchedSampler([start_of(cluster, segment())], springs_of(cluster)), springs_of(cluster)
    plain.advance([0], 5)
    assert b"bias" not in plain.save()
    sampler = BatchedSampler([start_of(cluster, segment(ROUGH))], driver)
    sampler.advance([0], 20)
    sampler.load(plain.save())
    assert len(sampler.learned(0)[ROUGH]) == 0
    sampler.advance([0], 5)
    assert len(sampler.learned(0)[ROUGH]) == 1


@pytest.mark.parametrize("others", [(ROUGH, HILLS), (HILLS,)])
def test_a_state_of_other_biases_is_refused(cluster: Frame, others: Sequence[Bias]) -> None:
    saved = BatchedSampler([start_of(cluster, segment(ROUGH))], springs_of(cluster))
    saved.advance([0], 10)
    sampler = BatchedSampler([start_of(cluster, segment(*others))], springs_of(cluster))
    with pytest.raises(StoreError, match="belongs to other biases"):
        sampler.load(saved.save())


@pytest.mark.parametrize(
    ("biases", "words"),
    [
        ((Restraint(Distance((0, 4)), 1.0, 1.0),), "trajectory 0 has 4 atoms; a bias is laid over atom 4"),
        ((Load((-2,), (1.0, 0.0, 0.0)),), "a bias is laid over atom -2"),
        ((ROUGH, HILLS, ROUGH), "learns twice in one segment"),
    ],
)
def test_biases_that_do_not_fit_are_refused(cluster: Frame, biases: tuple[Bias, ...], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        BatchedSampler([start_of(cluster, segment(*biases))], Tethers(0.0))


def test_values_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ShapeError, match="pulls nowhere"):
        Load((0,), (0.0, 0.0, 0.0))
    with pytest.raises(ShapeError, match="2 widths of hills do not belong to 1 variables"):
        Metadynamics((Distance((0, 1)),), (0.1, 0.2), 0.1, 5)
    with pytest.raises(ShapeError, match="every 0 steps"):
        Metadynamics((Distance((0, 1)),), (0.1,), 0.1, 0)
    with pytest.raises(ShapeError, match="a bias factor of 1 at 300 K tempers nothing"):
        Tempering(1.0, 300.0)
