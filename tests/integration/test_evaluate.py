"""Models from files, measured on structures from a file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from typer.testing import CliRunner, Result

import aims_pax as ap
from aims_pax.cli.program import program
from aims_pax.committee import Committee, load_models
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import read_extxyz, write_extxyz
from aims_pax.errors import ModelError
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split
from aims_pax.outcome.evaluate import evaluate_models
from aims_pax.report.paper.sheet import PAPER_LOOK
from aims_pax.settings import MaceSettings

torch.set_num_threads(1)

FORCE_SHIFT_EV_PER_ANG = 0.05
ENERGY_SHIFT_EV = 0.06

WATER: FloatArray = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAPER_LOOK, "savefig.dpi", 60)


def water_frames(n_frames: int) -> list[Frame]:
    rng = np.random.default_rng(1)
    numbers = np.array([8, 1, 1])
    return [Frame("water", 0, step, 0, numbers, WATER + rng.normal(0.0, 0.05, (3, 3))) for step in range(n_frames)]


def labelled(frames: list[Frame], labels: list[Label], split: Split = Split.TRAINING) -> list[LabelledFrame]:
    pairs = zip(frames, labels, strict=True)
    return [LabelledFrame(n, frame, label, split) for n, (frame, label) in enumerate(pairs, start=1)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two untrained members, exported."""
    settings = MaceSettings.model_validate(
        {
            "general": {"name_exp": "water", "default_dtype": "float64"},
            "architecture": {"r_max": 3.0, "num_channels": 4, "max_L": 0, "max_ell": 1, "correlation": 2},
        }
    )
    frames = water_frames(4)
    rng = np.random.default_rng(2)
    labels = [Label(-14.0 + rng.normal(), rng.normal(0.0, 1.0, (3, 3)), None, "made up", 0.0) for _ in frames]
    committee = Committee.build(settings, labelled(frames, labels), seeds=[1, 2])
    return committee.export(tmp_path_factory.mktemp("models"), "water")


