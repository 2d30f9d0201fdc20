"""Batched predictions are MACE's own, structure by structure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from mace.calculators import MACECalculator

from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee, CommitteeForces, Ensemble, load_models
from aims_pax.errors import ModelError
from aims_pax.frame import Frame

from .toys import crystals, frame_of, mixed_frames, molecules, settings

ALL_ELECTRON_EV = dict.fromkeys((1, 6, 8), -5e5 - 0.123)
"""Atoms as heavy as gold, where all electrons are counted."""


def trained(dtype: str, seeds: tuple[int, ...] = (1, 2)) -> Committee:
    committee = Committee.build(settings(dtype=dtype), [*molecules(3), *crystals(3)], seeds=seeds)
    committee.train(1)
    return committee


@pytest.fixture(scope="module", params=["float32", "float64"])
def committee(request: pytest.FixtureRequest) -> Committee:
    return trained(request.param)


@pytest.fixture(scope="module")
def double() -> Committee:
    return trained("float64")


def atoms_of(frame: Frame) -> Atoms:
    return Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)


def test_a_mixed_batch_equals_mace_structure_by_structure(committee: Committee, tmp_path: Path) -> None:
    # float32: a few roundings of forces of some eV/Å; float64: the same, far below anything physical
    tolerance = {torch.float32: 1e-4, torch.float64: 1e-9}[committee.dtype]
    paths = committee.export(tmp_path, "test")
    frames = mixed_frames()
    predictions = committee.predict(frames, want_stress=True)
    for member, path in enumerate(paths):
        calculator = MACECalculator(model_paths=str(path), device="cpu")
        for frame, prediction in zip(frames, predictions, strict=True):
            atoms = atoms_of(frame)
            atoms.calc = calculator
            assert prediction.energies[member] == pytest.approx(atoms.get_potential_energy(), abs=10 * tolerance)
            assert prediction.forces[member] == pytest.approx(atoms.get_forces(), abs=tolerance)
            if frame.pbc.all():
                assert prediction.stress is not None
                assert prediction.stress[member] == pytest.approx(atoms.get_stress(), abs=tolerance)


def test_files_of_single_precision_models_lose_nothing_of_large_energies(tmp_path: Path) -> None:
    """As in README: MACECalculator computes in the precision of the file, and adds atomic energies in the model."""
    heavy = [replace(one, label=replace(one.label, energy=one.label.energy - 5e5 * one.frame.n_atoms))
             for one in molecules(4)]  # fmt: skip
    committee = Committee.build(settings(dtype="float32"), heavy, seeds=(1,), atomic_energies_ev=ALL_ELECTRON_EV)
    (path,) = committee.export(tmp_path, "test")
    calculator = MACECalculator(model_paths=str(path), device="cpu")
    frames = [one.frame for one in heavy]
    energies = []
    for frame in frames:
        atoms = atoms_of(frame)
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
    ours = [prediction.energies[0] for prediction in committee.predict(frames)]
    assert np.array(energies) == pytest.approx(np.array(ours), abs=1e-4), "float32 resolves 0.25 eV at -4.5e6 eV"
    assert load_models([path], device="cpu", dtype="float32").dtype == torch.float32


def test_edges_beyond_the_cutoff_change_nothing(double: Committee) -> None:
    frames = mixed_frames()
    tight = double.evaluate(AtomBatch.from_frames(frames, double.cutoff))
    loose = double.evaluate(AtomBatch.from_frames(frames, double.cutoff + 1.0))
    assert torch.equal(tight.forces, loose.forces)


def test_batches_that_are_too_large_are_computed_in_parts(double: Committee, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = AtomBatch.from_frames(mixed_frames(), double.cutoff)
    whole = double.evaluate(batch, want_stress=True)
    tight = replace(double._budget, largest_bytes=double._budget.footprint.of(batch).max().item())
    monkeypatch.setattr(double, "_budget", tight)
    parts = double.evaluate(batch, want_stress=True)
    assert len(double.parts(batch, n_members=2)) > 1
    torch.testing.assert_close(parts.forces, whole.forces, rtol=0, atol=1e-12)
    torch.testing.assert_close(parts.energies, whole.energies, rtol=0, atol=1e-10)
    torch.testing.assert_close(parts.stress, whole.stress, rtol=0, atol=1e-12, equal_nan=True)


def test_members_side_by_side_say_what_they_say_one_by_one(double: Committee) -> None:
    batch = AtomBatch.from_frames(mixed_frames(), double.cutoff)
    one_by_one = double.evaluate(batch)
    torch.set_num_threads(2)
    try:
        together = double.evaluate(batch)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one_by_one.forces, together.forces)


def test_forces_are_the_derivative_of_the_energy(double: Committee) -> None:
    frame = mixed_frames()[0]
    step = 1e-4
    moved = []
    for sign in (1, -1):
        positions = frame.positions.copy()
        positions[2, 1] += sign * step
        moved.append(Frame("", 0, 0, 0, frame.numbers, positions))
    up, down = double.predict(moved)
    force = -(up.energies - down.energies) / (2 * step)
    assert force == pytest.approx(double.predict([frame])[0].forces[:, 2, 1], abs=1e-6)


def test_stress_is_the_derivative_of_the_energy_by_strain(double: Committee) -> None:
    atoms = atoms_of(mixed_frames()[1])
    strain = np.random.default_rng(3).normal(size=6)
    step = 1e-5
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(atoms.cell @ (np.eye(3) + sign * step * voigt_6_to_full_3x3_stress(strain)), scale_atoms=True)
        energies.append(double.predict([frame_of(strained)])[0].energies)
    (prediction,) = double.predict([frame_of(atoms)], want_stress=True)
    assert prediction.stress is not None
    work = np.einsum("mij,ij->m", voigt_6_to_full(prediction.stress), voigt_6_to_full_3x3_stress(strain))
    slope = (energies[0] - energies[1]) / (2 * step * atoms.get_volume())
    assert work == pytest.approx(slope, abs=1e-6)


def voigt_6_to_full(stress: np.ndarray) -> np.ndarray:
    return np.stack([voigt_6_to_full_3x3_stress(row) for row in stress])


def test_molecules_have_no_stress(double: Committee) -> None:
    molecule, crystal = double.predict(mixed_frames()[:2], want_stress=True)
    assert molecule.stress is None
    assert crystal.stress is not None


def test_free_atoms_get_their_atomic_energy_and_no_force(double: Committee) -> None:
    atom = Frame("C", 0, 0, 0, np.array([6]), np.zeros((1, 3)))
    (prediction,) = double.predict([atom])
    assert np.isfinite(prediction.energies).all()
    assert not prediction.forces.any()


def test_driving_forces_are_the_mean_or_those_of_one_member(double: Committee) -> None:
    batch = AtomBatch.from_frames(mixed_frames(), double.cutoff)
    prediction = double.evaluate(batch)
    mean = CommitteeForces(double)
    energies, forces = mean.energies_forces(batch)
    assert torch.equal(energies, prediction.energies.mean(0))
    assert torch.equal(forces, prediction.forces.mean(0))
    assert torch.equal(CommitteeForces(double, member=1).energies_forces(batch)[1], prediction.forces[1])
    assert (mean.generation, mean.cutoff) == (double.generation, 4.0)
    assert not forces.requires_grad


def test_opinions_are_computed_once_for_the_same_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    committee = trained("float64")
    batch = AtomBatch.from_frames(mixed_frames(), committee.cutoff)
    expected = committee.evaluate(batch)
    CommitteeForces(committee).energies_forces(batch)
    with monkeypatch.context() as forbidden:
        forbidden.setattr(committee, "evaluate", None)
        assert torch.equal(committee.opinions(batch.at(batch.positions.clone())).forces, expected.forces)
    moved = batch.positions.clone()
    moved[3, 1] += 1e-12
    assert not torch.equal(committee.opinions(batch.at(moved)).forces, expected.forces)
    committee.opinions(batch)
    committee.train(1)
    assert torch.equal(committee.opinions(batch).forces, committee.evaluate(batch).forces)
    assert not torch.equal(committee.opinions(batch).forces, expected.forces)


def test_opinions_of_a_batch_that_was_changed_in_place_are_computed_anew(double: Committee) -> None:
    batch = AtomBatch.from_frames(mixed_frames(), double.cutoff)
    before = double.opinions(batch).forces
    batch.positions[0] += 0.01
    assert not torch.equal(double.opinions(batch).forces, before)


def test_unknown_elements_are_named(double: Committee) -> None:
    silicon = Frame("Si", 0, 0, 0, np.array([14, 14]), np.array([[0.0, 0, 0], [2, 0, 0]]))
    with pytest.raises(ModelError, match=r"element\(s\) Si.*\n.*elements H, C, O"):
        double.predict([silicon])


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.model"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"broken\.model: can't be read as a model"):
        load_models([path], device="cpu")
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"broken\.model: holds a dict"):
        load_models([path], device="cpu")
    with pytest.raises(ModelError, match="is not a file"):
        load_models([tmp_path / "absent.model"], device="cpu")


def test_files_of_different_committees_do_not_mix(double: Committee, tmp_path: Path) -> None:
    other = Committee.build(settings(), crystals(1), seeds=(5,))
    paths = [*double.export(tmp_path, "a", members=[0]), *other.export(tmp_path, "b")]
    with pytest.raises(ModelError, match=r"b_5\.model: has the elements C .*\n.*elements H, C, O"):
        load_models(paths, device="cpu")


def test_models_from_files_predict_as_the_committee_did(double: Committee, tmp_path: Path) -> None:
    read: Ensemble = load_models(double.export(tmp_path, "test"), device="cpu")
    frames = mixed_frames()
    for ours, theirs in zip(double.predict(frames), read.predict(frames), strict=True):
        assert np.array_equal(ours.forces, theirs.forces)
        assert np.array_equal(ours.energies, theirs.energies)


def test_a_molecule_far_from_the_origin_keeps_its_forces_in_single_precision() -> None:
    single = trained("float32")
    frame = molecules(1)[0].frame
    far = Frame("far", 0, 0, 0, frame.numbers, frame.positions + 300.0)
    here, there = (single.predict([one])[0].forces for one in (frame, far))
    # Single precision resolves 3e-5 Å at 300 Å, and bonds are as stiff as 50 eV/Å²: uncentred, 1e-3 eV/Å is lost.
    np.testing.assert_allclose(there, here, atol=2e-5)
