"""A committee drives to where its members part: by the deviation of their energies, counted from the start."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee, CommitteeForces, PushedForces
from aims_pax.committee.mace.graph import VOIGT
from aims_pax.frame import FloatArray, Frame
from aims_pax.testing.committee import SpringCommittee
from aims_pax.testing.contracts.structures import cluster, crystal, points, rattled
from aims_pax.testing.springs import Knowledge, Nature, Springs

from .toys import carbon, crystals, frame_of, mixed_frames, molecules, settings

TAU = 3.0


@pytest.fixture(scope="module")
def mace() -> Committee:
    committee = Committee.build(settings(), [*molecules(3), *crystals(3)], seeds=(1, 2, 3))
    committee.train(1)
    return committee


def springs(*members: Knowledge) -> Springs:
    return Springs(Nature(), members)


def starts() -> list[Frame]:
    """Of the trajectories of :func:`mixed_frames`."""
    return [rattled(frame, 9) for frame in mixed_frames()]


def batch_of(models: Committee | Springs, *frames: Frame) -> AtomBatch:
    numbered = [replace(frame, trajectory=index) for index, frame in enumerate(frames)]
    return AtomBatch.from_frames(numbered, models.cutoff)


def biased_energy(models: Committee | Springs, frame: Frame, start: Frame) -> float:
    """Of what the members say of a structure and of its start."""
    energies = models.evaluate(batch_of(models, frame, start)).energies.numpy()
    return float(energies[:, 0].mean() - TAU * (energies[:, 0] - energies[:, 1]).std())


def strained(frame: Frame, strain: FloatArray) -> Frame:
    whole = np.eye(3) + strain
    return replace(frame, positions=frame.positions @ whole, cell=frame.cell @ whole)


def test_energies_forces_and_stress_are_of_one_surface(mace: Committee) -> None:
    start, frame = (frame_of(carbon(np.random.default_rng(seed))) for seed in (4, 5))
    energies, forces, stress = PushedForces(mace, [TAU], [start]).energies_forces_stress(batch_of(mace, frame))
    step, expected = 1e-4, biased_energy(mace, frame, start)
    assert float(energies[0]) == pytest.approx(expected, abs=1e-9)
    assert abs(expected - float(CommitteeForces(mace).energies_forces(batch_of(mace, frame))[0][0])) > 0.1
    for atom, axis in ((0, 0), (3, 1), (7, 2)):
        moved = np.zeros_like(frame.positions)
        moved[atom, axis] = step
        places = [replace(frame, positions=frame.positions + sign * moved) for sign in (1, -1)]
        ends = [biased_energy(mace, place, start) for place in places]
        assert float(forces[atom, axis]) == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=1e-5)
    volume = abs(np.linalg.det(frame.cell))
    for component, (row, column) in enumerate(zip(*VOIGT, strict=True)):
        strain = np.zeros((3, 3))
        strain[row, column] += step / 2
        strain[column, row] += step / 2
        ends = [biased_energy(mace, strained(frame, sign * strain), start) for sign in (1, -1)]
        assert float(stress[0, component]) == pytest.approx((ends[0] - ends[1]) / (2 * step * volume), abs=1e-6)


def test_a_trajectory_without_bias_feels_nothing_of_that_of_the_others(mace: Committee) -> None:
    batch, biased = batch_of(mace, *mixed_frames()), PushedForces(mace, [0.0, TAU, 0.0, 0.0], starts())
    energies, forces, stress = biased.energies_forces_stress(batch)
    plain = CommitteeForces(mace).energies_forces_stress(batch)
    others, their_atoms = batch.trajectory != 1, batch.trajectory[batch.structure] != 1
    assert torch.equal(energies[others], plain[0][others])
    assert torch.equal(forces[their_atoms], plain[1][their_atoms])
    assert torch.equal(stress[others].nan_to_num(), plain[2][others].nan_to_num())
    assert not torch.isclose(forces[~their_atoms], plain[1][~their_atoms]).all()
    assert torch.allclose(biased.energies_forces(batch)[1], forces, rtol=0.0, atol=1e-10)


def test_strengths_go_by_the_number_of_the_trajectory(mace: Committee) -> None:
    batch, forces = batch_of(mace, *mixed_frames()), PushedForces(mace, [0.0, TAU, 0.0, 1.0], starts())
    chosen = batch.select([3, 1])
    assert float((forces.energies_forces(chosen)[0] - forces.energies_forces(batch)[0][[3, 1]]).abs().max()) < 1e-9


def test_constants_that_members_are_apart_by_push_nowhere() -> None:
    """Untrained, or trained for long: an energy per atom of its own tells nothing of a structure."""
    members = [Knowledge(seed, 10.0) for seed in (1, 2, 3)]
    shifted = [replace(one, shift_ev_per_atom=shift) for one, shift in zip(members, (-2.0, 0.1, 7.0), strict=True)]
    found = []
    for models in (springs(*members), springs(*shifted)):
        batch = batch_of(models, rattled(crystal(), 1), rattled(cluster(), 2))
        found.append(PushedForces(models, [TAU, TAU], [crystal(), cluster()]).energies_forces(batch)[1])
    assert torch.allclose(*found, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("seeds", [(1, 1), (1, 2, 3)])
def test_where_members_agree_nothing_is_pushed(seeds: tuple[int, ...]) -> None:
    """They do where the trajectory begins; or anywhere, if they are alike."""
    models, begun = springs(*map(Knowledge, seeds)), [rattled(crystal(), 1), rattled(cluster(), 2)]
    batch = batch_of(models, *begun)
    biased, mean = PushedForces(models, [TAU, TAU], begun), CommitteeForces(models)
    pairs = zip(biased.energies_forces_stress(batch), mean.energies_forces_stress(batch), strict=True)
    assert all(torch.equal(one.nan_to_num(), other.nan_to_num()) for one, other in pairs)


@pytest.mark.parametrize("visits", [0.0, 1e6, 1e18])
def test_no_atom_is_pushed_harder_than_its_forces_differ(visits: float) -> None:
    """However little the members differ: at 1e18 visits their energies do by rounding alone."""
    models = springs(*(Knowledge(seed, visits) for seed in (1, 2, 3)))
    batch = batch_of(models, rattled(crystal(), 1), rattled(cluster(), 2))
    biased = PushedForces(models, [TAU, TAU], [crystal(), cluster()])
    pushed = biased.energies_forces(batch)[1] - CommitteeForces(models).energies_forces(batch)[1]
    deviation = models.evaluate(batch).forces.std(dim=0, correction=0)
    assert bool(pushed.isfinite().all())
    assert bool((pushed.abs() <= TAU * deviation + 1e-12).all())


def test_a_committee_that_has_learned_counts_anew() -> None:
    committee = SpringCommittee((1, 2, 3))
    committee.add(points(4))
    biased, batch = PushedForces(committee, [TAU], [crystal()]), batch_of(committee, rattled(crystal(), 1))
    biased.energies_forces(batch)
    committee.train(2)
    fresh = PushedForces(committee, [TAU], [crystal()])
    assert torch.equal(biased.energies_forces(batch)[1], fresh.energies_forces(batch)[1])


def test_all_is_said_in_one_pass(mace: Committee, monkeypatch: pytest.MonkeyPatch) -> None:
    """The starts are computed once in each generation."""
    batch, evaluate, asked = batch_of(mace, *mixed_frames()), mace.evaluate, []
    mace._remembered = None
    monkeypatch.setattr(mace, "evaluate", lambda *some, **more: asked.append(more) or evaluate(*some, **more))
    biased = PushedForces(mace, [TAU] * 4, starts())
    biased.energies_forces_stress(batch)
    mace.opinions(batch)  # as for the deviation after a stretch of MD
    assert asked == [{"want_stress": True}, {}]
    biased.energies_forces_stress(batch.at(batch.positions + 0.01))
    assert asked[2:] == [{"want_stress": True}]
