"""Stage two of the final convergence: another loss, best weights by that, and a file that knows of it."""

import copy
from pathlib import Path

import pytest
import torch

from aims_pax.committee import Committee
from aims_pax.committee.mace.loss import Losses, MaceLoss, WeightedLoss
from aims_pax.settings.committee.losses import LOSSES
from aims_pax.settings.committee.mace import TrainingSettings

from .toys import equal, molecules, settings, weights


@pytest.fixture(scope="module")
def trained() -> Committee:
    committee = Committee.build(
        settings(batch_size=2, swa=True, swa_energy_weight=500.0, swa_forces_weight=20.0), molecules(4), seeds=(1, 2)
    )
    committee.train(2)
    return committee


@pytest.fixture
def committee(trained: Committee) -> Committee:
    return copy.deepcopy(trained)


def test_stage_two_weighs_as_its_own_settings_say(committee: Committee) -> None:
    assert committee._members[0]._loss == WeightedLoss(1.0, 1000.0, 0.0)
    committee.begin_stage_two(0)
    assert [member._loss for member in committee._members] == [
        WeightedLoss(500.0, 20.0, 0.0),
        WeightedLoss(1.0, 1000.0, 0.0),
    ]
    committee.end_convergence()
    assert committee._members[0]._loss == WeightedLoss(1.0, 1000.0, 0.0)


OF_MACE = [name for name in LOSSES if name not in ("weighted", "forces_only", "intermol")]
"""Losses by a class of mace-torch that stage two can have other weights of."""


@pytest.mark.parametrize("name", OF_MACE)
def test_stage_two_keeps_the_loss_and_changes_its_weights(name: str) -> None:
    training = TrainingSettings.model_validate({"loss": name, "swa": True, "swa_stress_weight": 3.0})
    both = Losses.build(training, compute_stress=True, dtype=torch.float64)
    assert isinstance(both.first, MaceLoss)
    assert isinstance(both.second, MaceLoss)
    first, second = both.first._loss, both.second._loss
    assert type(first) is type(second)
    assert (float(second.energy_weight), float(second.forces_weight)) == (1000.0, 100.0)
    assert float(first.forces_weight) == (1.0 if name == "ef" else 1000.0)
    if hasattr(second, "stress_weight"):
        assert (float(first.stress_weight), float(second.stress_weight)) == (1.0, 3.0)
    if hasattr(second, "virials_weight"):
        assert (float(first.virials_weight), float(second.virials_weight)) == (1.0, 10.0)


def test_training_in_stage_two_is_resumed_bit_for_bit(committee: Committee, tmp_path: Path) -> None:
    committee.begin_convergence()
    committee.train(1)
    committee.begin_stage_two(1)
    committee.set_learning_rate(1, factor=0.1)
    committee.train(1)
    committee.save(tmp_path / "committee.pt")
    assert torch.load(tmp_path / "committee.pt", weights_only=True)["version"] == 4
    resumed = Committee.load(tmp_path / "committee.pt")
    resumed.add(molecules(4))
    for one in (committee, resumed):
        one.begin_stage_two(1)  # as convergence says before each epoch
    assert committee.train(2) == resumed.train(2)
    for one in (committee, resumed):
        one.end_convergence()
    assert equal(weights(committee), weights(resumed))
    committee.save(tmp_path / "committee.pt")
    assert torch.load(tmp_path / "committee.pt", weights_only=True)["version"] == 2


def test_best_weights_of_stage_two_are_chosen_by_its_loss(committee: Committee) -> None:
    committee.begin_convergence([0])
    committee.begin_stage_two(0)
    committee.set_learning_rate(0, factor=30.0)  # so large that it gets worse
    start = committee.errors([0])[0]
    assert start is not None
    losses = [start.loss, *(report.errors.loss for report in committee.train(4, members=[0]) if report.errors)]
    best = committee._members[0].best
    assert best is not None
    assert best.loss == min(losses)


def test_other_settings_of_training_are_those_of_before(committee: Committee) -> None:
    first = committee._design.settings.training
    second = first.stage_two()
    changed = {key for key in type(first).model_fields if getattr(first, key) != getattr(second, key)}
    assert changed == {"energy_weight", "forces_weight", "stress_weight", "virials_weight"}
