"""Projects that load, and what they hold."""

import pickle
import subprocess
import sys
from math import inf
from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import SettingsError
from aims_pax.frame import Stage
from aims_pax.settings import (
    AseCalculatorSettings,
    InlineCluster,
    LocalCluster,
    MDSettings,
    ParslCluster,
    PyscfSettings,
    TbliteSettings,
    TeacherSettings,
    load_project,
)
from aims_pax.settings.reading.files import NamedFiles

IDG = "INITIAL_DATASET_GENERATION:\n  n_points_per_sampling_step_idg: 2\n  max_initial_set_size: 10\n"
AL = "ACTIVE_LEARNING:\n  num_trajectories: 2\n  max_train_set_size: 20\n"
MD = "MD:\n  stat_ensemble: NVT\n"
MACE = "GENERAL:\n  name_exp: water\n"


def test_defaults_are_those_of_the_specification(folder: Any) -> None:
    project = folder.write().load()
    initial, active, training = project.initial, project.active, project.mace.training
    assert (initial.skip_step_initial, initial.ensemble_size, initial.valid_ratio) == (25, 4, 0.1)
    assert (initial.intermediate_epochs_idg, initial.desired_acc_scale_idg, initial.max_initial_epochs) == (5, 10, inf)
    assert (active.c_x, active.skip_step_mlff, active.uncert_not_crossed_limit) == (0, 25, 50_000)
    assert (active.epochs_per_worker, active.intermediate_epochs_al, active.freeze_threshold_dataset) == (2, 1, inf)
    assert project.md_for(0) == MDSettings(stat_ensemble="nvt", temperature=300, timestep=0.5, friction=0.001, seed=42)
    assert (training.lr, training.weight_decay, training.clip_grad, training.ema_decay) == (0.01, 5e-7, 10, 0.99)
    assert project.mace.architecture.radial_MLP == (64, 64, 64)
    assert project.settings.reference == TbliteSettings()
    assert project.settings.cluster == InlineCluster()
    assert initial.driver == "tblite"
    assert initial.desired_force_mae_ev_per_ang is None


def test_project_has_places_systems_and_elements(folder: Any) -> None:
    project = folder.write().load()
    assert project.elements == (1, 8)
    assert project.run_folder == folder.path
    assert project.log_folder == folder.path / "logs"
    assert project.label_folder == folder.path / "aims_ase_calcs"
    assert [system.name for system in project.systems] == ["water"]
    assert project.system_for(1) is project.systems[0]


def test_loading_creates_nothing(folder: Any) -> None:
    folder.write()
    before = sorted(folder.path.rglob("*"))
    folder.load()
    assert sorted(folder.path.rglob("*")) == before


def test_stage_that_does_not_run_needs_no_section(folder: Any) -> None:
    folder.write(AL + MD)
    project = folder.load(Stage.ACTIVE)
    assert project.settings.initial is None
    with pytest.raises(SettingsError, match="no stage that makes an initial dataset"):
        _ = project.initial
    assert "The section INITIAL_DATASET_GENERATION is missing." in folder.complaint(Stage.INITIAL)


def test_section_of_a_stage_that_does_not_run_is_still_checked(folder: Any) -> None:
    assert "valid_ratio is 7" in folder.write(IDG + "  valid_ratio: 7\n" + AL + MD).complaint(Stage.ACTIVE)


