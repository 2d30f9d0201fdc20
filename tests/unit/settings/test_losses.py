"""Losses by their names, and what can't be asked of them."""

from collections.abc import Callable
from typing import get_args

import pytest

from aims_pax.settings.committee.losses import LOSSES, weight_of
from aims_pax.settings.committee.mace import LossName

from .conftest import AL, IDG, MACE, MD, ProjectFolder

CRYSTAL = '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nAr 0 0 0\nAr 2 2 2\n'
OF_STRESS = ("weighted_stress", "stress", "virials")


def test_every_loss_may_be_written() -> None:
    literal, _ = get_args(LossName)
    assert get_args(literal) == tuple(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_stress_alone_insist_on_it(folder: ProjectFolder, name: str) -> None:
    mace = f"{MACE}TRAINING:\n  loss: {name.upper()}\n"
    settings = IDG + AL + MD + ("MISC:\n  mol_idxs: [[0]]\n" if name == "intermol" else "")
    folder.write(settings, mace=mace, structure=CRYSTAL)
    if name in OF_STRESS:
        said = f"mace.yaml, line 4: TRAINING.loss is {name}, and GENERAL.compute_stress is false"
        assert said in folder.complaint()
        folder.write(mace=mace.replace("water", "water\n  compute_stress: true"), structure=CRYSTAL)
    assert folder.load().mace.training.loss == name


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("loss: forces_only, forces_weight: 0", "forces_weight is zero: there is nothing to learn."),
        (
            "loss: l1l2energyforces, energy_weight: 0, forces_weight: 0",
            "energy_weight and forces_weight are all zero: there is nothing to learn.",
        ),
        ("loss: ef, energy_weight: 10", "energy_weight is 10, and the loss ef has weights of 1."),
        ("loss: huber, huber_delta: 0", "TRAINING.huber_delta is 0."),
        ("loss: energy_forces_dipole", "the models learn energies, forces and stress, and have no dipoles"),
        ("loss: weighted_energy_forces_charges", "have no dipoles, charges"),
        ("loss: Intermol", "TRAINING.loss is intermol, and MISC.mol_idxs tells no molecules apart."),
        ("loss: mse", "TRAINING.loss is 'mse'.\n  Allowed: weighted | ef | forces_only"),
    ],
)
def test_what_no_loss_can_be_is_said(refused: Callable[..., str], training: str, words: str) -> None:
    assert words in refused(mace=f"{MACE}TRAINING: {{{training}}}\n")


@pytest.mark.parametrize("key", ["intermol_crossed_limit", "intermol_forces_weight"])
def test_what_only_the_loss_of_molecules_reads_is_refused_beside_others(folder: ProjectFolder, key: str) -> None:
    """v0.2 reads it and does nothing; at its default it may stand there, as v0.2 writes it."""
    active = AL.replace("num_trajectories: 2", f"num_trajectories: 2\n  {key}: 5")
    settings = f"{IDG}{active}{MD}MISC:\n  mol_idxs: [[0, 1]]\n"
    said = folder.write(settings).complaint()
    assert f"ACTIVE_LEARNING.{key} is 5, and TRAINING.loss is weighted, which reads none." in said
    mace = f"{MACE}TRAINING:\n  loss: intermol\n"
    assert getattr(folder.write(settings, mace).load().active, key) == 5


@pytest.mark.parametrize("loss", ["huber", "universal", "l1l2energyforces"])
def test_losses_without_weights_of_structures_refuse_them(folder: ProjectFolder, loss: str) -> None:
    training = f"TRAINING: {{loss: {loss}, config_type_weights: {{Default: 1.0, bulk: 2}}}}\n"
    said = folder.write(mace=MACE + training).complaint()
    assert f"config_type_weights weigh structures, and MACE's loss {loss} takes no such weights." in said
    assert folder.write(mace=MACE + training.replace("bulk: 2", "bulk: 1")).load().mace.training.loss == loss


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("{Default: 0, bulk: 0}", "config_type_weights are all zero."),
        ("{bulk: -1}", "TRAINING.config_type_weights.bulk is -1."),
        ("{bulk: much}", "TRAINING.config_type_weights.bulk is 'much'."),
        ("[bulk]", "TRAINING.config_type_weights is a list.\n  Allowed: {name: weight}"),
    ],
)
def test_weights_of_structures_that_make_no_sense_are_said(
    refused: Callable[..., str], weights: str, words: str
) -> None:
    assert words in refused(mace=f"{MACE}TRAINING: {{config_type_weights: {weights}}}\n")


