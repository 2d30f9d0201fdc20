"""SYSTEMS: what is a system's own, and what it takes from the other sections."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_pax.errors import SettingsError, StructureError
from aims_pax.settings import Project, TbliteSettings, load_project
from aims_pax.settings.own import Homes
from aims_pax.settings.reading.files import NamedFiles
from aims_pax.stages.assembly import active_rules, priorities_of, wanted_executors
from aims_pax.stages.loop.selecting import trajectories_of

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
    (folder / "ions").mkdir(parents=True)
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
    assert project.settings.n_trajectories == 5
    assert [project.system_for(index).name for index in range(5)] == ["water"] * 3 + ["ammonium"] * 2
    assert [project.md_for(index).timestep for index in range(5)] == [0.5] * 3 + [0.25] * 2
    assert trajectories_of(project, project.settings.learning[0]) == {
        "water": frozenset({0, 1, 2}),
        "ammonium": frozenset({3, 4}),
    }


def test_threshold_and_budget_become_rules_of_its_trajectories(project: Project) -> None:
    rules = active_rules(project, project.settings.learning[0])
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
            "REFERENCE": {"type": "fhi-aims", "command": "aims.x"},
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


# -- what is shared --------------------------------------------------------------------------------------------


def complaints(folder: Path, **changes: Any) -> list[str]:
    """What is said of the two systems with some sections changed."""
    with pytest.raises(SettingsError, match=r".") as caught:
        load_project(written(folder, {**BASE, **changes}))
    return [str(problem) for problem in caught.value.problems]


def of_both(**own: Any) -> dict[str, Any]:
    """Both systems, each with these entries besides."""
    return {name: {**one, **own} for name, one in SYSTEMS.items()}


def test_mistakes_in_shared_sections_and_in_systems_are_told_together(tmp_path: Path) -> None:
    systems = copy.deepcopy(SYSTEMS)
    systems["water"]["MD"]["frction"] = 1
    systems["ammonium"]["geometry"] = "nowhere.xyz"
    said = complaints(
        tmp_path,
        REFERENCE={"type": "tblite", "accuracy": -1},
        MD={"stat_ensemble": "nvt", "timestep": "long"},
        SYSTEMS=systems,
    )
    assert [one.partition("\n")[0].partition(": ")[2] for one in said] == [
        "REFERENCE.accuracy is -1.",
        "MD.timestep is 'long'.",
        "SYSTEMS.water.MD.frction is not a setting.",
        f"SYSTEMS.ammonium.geometry names {tmp_path}/nowhere.xyz, which can't be opened (No such file or directory).",
    ]


def test_structures_are_looked_at_where_settings_are_wrong(tmp_path: Path) -> None:
    folder = written(tmp_path, {**BASE, "MD": {"stat_ensemble": "nvt", "timestep": -1}})
    (folder / "water.xyz").write_text("2\n\nH 0 0 0\nH 0 0 0.1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"Atoms 1 \(H\) and 2 \(H\) are 0.10 Å apart"):
        load_project(folder)


@pytest.mark.parametrize("md", [{"timestep": -1}, {"stat_ensemble": "nve", "friction": 0.1}, {"temperture": 1}])
def test_a_mistake_that_all_share_is_told_once_and_where_it_stands(md: dict[str, Any], tmp_path: Path) -> None:
    (said,) = complaints(tmp_path, MD=md, SYSTEMS=of_both(MD={} if "stat_ensemble" in md else {"stat_ensemble": "nve"}))
    assert said.startswith(f"aims_PAX.yaml, line {11 if 'stat_ensemble' in md else 10}: MD")


def test_what_no_system_says_is_missing_from_the_shared_section(tmp_path: Path) -> None:
    (said,) = complaints(tmp_path, MD={"temperature": 300})
    assert "MD.stat_ensemble is missing." in said
    assert "SYSTEMS" not in said


def test_what_one_system_does_not_say_is_missing_there(tmp_path: Path) -> None:
    systems = copy.deepcopy(SYSTEMS)
    systems["water"]["MD"]["stat_ensemble"] = "nvt"
    (said,) = complaints(tmp_path, MD={"temperature": 300}, SYSTEMS=systems)
    assert "SYSTEMS.ammonium.MD.stat_ensemble is missing." in said


def test_a_shared_reference_may_be_completed_by_its_systems(tmp_path: Path) -> None:
    systems = {name: {key: value for key, value in one.items() if key != "charge"} for name, one in SYSTEMS.items()}
    for one in systems.values():
        one["REFERENCE"] = {"calculator": "ase.calculators.emt:EMT"}
    shared = {"type": "ase-calculator", "max_force_ev_per_ang": 25.0}
    project = load_project(written(tmp_path, {**BASE, "REFERENCE": shared, "SYSTEMS": systems}))
    assert {project.reference_for(one).max_force_ev_per_ang for one in project.systems} == {25.0}


def test_an_unfinished_shared_reference_is_told_once(tmp_path: Path) -> None:
    water = {"water": SYSTEMS["water"], "more": SYSTEMS["water"]}
    (said,) = complaints(tmp_path, REFERENCE={"type": "ase-calculator"}, SYSTEMS=water)
    assert "REFERENCE.calculator is missing." in said
    assert "SYSTEMS" not in said


def test_a_setting_by_its_other_name_is_the_same_in_a_system(tmp_path: Path) -> None:
    md = {"stat_ensemble": "nvt", "MD_seed": 3}
    project = load_project(written(tmp_path, {**BASE, "MD": md, "SYSTEMS": of_both(MD={"seed": 7})}))
    assert {project.md_of(one).seed for one in project.systems} == {7}


# -- who is named ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"charge": 2}, "SYSTEMS.ammonium.charge = 2; SYSTEMS.ammonium.multiplicity = 1"),
        ({"REFERENCE": {"charge": 2}}, "SYSTEMS.ammonium.REFERENCE.charge = 2; SYSTEMS.ammonium.multiplicity = 1"),
        ({}, "REFERENCE.charge = 2; SYSTEMS.ammonium.multiplicity = 1"),
    ],
)
def test_impossible_electrons_are_told_by_the_key_that_was_written(
    own: dict[str, Any], words: str, tmp_path: Path
) -> None:
    charge, spin = words.split("; ")
    ion = {"geometry": "ions/ammonium.xyz", "num_trajectories": 1, **own}
    shared = {"type": "tblite", **({} if own else {"charge": 2})}
    (said,) = complaints(tmp_path, REFERENCE=shared, SYSTEMS={"ammonium": ion})
    assert f"9 electrons can't have {spin}" in said
    assert f"or correct {charge.partition(' = ')[0]} (now 2)" in said
    lines = (tmp_path / "aims_PAX.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if "charge: 2" in text)
    assert said.startswith(f"aims_PAX.yaml, line {line}: ")


def test_a_file_that_speaks_of_another_charge_names_where_its_system_has_it(tmp_path: Path) -> None:
    folder = written(tmp_path, BASE)
    (folder / "water.xyz").write_text(WATER.replace("\n\n", "\ncharge=1 spin=2\n", 1), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"meant at SYSTEMS\.water\.charge and SYSTEMS\.water\.multiplicity; or"):
        load_project(folder)


def test_messages_across_sections_name_what_was_written(tmp_path: Path) -> None:
    engine = {"type": "orca", "command": "mpiexec -n {ranks} orca"}
    systems = copy.deepcopy(SYSTEMS)
    systems["water"]["REFERENCE"] = engine
    systems["ammonium"]["MD"]["propagate_with"] = "member"
    del systems["ammonium"]["REFERENCE"]
    said = "\n".join(complaints(tmp_path, SYSTEMS=systems))
    assert "SYSTEMS.ammonium.MD.propagate_with: trajectories share one batch" in said
    assert "SYSTEMS.water.REFERENCE.command holds {ranks}, and nothing says how many water needs." in said
    assert "Write SYSTEMS.water.resources: {ranks: ...}" in said


# -- numbers of systems ----------------------------------------------------------------------------------------


def aims_project(folder: Path, reference: dict[str, Any], **of_ammonium: Any) -> Path:
    systems = {name: {"geometry": one["geometry"], "num_trajectories": 1} for name, one in SYSTEMS.items()}
    systems["ammonium"] |= of_ammonium
    written(folder, {**BASE, "REFERENCE": {"type": "fhi-aims", "command": "aims.x", **reference}, "SYSTEMS": systems})
    for name in ("zero", "one"):
        species = "".join(f"species {symbol}\n  nucleus {z}\n" for symbol, z in (("H", 1), ("O", 8), ("N", 7)))
        (folder / f"{name}.in").write_text(f"# {name}\nxc pbe\nrelativistic none\n{species}", encoding="utf-8")
    return folder


def test_an_input_by_index_is_that_of_the_system_of_that_number_whatever_else_differs(tmp_path: Path) -> None:
    shared = {"control": {0: "zero.in", 1: "one.in"}}
    folder = aims_project(tmp_path, shared, REFERENCE={"max_force_ev_per_ang": 20.0})
    project = load_project(folder)
    first_lines = {name: given.control_text.splitlines()[0] for name, given in project.inputs.items()}
    assert first_lines == {"water": "# zero", "ammonium": "# one"}


def test_a_system_has_one_input_and_no_index(tmp_path: Path) -> None:
    folder = aims_project(tmp_path, {"control": "zero.in"}, REFERENCE={"control": {0: "one.in"}})
    with pytest.raises(SettingsError, match=r"SYSTEMS\.ammonium\.REFERENCE\.control is written by index, and a system"):
        load_project(folder)


def test_a_parsl_configuration_of_the_command_line_counts_before_anything_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, {**BASE, "CLUSTER": {"type": "inline"}})
    assert load_project(folder, files=NamedFiles(parsl_config="local")).settings.cluster.type == "parsl"
    with pytest.raises(SettingsError, match="--parsl-config is 'lcal'") as caught:
        load_project(
            written(tmp_path / "more", {**BASE, "MD": {"stat_ensemble": "nvt", "timestep": -1}}),
            files=NamedFiles(parsl_config="lcal"),
        )
    assert "MD.timestep is -1" in str(caught.value)


def test_trajectories_beyond_the_first_turn_begin_again(project: Project) -> None:
    homes = Homes.of(project.settings.systems)
    assert [homes.names[homes.place_of(index)] for index in (0, 2, 3, 4, 5, 8)] == [
        *("water", "water", "ammonium", "ammonium", "water", "ammonium")
    ]


def test_a_molecule_too_large_for_its_cell_is_told_before_anything_runs(tmp_path: Path) -> None:
    espresso = {"type": "espresso", "pseudo_dir": "ions", "molecule_box": 7.0}
    water = {"water": SYSTEMS["water"], "more": {**SYSTEMS["water"], "REFERENCE": {"molecule_box": 15.0}}}
    said = "\n".join(complaints(tmp_path, REFERENCE=espresso, SYSTEMS=water))
    assert "water: the molecule extends over 1.5 Å, and REFERENCE.molecule_box = 7 Å leaves less than 3 Å" in said
    assert "more: the molecule" not in said