def test_v02_project_with_a_teacher_runs_unchanged(folder: Any) -> None:
    folder.file("teacher.model")
    folder.file("driver.model")
    teacher = (
        "  use_teacher_reference: true\n  teacher_reference_settings: {model_type: mace, model_path: teacher.model}\n"
    )
    foundation = "  foundational_model_settings: {mace_model: driver.model, dispersion: false, damping: bj}\n"
    aims = "  species_dir: /somewhere/species_defaults\n  analysis: false\n"
    folder.file(
        "aimsPAX.yaml",
        f"{IDG}{teacher}{foundation}{aims}{AL}{teacher}{aims}"
        "MD:\n  stat_ensemble: nvt\n  thermostat: Langevin\n  MD_seed: 7\n  pressure: 101325.0\n  barostat: MTK\n"
        "MISC:\n  create_restart: true\n  path_to_control: ./control.in\n  path_to_geometry: ./geometry.in\n"
        "  dataset_dir: ./data\nCLUSTER:\n  type: local\n  max_workers: 4\n  launch_str: srun aims.x >> aims.out\n",
    )
    folder.file("control.in", "xc pbe\n")
    folder.file("geometry.in", "atom 0 0 0 O\natom 0 0.76 0.6 H\natom 0 -0.76 0.6 H\n")
    folder.file(
        "model.yaml",
        "GENERAL: {name_exp: old, model_dir: model, loss_dir: losses}\nTRAINING: {swa: false, perform_finetuning: no}\n"
        "MISC: {device: cpu, error_table: PerAtomMAE, compute_stress: false, enable_cueq: false}\n",
    )
    project = folder.load()
    assert project.settings.reference == TeacherSettings(model_path=folder.path / "teacher.model")
    assert project.settings.cluster == LocalCluster(max_workers=4)
    assert project.initial.driver == "mace-mp"
    assert project.initial.foundational_model_settings.mace_model == str(folder.path / "driver.model")
    assert project.md_for(1).seed == 7
    assert project.md_for(1).thermostat == "langevin"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type: tblite\n  method: GFN1-xTB", TbliteSettings(method="GFN1-xTB")),
        ("type: pyscf\n  xc: HF\n  conv_tol: 1e-9", PyscfSettings(xc="HF", conv_tol=1e-9)),
        ("type: teacher\n  model_type: mace-off", TeacherSettings(model_type="mace-off")),
        (
            "type: teacher\n  calculator: ase.calculators.emt:EMT\n  arguments: {asap_cutoff: true}",
            AseCalculatorSettings(
                type="teacher", calculator="ase.calculators.emt:EMT", arguments={"asap_cutoff": True}
            ),
        ),
        (
            "type: ase-calculator\n  calculator: ase.calculators.emt:EMT",
            AseCalculatorSettings(calculator="ase.calculators.emt:EMT"),
        ),
    ],
)
def test_reference_is_chosen_by_its_type(folder: Any, text: str, expected: object) -> None:
    project = folder.write(IDG + AL + MD + f"REFERENCE:\n  {text}\n").load()
    assert project.settings.reference == expected
    assert pickle.loads(pickle.dumps(project.settings.reference)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type: inline", InlineCluster()),
        ("type: local\n  max_workers: 2\n  clean_dirs: false", LocalCluster(max_workers=2, clean_dirs=False)),
        (
            "parsl_config: local\n  options: {max_workers: 3}",
            ParslCluster(parsl_config="local", options={"max_workers": 3}),
        ),
    ],
)
def test_cluster_is_chosen_by_its_type(folder: Any, text: str, expected: object) -> None:
    assert folder.write(IDG + AL + MD + f"CLUSTER:\n  {text}\n").load().settings.cluster == expected


def test_parsl_configuration_file_is_found_beside_the_settings(folder: Any) -> None:
    folder.file("cluster/mine.py")
    project = folder.write(IDG + AL + MD + "CLUSTER: {parsl_config: cluster/mine.py}\n").load()
    assert project.settings.cluster == ParslCluster(parsl_config=str(folder.path / "cluster/mine.py"))
    assert (
        "mine2.py, which can't be opened"
        in folder.write(IDG + AL + MD + "CLUSTER: {parsl_config: cluster/mine2.py}\n").complaint()
    )


def test_md_by_trajectory_differs_between_trajectories(folder: Any) -> None:
    md = "MD:\n  0: {stat_ensemble: nvt, temperature: 300}\n  1: {stat_ensemble: nve, temperature: 500}\n"
    project = folder.write(IDG + AL + md).load()
    assert [project.md_for(index).temperature for index in (0, 1)] == [300, 500]
    missing = folder.write(IDG + AL + "MD:\n  0: {stat_ensemble: nvt}\n").complaint()
    assert "MD says nothing of the trajectories 1." in missing
    surplus = folder.write(IDG + AL + md + "  2: {stat_ensemble: nvt}\n").complaint()
    assert "line 10: MD.2 is for a trajectory that does not exist.\n  Allowed: 0 to 1" in surplus
    mixed = folder.write(IDG + AL + md + "  timestep: 1\n").complaint()
    assert "MD.timestep is not a trajectory index." in mixed


def test_trajectories_are_moved_by_the_same_forces(folder: Any) -> None:
    md = "MD:\n  0: {stat_ensemble: nvt}\n  1: {stat_ensemble: nvt, propagate_with: member}\n"
    assert "Give all trajectories the same propagate_with." in folder.write(IDG + AL + md).complaint()


@pytest.mark.parametrize(
    ("md", "key"),
    [
        ("MD: {stat_ensemble: nvt, uncertainty_bias: 2.0}\n", "MD.uncertainty_bias"),
        ("MD:\n  0: {stat_ensemble: nvt, uncertainty_bias: 2.0}\n", "MD.0.uncertainty_bias"),
    ],
)
def test_a_bias_acts_in_active_learning_alone(folder: Any, md: str, key: str) -> None:
    found = f"{key} acts in active learning, and there is none."
    assert found in folder.write(IDG + md).complaint(Stage.INITIAL)
    assert folder.write(IDG + AL + md.replace("\n  0:", "\n  1: {stat_ensemble: nvt}\n  0:")).load(Stage.INITIAL)


