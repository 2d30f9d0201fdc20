"""`aims-pax evaluate` without any model: predictions of others, and relaxations."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import write
from typer.testing import CliRunner, Result

import aims_pax as ap
from aims_pax.cli.program import program
from aims_pax.report.paper.sheet import PAPER_LOOK
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3

ENERGY_SHIFT_EV, FORCE_SHIFT_EV_PER_ANG = 0.06, 0.05


@pytest.fixture(autouse=True, scope="module")
def coarse() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PAPER_LOOK, "savefig.dpi", 60)
        yield


def crystal(step: int, *, energy: float, forces: np.ndarray, stress: np.ndarray | None = None) -> Atoms:
    atoms = Atoms("NaCl", [[0, 0, 0], [2.8 + 0.01 * step, 0, 0]], cell=[5.6] * 3, pbc=True)
    results = {"energy": energy, "forces": forces} | ({} if stress is None else {"stress": stress})
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Labels, and predictions that are off by known amounts."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(1)
    labels, predictions = [], []
    for step in range(12):
        energy, forces = float(rng.normal(-8, 0.1)), rng.normal(0, 1, (2, 3))
        labels.append(crystal(step, energy=energy, forces=forces))
        shifted = energy + ENERGY_SHIFT_EV
        predictions.append(crystal(step, energy=shifted, forces=forces + FORCE_SHIFT_EV_PER_ANG))
    write(folder / "dft.extxyz", labels)
    write(folder / "model.extxyz", predictions)
    return folder / "dft.extxyz", folder / "model.extxyz"


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(program, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def made(files: tuple[Path, Path]) -> tuple[Path, str]:
    """What the command writes of these, and what it prints."""
    data, predicted = files
    result = evaluate("--data", data, "--predicted", predicted, "--out", data.parent / "made")
    assert result.exit_code == 0, result.output
    return data.parent / "made", result.stdout


def test_tables_and_figures_of_predictions_are_written(made: tuple[Path, str]) -> None:
    out, printed = made
    assert "predictions: energy, forces of model.extxyz" in printed
    assert (out / "metrics.txt").read_text(encoding="utf-8") in printed
    assert f"wrote {out / 'parity'}.png, .pdf, .csv" in printed
    with (out / "errors.csv").open(encoding="utf-8") as file:
        rows = {(row["quantity"], row["group"]): row for row in csv.DictReader(file)}
    assert float(rows["energy_per_atom", "all"]["mae"]) == pytest.approx(ENERGY_SHIFT_EV / 2, abs=1e-7)
    assert float(rows["force_component", "Na"]["rmse"]) == pytest.approx(FORCE_SHIFT_EV_PER_ANG, abs=1e-7)
    for name in ("parity", "cumulative", "force_angles", "errors_by_element"):
        assert (out / f"{name}.png").stat().st_size > 2000
        assert (out / f"{name}.pdf").stat().st_size > 5000
    with (out / "cumulative.csv").open(encoding="utf-8") as file:
        curve = [row for row in csv.DictReader(file) if row["quantity"] == "force_component"]
    errors = np.array([float(row["absolute_error"]) for row in curve])
    assert errors == pytest.approx(np.full(len(errors), 1000 * FORCE_SHIFT_EV_PER_ANG), abs=1e-3)


def test_python_gives_the_numbers_of_the_command(files: tuple[Path, Path], made: tuple[Path, str]) -> None:
    data, predicted = files
    record = json.loads((made[0] / "metrics.json").read_text(encoding="utf-8"))
    found = ap.compare(predicted, data)
    assert [row.record() for row in found.rows] == record["measures"]
    assert found.text() == record["text"]


def test_labels_of_several_files_are_told_by_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, predicted = files
    both = tmp_path / "both.extxyz"
    both.write_text(2 * predicted.read_text(encoding="utf-8"), encoding="utf-8")
    again = tmp_path / "again.extxyz"
    again.write_bytes(data.read_bytes())
    text = ap.compare(both, [data, again]).text()
    assert "24 structures of dft.extxyz and again.extxyz" in text
    assert "by system" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ["--models: no model file was given", "--data: no labelled structures were given"]),
        (("--data", "a.xyz", "--models", "m.model", "--predicted", "b.xyz"), ["Both models and predictions"]),
        (("--data", "a.xyz", "--relaxation", "OUTCAR"), ["--data: Relaxations are looked at by themselves."]),
        (("--data", "a.xyz", "--models", "m.model", "--apart"), ["--apart: It sets several models side by side."]),
        (("--data", "a.xyz", "--models", "m.model", "--predicted-prefix", "X_"), ["No file with predictions"]),
        (("--data", "a.xyz", "--predicted", "b.xyz", "--calibrate"), ["--calibrate: There are no models."]),
        (
            ("--data", "nowhere.xyz", "--predicted", "b.xyz"),
            ["nowhere.xyz: There is no such file.", "b.xyz: There is no such file."],
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_read(arguments: tuple[str, ...], said: list[str]) -> None:
    result = evaluate(*arguments)
    assert result.exit_code == 2
    for words in said:
        assert words in result.stderr
    assert "Traceback" not in result.stderr


def relaxed() -> list[Atoms]:
    """Forces and pressure halve with each step; the first atom is held."""
    images = []
    for step in range(8):
        size = 0.5**step
        forces = np.array([[9.0, 0.0, 0.0], [0.0, 0.3 * size, 0.4 * size]])
        stress = np.array([-1.0, -1.0, -1.0, 0.0, 0.0, 0.0]) * size * GIGAPASCAL_EV_PER_ANG3
        image = crystal(step, energy=-8.0 + size, forces=forces, stress=stress)
        image.set_constraint(FixAtoms([0]))
        images.append(image)
    return images


@pytest.mark.parametrize("name", ["relax.traj", "relax.extxyz", "relax.json.gz"])
def test_convergence_of_a_relaxation_is_told_step_by_step(name: str, tmp_path: Path) -> None:
    plain = tmp_path / name.removesuffix(".gz")
    write(plain, relaxed())
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    out = tmp_path / "made"
    result = evaluate("--relaxation", tmp_path / name, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"{name}: 8 steps of 2 atoms" in result.stdout
    assert "below 0.1 from step 4 on, below 0.05 from step 5 on, below 0.02 from step 6 on, below 0.01" in result.stdout
    with (out / "relaxation.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["max_force_ev_per_ang"]) == pytest.approx(0.5), "held atoms do not count"
    assert float(rows[1]["energy_difference_ev_per_atom"]) == pytest.approx(-0.25)
    assert float(rows[2]["pressure_gpa"]) == pytest.approx(0.25)
    assert (out / "relaxation.png").stat().st_size > 5000
    found = ap.relaxation(tmp_path / name).found[0]
    assert found.pressure_gpa.tolist() == pytest.approx([float(row["pressure_gpa"]) for row in rows])


def test_what_is_no_relaxation_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "one.traj", relaxed()[:1])
    result = evaluate("--relaxation", tmp_path / "one.traj")
    assert result.exit_code == 2
    assert "one.traj: holds 1 structure with an energy" in result.stderr
    write(tmp_path / "two.extxyz", [relaxed()[0], Atoms("H", calculator=SinglePointCalculator(Atoms("H"), energy=0.0))])
    result = evaluate("--relaxation", tmp_path / "two.extxyz")
    assert "holds structures of 1 to 2 atoms" in result.stderr


def test_files_of_one_committee_are_judged_with_their_mean(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, predicted = files
    out = tmp_path / "together"
    result = evaluate("--data", data, "--predicted", predicted, data, "--together", "--out", out)
    assert result.exit_code == 0, result.output
    mean = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["measures"]
    halved = [one for one in mean if (one["method"], one["quantity"]) == ("committee mean", "force_component")]
    assert halved[0]["mae"] == pytest.approx(FORCE_SHIFT_EV_PER_ANG / 2, abs=1e-7)
    assert "Disagreement of the 2 members, and errors of their mean" in result.stdout
    assert "Errors by temperature: the files tell none." in result.stdout


def test_one_file_has_no_mean(files: tuple[Path, Path]) -> None:
    result = evaluate("--data", files[0], "--predicted", files[1], "--together")
    assert result.exit_code == 2
    assert "--together: It takes the mean of several files.\n  Allowed: --predicted with two or more" in result.stderr
