"""A project of Python's arguments: the same settings, checks and messages as of files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from aims_pax.campaign.inputs import input_texts
from aims_pax.errors import SettingsError, StructureError
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project
from aims_pax.settings.reading.arguments import StageEntry, converge, initial, learn, pretrain, select
from aims_pax.settings.stages.pretrain import PretrainSettings

INITIAL: Mapping[str, Any] = {"n_points_per_sampling_step_idg": 2, "max_initial_set_size": 4, "ensemble_size": 2}
LEARN: Mapping[str, Any] = {"num_trajectories": 2, "max_train_set_size": 9, "ensemble_size": 2}
BOTH = (initial(**INITIAL), learn(**LEARN))


def problems_of(atoms: Any, *stages: Any, **arguments: Any) -> str:
    with pytest.raises(SettingsError, match=r"Project\.of|atoms, ") as refused:
        Project.of(atoms, stages=stages, **arguments)
    return str(refused.value)


def test_arguments_are_the_settings_of_the_same_files(tmp_path: Path) -> None:
    md, mace = (
        {"stat_ensemble": "nvt", "temperature": 350.0},
        {"GENERAL": {"name_exp": "mace"}, "TRAINING": {"lr": 0.02}},
    )
    file = {"INITIAL_DATASET_GENERATION": INITIAL, "ACTIVE_LEARNING": LEARN, "MD": md, "REFERENCE": {"type": "tblite"}}
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump({key: dict(value) for key, value in file.items()}))
    (tmp_path / "mace.yaml").write_text(yaml.safe_dump(mace))
    (tmp_path / "geometry").mkdir()
    write(tmp_path / "geometry" / "H2O.xyz", molecule("H2O"))
    of_files = load_project(tmp_path)
    of_python = Project.of(
        molecule("H2O"),
        stages=[*BOTH, converge()],
        md={"temperature": 350.0},
        mace={"TRAINING": {"lr": 0.02}},
        folder=tmp_path,
    )
    assert replace(of_python.settings, stages=()) == replace(of_files.settings, stages=())
    assert [plan.name for plan in of_python.settings.stages] == ["initial", "active", "convergence"]
    for one, other in zip(of_python.settings.stages, of_files.settings.stages, strict=True):
        assert (one.name, one.settings.model_dump()) == (other.name, other.settings.model_dump())
    assert of_python.mace == of_files.mace
    assert of_python.folder == of_files.folder
    assert of_python.systems[0].name == of_files.systems[0].name == "H2O"
    assert np.allclose(of_python.systems[0].frame.positions, of_files.systems[0].frame.positions, atol=1e-7)


def test_all_mistakes_are_told_at_once_by_argument() -> None:
    said = problems_of(
        Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.1]]),
        initial(**INITIAL, max_initial_set_siz=3),
        learn(**LEARN | {"max_train_set_size": -1}),
        5,
        reference="tblit",
        md={"timestep": "0.5"},
        mace={"TRAININ": {}},
        misc={"walltime": "soon"},
        cluster={"type": "lsf"},
    )
    for words in (
        "Project.of, stages[0]: STAGES.0.initial.max_initial_set_siz is not a setting.",
        "Project.of, stages[1]: STAGES.1.learn.max_train_set_size is -1.",
        "Project.of, stages[2]: STAGES.2 is no stage with its settings.",
        "Project.of, reference: REFERENCE.type is 'tblit'.",
        "Project.of, md: MD.timestep is '0.5'.",
        "Project.of, mace: TRAININ is not a section.",
        "Project.of, misc: MISC.walltime is 'soon'.",
        "Project.of, cluster: CLUSTER.type is 'lsf'.",
        "atoms, H2: Atoms 1 (H) and 2 (H) are 0.10 Å apart.",
    ):
        assert words in said, said


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((), "Project.of, stages: STAGES is empty."),
        (
            tuple(reversed(BOTH)),
            "stages[1]: STAGES.1.initial: initial comes a second time, or after another stage.",
        ),
        ((converge(), BOTH[1]), "Project.of, stages[0]: STAGES.0.converge comes before any stage"),
    ],
)
def test_list_of_stages_is_one_that_this_version_runs(stages: tuple[StageEntry, ...], words: str) -> None:
    assert words in problems_of(molecule("H2O"), *stages)


def test_stages_are_those_of_the_list() -> None:
    listed = [BOTH[0], "converge", {"learn": dict(LEARN)}, learn(**LEARN, name="more"), select(pool=__file__)]
    names = [plan.name for plan in Project.of(molecule("H2O"), stages=listed).settings.stages]
    assert names == ["initial", "initial convergence", "active", "more", "select"]
    assert Project.of(molecule("H2O"), stages=BOTH[:1]).stages == (Stage.INITIAL,)
    assert Project.of(molecule("H2O"), stages=BOTH).stages == (Stage.INITIAL, Stage.ACTIVE)


def test_values_of_numpy_and_paths_mean_what_a_file_would_say(tmp_path: Path) -> None:
    stages = (initial(**INITIAL | {"max_initial_set_size": np.int64(5)}),)
    md, misc = {"temperature": np.float64(310.0)}, {"output_dir": tmp_path / "out"}
    project = Project.of(molecule("H2O"), stages=stages, md=md, misc=misc)
    assert project.initial.max_initial_set_size == 5
    assert project.md_for(0).temperature == 310.0
    assert project.run_folder == tmp_path / "out"


def test_what_is_learned_first_has_its_reference_first() -> None:
    stages = [pretrain({"type": "tblite", "method": "GFN1-xTB"}, n=100), *BOTH]
    first = Project.of(molecule("H2O"), stages=stages).settings.stages[0]
    settings = first.read_as(PretrainSettings)
    assert (first.name, settings.n, settings.REFERENCE.method) == ("pretrain", 100, "GFN1-xTB")
    words = problems_of(molecule("H2O"), pretrain({"type": "pyscf"}), *BOTH)
    assert "stages[0]: STAGES.0.pretrain.REFERENCE.type is 'pyscf'." in words


def test_value_that_no_file_could_hold_is_refused() -> None:
    reference = {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT", "arguments": {"own": object()}}
    said = problems_of(bulk("Cu", cubic=True), *BOTH, reference=reference)
    assert "Project.of, reference: REFERENCE.arguments.own is of the type object." in said


def test_own_values_stay_as_they_were() -> None:
    settings = dict(INITIAL)
    atoms = molecule("H2O")
    project = Project.of(atoms, stages=[initial(**settings)])
    atoms.positions += 1.0
    assert settings == INITIAL
    assert np.abs(project.systems[0].frame.positions - atoms.positions).min() == pytest.approx(1.0)


def test_structures_have_the_names_that_they_are_given() -> None:
    water, copper = molecule("H2O"), bulk("Cu", cubic=True)
    named = Project.of({"drop": water, "metal": copper}, stages=BOTH)
    assert [system.name for system in named.systems] == ["drop", "metal"]
    assert [system.name for system in Project.of([water, water], stages=BOTH).systems] == ["H2O-0", "H2O-1"]


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        ("water.xyz", "atoms: holds a str"),
        ([], r"atoms: is \[\]"),
        (7, "atoms: is 7"),
        ([molecule("H2O"), 5], "atoms: holds an int"),
        ({"tight": bulk("Cu", a=0.5)}, "atoms, tight: The structure is periodic, and its cell is 0.29 Å high"),
    ],
)
def test_atoms_that_are_none_are_refused(atoms: Any, words: str) -> None:
    with pytest.raises(StructureError, match=words):
        Project.of(atoms, stages=BOTH)


def test_charge_that_atoms_speak_of_must_be_that_of_the_reference() -> None:
    ion = Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.97]], info={"charge": -1})
    assert "atoms, HO: The structure says charge=-1, and the reference computes charge 0" in problems_of(
        ion, *BOTH, reference={"type": "tblite", "multiplicity": 2}
    )
    assert Project.of(ion, stages=BOTH, reference={"type": "tblite", "charge": -1}).systems


def test_run_keeps_what_it_was_started_with() -> None:
    texts = dict(input_texts(Project.of({"drop": molecule("H2O")}, stages=BOTH, mace={"TRAINING": {"lr": 0.02}})))
    assert '"max_train_set_size": 9' in texts["Project.of"]
    assert '"lr": 0.02' in texts["Project.of, mace"]
    assert texts["drop.xyz"].startswith("3\n")


def test_entries_of_systems_are_those_of_a_file(tmp_path: Path) -> None:
    write(tmp_path / "ice.xyz", molecule("H2O"))
    water = {"geometry": molecule("H2O"), "num_trajectories": 3, "MD": {"temperature": 350}, "threshold": "own"}
    ice = {"geometry": tmp_path / "ice.xyz", "num_trajectories": 1, "charge": 0}
    stages = [initial(**INITIAL), learn(max_train_set_size=9, ensemble_size=2)]
    project = Project.of({"water": water, "ice": ice}, stages=stages, folder=tmp_path)
    assert [system.name for system in project.systems] == ["water", "ice"]
    assert [system.file for system in project.systems] == [None, tmp_path / "ice.xyz"]
    assert [project.system_for(index).name for index in range(4)] == ["water"] * 3 + ["ice"]
    assert [project.md_of(system).temperature for system in project.systems] == [350, 300]
    assert project.systems[1].frame.trajectory == 1
    texts = dict(input_texts(project))
    assert "given as atoms" in texts["Project.of"]
    assert "water.xyz" in texts


def test_atoms_alone_stand_beside_entries_of_systems(tmp_path: Path) -> None:
    project = Project.of(
        {"water": molecule("H2O"), "ion": {"geometry": molecule("OH"), "charge": -1}}, stages=BOTH, folder=tmp_path
    )
    assert [project.reference_for(system).charge for system in project.systems] == [0, -1]  # type: ignore[union-attr]


def test_mistakes_in_entries_of_systems_are_told_with_those_of_their_structures() -> None:
    close = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.1]])
    said = problems_of({"pair": {"geometry": close, "chrge": 1}, "none": {"charge": 1}}, *BOTH, md={"timestep": -1})
    for words in (
        "Project.of, atoms: SYSTEMS.pair.chrge is not a setting.",
        "Project.of, atoms: SYSTEMS.none.geometry is missing.",
        "Project.of, md: MD.timestep is -1.",
        "atoms, pair: Atoms 1 (H) and 2 (H) are 0.10 Å apart.",
    ):
        assert words in said, said