@pytest.mark.parametrize("weights", ["null", "{}", "{Default: 1.0}", "{bulk: 0}"])
def test_weights_that_say_nothing_are_accepted(folder: ProjectFolder, weights: str) -> None:
    assert folder.write(mace=f"{MACE}TRAINING: {{config_type_weights: {weights}}}\n").load()


@pytest.mark.parametrize(
    ("config_type", "system", "stage", "weight"),
    [
        ("surface", "water", "active", 2.0),
        ("", "water", "active", 3.0),
        ("", "ice", "active", 5.0),
        ("", "ice", "initial", 0.5),
        ("bulk", "water", "active", 3.0),
        ("bulk", "ice", "initial", 1.0),
    ],
)
def test_the_first_name_that_has_a_weight_counts(config_type: str, system: str, stage: str, weight: float) -> None:
    weights = {"surface": 2.0, "water": 3.0, "active": 5.0, "Default": 0.5}
    assert weight_of(weights, config_type=config_type, system=system, stage=stage) == weight
    assert weight_of({}, config_type=config_type, system=system, stage=stage) == 1.0


def test_weights_that_a_loss_does_not_have_may_be_zero(folder: ProjectFolder) -> None:
    folder.write(mace=f"{MACE}TRAINING: {{loss: ef, stress_weight: 0, forces_weight: 1}}\n")
    assert folder.load().mace.training.stress_weight == 0


@pytest.mark.parametrize(
    ("training", "settings", "words"),
    [
        ("swa: true, loss: forces_only", "", "the loss forces_only has no other weights that stage two could have"),
        (
            "swa: true, swa_energy_weight: 0, swa_forces_weight: 0, swa_stress_weight: 0",
            "",
            "all weights of stage two are zero",
        ),
        (
            "swa: true, start_swa: 500",
            "",
            "TRAINING.start_swa is 500, and the final convergence has at most 500 epochs.\n  Allowed: less than 500",
        ),
        ("swa: true, start_swa: 30", "  max_convergence_epochs: 20\n", "has at most 20 epochs"),
        ("swa: true", "  converge_al: false\n", "TRAINING.swa is true, and no training ends the campaign"),
        ("stage_two: true, swa: true", "", "TRAINING.swa and TRAINING.stage_two are the same setting"),
        ("swa: true, start_swa: 0", "", "TRAINING.start_swa is 0."),
    ],
)
def test_what_no_stage_two_can_be_is_said(
    refused: Callable[..., str], training: str, settings: str, words: str
) -> None:
    assert words in refused(IDG + AL + settings + MD, f"{MACE}TRAINING: {{{training}}}\n")


@pytest.mark.parametrize(
    ("training", "start"), [("swa: true", 375), ("stage_two: true, start_stage_two: 499, stage_two_lr: 0.01", 499)]
)
def test_stage_two_has_the_last_quarter_unless_it_is_said(folder: ProjectFolder, training: str, start: int) -> None:
    read = folder.write(mace=f"{MACE}TRAINING: {{{training}}}\n").load().mace.training
    assert read.stage_two_start(500) == start
    assert read.stage_two_start(2) in (1, start)


def test_stage_two_that_is_not_asked_for_needs_no_end(folder: ProjectFolder) -> None:
    folder.write(IDG + AL + "  converge_al: false\n" + MD, f"{MACE}TRAINING: {{swa: false, start_swa: 900}}\n")
    assert folder.load().mace.training.start_swa == 900
