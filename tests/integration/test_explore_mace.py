"""Rounds of exploration with models of MACE and tight binding, and its models judged by another project."""

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ase.build import molecule
from ase.io import write

from aims_pax.campaign import run_campaign
from aims_pax.checking.check import check_project
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Split, Stage
from aims_pax.learner.exploration import End, Exploration
from aims_pax.learner.journal import from_text
from aims_pax.outcome.explored import courses_of
from aims_pax.protocols import Status
from aims_pax.report.exploration import draw_rounds
from aims_pax.settings import load_project

from .projects import TINY_MACE, WATER, Watcher, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of

ACTIVE = (Stage.ACTIVE,)
AUGMENT = {"inputs": True, "distort": {"n": 14, "strain": [-0.03, 0.03], "displacement": 0.06, "vacancies": 0}}
FEW: dict[str, Any] = {
    "temperature": [200, 400],
    "num_random_structures": 2,
    "length": 0.02,
    "sampling_time": 0.005,
    "max_selected_frames": 4,
    "max_convergence_epochs": 3,
    "ensemble_size": 2,
    "thr_forces": 0.0001,
}
STAGES: list[Any] = [
    {"collect": {"augment": AUGMENT}},
    {"converge": {"max_convergence_epochs": 10}},
    {"explore": FEW | {"max_loops": 2}},
]


def project_of(folder: Path, stages: list[Any], **general: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "water.xyz", molecule("H2O"))
    misc = {**WATER["MISC"], "path_to_geometry": "water.xyz"}
    mace = {**TINY_MACE, "GENERAL": {**TINY_MACE["GENERAL"], **general}}
    write_project(folder, {"REFERENCE": WATER["REFERENCE"], "MD": WATER["MD"], "MISC": misc, "STAGES": stages}, mace)
    return folder


def run(folder: Path, observer: Watcher | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=ACTIVE)
    assert check_project(project, ACTIVE).problems == ()
    return run_campaign(project, stages=ACTIVE, observer=observer or Watcher()).content


def explored(folder: Path) -> Exploration:
    with RunStore.open_readonly(folder) as store:
        stored = store.load_state("exploration.explore")
    assert stored is not None
    return from_text(Exploration, stored.decode())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing has interrupted."""
    folder = project_of(tmp_path_factory.mktemp("whole"), STAGES)
    run(folder)
    return folder


def test_water_is_explored_and_what_was_expected_is_told_beside_what_was_true(whole: Path, tmp_path: Path) -> None:
    state = explored(whole)
    before, first, second = state.rounds
    assert (first.n_frames, second.n_frames) == (16, 16)
    for one in (first, second):
        assert one.n_labelled + one.n_failed == 4, "models that know little come to what no reference labels"
        assert one.n_labelled
    for one in first.beyond:
        assert one.slope is not None
        assert one.threshold == pytest.approx(one.slope * one.tolerance)
    assert [truth.n_labelled for truth in first.truths] == [first.n_labelled] * 2
    splits = [one.split for one in labels_of(whole) if one.stage == "explore"]
    assert len(splits) == first.n_labelled + second.n_labelled
    assert Counter(splits)[Split.TRAINING] >= len(splits) - 2
    draw_rounds(courses_of(state), tmp_path / "rounds.png", title="errors by round")
    assert (tmp_path / "rounds.png").stat().st_size > 10_000
    assert before.errors


@pytest.mark.parametrize("moment", ["round 1, MD, frame 3 of 4", "round 2, converging, epoch 2 of at most 3"])
def test_a_killed_exploration_comes_to_the_same_weights(moment: str, whole: Path, tmp_path: Path) -> None:
    def kill(now: Status) -> None:
        if now.activity == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(tmp_path, STAGES)
    assert in_child(lambda: run(tmp_path, Watcher(kill))) == -signal.SIGKILL
    run(tmp_path)
    assert explored(tmp_path) == explored(whole)
    assert_same(outcome_of(tmp_path), outcome_of(whole))


def test_models_of_one_run_are_judged_and_validated_by_another_without_training(whole: Path, tmp_path: Path) -> None:
    results, mine = whole / "results", tmp_path / "mine"
    mine.mkdir()
    models = sorted((results / "committee").glob("*.model"))
    for file in models:
        shutil.copy(file, mine)
    judged_alone(models, tmp_path / "alone")
    files = {"initial_train_dataset": "mine/training.extxyz", "initial_valid_dataset": "mine/validation.extxyz"}
    for name in ("training", "validation"):
        shutil.copy(results / f"{name}.extxyz", mine)
    stage = {"explore": FEW | files | {"train": False}}
    del stage["explore"]["max_convergence_epochs"]
    watcher = Watcher()
    summary = run(project_of(tmp_path, [stage, {"validate": {"cohesive": True}}], model_dir="mine"), watcher)
    assert "cohesive" in json.dumps(summary["properties"])
    state = explored(tmp_path)
    assert (state.ended, state.present.n_labelled + state.present.n_failed) == (End.JUDGED, 4)
    assert state.present.truths[1].mean_error > 0
    assert not any(now.stage == "convergence" or "converging" in now.activity for now in watcher.seen)
    with RunStore.open_readonly(tmp_path) as store:
        assert len(store.epochs()) == 0
        assert len(store.unassigned("explore")) == state.present.n_labelled


def judged_alone(models: Sequence[Path], folder: Path) -> None:
    """The same models without any dataset."""
    (folder / "mine").mkdir(parents=True)
    for file in models:
        shutil.copy(file, folder / "mine")
    stage = {"explore": FEW | {"train": False}}
    del stage["explore"]["max_convergence_epochs"]
    summary = run(project_of(folder, [stage, {"validate": {"cohesive": True}}], model_dir="mine"))
    (said,) = summary["explorations"]
    assert (said["ended"], said["n_frames"]) == (End.JUDGED, 8)
    assert said["truths_of_last"][1]["mean_error"] > 0
    assert summary["labels"]["training"] == 0
    for file in models:
        assert (folder / "results" / "committee" / file.name).is_file()
