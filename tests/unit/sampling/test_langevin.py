"""Equipartition, Boltzmann averages and energy conservation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.frame import FloatArray, Frame
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Langevin, TrajectoryStart
from aims_pax.sampling.course import Course
from aims_pax.sampling.dynamics import Felt, Noise, Phase
from aims_pax.sampling.movers import Movers
from aims_pax.testing.contracts.integrator import one_structure
from aims_pax.testing.drivers import LennardJones, Tethers
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

KT_300 = BOLTZMANN_EV_PER_K * 300.0


def independent_oscillators(n_replicas: int) -> Frame:
    """Hydrogen and carbon atoms far apart, all to be tied to one point: a frame that only Tethers can hold."""
    numbers = np.tile(np.array([1, 6]), n_replicas)
    return Frame("oscillators", 0, 0, 0, numbers, np.zeros((len(numbers), 3)))


def single_atoms(n: int, dynamics: Langevin, **settings: float) -> list[TrajectoryStart]:
    frame = Frame("atom", 0, 0, 0, np.array([6]), np.zeros((1, 3)))
    return [TrajectoryStart.steady(frame, dynamics, seed=k, **settings) for k in range(n)]


def test_harmonic_oscillators_have_the_temperature_and_the_width_of_their_thermostat() -> None:
    # 400 carbon atoms, 3 degrees of freedom each, at w dt = 0.11: BAOAB's kinetic temperature is low by 0.3 %.
    settings = {"temperature_k": 300.0, "timestep_fs": 1.0}
    stiffness = 15.0
    sampler = BatchedSampler(single_atoms(400, Langevin(0.05), **settings), Tethers(stiffness))
    everyone = range(400)
    sampler.advance(everyone, 200)
    temperatures, widths = [], []
    for _ in range(40):
        sampler.advance(everyone, 25)
        temperatures.append(np.mean([sampler.kinetic_temperature(k) for k in everyone]))
        widths.append(float(sampler.batch(everyone).positions.square().mean()))
    # Standard error: 1200 x 40 nearly independent squares, sqrt(2 / 48000) = 0.65 %, so 2 % is three of them.
    assert np.mean(temperatures) == pytest.approx(300.0, rel=0.02)
    assert np.mean(widths) == pytest.approx(KT_300 / stiffness, rel=0.02)


def test_positions_of_a_harmonic_mode_are_exact_at_large_steps() -> None:
    # One hydrogen stretch at w dt = 0.9, where plain Euler schemes are off by a fifth.
    mass = torch.full((60_000,), 1.008 * AMU_ANG2_PER_FS2_EV, dtype=torch.float64)
    stiffness = 0.81 * float(mass[0])
    langevin = Langevin.together([Langevin(0.5)], one_structure(mass, timestep_fs=1.0, temperature_k=300.0))
    generator = torch.Generator().manual_seed(1)
    nothing = torch.zeros(60_000, 3, dtype=torch.float64)
    phase = Phase(nothing, nothing, torch.zeros(1, 3, 3, dtype=torch.float64), langevin.fresh())
    felt = Felt(torch.zeros(1, dtype=torch.float64), nothing, None)
    for _ in range(60):
        noise = torch.randn(60_000, 3, dtype=torch.float64, generator=generator)
        phase = langevin.before_forces(phase, felt, Noise(noise, None))
        felt = replace(felt, forces=-stiffness * phase.positions)
        phase = langevin.after_forces(phase, felt)
    # Standard error sqrt(2 / 180000) = 0.33 %.
    assert float(phase.positions.square().mean()) == pytest.approx(KT_300 / stiffness, rel=0.012)
    # The momenta are low by the known factor 1 - (w dt)²/4.
    kinetic = float((phase.momenta.square().mean(dim=1) / mass).mean())
    assert kinetic == pytest.approx(KT_300 * (1 - 0.81 / 4), rel=0.012)


def test_without_friction_the_step_is_velocity_verlet(cluster: Frame) -> None:
    model = LennardJones()
    start = TrajectoryStart.steady(cluster, VELOCITY_VERLET, 30.0, 5.0, 1)
    sampler = BatchedSampler([start], model)
    before = sampler.checkpoint(0)
    sampler.advance([0], 1)
    after = sampler.checkpoint(0)
    batch = sampler.batch([0])
    mass = 39.948 * AMU_ANG2_PER_FS2_EV
    old_forces = model.energies_forces(batch.at(torch.as_tensor(before.positions)))[1].numpy()
    new_forces = model.energies_forces(batch)[1].numpy()
    positions = before.positions + 5.0 * before.momenta / mass + 12.5 * old_forces / mass
    np.testing.assert_allclose(after.positions, positions, atol=1e-12)
    np.testing.assert_allclose(after.momenta, before.momenta + 2.5 * (old_forces + new_forces), atol=1e-12)


def test_nve_conserves_energy_of_molecules_and_crystals(crystal: Frame, cluster: Frame) -> None:
    starts = [TrajectoryStart.steady(frame, VELOCITY_VERLET, 60.0, 0.5, 1) for frame in (crystal, cluster)]
    sampler = BatchedSampler(starts, LennardJones())
    times, energies = [], []
    for chunk in range(41):
        sampler.advance([0, 1], 50 if chunk else 0)
        times.append(chunk * 50 * 0.5e-3)
        energies.append([sampler.total_energy(k) / starts[k].frame.n_atoms for k in (0, 1)])
    drifts = np.polyfit(times, np.array(energies), 1)[0]
    assert np.abs(drifts).max() < 1e-5  # eV per atom and picosecond
    assert np.ptp(energies, axis=0).max() < 1e-5  # 1 ps; no jumps where lists are rebuilt


def drawn(frame: Frame, masses_u: FloatArray) -> FloatArray:
    """Momenta to begin with at 300 K."""
    start = TrajectoryStart.steady(frame, Langevin(0.01), 300.0, 0.5, 0)
    masses = torch.as_tensor(masses_u * AMU_ANG2_PER_FS2_EV)
    movers = Movers(AtomBatch.from_frames([frame], None), masses, Course([start]))
    return movers.drawn(0, torch.as_tensor(np.random.default_rng(0).standard_normal((frame.n_atoms, 3)))).numpy()


def test_drawn_momenta_have_their_temperature_and_no_motion_of_the_whole() -> None:
    frame = independent_oscillators(5000)
    masses = np.where(frame.numbers == 1, 1.008, 12.011)
    momenta = drawn(frame, masses)
    assert np.abs(momenta.sum(axis=0)).max() < 1e-9
    for number in (1, 6):
        atoms = frame.numbers == number
        kinetic = float((momenta[atoms] ** 2 / (masses[atoms] * AMU_ANG2_PER_FS2_EV)[:, None]).mean())
        assert kinetic == pytest.approx(KT_300, rel=4 * np.sqrt(2 / 15000))


def test_a_single_atom_keeps_its_momentum() -> None:
    atom = Frame("atom", 0, 0, 0, np.array([6]), np.zeros((1, 3)))
    assert np.abs(drawn(atom, np.array([12.011]))).min() > 0


def test_noise_of_a_weak_thermostat_is_not_lost_to_rounding() -> None:
    mass = torch.tensor([1.0], dtype=torch.float64)
    langevin = Langevin.together([Langevin(1e-12)], one_structure(mass, timestep_fs=1.0, temperature_k=300.0))
    assert float(langevin.noise) == pytest.approx(np.sqrt(2e-12 * KT_300), rel=1e-6)
