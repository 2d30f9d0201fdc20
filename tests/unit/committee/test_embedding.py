"""Committees that take total charge and spin: one of them learns what differs by these alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aims_pax.atoms import atoms_of
from aims_pax.batch import AtomBatch
from aims_pax.checking.asked import Asked
from aims_pax.checking.methods import charges
from aims_pax.committee import Committee, CommitteeCalculator, load_models
from aims_pax.committee.mace.backend import modules
from aims_pax.committee.mace.embedding import specs
from aims_pax.errors import ModelError
from aims_pax.frame import Frame, LabelledFrame
from aims_pax.settings import load_project
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.settings.project import BOTH_STAGES

from ..settings.test_own import BASE, written
from .toys import ethanol, frame_of, molecules, settings

BOTH = ("total_charge", "total_spin")
ETHANOL = frame_of(ethanol(np.random.default_rng(3)))
STATES = ((0, 1), (1, 2), (-1, 2), (0, 3))
OFFSET_EV = 3.0
"""What a charge, and an unpaired electron, add to the energy."""


def embedding(*names: str) -> MaceSettings:
    plain: MaceSettings = settings(lr=0.02, energy_weight=100.0, forces_weight=10.0)
    return plain.model_copy(update={"architecture": plain.architecture.model_copy(update={"embed": names})})


def charged(points: Sequence[LabelledFrame]) -> list[LabelledFrame]:
    """The same structures in all states; the energy goes with charge and spin."""
    found = []
    for index, (point, (charge, spin)) in enumerate((point, state) for point in points for state in STATES):
        energy = point.label.energy + OFFSET_EV * (charge + spin - 1)
        frame = replace(point.frame, charge=charge, spin=spin)
        found.append(replace(point, label_id=index + 1, frame=frame, label=replace(point.label, energy=energy)))
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Committee, list[Path]]:
    committee = Committee.build(embedding(*BOTH), charged(molecules(2)), seeds=(1, 2))
    committee.train(50)
    return committee, committee.export(tmp_path_factory.mktemp("models"), "t")


def energies(models: object, frame: Frame) -> np.ndarray:
    (said,) = models.predict([frame])  # type: ignore[attr-defined]
    return np.array(said.energies)


def test_one_committee_learns_structures_of_several_charges_and_spins(trained: tuple[Committee, list[Path]]) -> None:
    committee, _ = trained
    neutral = energies(committee, replace(ETHANOL, charge=0, spin=1)).mean()
    for charge, spin in STATES[1:]:
        learned = energies(committee, replace(ETHANOL, charge=charge, spin=spin)).mean() - neutral
        assert learned == pytest.approx(OFFSET_EV * (charge + spin - 1), abs=OFFSET_EV / 3)
    np.testing.assert_array_equal(energies(committee, ETHANOL), energies(committee, replace(ETHANOL, charge=0, spin=1)))


def test_forces_are_the_derivative_of_the_energy_of_that_charge(trained: tuple[Committee, list[Path]]) -> None:
    cation, step = replace(ETHANOL, charge=1, spin=2), 1e-4
    (said,) = trained[0].predict([cation])
    moved = [ETHANOL.positions.copy() for _ in range(2)]
    moved[0][2, 1] += step
    moved[1][2, 1] -= step
    up, down = (energies(trained[0], replace(cation, positions=positions)) for positions in moved)
    np.testing.assert_allclose(-(up - down) / (2 * step), said.forces[:, 2, 1], atol=1e-5)


def test_a_batch_of_several_charges_is_what_each_is_alone(trained: tuple[Committee, list[Path]]) -> None:
    frames = [replace(ETHANOL, charge=charge, spin=spin, trajectory=k) for k, (charge, spin) in enumerate(STATES)]
    together = trained[0].predict(frames)
    for frame, said in zip(frames, together, strict=True):
        np.testing.assert_allclose(said.energies, energies(trained[0], frame), atol=1e-9)


def test_what_was_said_of_another_charge_is_not_said_again(trained: tuple[Committee, list[Path]]) -> None:
    committee, _ = trained
    batches = [AtomBatch.from_frames([replace(ETHANOL, charge=charge)], committee.cutoff) for charge in (0, 1)]
    first, second = (committee.opinions(batch).energies.clone() for batch in batches)
    assert not torch.equal(first, second)


def test_exported_models_take_both_here_and_in_mace(trained: tuple[Committee, list[Path]]) -> None:
    from mace.calculators import MACECalculator

    committee, paths = trained
    cation = replace(ETHANOL, charge=1, spin=2)
    wanted = energies(committee, cation)
    np.testing.assert_allclose(energies(load_models(paths, device="cpu"), cation), wanted, atol=1e-9)
    atoms = atoms_of(ETHANOL)
    atoms.info |= {"charge": 1, "spin": 2}  # as MACE's calculator reads them
    atoms.calc = MACECalculator(model_paths=[str(paths[0])], device="cpu", default_dtype="float64")
    assert atoms.get_potential_energy() == pytest.approx(wanted[0], abs=1e-6)
    atoms.calc = CommitteeCalculator(committee)
    assert atoms.get_potential_energy() == pytest.approx(wanted.mean(), abs=1e-9)


def test_a_committee_goes_on_from_such_models_and_from_no_others(trained: tuple[Committee, list[Path]]) -> None:
    committee, paths = trained
    cation = replace(ETHANOL, charge=1, spin=2)
    again = Committee.from_models(embedding(*BOTH[::-1]), paths, seeds=(1, 2))
    np.testing.assert_allclose(energies(again, cation), energies(committee, cation), atol=1e-9)
    with pytest.raises(ModelError, match=r"ARCHITECTURE\.embed is \[\], and the model has \['total_charge'"):
        Committee.from_models(embedding(), paths, seeds=(1, 2))


def test_a_charge_without_a_vector_is_refused(trained: tuple[Committee, list[Path]]) -> None:
    with pytest.raises(ModelError, match="has a total_charge of 101"):
        trained[0].predict([replace(ETHANOL, charge=101)])


def test_models_that_take_nothing_know_of_no_charge() -> None:
    committee = Committee.build(settings(), molecules(2), seeds=(1,))
    np.testing.assert_array_equal(energies(committee, replace(ETHANOL, charge=1, spin=2)), energies(committee, ETHANOL))
    assert specs(()) is None
    assert isinstance(committee.models[0], modules.ScaleShiftMACE)
    assert not hasattr(committee.models[0], "joint_embedding")


def test_check_looks_at_what_a_foundation_model_takes(trained: tuple[Committee, list[Path]], tmp_path: Path) -> None:
    """The settings of a network say nothing beside one."""
    water = {"geometry": "water.xyz", "num_trajectories": 1}
    systems = {"water": {**water, "charge": 0}, "dication": {**water, "charge": 2}}
    folder = written(tmp_path, {**BASE, "SYSTEMS": systems})

    def doubts(training: str) -> str:
        (folder / "mace.yaml").write_text(
            f"GENERAL: {{name_exp: states}}\nTRAINING: {{{training}}}\n", encoding="utf-8"
        )
        found = charges(Asked(load_project(folder), BOTH_STAGES))
        return "\n".join(f"{doubt.found} {doubt.advice}" for doubt in found)

    begun = "perform_finetuning: true, pretrained_model: "
    assert doubts(f"{begun}{trained[1][0]}") == ""
    assert "Add total_charge to ARCHITECTURE.embed; without it" in doubts("lr: 0.001")
    (plain,) = Committee.build(settings(), molecules(2), seeds=(3,)).export(tmp_path, "plain")
    assert "Name a model that takes total_charge; without it" in doubts(f"{begun}{plain}")
