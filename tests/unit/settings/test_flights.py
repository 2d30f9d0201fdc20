"""Mistakes in stages that fly, told where they are written, before anything is computed."""

import re
from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import SettingsError

from ..flights import ADAPTIVE, CONVERGE, INITIAL, flight_project, fly, told_by_check

FILES = {"initial_train_dataset": "copper.extxyz", "initial_valid_dataset": "copper.extxyz"}
COLLECT = {"collect": {"augment": {"inputs": True, "distort": 20}}}
LEARN = {"learn": {"num_trajectories": 1, "max_train_set_size": 20}}
MINE = "shutil:copy"
"""Something that can be imported."""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tolerances": None}, "STAGES.0.fly.tolerances is missing"),
        ({"tolerances": {}}, "no tolerance is set, so that every check would pass"),
        ({"tolerances": {"ediff": 0.0}}, "STAGES.0.fly.tolerances.ediff"),
        ({"tolerances": {"edif": 0.1}}, "Did you mean ediff"),
        ({"max_MD_steps": None}, "STAGES.0.fly.max_MD_steps is missing"),
        ({"max_MD_steps": 0}, "STAGES.0.fly.max_MD_steps"),
        ({"check_interval": 0}, "STAGES.0.fly.check_interval"),
        ({"num_trajectories": 0}, "STAGES.0.fly.num_trajectories"),
        ({"adaptive_method_parameters": {**ADAPTIVE, "n_max": 5}}, "n_max (5) is not above n_min (5)"),
        ({"adaptive_method_parameters": {**ADAPTIVE, "factor": 1}}, "adaptive_method_parameters.factor"),
        ({"ensemble_size": 1}, "STAGES.0.fly.ensemble_size"),
        ({"valid_ratio": 1.0}, "STAGES.0.fly.valid_ratio"),
        ({"go_back": True, "can_update": False}, "the same models would make the same stretch again"),
        ({"refit": {"at_each_check": True}, "can_update": False}, "at_each_check is true, and can_update is false"),
        ({"refit": {"function_name": MINE, "epochs": 9}}, "epochs is given, and function_name trains"),
        ({"refit": {"function_name": MINE, "from_scratch": True}}, "Remove from_scratch: the function says how"),
        ({"num_initial_steps": 7, **FILES}, "the first models learn initial_train_dataset"),
        ({"initial_train_dataset": "copper.extxyz"}, "initial_train_dataset is given without initial_valid_dataset"),
        ({"initial_valid_dataset": "copper.extxyz"}, "initial_valid_dataset is given without initial_train_dataset"),
        ({"initial_train_dataset": "none.xyz", "initial_valid_dataset": "copper.extxyz"}, "none.xyz"),
        ({"check_intervall": 3}, "Did you mean check_interval"),
    ],
)
def test_settings_that_can_not_be_are_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        flight_project(tmp_path, fly(**changes))


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([CONVERGE, fly()], "comes before any stage, and no dataset is brought along"),
        ([INITIAL, fly(), COLLECT, CONVERGE], "comes after another stage, and what it makes is the first dataset"),
        ([fly(), fly(**FILES)], "STAGES.1.fly.initial_train_dataset is given, and the committee has begun"),
        ([fly(), {"fly": fly()["fly"] | {"name": "fly"}}], "STAGES.1.fly"),
        ([{"validate": {}}, fly()], "comes before any stage that makes models"),
    ],
)
def test_lists_that_can_not_be_are_refused(stages: list[Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        flight_project(tmp_path, *stages)


def test_every_structure_has_a_trajectory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"num_trajectories is 2, and there are 3 starting structures"):
        flight_project(tmp_path, fly(num_trajectories=2), n_systems=3)


def test_md_by_index_has_an_entry_for_each_trajectory_and_no_other(tmp_path: Path) -> None:
    nvt = {"stat_ensemble": "nvt"}
    with pytest.raises(SettingsError, match=r"MD.3 is for a trajectory that does not exist(.|\n)*STAGES.0.fly"):
        flight_project(tmp_path, fly(num_trajectories=2), sections={"MD": {0: nvt, 1: nvt, 3: nvt}})
    with pytest.raises(SettingsError, match=r"MD has no settings for trajectory 1|1"):
        flight_project(tmp_path, fly(num_trajectories=2), sections={"MD": {0: nvt}})


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([fly(num_initial_steps=0)], "STAGES.0.fly.num_initial_steps is 0, and there are no models to begin with"),
        (
            [INITIAL, fly(num_initial_steps=5)],
            "STAGES.1.fly.num_initial_steps is given, and there are models to begin with",
        ),
        ([fly(), fly(num_initial_steps=5)], "STAGES.1.fly.num_initial_steps is given"),
        ([fly(tolerances={"vmax": 0.1})], "vmax is given, and copper has no volume"),
        ([fly(refit={"function_name": "nowhere:train"})], "nowhere"),
        ([fly(refit={"function_name": "aims_pax.testing:nothing"})], "nothing"),
        ([fly(refit={"function_name": "train"})], "refit.function_name"),
    ],
)
def test_what_can_not_be_flown_is_told_by_check(stages: list[Any], words: str, tmp_path: Path) -> None:
    assert words in told_by_check(flight_project(tmp_path, *stages))


@pytest.mark.parametrize(
    "stages",
    [
        [fly()],
        [fly(num_initial_steps=3, early_check=0.1, go_back=True, adaptive_method_parameters=ADAPTIVE)],
        [INITIAL, fly()],
        [INITIAL, CONVERGE, fly(), CONVERGE, LEARN, CONVERGE],
        [COLLECT, CONVERGE, fly(num_initial_steps=0), CONVERGE],
        [fly(), CONVERGE, {"validate": {}}],
        [fly(), fly(), CONVERGE],
        [fly(refit={"function_name": MINE, "at_each_check": True})],
        [fly(can_update=False, num_initial_steps=3)],
    ],
    ids=lambda stages: ", ".join(next(iter(one)) for one in stages),
)
def test_what_can_be_flown_has_no_problems(stages: list[Any], tmp_path: Path) -> None:
    assert told_by_check(flight_project(tmp_path, *stages)) == ""


def test_structures_that_are_brought_along_have_labels(tmp_path: Path) -> None:
    assert "copper.extxyz" in told_by_check(flight_project(tmp_path, fly(**FILES)))


def test_virials_are_compared_where_models_learn_stress(tmp_path: Path) -> None:
    stage = fly(tolerances={"vmax": 0.1})
    without = flight_project(tmp_path / "without", stage, is_crystal=True)
    assert "STAGES.0.fly.tolerances.vmax is given, and compute_stress is false" in told_by_check(without)
    project = flight_project(tmp_path / "with", stage, is_crystal=True, mace={"compute_stress": True})
    assert told_by_check(project) == ""


def test_one_model_that_should_drive_is_told_that_the_mean_does(tmp_path: Path) -> None:
    md = {"stat_ensemble": "nvt", "timestep": 2.0, "propagate_with": "member"}
    project = flight_project(tmp_path, sections={"MD": md})
    assert "MD.propagate_with is member, and in STAGES.0.fly the mean of the models drives" in told_by_check(project)