def test_trajectories_take_the_systems_in_turn(folder: Any) -> None:
    folder.write(IDG + AL.replace("2\n", "5\n", 1) + MD)
    folder.file("geometry/hydrogen.xyz", "2\n\nH 0 0 0\nH 0 0 0.74\n")
    project = folder.load()
    assert [project.system_for(index).name for index in range(5)] == ["hydrogen", "water"] * 2 + ["hydrogen"]


def test_every_structure_needs_a_trajectory(folder: Any) -> None:
    folder.write(IDG + AL.replace("2\n", "1\n", 1) + MD)
    folder.file("geometry/hydrogen.xyz", "2\n\nH 0 0 0\nH 0 0 0.74\n")
    message = folder.complaint()
    assert "num_trajectories is 1, and there are 2 starting structures.\n  Allowed: integer >= 2" in message
    assert folder.load(Stage.INITIAL).elements == (1, 8)


def test_whole_numbers_may_be_written_with_exponents(folder: Any) -> None:
    assert folder.write(IDG + AL + "  max_MD_steps: 1e5\n" + MD).load().active.max_MD_steps == 100_000


def test_stress_flag_of_either_section_counts_and_contradiction_is_said(folder: Any) -> None:
    crystal = '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nAr 0 0 0\nAr 2 2 2\n'
    mace = MACE + "MISC: {compute_stress: true}\n"
    assert folder.write(mace=mace, structure=crystal).load().mace.general.compute_stress
    both = folder.write(mace=mace.replace("water", "water\n  compute_stress: no"), structure=crystal).complaint()
    assert "MISC.compute_stress and GENERAL.compute_stress contradict each other." in both
    wrong = folder.write(mace=MACE + "MISC: {compute_stress: 3}\n", structure=crystal).complaint()
    assert "mace.yaml, line 3: MISC.compute_stress is 3." in wrong


@pytest.mark.parametrize("kind", ["pyscf", "orca", "nwchem"])
def test_stress_of_molecules_or_programs_for_them_is_a_contradiction(folder: Any, kind: str) -> None:
    mace = MACE + "  compute_stress: true\n"
    assert "a molecule has no stress" in folder.write(mace=mace).complaint()
    crystal = '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nAr 0 0 0\nAr 2 2 2\n'
    message = folder.write(IDG + AL + MD + f"REFERENCE: {{type: {kind}}}\n", mace, crystal).complaint()
    assert f"GENERAL.compute_stress is true, and the reference {kind} gives no stress." in message


def test_models_that_take_charge_are_not_compiled(folder: Any) -> None:
    mace = MACE + "ARCHITECTURE:\n  embed: [total_charge]\n"
    assert folder.write(mace=mace).load().mace.architecture.embed == ("total_charge",)
    complaint = folder.write(mace=f"{mace}MISC:\n  compile: true\n").complaint()
    assert "MISC.compile is true, and models that take total_charge were never compiled" in complaint
    assert "embed names the same thing twice" in folder.write(mace=mace.replace("]", ", total_charge]")).complaint()


def test_atomic_energies_must_cover_the_elements(folder: Any) -> None:
    mace = MACE + "ARCHITECTURE:\n  atomic_energies: {1: -13.6}\n"
    assert "mace.yaml, line 4: ARCHITECTURE.atomic_energies has no energy for the elements Z = 8" in (
        folder.write(mace=mace).complaint()
    )
    project = folder.write(mace=mace.replace("-13.6", "-13.6, 8: -2e3")).load()
    assert project.mace.architecture.atomic_energies == {1: -13.6, 8: -2000.0}


def test_missing_model_file_is_said_with_its_line(folder: Any) -> None:
    message = folder.write(
        IDG + "  foundational_model_settings:\n    mace_model: no/such.model\n" + AL + MD
    ).complaint()
    assert "line 5: INITIAL_DATASET_GENERATION.foundational_model_settings.mace_model is 'no/such.model'" in message
    assert "neither a published model nor a file that exists" in message


