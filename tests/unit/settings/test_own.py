"""SYSTEMS: what is a system's own, and what it takes from the other sections."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_pax.errors import SettingsError, StructureError
from aims_pax.settings import Project, TbliteSettings, load_project
from aims_pax.stages.assembly import active_rules, priorities_of, trajectories_of, wanted_executors

WATER = "3\n\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
AMMONIUM = "5\n\nN 0 0 0\nH 0.6 0.6 0.6\nH -0.6 -0.6 0.6\nH -0.6 0.6 -0.6\nH 0.6 -0.6 -0.6\n"

SYSTEMS: dict[str, Any] = {
    "water": {"geometry": "water.xyz", "num_trajectories": 3, "MD": {"temperature": 350}},
    "ammonium": {
        "geometry": "ions/ammonium.xyz",
        "num_trajectories": 2,
        "charge": 1,
        "MD": {"timestep": 0.25},
        "REFERENCE": {"max_iterations": 99},
        "resources": {"executor": "large", "ranks": 8},
        "threshold": "own",
        "max_labels": 7,
        "priority": 2,
    },
}

BASE: dict[str, Any] = {
    "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"},
    "INITIAL_DATASET_GENERATION": {"n_points_per_sampling_step_idg": 2, "max_initial_set_size": 3},
    "ACTIVE_LEARNING": {"max_train_set_size": 20},
    "MD": {"stat_ensemble": "nvt", "temperature": 300, "friction": 0.01},
    "CLUSTER": {"type": "local"},
    "SYSTEMS": SYSTEMS,
}


def written(folder: Path, settings: dict[str, Any]) -> Path:
    (folder / "ions").mkdir()
    (folder / "water.xyz").write_text(WATER, encoding="utf-8")
    (folder / "ions/ammonium.xyz").write_text(AMMONIUM, encoding="utf-8")
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: two, seed: 1}\n", encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return load_project(written(tmp_path, BASE))


def test_a_system_has_what_is_its_own_and_the_rest_from_the_other_sections(project: Project) -> None:
    water, ammonium = project.systems
    assert (water.name, ammonium.name) == ("water", "ammonium")
    assert [project.md_of(one).temperature for one in project.systems] == [350, 300]
    assert [project.md_of(one).timestep for one in project.systems] == [0.5, 0.25]
    assert {project.md_of(one).friction for one in project.systems} == {0.01}
    assert project.reference_for(water) == TbliteSettings(method="GFN1-xTB")
    assert project.reference_for(ammonium) == TbliteSettings(method="GFN1-xTB", charge=1, max_iterations=99)
    assert wanted_executors(project) == {"water": None, "ammonium": "large"}
    assert priorities_of(project) == {"water": 0, "ammonium": 2}


def test_its_trajectories_follow_one_another(project: Project) -> None:
    assert project.n_trajectories == 5
    assert [project.system_for(index).name for index in range(5)] == ["water"] * 3 + ["ammonium"] * 2
    assert [project.md_for(index).timestep for index in range(5)] == [0.5] * 3 + [0.25] * 2
    assert trajectories_of(project) == {"water": frozenset({0, 1, 2}), "ammonium": frozenset({3, 4})}


def test_threshold_and_budget_become_rules_of_its_trajectories(project: Project) -> None:
    rules = active_rules(project)
    assert [one.name for one in rules.selectors] == ["moving threshold", "moving threshold of ammonium"]
    assert [[one.concerns(index) for index in range(5)] for one in rules.selectors] == [
        [True, True, True, False, False],
        [False, False, False, True, True],
    ]
    assert [(one.trajectories, one.max_labels) for one in rules.budgets] == [(frozenset({3, 4}), 7)]


def test_systems_without_numbers_take_the_trajectories_in_turn(tmp_path: Path) -> None:
    systems = {name: {"geometry": one["geometry"], "charge": one.get("charge", 0)} for name, one in SYSTEMS.items()}
    settings = {**BASE, "SYSTEMS": systems, "ACTIVE_LEARNING": {"max_train_set_size": 20, "num_trajectories": 3}}
    project = load_project(written(tmp_path, settings))
    assert [project.system_for(index).name for index in range(3)] == ["water", "ammonium", "water"]


def test_with_all_of_its_motion_a_system_needs_no_md(tmp_path: Path) -> None:
    systems = {name: {**one, "MD": {"stat_ensemble": "nve"}} for name, one in SYSTEMS.items()}
    project = load_project(
        written(tmp_path, {key: value for key, value in BASE.items() if key != "MD"} | {"SYSTEMS": systems})
    )
    assert {project.md_of(one).stat_ensemble for one in project.systems} == {"nve"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no systems": ({"SYSTEMS": {}}, "SYSTEMS is empty"),
    "a list": ({"SYSTEMS": ["water.xyz"]}, "SYSTEMS is a list"),
    "no name": ({"SYSTEMS": {"a b": SYSTEMS["water"]}}, "SYSTEMS.a b is no name of a system"),
    "no file": (
        {"SYSTEMS": {"ice": {"geometry": "ice.cif"}}},
        r"SYSTEMS.ice.geometry names .*ice.cif, which can't be opened",
    ),
    "a misspelt key": ({"SYSTEMS": {"water": {"geometry": "water.xyz", "chrage": 1}}}, "Did you mean charge"),
    "a misspelt key of MD": (
        {"SYSTEMS": {"water": {"geometry": "water.xyz", "MD": {"temperatur": 1}}}},
        "SYSTEMS.water.MD.temperatur is not a setting",
    ),
    "md by index": ({"MD": {0: {"stat_ensemble": "nvt"}}}, "MD is written by index, and there are SYSTEMS"),
    "two places": ({"MISC": {"path_to_geometry": "water.xyz"}}, "MISC.path_to_geometry is given beside SYSTEMS"),
    "two numbers": (
        {"ACTIVE_LEARNING": {"max_train_set_size": 20, "num_trajectories": 4}},
        "ACTIVE_LEARNING.num_trajectories is 4, and those of SYSTEMS are 5 together",
    ),
    "half of the numbers": (
        {
            "SYSTEMS": {**SYSTEMS, "more": {"geometry": "water.xyz"}},
            "ACTIVE_LEARNING": {"max_train_set_size": 20, "num_trajectories": 6},
        },
        "SYSTEMS.more does not say num_trajectories, and others do",
    ),
    "charge twice": (
        {"SYSTEMS": {"water": {"geometry": "water.xyz", "charge": 0, "REFERENCE": {"charge": 0}}}},
        "SYSTEMS.water.charge and SYSTEMS.water.REFERENCE.charge are the same setting",
    ),
    "a charge that the method has elsewhere": (
        {
            "REFERENCE": {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"},
            "SYSTEMS": {"water": {"geometry": "water.xyz", "charge": 1}},
        },
        "SYSTEMS.water.charge is 1, and this reference takes its charge from its own input",
    ),
    "electrons that can't be": (
        {"SYSTEMS": {"water": {"geometry": "water.xyz", "charge": 1}}},
        "9 electrons can't have",
    ),
    "resources twice": (
        {"CLUSTER": {"type": "local", "systems": {"ammonium": {"ranks": 2}}}},
        "SYSTEMS.ammonium.resources and CLUSTER.systems.ammonium are about the same system",
    ),
    "an executor of nobody": (
        {"CLUSTER": {"type": "inline"}},
        "SYSTEMS.ammonium.resources names an executor, and labels are computed in the campaign's own process",
    ),
    "an order without a queue": (
        {"CLUSTER": {"type": "inline"}},
        "SYSTEMS.ammonium.priority is 2, and labels are computed",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_at_its_place(what: str, tmp_path: Path) -> None:
    changes, words = WRONG[what]
    settings = {**BASE, **changes}
    if "SYSTEMS" in changes and "ACTIVE_LEARNING" not in changes:
        settings["ACTIVE_LEARNING"] = {"max_train_set_size": 20, "num_trajectories": 2}
    with pytest.raises(SettingsError, match=words):
        load_project(written(tmp_path, settings))


def test_a_mistake_in_a_shared_section_is_said_once_and_there(tmp_path: Path) -> None:
    settings = {**BASE, "MD": {"stat_ensemble": "nve", "friction": 0.01}}
    with pytest.raises(SettingsError, match="MD: friction belongs to a thermostat") as caught:
        load_project(written(tmp_path, settings))
    assert {problem.found for problem in caught.value.problems} == {
        "MD: friction belongs to a thermostat, and stat_ensemble nve has none."
    }


def test_a_file_of_several_structures_is_no_system(tmp_path: Path) -> None:
    folder = written(tmp_path, BASE)
    (folder / "water.xyz").write_text(WATER * 2, encoding="utf-8")
    with pytest.raises(StructureError, match="The file holds 2 structures, and the system water is one"):
        load_project(folder)
