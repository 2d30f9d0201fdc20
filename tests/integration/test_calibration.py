"""Errors told by disagreement, from the labels to the calculator that tells them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from typer.testing import CliRunner, Result

import aims_pax as ap
from aims_pax.cli.program import program
from aims_pax.committee import Committee, load_models
from aims_pax.dataset.extxyz import write_extxyz
from aims_pax.errors import UserError
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.outcome.calibrated import fitted, of_run
from aims_pax.outcome.calibrated.kept import FILE
from aims_pax.selection.calibration import choice
from aims_pax.settings import MaceSettings

from .engines import Watched
from .projects import copper_project, run

torch.set_num_threads(1)

WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
N_LABELS = 48


def frames(n_frames: int, *, seed: int) -> list[Frame]:
    rng = np.random.default_rng(seed)
    moved = [WATER + rng.normal(0.0, 0.05, (3, 3)) for _ in range(n_frames)]
    return [Frame("water", 0, step, 0, np.array([8, 1, 1]), positions) for step, positions in enumerate(moved)]


def write(path: Path, some: list[Frame], labels: list[Label]) -> Path:
    pairs = enumerate(zip(some, labels, strict=True), start=1)
    write_extxyz(path, [LabelledFrame(n, frame, label, Split.TRAINING) for n, (frame, label) in pairs])
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two untrained members."""
    settings = MaceSettings.model_validate(
        {
            "general": {"name_exp": "water", "default_dtype": "float64"},
            "architecture": {"r_max": 3.0, "num_channels": 4, "max_L": 0, "max_ell": 1, "correlation": 2},
        }
    )
    rng = np.random.default_rng(2)
    points = [
        LabelledFrame(
            n, one, Label(-14.0 + rng.normal(), rng.normal(size=(3, 3)), None, "made up", 0.0), Split.TRAINING
        )
        for n, one in enumerate(frames(4, seed=1), start=1)
    ]
    return Committee.build(settings, points, seeds=[1, 2]).export(tmp_path_factory.mktemp("models"), "water")


@pytest.fixture
def models(exported: list[Path], tmp_path: Path) -> list[Path]:
    """The same in the folder of a run."""
    committee = tmp_path / "results" / "committee"
    committee.mkdir(parents=True)
    return [Path(shutil.copy(path, committee)) for path in exported]


@pytest.fixture
def data(models: list[Path], tmp_path: Path) -> Path:
    """Structures whose labels are twice the members' deviation away from their mean, on average."""
    rng, some = np.random.default_rng(3), frames(N_LABELS, seed=4)
    labels = [
        Label(
            float(said.energies.mean() + 2 * said.energies.std() * rng.normal()),
            said.forces.mean(axis=0) + 2 * said.forces.std(axis=0) * rng.normal(size=(3, 3)),
            None,
            "made up",
            0.0,
        )
        for said in load_models(models, device="cpu").predict(some)
    ]
    return write(tmp_path / "heldout.extxyz", some, labels)


def calibrate(models: list[Path], data: Path, folder: Path) -> Result:
    arguments = ["--models", *models, "--data", data, "--calibrate", "--device", "cpu", "--out", folder / "evaluation"]
    return CliRunner().invoke(program, ["evaluate", *map(str, arguments)])


def test_a_labelled_file_makes_the_calculator_tell_its_errors(models: list[Path], data: Path, tmp_path: Path) -> None:
    result = calibrate(models, data, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"wrote {tmp_path / 'results' / FILE}" in result.stdout
    assert result.stdout.count("chosen: ") == 2

    atoms = Atoms("OH2", WATER, calculator=ap.calculator(models, device="cpu"))
    told = {name: np.array(atoms.calc.get_property(name, atoms)) for name in ("energy_error", "forces_error")}
    atoms.calc.get_property("energy", atoms)
    assert told["forces_error"].shape == (3,)
    assert (atoms.calc.results["forces_interval"] > told["forces_error"]).all()
    assert 0 < told["energy_error"] < atoms.calc.results["energy_interval"]
    assert "stress_error" not in atoms.calc.results

    kept = json.loads((tmp_path / "results" / FILE).read_text())
    assert kept["evidence"]["n_structures"] == N_LABELS
    coverage = kept["quantities"]["forces"]["coverage"]["90"]
    assert coverage["low"] <= 0.9 <= coverage["high"]


def test_other_models_are_told_nothing_and_a_named_file_must_be_theirs(
    models: list[Path], data: Path, tmp_path: Path
) -> None:
    calibrate(models, data, tmp_path)
    for calculator in (
        ap.calculator(models[0], device="cpu"),
        ap.calculator(models, device="cpu", calibration=None),
    ):
        assert calculator.calibration is None
        atoms = Atoms("OH2", WATER, calculator=calculator)
        atoms.get_potential_energy()
        assert not [name for name in calculator.results if name.endswith(("_error", "_interval"))]
    with pytest.raises(UserError, match="calibration of the mean of other models"):
        ap.calculator(models[0], device="cpu", calibration=tmp_path / "results" / FILE)
    assert ap.calculator(models, device="cpu", calibration=tmp_path / "results" / FILE).calibration is not None


def test_one_model_or_few_structures_are_refused(models: list[Path], data: Path, tmp_path: Path) -> None:
    alone = calibrate(models[:1], data, tmp_path)
    assert alone.exit_code != 0
    assert "One model was given, and one does not disagree." in alone.stderr
    some = frames(5, seed=9)
    labels = [Label(-14.0, np.zeros((3, 3)), None, "made up", 0.0) for _ in some]
    few = calibrate(models, write(tmp_path / "few.extxyz", some, labels), tmp_path)
    assert few.exit_code != 0
    assert "few.extxyz holds 5 structures." in few.stderr
    assert not (tmp_path / "results" / FILE).exists()


def test_structures_that_were_learned_are_refused(models: list[Path], data: Path, tmp_path: Path) -> None:
    (tmp_path / "results" / "training.extxyz").write_bytes(data.read_bytes())
    result = calibrate(models, data, tmp_path)
    assert result.exit_code != 0
    assert f"{N_LABELS} of the {N_LABELS} structures of heldout.extxyz are in training.extxyz" in result.stderr


def test_a_campaign_leaves_the_calibration_of_the_models_that_it_hands_over(
    engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that learned the validation structures in the end, too; a few test structures must do here."""
    for module in (choice, fitted, of_run):
        monkeypatch.setattr(module, "LEAST_STRUCTURES", 4)
    keys = {
        "max_train_set_size": 14,
        "random_label_share": 0.5,
        "converge_al": True,
        "converge_best": False,
        "converge_on_validation": True,
        "max_convergence_epochs": 2,
        "c_x": -0.9,
    }
    summary = run(copper_project(tmp_path, changes={"ACTIVE_LEARNING": keys}))
    n_test = summary.content["labels"]["test"]
    assert n_test >= 4
    assert any(line.startswith("calibration: intervals for 90 % held") for line in summary.lines())
    models = sorted((tmp_path / "results" / "committee").glob("*.model"))
    assert ap.calculator(models, device="cpu").calibration is not None
    kept = json.loads((tmp_path / "results" / FILE).read_text())
    assert kept["evidence"]["structures"] == f"{n_test} test structures"
