"""Flights of water by models of MACE, kept near tight binding, and trained by functions of a user's own."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from ase.io import read, write

from aims_pax.campaign import run_campaign
from aims_pax.checking.check import check_project
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Stage
from aims_pax.outcome.flown import checks_in
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.stages.fly.comparison import Check

from .flights import trained_for_an_epoch
from .projects import TINY_MACE, WATER, Watcher, in_child, labels_of, water, write_project
from .resuming import assert_same, outcome_of

BOTH = (Stage.INITIAL, Stage.ACTIVE)
FLY: dict[str, Any] = {
    "num_trajectories": 2,
    "max_MD_steps": 24,
    "num_initial_steps": 6,
    "check_interval": 4,
    "adaptive_method_parameters": {"n_min": 3, "n_max": 12, "factor": 1.5},
    "tolerances": {"ediff": 0.01, "frmse": 0.5},
    "early_check": 0.4,
    "go_back": True,
    "refit": {"first_epochs": 30, "epochs": 6},
}


def project_of(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "water.xyz", water())
    misc = {**WATER["MISC"], "path_to_geometry": "water.xyz"}
    stages = [{"fly": FLY | changes}]
    write_project(folder, {"REFERENCE": WATER["REFERENCE"], "MD": WATER["MD"], "MISC": misc, "STAGES": stages})
    return folder


def run(folder: Path, observer: Watcher | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=BOTH)
    assert check_project(project, project.stages).problems == ()
    return run_campaign(project, stages=project.stages, observer=observer or Watcher()).content


def checks_of(folder: Path) -> list[Check]:
    return checks_in(json.loads((folder / "results" / "fly.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing has interrupted."""
    folder = project_of(tmp_path_factory.mktemp("whole"))
    run(folder)
    return folder


def test_water_is_flown_near_tight_binding(whole: Path) -> None:
    checks = checks_of(whole)
    assert {check.passed for check in checks} == {True, False}
    assert (whole / "results" / "fly.png").stat().st_size > 10_000
    points = labels_of(whole)
    assert len(points) == 6 + len(checks)
    for trajectory in (0, 1):
        frames = read(whole / "trajectories" / f"fly_{trajectory:03d}.extxyz", ":")
        lengths = np.array([atoms.get_distances(0, [1, 2]) for atoms in frames])
        assert np.abs(lengths - 0.96).max() < 0.3, "its bonds hold"


@pytest.mark.parametrize("stage", ["initial", "fly"])
def test_a_flight_killed_in_a_training_comes_to_the_same_weights(stage: str, whole: Path, tmp_path: Path) -> None:
    def kill(now: Status) -> None:
        if (now.stage, now.activity) == (stage, "training") and (stage == "initial" or now.n_labels_received >= 10):
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(tmp_path)
    assert in_child(lambda: run(tmp_path, Watcher(kill))) == -signal.SIGKILL
    run(tmp_path)
    assert_same(outcome_of(tmp_path, stage="fly"), outcome_of(whole, stage="fly"))
    assert checks_of(tmp_path) == checks_of(whole)


# -- a function of the user's own -------------------------------------------------------------------------------


class Mine:
    """How many labels a user's own function was given at each call, and the call at which it fails."""

    n_labels: ClassVar[list[int]] = []
    failing: ClassVar[int] = 0


def train(labels: Path, models: Sequence[Path], folder: Path) -> list[Path]:
    """Models that are trained for an epoch: quick, and bad, so that checks fail."""
    Mine.n_labels.append(len(read_extxyz(labels)))
    if len(Mine.n_labels) == Mine.failing:
        raise OSError("the queue of the GPUs is closed")
    return trained_for_an_epoch(labels, models, folder, mace=TINY_MACE, seeds=(1, 2))


@pytest.fixture
def mine() -> type[Mine]:
    Mine.n_labels, Mine.failing = [], 0
    return Mine


OWN = {"refit": {"function_name": f"{__name__}:train"}, "max_MD_steps": 8, "adaptive_method_parameters": None}


def test_a_function_of_the_users_own_trains_and_is_called_again_where_it_had_failed(
    mine: type[Mine], tmp_path: Path
) -> None:
    folder = project_of(tmp_path, **{**OWN, "early_check": None, "tolerances": {"frmse": 1e-3}})
    mine.failing = 2
    with pytest.raises(CampaignStopped, match=r"labels\.xyz: OSError: the queue of the GPUs is closed\. Mend it"):
        run(folder)
    assert mine.n_labels == [6, 8]
    summary = run(folder)
    assert mine.n_labels == [6, 8, 8, 10], "both trajectories wait for one training"
    assert summary["epochs"]["of_each_member"] == [0, 0]
    for seed in (1, 2):
        own, product = (
            torch.load(path, weights_only=False).state_dict()
            for path in (
                folder / "refits" / f"mine_{seed}.model",
                folder / "results" / "committee" / f"tiny_{seed}.model",
            )
        )
        differing = [name for name in own if not torch.equal(own[name], product[name])]
        assert differing == ["scale_shift.shift"], "energies of what is handed over are centred"
