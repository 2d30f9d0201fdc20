"""The mistakes that people make, through the real command line: what is said, exit code 2, and nothing is created."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import torch
import torch._inductor.config as inductor
from ase.build import molecule
from typer.testing import CliRunner

from aims_pax.campaign.fingerprint import claim
from aims_pax.campaign.progress import FINISHED
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.settings import load_project
from aims_pax.stages.assembly import run_folder
from aims_pax.stages.memory import Memory

AIMS_PAX: Final = (sys.executable, "-c", "from aims_pax.cli.main import run_program; run_program()")

SETTINGS: Final = """\
REFERENCE:
  type: tblite

INITIAL_DATASET_GENERATION:
  n_points_per_sampling_step_idg: 2
  max_initial_set_size: 2

ACTIVE_LEARNING:
  num_trajectories: 2
  max_train_set_size: 4
  skip_step_mlff: 5

MD:
  stat_ensemble: nvt
  temperature: 300
  timestep: 0.5

MISC:
  path_to_geometry: water.xyz
"""

MACE: Final = """\
GENERAL:
  name_exp: water

ARCHITECTURE:
  num_channels: 4
  max_L: 0
"""

Edit = Callable[[Path], object]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without mistakes."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "aims_PAX.yaml").write_text(SETTINGS, encoding="utf-8")
    (folder / "mace.yaml").write_text(MACE, encoding="utf-8")
    molecule("H2O").write(folder / "water.xyz")
    return folder


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def replaced(file: str, old: str, new: str) -> Edit:
    """A mistake that is made by editing one place of one file."""

    def edit(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def written(file: str, text: str) -> Edit:
    """A mistake that is made by writing a file."""
    return lambda folder: (folder / file).write_text(text, encoding="utf-8")


def added(file: str, text: str) -> Edit:
    """A mistake that is made by adding to the end of a file."""

    def edit(folder: Path) -> None:
        with (folder / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    return edit


def contents(folder: Path) -> dict[Path, bytes]:
    """All files and folders below a folder."""
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def assert_told(arguments: list[str], *words: str) -> None:
    """The command, in this process, ends with exit code 2 and says these words on stderr, without a traceback."""
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


SETTINGS_MISTAKES: Final[dict[str, tuple[Edit, tuple[str, ...]]]] = {
    "unknown key": (
        replaced("mace.yaml", "  max_L: 0\n", "  max_L: 0\n  colour: blue\n"),
        ("mace.yaml, line 7", "ARCHITECTURE.colour is not a setting", "docs/settings.md"),
    ),
    "misspelt key": (
        replaced("aims_PAX.yaml", "skip_step_mlff", "skip_step_mlf"),
        ("aims_PAX.yaml, line 11", "skip_step_mlf is not a setting", "Did you mean skip_step_mlff (integer >= 1"),
    ),
    "misspelt section": (
        replaced("aims_PAX.yaml", "ACTIVE_LEARNING", "ACTIV_LEARNING"),
        ("aims_PAX.yaml, line 8", "ACTIV_LEARNING is not a section", "Did you mean ACTIVE_LEARNING?"),
    ),
    "wrong type": (
        replaced("aims_PAX.yaml", "temperature: 300", "temperature: 300 K"),
        ("aims_PAX.yaml, line 15", "MD.temperature is '300 K'", "Allowed: number > 0"),
    ),
    "out of range": (
        replaced("aims_PAX.yaml", "timestep: 0.5", "timestep: 50"),
        ("aims_PAX.yaml, line 16", "MD.timestep is 50", "Allowed: number > 0 and <= 10"),
    ),
    "missing settings file": (
        lambda folder: (folder / "mace.yaml").unlink(),
        ("There is no mace.yaml in this folder", "aims-pax init"),
    ),
    "missing geometry file": (
        lambda folder: (folder / "water.xyz").unlink(),
        ("aims_PAX.yaml, line 19", "MISC.path_to_geometry", "water.xyz", "No such file"),
    ),
    "unreadable geometry": (
        written("water.xyz", "this is no structure\n"),
        ("water.xyz: No structure can be read here", "Check the file"),
    ),
    "geometry with an unknown element": (
        written("water.xyz", "1\n\nQq 0 0 0\n"),
        ("water.xyz: No structure can be read here: Qq is not an element",),
    ),
    "geometry with overlapping atoms": (
        written("water.xyz", "2\n\nH 0 0 0\nH 0 0 0.1\n"),
        ("water.xyz: Atoms 1 (H) and 2 (H) are 0.10 Å apart", "at least 0.5 Å"),
    ),
    "geometry that is not a number": (
        written("water.xyz", "2\n\nH 0 0 0\nH 0 0 nan\n"),
        ("water.xyz: Positions or lattice vectors are not finite numbers",),
    ),
    "contradicting settings": (
        replaced("aims_PAX.yaml", "num_trajectories: 2", "num_trajectories: 2\n  intermediate_epochs_al: 5"),
        ("aims_PAX.yaml, line 10", "(5) is more than epochs_per_worker (2)"),
    ),
    "an architecture that can't be": (
        replaced("mace.yaml", "max_L: 0", "max_L: 2\n  max_ell: 1"),
        ("mace.yaml, line 6", "max_L (2) is larger than max_ell (1)"),
    ),
    "no YAML": (
        added("aims_PAX.yaml", "CLUSTER: {type: local\n"),
        ("aims_PAX.yaml, line 21", "This is not valid YAML"),
    ),
}
"""What is found before anything heavy is imported."""


@pytest.mark.parametrize("kind", SETTINGS_MISTAKES)
def test_mistake_in_the_files_is_told_in_a_second_and_nothing_is_created(kind: str, project: Path) -> None:
    make_mistake, words = SETTINGS_MISTAKES[kind]
    make_mistake(project)
    before = contents(project)
    done = subprocess.run([*AIMS_PAX, "run", project], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing was started" in done.stderr
    for word in words:
        assert word in done.stderr
    assert contents(project) == before
    assert_told(["check", str(project)], *words)


def test_all_mistakes_are_told_at_once(project: Path) -> None:
    for kind in ("unknown key", "misspelt key", "wrong type", "out of range", "unreadable geometry"):
        SETTINGS_MISTAKES[kind][0](project)
    assert_told(["run", str(project)], "5 problems", "colour", "skip_step_mlf", "300 K", "timestep is 50", "water.xyz")


def test_element_that_the_driver_does_not_know_is_told(project: Path, mace_model: Path) -> None:
    molecule("NH3").write(project / "water.xyz")
    lines = f"  foundational_model: mace\n  foundational_model_settings:\n    mace_model: {mace_model}\n"
    replaced("aims_PAX.yaml", "  n_points", f"{lines}  n_points")(project)
    assert_both_tell(project, "does not know the elements N", "structures of H, C, O", "GFN2-xTB")


def test_element_that_the_reference_does_not_know_is_told(project: Path) -> None:
    written("water.xyz", "2\n\nRa 0 0 0\nRa 0 0 4\n")(project)
    assert_both_tell(project, "REFERENCE (tblite) for structure water", "elements up to Z = 86, not Z = 88")


def test_problem_of_a_teacher_names_the_file_and_section_that_it_stands_in(project: Path, mace_model: Path) -> None:
    molecule("NH3").write(project / "water.xyz")
    taught = (
        "_LEARNING:\n  use_teacher_reference: true\n  teacher_reference_settings: {{model_path: {path}, device: cpu}}"
    )
    replaced("aims_PAX.yaml", "REFERENCE:\n  type: tblite\n", "")(project)
    replaced("aims_PAX.yaml", "_LEARNING:", taught.format(path=mace_model))(project)
    replaced("aims_PAX.yaml", "_GENERATION:", taught.format(path=mace_model).replace("LEARNING", "GENERATION"))(project)
    (project / "aims_PAX.yaml").rename(project / "aimsPAX.yaml")
    section = "INITIAL_DATASET_GENERATION.teacher_reference_settings"
    told = ("has not learnt the elements Z = 7", f"Correct {section}")
    assert_both_tell(project, f"aimsPAX.yaml, line 4: {section} (teacher) for structure water", *told)


def test_missing_package_of_the_reference_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyscf", None)  # as Python marks what can't be imported
    replaced("aims_PAX.yaml", "type: tblite", "type: pyscf")(project)
    assert_both_tell(project, "REFERENCE (pyscf)", "package pyscf is not installed", "pip install")


def test_calculator_that_can_not_be_imported_is_told(project: Path) -> None:
    replaced("aims_PAX.yaml", "type: tblite", "type: ase-calculator\n  calculator: nowhere.calculators:Best")(project)
    assert_both_tell(project, "REFERENCE (ase-calculator)", "nowhere")


def test_charge_that_the_electrons_can_not_have_is_told(project: Path) -> None:
    replaced("aims_PAX.yaml", "type: tblite", "type: tblite\n  charge: 1")(project)
    assert_both_tell(project, "can't have REFERENCE.multiplicity = 1", "one of 2, 4, 6")


def test_folder_that_can_not_be_written_is_told(project: Path) -> None:
    added("aims_PAX.yaml", "  output_dir: /proc/aims_pax\n")(project)  # not even root can create files there
    assert_both_tell(project, "No files can be created in this folder", "MISC.output_dir")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_project_folder_without_write_permission_is_told(project: Path) -> None:
    project.chmod(0o555)
    try:
        assert_both_tell(project, "No files can be created", "MISC.output_dir, MISC.log_dir, CLUSTER.calc_dir")
    finally:
        project.chmod(0o755)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_told(project: Path) -> None:
    added("mace.yaml", "\nMISC:\n  device: cuda\n")(project)
    assert_both_tell(project, "mace.yaml, line 9: MISC.device is cuda", "auto | cpu; cuda where there is one")


def test_gpus_that_are_not_there_are_told_with_those_that_are(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    added("mace.yaml", "\nMISC:\n  device: [cuda:1, cuda:4]\n")(project)
    assert_both_tell(project, "MISC.device names cuda:4, and PyTorch finds 2 here.", "cuda:0 | cuda:1", "device: cuda")


def test_a_missing_compiler_is_told(project: Path) -> None:
    added("mace.yaml", "\nMISC:\n  compile: true\n")(project)
    torch.compiler.reset()  # what another test has compiled
    with inductor.patch({"cpp.cxx": ("/nowhere/g++",)}):
        assert_both_tell(project, "PyTorch can't compile the models here", "g++ and python3-dev", "compile: false")


def test_missing_cuequivariance_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added("mace.yaml", "\nMISC:\n  device: cpu\n  enable_cueq: true\n")(project)
    monkeypatch.setitem(sys.modules, "cuequivariance_torch", None)  # importlib then finds none
    assert_both_tell(project, "cuEquivariance is not installed here", "pip install 'mace-torch[cueq")


def test_parsl_configuration_with_a_syntax_error_is_told_with_its_line(project: Path) -> None:
    written("queue.py", "import os\ndef make_config(:\n")(project)
    added("aims_PAX.yaml", "CLUSTER:\n  parsl_config: queue.py\n")(project)
    assert_both_tell(project, "queue.py, line 2", "SyntaxError")


def test_an_executor_that_the_configuration_lacks_is_told(project: Path) -> None:
    lines = "CLUSTER: {parsl_config: slurm_packed, systems: {water: {executor: large}}}\n"
    added("aims_PAX.yaml", lines)(project)
    assert_both_tell(
        project, "CLUSTER.systems.water.executor is 'large', and there is no such executor.", "Allowed: slurm"
    )


def test_another_parsl_configuration_is_checked_before_anything_starts(project: Path) -> None:
    before = contents(project)
    for command in ("run", "idg", "check"):
        assert_told([command, str(project), "--parsl-config", "nowhere.py"], "--parsl-config names", "nowhere.py")
    result = CliRunner().invoke(program, ["check", str(project), "--parsl-config", "local"])
    assert "on the workers of the Parsl configuration local" in result.output
    assert result.output.rstrip().endswith("--parsl-config local")
    assert contents(project) == before


def test_a_batch_system_that_is_not_here_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    added("aims_PAX.yaml", "CLUSTER: {parsl_config: pbs}\n")(project)
    assert_both_tell(project, "executor pbs needs a batch system", "qdel is not found on this machine")


def test_active_learning_without_an_initial_dataset_is_told(project: Path) -> None:
    before = contents(project)
    words = ("There is no initial dataset", "aims-pax idg", "initial_train_dataset")
    assert_told(["al", str(project)], *words)
    assert_told(["check", "--for", "al", str(project)], *words)
    assert contents(project) == before


def test_initial_dataset_without_labels_is_told(project: Path) -> None:
    lines = "  initial_train_dataset: water.xyz\n  initial_valid_dataset: water.xyz\n"
    replaced("aims_PAX.yaml", "  num_trajectories", f"{lines}  num_trajectories")(project)
    before = contents(project)
    assert_told(["al", str(project)], "water.xyz, structure 1", "REF_energy")
    assert contents(project) == before


def test_file_instead_of_a_folder_is_told(project: Path) -> None:
    assert_told(["run", str(project / "mace.yaml")], "This is a file", f"Name the folder that holds it: {project}")


def test_folder_without_a_project_is_told_in_one_sentence(tmp_path: Path) -> None:
    assert_told(["run", str(tmp_path)], "One problem", "neither aims_PAX.yaml nor mace.yaml", "aims-pax init")
    assert list(tmp_path.iterdir()) == []


def test_second_campaign_in_a_folder_is_told_and_leaves_the_first_ones_diary_alone(project: Path) -> None:
    with RunStore.open(project):
        assert_both_tell(project, "another campaign is working in this folder", f"process {os.getpid()}")


def test_settings_changed_under_way_are_told_with_both_values(project: Path) -> None:
    begin_run(project, "active")
    replaced("aims_PAX.yaml", "temperature: 300", "temperature: 350")(project)
    replaced("mace.yaml", "num_channels: 4", "num_channels: 8")(project)
    assert_both_tell(
        project,
        "aims_PAX.yaml: MD.temperature is 350.0",
        "was started with 300.0",
        "mace.yaml: ARCHITECTURE.num_channels is 8",
    )


def test_other_starting_structures_under_way_are_told(project: Path) -> None:
    begin_run(project, "active")
    molecule("CH3OH").write(project / "water.xyz")
    assert_both_tell(project, "The starting structures are not those that the run")


def test_goal_lowered_after_the_end_is_told(project: Path) -> None:
    begin_run(project, FINISHED)
    replaced("aims_PAX.yaml", "max_train_set_size: 4", "max_train_set_size: 3")(project)
    assert_both_tell(project, "ACTIVE_LEARNING.max_train_set_size is 3, which asks for no more", "it ended with 4")


def test_goal_of_the_initial_dataset_raised_after_its_end_is_told(project: Path) -> None:
    begin_run(project, "active")
    replaced("aims_PAX.yaml", "max_initial_set_size: 2", "max_initial_set_size: 8")(project)
    words = ("max_initial_set_size is 8", "done with that part at 2, and has learned from it since", "ACTIVE_LEARNING")
    assert_both_tell(project, *words)


def test_goal_raised_under_way_is_no_mistake(project: Path) -> None:
    begin_run(project, "active")
    replaced("aims_PAX.yaml", "max_train_set_size: 4", "max_train_set_size: 8")(project)
    result = CliRunner().invoke(program, ["check", str(project)])
    assert result.exit_code == 0, result.output
    assert "goes on from 0 labels: it learns actively" in " ".join(result.stdout.split())


def test_missing_store_beside_checkpoints_is_told(project: Path) -> None:
    (project / "checkpoints").mkdir()
    (project / "checkpoints" / "committee_000003.pt").touch()
    assert_both_tell(project, "run.db is missing", "checkpoints/committee_000003.pt")


def test_empty_store_beside_checkpoints_is_told(project: Path) -> None:
    """As after a kill, where run.db was copied without run.db-wal."""
    (project / "checkpoints").mkdir()
    (project / "checkpoints" / "committee_000003.pt").touch()
    RunStore.open(project).close()
    assert_both_tell(project, "run.db knows nothing of it; perhaps run.db-wal was not copied with it")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_evaluation_on_a_missing_gpu_is_told(mace_model: Path, project: Path) -> None:
    data = str(project / "water.xyz")
    assert_told(["evaluate", "--models", str(mace_model), "--data", data, "--device", "cuda"], "no usable GPU")


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ("mace.yaml", "water.xyz", ("water.xyz, structure 1: has no REF_energy", "--energy-key")),
        ("mace.yaml", "nowhere.xyz", ("nowhere.xyz: There is no such file.",)),
        ("mace.yaml", "labelled.xyz", ("mace.yaml: can't be read as a model",)),
        ("nowhere.model", "labelled.xyz", ("nowhere.model: There is no such file.",)),
        ("results/*.model", "labelled.xyz", ("Nothing matches this pattern.", "results/committee/")),
    ],
)
def test_files_that_can_not_be_evaluated_are_told(model: str, data: str, words: tuple[str, ...], project: Path) -> None:
    columns = "Properties=species:S:1:pos:R:3:REF_forces:R:3"
    written("labelled.xyz", f"2\n{columns} REF_energy=-1.0\nH 0 0 0 0 0 0\nH 0 0 1 0 0 0\n")(project)
    before = contents(project)
    assert_told(
        ["evaluate", "--models", str(project / model), "--data", str(project / data), "--out", str(project / "out")],
        *words,
    )
    assert contents(project) == before


def assert_both_tell(project: Path, *words: str) -> None:
    """``run`` says these words, creates and changes nothing, and so does ``check``."""
    before = contents(project)
    assert_told(["run", str(project)], *words)
    assert_told(["check", str(project)], *words)
    assert contents(project) == before


def begin_run(folder: Path, progress: str) -> None:
    """Let a run begin in a folder, and come thus far."""
    project = load_project(folder)
    with RunStore.open(folder) as store:
        claim(store, project)
        memory = Memory(store, run_folder(project))
        memory.keep_json("progress", progress)
        memory.keep_json("stages", ["initial", "active"][: 1 if progress == "active" else 2])
