"""STAGES says the same as sections do, and every message points into the list."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_pax.errors import SettingsError
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project
from aims_pax.settings.stage import EndSettings
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.converge import ConvergeSettings

WATER = "3\n\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
INITIAL = {"n_points_per_sampling_step_idg": 2, "max_initial_set_size": 3}
LEARN = {"num_trajectories": 2, "max_train_set_size": 20}
PRETRAIN = {"pretrain": {"reference": {"type": "tblite"}, "n": 100}}
BASE: dict[str, Any] = {
    "REFERENCE": {"type": "tblite"},
    "MD": {"stat_ensemble": "nvt"},
    "MISC": {"path_to_geometry": "water.xyz"},
}


def written(folder: Path, settings: dict[str, Any] | str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = settings if isinstance(settings, str) else yaml.safe_dump(settings, sort_keys=False)
    (folder / "water.xyz").write_text(WATER, encoding="utf-8")
    (folder / "aims_PAX.yaml").write_text(text, encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: a, seed: 1}\n", encoding="utf-8")
    return folder


def by_stages(folder: Path, *stages: Any) -> Project:
    return load_project(written(folder, {**BASE, "STAGES": list(stages)}))


SAME: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "all": (
        [{"initial": INITIAL}, "converge", {"learn": LEARN}, {"converge": {"max_convergence_epochs": 7}}],
        {
            "INITIAL_DATASET_GENERATION": {**INITIAL, "converge_initial": True},
            "ACTIVE_LEARNING": {**LEARN, "converge_al": True, "max_convergence_epochs": 7},
        },
    ),
    "no convergence": (
        [{"initial": INITIAL}, {"learn": LEARN}],
        {
            "INITIAL_DATASET_GENERATION": {**INITIAL, "converge_initial": False},
            "ACTIVE_LEARNING": {**LEARN, "converge_al": False},
        },
    ),
    "said by the stage itself": (
        [{"initial": INITIAL}, {"learn": {**LEARN, "converge_al": True}}],
        {"INITIAL_DATASET_GENERATION": INITIAL, "ACTIVE_LEARNING": {**LEARN, "converge_al": True}},
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_list_of_stages_says_what_sections_say(name: str, tmp_path: Path) -> None:
    stages, sections = SAME[name]
    listed, plain = (
        by_stages(tmp_path / "listed", *stages),
        load_project(written(tmp_path / "plain", {**BASE, **sections})),
    )
    assert listed.initial == plain.initial
    assert [plan.kind for plan in listed.settings.stages] == [plan.kind for plan in plain.settings.stages]
    assert [plan.name for plan in listed.settings.stages] == [plan.name for plan in plain.settings.stages]
    ends = [plan.settings for project in (listed, plain) if (plan := project.settings.ending) is not None]
    assert all(one == ends[0] for one in ends)
    own = {key: value for key, value in listed.active.model_dump().items() if key not in EndSettings.model_fields}
    assert own.items() <= plain.active.model_dump().items()
    assert listed.settings.reference == plain.settings.reference


def test_entries_have_names_and_settings_of_their_own(tmp_path: Path) -> None:
    hot = {**LEARN, "name": "hot", "c_x": 0.3, "MD": {"temperature": 600}}
    project = by_stages(
        tmp_path,
        {"initial": INITIAL},
        {"learn": {**LEARN, "margin": 0.1}},
        {"converge": {"margin": 0.2}},
        {"learn": LEARN},
        {"learn": hot},
        "converge",
    )
    names = [plan.name for plan in project.settings.stages]
    assert names == ["initial", "active", "convergence", "learn-2", "hot", "hot convergence"]
    assert [plan.read_as(ActiveLearningSettings).c_x for plan in project.settings.learning] == [0, 0, 0.3]
    assert [project.md_for(0, plan.settings).temperature for plan in project.settings.learning] == [300, 300, 600]  # type: ignore[arg-type]
    active, convergence = project.settings.stages[1:3]
    assert (active.settings.margin, convergence.settings.margin) == (0.1, 0.2)  # type: ignore[attr-defined]
    assert [project.settings.is_end(plan) for plan in project.settings.stages] == [False] * 5 + [True]


def test_dataset_that_is_brought_along_may_be_converged_on_by_an_entry_of_its_own(tmp_path: Path) -> None:
    for name in ("train.xyz", "valid.xyz"):
        (tmp_path / name).write_text(WATER, encoding="utf-8")
    brought = {**LEARN, "initial_train_dataset": "train.xyz", "initial_valid_dataset": "valid.xyz"}
    said = by_stages(tmp_path, {"converge": {"max_convergence_epochs": 9}}, {"learn": brought})
    (first, _) = said.plans((Stage.ACTIVE,))
    assert (first.name, first.is_implied) == ("initial convergence", False)
    assert first.read_as(ConvergeSettings).max_convergence_epochs == 9
    implied = by_stages(tmp_path, {"learn": brought}).plans((Stage.ACTIVE,))[0]
    assert (implied.name, implied.is_implied) == ("initial convergence", True)


MELT = "Phase0: {Geometry: {Bulk: {Structure_1: {Path: water.xyz}}}, Run: {Type: NVT, Steps: 10, Temperature: 300}}\n"
EXPLORE = {"max_loops": 2, "max_convergence_epochs": 3, "convergence_patience": 4, "margin": 0.1}


@pytest.mark.parametrize("follows", [{}, {"workflow": "melt.yaml"}])
def test_a_convergence_after_an_exploration_has_settings_of_its_own(follows: dict[str, Any], tmp_path: Path) -> None:
    """What an exploration says of its own rounds stands beside them, and is what the other leaves out."""
    (tmp_path / "melt.yaml").write_text(MELT, encoding="utf-8")
    brought = dict.fromkeys(("initial_train_dataset", "initial_valid_dataset"), "water.xyz")
    own = {"max_convergence_epochs": 9, "margin": 0.2, "valid_skip": 5, "converge_best": False}
    project = by_stages(tmp_path, {"explore": {**EXPLORE, **follows, **brought}}, {"converge": own})
    exploring, converging = project.settings.stages
    keys = ("max_convergence_epochs", "convergence_patience", "margin", "valid_skip")
    assert [getattr(exploring.settings, key) for key in keys] == [3, 4, 0.1, 1]
    assert [getattr(converging.settings, key) for key in keys] == [9, 4, 0.2, 5]
    assert project.settings.is_end(converging)


def test_workflows_that_train_new_models_do_not_say_so_of_the_convergence_after_them(tmp_path: Path) -> None:
    (tmp_path / "melt.yaml").write_text(MELT, encoding="utf-8")
    brought = dict.fromkeys(("initial_train_dataset", "initial_valid_dataset"), "water.xyz")
    anew = {"explore": {"workflow": "melt.yaml", "from_scratch": True, **brought}}
    for written, begins_anew in (("converge", False), ({"converge": {"from_scratch": True}}, True)):
        converging = by_stages(tmp_path, anew, written).settings.stages[-1].read_as(ConvergeSettings)
        assert converging.from_scratch is begins_anew


def test_what_is_learned_first_belongs_to_the_initial_dataset(tmp_path: Path) -> None:
    project = by_stages(tmp_path, PRETRAIN, {"initial": INITIAL}, "converge", {"learn": LEARN})
    names = ["pretrain", "initial", "initial convergence", "active"]
    assert [plan.name for plan in project.plans((Stage.INITIAL, Stage.ACTIVE))] == names
    assert [plan.name for plan in project.plans((Stage.INITIAL,))] == names[:3]
    assert [plan.name for plan in project.plans((Stage.ACTIVE,))] == names[2:]


def test_only_the_stages_that_are_listed_are_run(tmp_path: Path) -> None:
    project = by_stages(tmp_path, {"initial": INITIAL}, "converge")
    assert project.settings.active is None
    assert project.asked((Stage.INITIAL, Stage.ACTIVE)) == (Stage.INITIAL,)
    with pytest.raises(SettingsError, match="STAGES lists nothing of what this command does"):
        load_project(tmp_path, stages=(Stage.ACTIVE,))


def test_a_mistake_is_told_with_its_line_in_the_list(tmp_path: Path) -> None:
    text = yaml.safe_dump(BASE) + (
        "STAGES:\n"
        "  - initial:\n"
        "      n_points_per_sampling_step_idg: 2\n"
        "      max_initial_set_size: none\n"
        "  - learn:\n"
        "      num_trajectories: 2\n"
        "      max_train_set_size: 20\n"
        "      skip_step_mlf: 3\n"
    )
    first = yaml.safe_dump(BASE).count("\n") + 1
    with pytest.raises(SettingsError, match="max_initial_set_size") as caught:
        load_project(written(tmp_path, text))
    assert [problem.where for problem in caught.value.problems] == [
        f"aims_PAX.yaml, line {first + 3}",
        f"aims_PAX.yaml, line {first + 7}",
    ]


WRONG: dict[str, tuple[Any, str]] = {
    "no list": ({"learn": LEARN}, "STAGES is a mapping"),
    "empty": ([], "STAGES is empty"),
    "two in one": ([{"initial": INITIAL, "learn": LEARN}], "STAGES.0 is no stage with its settings"),
    "not a mapping": ([{"learn": 3}], "STAGES.0 is no stage with its settings"),
    "misspelt": ([{"lern": LEARN}], "Did you mean learn"),
    "later": ([{"stability": {}}, {"learn": LEARN}], "STAGES.0 is stability, which is not in this version"),
    "same name": ([{"learn": {**LEARN, "name": "hot"}}, {"learn": {**LEARN, "name": "Hot"}}], "as is another entry"),
    "no name": ([{"learn": {**LEARN, "name": "a b"}}], "STAGES.0.learn.name is 'a b'"),
    "reserved": ([{"learn": {**LEARN, "name": "results"}}], "which means something else in a run"),
    "hands over too early": (
        [{"learn": LEARN}, {"converge": {"converge_best": True}}, {"learn": LEARN}],
        "STAGES.1.converge: converge_best is about the models that are handed over",
    ),
    "members by a later stage": (
        [{"learn": LEARN}, {"learn": {**LEARN, "seeds_tags_dict": {"a": 1, "b": 2, "c": 3, "d": 4}}}],
        "STAGES.1.learn.seeds_tags_dict is given, and the committee has begun with an earlier stage",
    ),
    "motion": ([{"learn": {**LEARN, "MD": {"temperature": -3}}}], "STAGES.0.learn.MD.temperature is -3"),
    "out of order": ([{"learn": LEARN}, {"initial": INITIAL}], "initial comes a second time, or after another stage"),
    "learned first, but not first": (
        [{"initial": INITIAL}, PRETRAIN, {"learn": LEARN}],
        "STAGES.1.pretrain: pretrain comes a second time, or after another stage",
    ),
    "learned first twice": (
        [PRETRAIN, PRETRAIN, {"initial": INITIAL}],
        "STAGES.1.pretrain: pretrain comes a second time, or after another stage",
    ),
    "learned first, and no dataset": (
        [PRETRAIN, {"learn": LEARN}],
        "STAGES.0.pretrain is not followed by initial, whose labels its models would learn next",
    ),
    "learned first beside a dataset": (
        [
            PRETRAIN,
            {"initial": INITIAL},
            {"learn": {**LEARN, **dict.fromkeys(("initial_train_dataset", "initial_valid_dataset"), "water.xyz")}},
        ],
        "STAGES.2.learn.initial_train_dataset is given beside STAGES.0.pretrain",
    ),
    "learned first from what is dear": (
        [{"pretrain": {"reference": {"type": "pyscf"}}}, {"initial": INITIAL}],
        r"STAGES.0.pretrain.reference.type is 'pyscf'.\n *Allowed: tblite \(only tight binding, for thousands",
    ),
    "learned first with another charge": (
        [{"pretrain": {"reference": {"type": "tblite", "charge": 1}}}, {"initial": INITIAL}],
        r"STAGES.0.pretrain.reference.charge is not a setting.\n *Allowed: type, method",
    ),
    "learned first by two references": (
        [{"pretrain": {"reference": {"type": "tblite"}, "REFERENCE": {"type": "tblite"}}}, {"initial": INITIAL}],
        "STAGES.0.pretrain.REFERENCE and STAGES.0.pretrain.reference are the same setting",
    ),
    "fewer labels than trajectories": (
        [{"pretrain": {"reference": {"type": "tblite"}, "n": 12, "num_trajectories": 20}}, {"initial": INITIAL}],
        r"num_trajectories \(20\) is more than n \(12\)",
    ),
    "converges twice": ([{"learn": LEARN}, "converge", "converge"], "converge comes twice"),
    "settings before any stage": (["converge", {"initial": INITIAL}], "comes before any stage"),
    "no setting of a convergence": (
        [{"learn": LEARN}, {"converge": {"c_x": 1}}],
        "STAGES.1.converge.c_x is not a setting",
    ),
    "said twice": (
        [{"learn": {**LEARN, "max_convergence_epochs": 1}}, {"converge": {"max_convergence_epochs": 2}}],
        "STAGES.1.converge.max_convergence_epochs is said by the stage before it, too",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_the_list_is_said(what: str, tmp_path: Path) -> None:
    listed, words = WRONG[what]
    with pytest.raises(SettingsError, match=words):
        load_project(written(tmp_path, {**BASE, "STAGES": listed}))


def test_sections_and_stages_do_not_stand_beside_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ACTIVE_LEARNING stands beside STAGES.\n.*as learn"):
        load_project(written(tmp_path, {**BASE, "ACTIVE_LEARNING": LEARN, "STAGES": [{"initial": INITIAL}]}))