def test_datasets_are_one_file_or_one_for_each_member(folder: Any) -> None:
    for name in "abcd":
        folder.file(f"{name}.xyz")
    one = AL + "  initial_train_dataset: a.xyz\n  initial_valid_dataset: b.xyz\n" + MD
    assert folder.write(one).load(Stage.ACTIVE).active.initial_train_dataset == folder.path / "a.xyz"
    mapping = "{" + ", ".join(f"{name}: {name}.xyz" for name in "abcd") + "}"
    many = AL + f"  initial_train_dataset: {mapping}\n  initial_valid_dataset: {mapping}\n" + MD
    datasets = folder.write(many).load(Stage.ACTIVE).active.initial_train_dataset
    assert datasets == {name: folder.path / f"{name}.xyz" for name in "abcd"}
    lone = folder.write(AL + "  initial_train_dataset: a.xyz\n" + MD).complaint(Stage.ACTIVE)
    assert "initial_train_dataset is given without initial_valid_dataset." in lone
    gone = folder.write(one.replace("b.xyz", "gone.xyz")).complaint(Stage.ACTIVE)
    assert "initial_valid_dataset names" in gone
    assert "gone.xyz, which can't be opened (No such file or directory)" in gone


def test_trajectories_do_not_begin_in_a_dataset_of_the_user_s_own(folder: Any) -> None:
    for name in ("a.xyz", "b.xyz"):
        folder.file(name)
    keys = "  initial_train_dataset: a.xyz\n  initial_valid_dataset: b.xyz\n  start_from: initial_dataset\n"
    complaint = folder.write(IDG + AL + keys + MD).complaint(Stage.ACTIVE)
    assert "start_from is initial_dataset, and structures of initial_train_dataset belong to no trajectory" in complaint


def test_missing_files_and_folders_are_said(folder: Any, tmp_path: Path) -> None:
    assert "there is neither aims_PAX.yaml nor mace.yaml" in folder.complaint()
    folder.file("mace.yaml", MACE)
    assert "There is no aims_PAX.yaml in this folder." in folder.complaint()
    with pytest.raises(SettingsError, match=r"This is a file.\n.*\n  Name the folder that holds it"):
        load_project(folder.path / "mace.yaml")
    with pytest.raises(SettingsError, match=r"There is no such folder.\n.*aims-pax init"):
        load_project(tmp_path / "nowhere")


def test_two_spellings_of_one_file_are_said(folder: Any) -> None:
    folder.write().file("model.yaml", MACE)
    assert "There are both mace.yaml and model.yaml." in folder.complaint()


def test_relative_folder_is_made_absolute(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write()
    monkeypatch.chdir(folder.path.parent)
    assert load_project(Path(folder.path.name)).folder == folder.path


def test_importing_the_settings_loads_nothing_heavy() -> None:
    code = "import sys, aims_pax.settings; sys.exit(bool({'torch', 'ase', 'mace', 'parsl'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_settings_can_not_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TbliteSettings().charge = 3  # type: ignore[misc]


def test_structures_are_looked_at_although_settings_are_wrong(folder: Any) -> None:
    text = f"{IDG}{AL}  skip_step_mlf: 5\n{MD}MISC:\n  path_to_geometry: broken.xyz\n"
    folder.write(text).file("broken.xyz", "nothing")
    message = folder.complaint()
    assert "skip_step_mlf is not a setting" in message
    assert "broken.xyz: No structure can be read here" in message


def test_mistakes_in_files_that_stages_name_are_told_with_those_of_the_project(folder: Any) -> None:
    workflow = "Phase0:\n  Geometry: {Bulk: {A: {Path: geometry/water.xyz, Repaet: [1, 1, 1]}}}\n  Run: {Type: Relax}\n"
    folder.file("flow.yaml", workflow)
    folder.file("other.yaml", "GENERAL: {name_exp: x}\nTRAINING: {lrr: 1}\n")
    stages = "STAGES:\n  - explore: {workflow: flow.yaml, replcas: 2}\n  - converge: {models: other.yaml}\n"
    told = folder.write(stages + MD).complaint()
    for line in ("aims_PAX.yaml, line 2", "flow.yaml, line 2", "other.yaml, line 2"):
        assert line in told
    assert "Repaet" in told


def test_a_system_that_is_not_known_yet_is_no_mistake_of_a_workflow(folder: Any) -> None:
    workflow = "System: sea\nPhase0:\n  Geometry: {Bulk: {A: {Path: nowhere.xyz}}}\n  Run: {Type: Relax}\n"
    folder.file("flow.yaml", workflow)
    stages = "STAGES:\n  - explore: {workflow: flow.yaml, replcas: 2}\n"
    told = folder.write(stages + MD + "MISC: {path_to_geometry: sea.xyz}\n").complaint()
    assert "nowhere.xyz" in told
    assert "no system of this project" not in told


def test_paths_of_a_mace_yaml_that_lies_elsewhere_are_those_of_the_project(folder: Any, tmp_path: Path) -> None:
    folder.write()
    elsewhere = tmp_path / "elsewhere" / "mace.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text("GENERAL: {name_exp: water, model_dir: models}\n", encoding="utf-8")
    project = load_project(folder.path, files=NamedFiles(mace=elsewhere))
    assert project.folder / project.mace.general.model_dir == folder.path / "models"
