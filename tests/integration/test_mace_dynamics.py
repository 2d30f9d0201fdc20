"""Molecular dynamics driven by a committee of MACE models."""

import numpy as np
import pytest
import torch

from aims_pax.committee.committee import Committee
from aims_pax.committee.forces import CommitteeForces
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Langevin, TrajectoryStart
from aims_pax.settings.committee.mace import ArchitectureSettings, GeneralSettings, MaceSettings

torch.set_num_threads(1)


def carbon_crystal() -> Frame:
    rng = np.random.default_rng(0)
    fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    positions = 3.57 * np.concatenate([fcc, fcc + 0.25]) + rng.normal(0, 0.03, (8, 3))
    return Frame("diamond", 0, 0, 0, np.full(8, 6), positions, 3.57 * np.eye(3), np.ones(3, dtype=np.bool_))


def carbon_ring() -> Frame:
    angles = np.arange(6) * np.pi / 3
    positions = 1.4 * np.stack((np.cos(angles), np.sin(angles), np.zeros(6)), axis=1)
    return Frame("ring", 0, 0, 0, np.full(6, 6), positions)


@pytest.fixture(scope="module")
def committee() -> Committee:
    """Two members that have seen one epoch: as smooth as any MACE model, and nothing else is asked of them here."""
    settings = MaceSettings(
        general=GeneralSettings(name_exp="dynamics", default_dtype="float64"),
        architecture=ArchitectureSettings(num_channels=4, max_L=0, max_ell=2, correlation=2, r_max=3.0),
    )
    rng = np.random.default_rng(1)
    labelled = [
        LabelledFrame(k, frame, Label(-1.0, rng.normal(0, 0.5, (frame.n_atoms, 3)), None, "noise", 0.0), Split.TRAINING)
        for k, frame in enumerate((carbon_crystal(), carbon_ring()), start=1)
    ]
    built = Committee.build(settings, labelled, seeds=[1, 2])
    built.train(1)
    return built


def starts(dynamics: Langevin, temperature_k: float) -> list[TrajectoryStart]:
    frames = (carbon_crystal(), carbon_ring(), carbon_crystal())
    return [TrajectoryStart.steady(frame, dynamics, temperature_k, 0.5, 3) for frame in frames]


@pytest.mark.parametrize("member", [None, 1])
def test_energy_of_crystals_and_molecules_is_conserved(committee: Committee, member: int | None) -> None:
    sampler = BatchedSampler(starts(VELOCITY_VERLET, 50.0), CommitteeForces(committee, member=member))
    energies = []
    for chunk in range(21):
        assert all(one.problem is None for one in sampler.advance([0, 1, 2], 10 if chunk else 0))
        energies.append([sampler.total_energy(k) / starts(VELOCITY_VERLET, 50.0)[k].frame.n_atoms for k in range(3)])
    drift = np.polyfit(np.arange(21) * 10 * 0.5e-3, energies, 1)[0]
    # 0.1 ps is too short to tell a drift of 1e-5 eV per atom and ps from the ripple of velocity Verlet; forces that
    # are no gradient of the energy, or pairs that are missed, exceed this tenfold.
    assert np.abs(drift).max() < 1e-4
    assert np.ptp(energies, axis=0).max() < 1e-5


def test_trajectories_are_independent_under_a_committee(committee: Committee) -> None:
    forces = CommitteeForces(committee)
    together, apart = (BatchedSampler(starts(Langevin(0.02), 100.0), forces) for _ in range(2))
    together.advance([0, 1, 2], 40)
    for trajectory in (2, 0, 1):
        apart.advance([trajectory], 40)
        difference = together.frame(trajectory).positions - apart.frame(trajectory).positions
        assert np.abs(difference).max() < 1e-12


def test_resumed_equals_uninterrupted_under_a_committee(committee: Committee) -> None:
    forces = CommitteeForces(committee)
    uninterrupted, resumed = (BatchedSampler(starts(Langevin(0.02), 100.0), forces) for _ in range(2))
    uninterrupted.advance([0, 1, 2], 17)
    resumed.load(uninterrupted.save())
    for sampler in (uninterrupted, resumed):
        sampler.advance([0, 1, 2], 30)
    assert uninterrupted.save() == resumed.save()


def test_frames_carry_the_generation_of_the_committee(committee: Committee) -> None:
    sampler = BatchedSampler(starts(Langevin(0.02), 100.0), CommitteeForces(committee))
    assert sampler.frame(0).generation == committee.generation == 1
