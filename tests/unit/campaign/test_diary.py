"""How often the diary tells of training."""

import logging

import pytest
import torch

from aims_pax.committee import Committee, EpochPlan
from aims_pax.stages.loop.trainer import LINE_AFTER_S, CommitteeTrainer

from ..committee.toys import molecules, settings


@pytest.fixture
def committee() -> Committee:
    torch.set_num_threads(1)
    return Committee.build(settings(), molecules(2), seeds=(1, 2))


def epochs_told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """The epochs of the lines at this level."""
    return [
        record.getMessage().split("  ")[0]
        for record in caplog.records
        if record.name == "aims_pax.training" and record.levelno == level
    ]


def test_short_slices_of_training_are_told_every_ten_epochs(
    committee: Committee, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = CommitteeTrainer(committee, EpochPlan(), clock=lambda: 0.0)
    with caplog.at_level(logging.DEBUG, "aims_pax.training"):
        for _ in range(12):
            trainer.train(1)
    assert epochs_told(caplog, logging.INFO) == ["epoch 1", "epoch 11"]
    assert len(epochs_told(caplog, logging.DEBUG)) == 10


def test_slow_epochs_are_told_each(committee: Committee, caplog: pytest.LogCaptureFixture) -> None:
    seconds = iter((0.0, LINE_AFTER_S, LINE_AFTER_S + 1))
    trainer = CommitteeTrainer(committee, EpochPlan(), clock=lambda: next(seconds))
    with caplog.at_level(logging.DEBUG, "aims_pax.training"):
        for _ in range(3):
            trainer.train(1)
    assert epochs_told(caplog, logging.INFO) == ["epoch 1", "epoch 2"]
