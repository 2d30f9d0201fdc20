"""Figures of errors that disagreement tells, of a run whose errors go with its deviations."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, Frame, Label, Split
from aims_pax.learner.state import State
from aims_pax.outcome.calibrated.of_run import calibrate_run
from aims_pax.outcome.predictions import SavedPredictions
from aims_pax.page.charts.estimates import coverage, detection, error_estimates
from aims_pax.page.figure import Absent, Figure
from aims_pax.page.material import Material, read_material
from aims_pax.protocols import FramePrediction
from aims_pax.stages.states import keep_state

N_RANDOM, N_ATOMS = 60, 4
NAMES = ("tiny_1", "tiny_2")


def write_run(folder: Path, *, n_random: int = N_RANDOM, is_finished: bool = True) -> Path:
    """Random structures that test, with members around a mean whose error is as large as their spread."""
    rng, saved = np.random.default_rng(0), {}
    with RunStore.open(folder) as store:
        for n in range(n_random):
            size = 0.03 * np.exp(rng.normal(0.0, 0.6))
            positions = rng.normal(size=(N_ATOMS, 3))
            frame = Frame("water", n % 6, n, 0, np.array([8, 1, 1, 1]), positions)
            label_id = store.add_job(frame, "active", source="random share")
            label = Label(size * rng.normal(), size * rng.normal(size=(N_ATOMS, 3)), None, "none", 1.0)
            spread = size * np.abs(rng.normal(size=(N_ATOMS, 3)))
            store.add_prediction(label_id, CommitteePrediction(n, 0.0, size, np.zeros((N_ATOMS, 3)), spread))
            store.add_label(label_id, label)
            store.assign(label_id, Split.TEST)
            signs = np.array([-1.0, 1.0])
            saved[label_id] = FramePrediction(size * signs, signs[:, None, None] * spread, None)
        keep_state(store, "active", State(()))
        store.save_state("progress", json.dumps("finished" if is_finished else "active").encode())
        if is_finished:
            committee = folder / "results" / "committee"
            committee.mkdir(parents=True)
            files = [committee / f"{name}.model" for name in NAMES]
            for file in files:
                file.write_text(file.name)
            said = SavedPredictions(NAMES, 0, saved)
            said.write(folder / "results")
            told = calibrate_run(store, files, [], said)
            (folder / "results" / "summary.json").write_text(json.dumps({"name": "tiny", "calibration": told}))
    return folder


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return read_material(write_run(tmp_path_factory.mktemp("runs") / "run"), name="run")


def figure_of(found: Figure | Absent) -> Figure:
    assert isinstance(found, Figure), found
    return found


def test_points_are_structures_for_energies_and_atoms_for_forces(material: Material) -> None:
    table = figure_of(error_estimates(material)).table
    quantities = table["quantity"].tolist()
    assert quantities.count("energy (eV/atom)") == N_RANDOM
    assert quantities.count("forces (eV/Å)") == N_RANDOM * N_ATOMS
    within = table["error"] <= table["bound_90_percent"]
    assert within[table["quantity"] == "energy (eV/atom)"].mean() == pytest.approx(0.9, abs=0.1)
    assert table["label_id"][:3].tolist() == [1, 2, 3]
    assert table["label_id"][N_RANDOM : N_RANDOM + 5].tolist() == [1, 1, 1, 1, 2]


def test_coverage_is_what_stands_in_the_file(material: Material) -> None:
    table = figure_of(coverage(material)).table
    kept = json.loads((material.folder / "results" / "calibration.json").read_text())["quantities"]
    assert table["level_percent"].tolist() == [50.0, 80.0, 90.0] * 2
    expected = [100 * one["value"] for quantity in kept.values() for one in quantity["coverage"].values()]
    np.testing.assert_allclose(table["covered_percent"].astype(float), expected)
    assert (table["low_percent"] <= table["covered_percent"]).all()


def test_rates_are_those_of_the_quarter_with_the_largest_errors(material: Material) -> None:
    figure = figure_of(detection(material))
    table = figure.table
    forces = table["quantity"] == "forces (eV/Å)"
    n_wrong = N_RANDOM // 4
    np.testing.assert_allclose(table["true_positive_rate"][forces], table["n_right"][forces] / n_wrong)
    assert (np.diff(table["true_positive_rate"][forces]) <= 0).all()
    assert table["predictive_value"][forces][-1] > 0.5, "the largest deviations have large errors"
    assert "Rank correlation" in figure.note


def test_they_can_be_drawn_and_saved(material: Material, tmp_path: Path) -> None:
    for chart in (error_estimates, coverage, detection):
        figure = figure_of(chart(material))
        assert figure.good.endswith(".")
        assert figure.save(tmp_path / f"{figure.name}.png").stat().st_size > 10_000
        with figure.save(tmp_path / f"{figure.name}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.reader(file))) == figure.table.n_rows + 1


def test_a_run_that_learns_shows_what_its_random_structures_tell(tmp_path: Path) -> None:
    going = read_material(write_run(tmp_path / "going", is_finished=False), name="going")
    assert isinstance(error_estimates(going), Absent)
    found = figure_of(detection(going))
    assert set(found.table["quantity"]) == {"forces (eV/Å)"}
    assert f"{N_RANDOM} random structures" in found.note


def test_few_structures_leave_no_figure_and_it_is_said_why(tmp_path: Path) -> None:
    few = read_material(write_run(tmp_path / "few", n_random=8), name="few")
    for chart in (error_estimates, coverage):
        found = chart(few)
        assert isinstance(found, Absent)
        assert "it needs 20 structures for test or validation, and there are 8" in found.why
    assert detection(few) == Absent("detection", "Would a threshold find the worst structures?", detection(few).why)  # type: ignore[union-attr]
    assert "8 structures" in detection(few).why  # type: ignore[union-attr]