@pytest.fixture(scope="module")
def data(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Structures whose labels are the models' mean prediction, shifted by known amounts."""
    frames = water_frames(5)
    means = [
        (float(prediction.energies.mean()), prediction.forces.mean(axis=0))
        for prediction in load_models(models, device="cpu").predict(frames)
    ]
    labels = [
        Label(energy + ENERGY_SHIFT_EV, forces + FORCE_SHIFT_EV_PER_ANG, None, "shifted mean", 0.0)
        for energy, forces in means
    ]
    path = tmp_path_factory.mktemp("data") / "heldout.extxyz"
    write_extxyz(path, labelled(frames, labels, Split.TEST))
    return path


def aims_pax_evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(program, ["evaluate", *map(str, arguments)])


def test_mean_is_off_by_the_shift_of_the_labels_and_members_by_more(models: list[Path], data: Path) -> None:
    errors = evaluate_models(models, data, device="cpu").errors
    assert errors.mean.n_structures == 5
    assert errors.mean.force_mae_ev_per_ang == pytest.approx(FORCE_SHIFT_EV_PER_ANG, rel=1e-9)
    assert errors.mean.energy_rmse_ev_per_atom == pytest.approx(ENERGY_SHIFT_EV / 3, rel=1e-9)
    assert all(member.force_rmse_ev_per_ang > errors.mean.force_rmse_ev_per_ang for member in errors.members)


def test_command_prints_and_writes_the_same_table(models: list[Path], data: Path, tmp_path: Path) -> None:
    result = aims_pax_evaluate("--models", *models, "--data", data, "--out", tmp_path / "evaluation", "--device", "cpu")
    assert result.exit_code == 0, result.output
    table = (tmp_path / "evaluation" / "metrics.txt").read_text(encoding="utf-8")
    assert table in result.stdout
    for name in (*(path.name for path in models), "committee mean"):
        assert name in table
    record = json.loads((tmp_path / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert record["mean"]["force_mae_ev_per_ang"] == pytest.approx(FORCE_SHIFT_EV_PER_ANG, rel=1e-9)
    assert set(record["members"]) == {path.name for path in models}
    assert (tmp_path / "evaluation" / "parity.png").stat().st_size > 3000
    measures = {(one["method"], one["quantity"]): one for one in record["measures"] if one["group"] == "all"}
    for name, errors in {**record["members"], "committee mean": record["mean"]}.items():
        assert measures[name, "force_component"]["rmse"] == pytest.approx(errors["force_rmse_ev_per_ang"], rel=1e-9)
        assert measures[name, "energy_per_atom"]["mae"] == pytest.approx(errors["energy_mae_ev_per_atom"], rel=1e-9)


def test_python_tells_errors_by_element(models: list[Path], data: Path) -> None:
    found = ap.evaluate(models, data, device="cpu").assessment()
    for symbol in ("H", "O"):
        measure = found.row("force_component", kind="element", group=symbol).measure
        assert measure.mae == pytest.approx(FORCE_SHIFT_EV_PER_ANG, rel=1e-9)
    assert "by element" in found.text()


def test_temperatures_of_the_data_are_told_apart(models: list[Path]) -> None:
    images = []
    for step, frame in enumerate(water_frames(6)):
        images.append(Atoms("OH2", frame.positions, info={"REF_energy": -14.0, "temperature": 300 * (1 + step % 2)}))
        images[-1].arrays["REF_forces"] = np.zeros((3, 3))
    found = ap.evaluate(models, images, device="cpu").assessment()
    assert found.row("energy", kind="temperature", group="600 K").measure.n_values == 3
    assert "Errors by density: no structure is periodic in three directions." in found.text()
    assert "Nothing is told of what disagreement says of errors: 6 structures are fewer than 10." in found.text()


def test_models_that_are_no_committee_stand_side_by_side(models: list[Path], data: Path, tmp_path: Path) -> None:
    """Of another cutoff, which no committee may have."""
    settings = MaceSettings.model_validate(
        {
            "general": {"name_exp": "short", "default_dtype": "float64"},
            "architecture": {"r_max": 2.0, "num_channels": 2, "max_L": 0, "max_ell": 1, "correlation": 1},
        }
    )
    pairs = read_extxyz(data)
    points = labelled([frame for frame, _ in pairs], [label for _, label in pairs])
    (other,) = Committee.build(settings, points, seeds=[3]).export(tmp_path, "short")
    arguments = ("--models", models[0], other, "--data", data, "--out", tmp_path / "made", "--device", "cpu")
    refused = aims_pax_evaluate(*arguments)
    assert refused.exit_code == 2
    result = aims_pax_evaluate(*arguments, "--apart")
    assert result.exit_code == 0, result.output
    assert "5 structures of heldout.extxyz, by each model alone" in result.stdout
    assert "committee mean" not in result.stdout
    record = json.loads((tmp_path / "made" / "metrics.json").read_text(encoding="utf-8"))
    alone = evaluate_models([other], data, device="cpu").errors.mean
    (row,) = [
        one
        for one in record["measures"]
        if (one["method"], one["quantity"], one["group"]) == (other.name, "force_component", "all")
    ]
    assert row["mae"] == pytest.approx(alone.force_mae_ev_per_ang, rel=1e-9)


def test_structures_of_several_files_are_told_by_file(models: list[Path], data: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.extxyz"
    again.write_bytes(data.read_bytes())
    measured = evaluate_models(models[:1], [data, again], device="cpu")
    assert measured.files == (("heldout.extxyz", 5), ("again.extxyz", 5))
    assert measured.assessment().row("energy", kind="file", group="again.extxyz").measure.n_values == 5


def test_models_of_one_name_are_told_apart_by_their_folders(models: list[Path], data: Path, tmp_path: Path) -> None:
    other = tmp_path / models[0].name
    other.write_bytes(models[1].read_bytes())
    assert evaluate_models([models[0], other], data, device="cpu").names == (str(models[0]), str(other))


def test_models_of_several_runs_are_no_committee(models: list[Path], data: Path, tmp_path: Path) -> None:
    committee = tmp_path / "results" / "committee"
    committee.mkdir(parents=True)
    own = [committee / models[0].name, tmp_path / "results" / "product.model"]
    for path in own:
        path.write_bytes(models[0].read_bytes())
    assert evaluate_models(own, data, device="cpu").remarks == ()
    result = aims_pax_evaluate("--models", own[0], models[1], "--data", data, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "They are from 2 folders, and their mean is taken over all" in result.stderr


def test_other_keys_can_be_named(models: list[Path], data: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.extxyz"
    renamed.write_text(data.read_text(encoding="utf-8").replace("REF_energy", "e_dft"), encoding="utf-8")
    errors = evaluate_models(models, renamed, device="cpu", keys=Keys(energy="e_dft")).errors
    assert errors.mean.force_mae_ev_per_ang == pytest.approx(FORCE_SHIFT_EV_PER_ANG, rel=1e-9)


def test_labels_in_probable_other_units_are_warned_of(models: list[Path], data: Path, tmp_path: Path) -> None:
    pairs = [(frame, replace(label, forces=label.forces / 51.4)) for frame, label in read_extxyz(data)] * 2
    frames, labels = [frame for frame, _ in pairs], [label for _, label in pairs]
    write_extxyz(tmp_path / "weak.extxyz", labelled(frames, labels))
    result = aims_pax_evaluate("--models", models[0], "--data", tmp_path / "weak.extxyz", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "weak.extxyz: Energies and forces do not go together" in result.stderr


def test_element_that_the_models_do_not_know_is_a_model_error(models: list[Path], data: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.extxyz"
    foreign.write_text(data.read_text(encoding="utf-8").replace("\nO ", "\nS "), encoding="utf-8")
    with pytest.raises(ModelError, match="S"):
        evaluate_models(models, foreign, device="cpu")


def test_command_explains_a_missing_file_without_a_traceback(models: list[Path], tmp_path: Path) -> None:
    result = aims_pax_evaluate("--models", models[0], "--data", tmp_path / "nothing.extxyz")
    assert result.exit_code == 2
    assert "nothing.extxyz: There is no such file." in result.stderr
    assert "Traceback" not in result.stderr


def test_command_explains_an_unwritable_folder(models: list[Path], data: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file", encoding="utf-8")
    result = aims_pax_evaluate("--models", models[0], "--data", data, "--out", taken, "--device", "cpu")
    assert result.exit_code == 2
    assert f"{taken}: This is a file." in result.stderr
    below = taken / "below"
    result = aims_pax_evaluate("--models", models[0], "--data", data, "--out", below, "--device", "cpu")
    assert result.exit_code == 2
    assert f"{below}: can't be written to" in result.stderr
