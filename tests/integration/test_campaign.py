"""A whole campaign, from one molecule to models with measured errors."""

import hashlib
import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from mace.calculators import MACECalculator
from tblite.ase import TBLite
from typer.testing import CliRunner

from aims_pax.campaign import Summary
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.frame import FloatArray, Split, Stage
from aims_pax.protocols import FramePrediction
from aims_pax.selection import SCORES

from .projects import Watcher, jobs_of, labels_of, run, water_project

C_X = -0.1
FREEZE_AT = 6
MAX_TRAIN = 9


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has come to its end.

    Parameters
    ----------
    forces : list of (n_members, n_atoms, 3), eV/Å
        Of the committee, at each check.
    train_sizes : list of int
        Training structures at each check, as the run itself showed them before.
    """

    folder: Path
    summary: Summary
    forces: list[FloatArray]
    train_sizes: list[int]

    @property
    def results(self) -> Path:
        return self.folder / "results"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """`run` on water with GFN2-xTB: two members, three trajectories of one seed."""
    changes = {
        "ACTIVE_LEARNING": {
            "num_trajectories": 3,
            "max_train_set_size": MAX_TRAIN,
            "freeze_threshold_dataset": FREEZE_AT,
            "c_x": C_X,
            "converge_al": True,
            "converge_best": False,
            "max_convergence_epochs": 4,
            "save_trajectories": True,
            "save_trajectories_interval": 3,
        }
    }
    folder = water_project(tmp_path_factory.mktemp("water"), changes)
    forces: list[FloatArray] = []
    train_sizes: list[int] = []
    watcher = Watcher()

    def recorded(said: FramePrediction) -> float:
        forces.append(said.forces.copy())
        train_sizes.append(watcher.seen[-1].n_train)
        return SCORES["max_atomic_sd"](said)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aims_pax.selection.score_of", lambda _kind, **_: recorded)
        summary = run(folder, observer=watcher)
    return Finished(folder, summary, forces, train_sizes)


def test_results_are_datasets_models_figures_and_a_summary(finished: Finished) -> None:
    names = {path.name for path in finished.results.iterdir()}
    assert {"training.extxyz", "validation.extxyz", "tiny.model", "summary.json"} <= names
    assert {path.name for path in (finished.results / "committee").iterdir()} == {"tiny_1.model", "tiny_2.model"}
    figures = [path for path in finished.results.iterdir() if path.suffix == ".png"]
    assert len(figures) >= 3
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000 for path in figures)
    assert json.loads((finished.results / "summary.json").read_text(encoding="utf-8")) == finished.summary.content


def test_counts_of_the_summary_balance(finished: Finished) -> None:
    content = finished.summary.content
    labels = content["labels"]
    assert labels["asked"] == labels["received"] + labels["failed"] + labels["in_flight"]
    assert labels["in_flight"] == 0
    assert labels["received"] == labels["training"] + labels["validation"]
    for split in (Split.TRAINING, Split.VALIDATION):
        assert len(read(finished.results / f"{split}.extxyz", ":")) == labels[str(split)]
    dataset = labels_of(finished.folder)
    n_train = sum(one.split is Split.TRAINING for one in dataset)
    assert content["training_structures_of_each_member"] == [n_train, n_train]
    assert n_train > MAX_TRAIN, "members had structures of their own while they learned"
    with RunStore.open_readonly(finished.folder) as store:
        assert content["uncertainty_checks"] == len(store.scores()) == len(finished.forces)
    assert content["stopped_because"]["active"] == "the training set has reached max_train_set_size"
    assert content["epochs"]["of_each_member"] == [content["epochs"]["initial"] + content["epochs"]["active"] + 4] * 2


def test_time_is_told_by_activity_and_by_stage(finished: Finished) -> None:
    content = finished.summary.content
    by_stage = content["wall_s_by_stage"]
    assert all(by_stage[name] > 0 for name in ("starting", "initial", "active", "convergence"))
    assert by_stage["initial convergence"] == by_stage["verdict"] == 0.0
    assert sum(by_stage.values()) == pytest.approx(sum(content["wall_s"].values()), abs=0.1)  # both are rounded


def test_exported_models_have_the_errors_that_the_summary_states(finished: Finished) -> None:
    frames = read(finished.results / "validation.extxyz", ":")
    stated = finished.summary.content["errors_on_validation_set"]
    forces, energies = [], []
    for model in finished.summary.content["models"]:
        name = Path(model).stem
        calculator = MACECalculator(model_paths=str(finished.results / model), device="cpu")
        predicted = [(calculator.get_forces(frame), calculator.get_potential_energy(frame)) for frame in frames]
        forces.append([one for one, _ in predicted])
        energies.append([energy / len(frame) for frame, (_, energy) in zip(frames, predicted, strict=True)])
        assert _force_mae(forces[-1], frames) == pytest.approx(stated["members"][name]["force_mae_ev_per_ang"], 1e-6)
        energy_mae = np.abs(np.array(energies[-1]) - _energies(frames)).mean()
        assert energy_mae == pytest.approx(stated["members"][name]["energy_mae_ev_per_atom"], rel=1e-6)
    product = stated["product"]
    assert product["force_mae_ev_per_ang"] == min(one["force_mae_ev_per_ang"] for one in stated["members"].values())
    assert product["model"] == "tiny.model"
    mean = np.mean(forces, axis=0)
    assert _force_mae(mean, frames) == pytest.approx(stated["mean"]["force_mae_ev_per_ang"], rel=1e-6)


def _force_mae(forces, frames) -> float:  # type: ignore[no-untyped-def]
    return float(np.abs(np.array(forces) - np.array([frame.arrays["REF_forces"] for frame in frames])).mean())


def _energies(frames) -> FloatArray:  # type: ignore[no-untyped-def]
    return np.array([frame.info["REF_energy"] / len(frame) for frame in frames])


def test_finished_run_says_so_and_trains_nothing(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    files = [*(path for path in finished.results.rglob("*") if path.is_file()), finished.folder / "run.db"]
    before = {path: path.read_bytes() for path in files}
    watcher = Watcher()
    with caplog.at_level(logging.INFO, "aims_pax"):
        summary = run(finished.folder, observer=watcher)
    assert "this run is finished" in caplog.text
    assert watcher.seen == []
    assert summary.content == finished.summary.content
    assert {path: path.read_bytes() for path in files} == before


def test_every_score_is_equation_1_of_the_forces_of_the_committee(finished: Finished) -> None:
    with RunStore.open_readonly(finished.folder) as store:
        scores = store.scores()
    for row, forces in zip(scores, finished.forces, strict=True):
        n_members, n_atoms, _ = forces.shape
        deviations = []
        for atom in range(n_atoms):
            total = 0.0
            for axis in range(3):
                mean = sum(forces[member, atom, axis] for member in range(n_members)) / n_members
                total += sum((forces[member, atom, axis] - mean) ** 2 for member in range(n_members))
            deviations.append(math.sqrt(total / (3 * n_members)))
        assert row["score"] == pytest.approx(max(deviations), rel=1e-6)
        assert row["score"] > 0


def test_every_threshold_is_equation_2_of_the_scores_before_it(finished: Finished) -> None:
    with RunStore.open_readonly(finished.folder) as store:
        scores = store.scores()
    n_moving = sum(n_train < FREEZE_AT for n_train in finished.train_sizes)
    assert 15 < n_moving < len(scores) - 5, "the run must show the threshold moving, and frozen"
    for number, row in enumerate(scores, start=1):
        assert row["number"] == number
        if number <= 10:
            assert row["threshold"] == math.inf
            assert not row["picked"]
            continue
        last = min(number, n_moving)
        window = scores["score"][max(0, last - 400) : last]
        assert row["threshold"] == pytest.approx((1 + C_X) / len(window) * window.sum(), rel=1e-6)
        assert row["picked"] == (row["score"] > row["threshold"])


def test_split_is_never_off_its_quota_by_more_than_one(finished: Finished) -> None:
    dataset = labels_of(finished.folder)
    shares = [[one for one in dataset if one.member == owner] for owner in (None, 0, 1)]
    assert all(shares)
    for share in shares:
        n_valid = 0
        for n, one in enumerate(share, start=1):
            n_valid += one.split is Split.VALIDATION
            assert abs(n_valid - 0.4 * n) <= 1


def test_every_stored_label_is_what_the_reference_says_of_its_structure(finished: Finished) -> None:
    for one in labels_of(finished.folder):
        calculator = TBLite(method="GFN2-xTB", verbosity=0)
        atoms = Atoms(one.frame.numbers, positions=one.frame.positions, calculator=calculator)
        np.testing.assert_allclose(one.label.forces, atoms.get_forces(), atol=1e-9)
        assert one.label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)


def test_every_label_and_model_leads_back_to_its_session_and_inputs(finished: Finished) -> None:
    with RunStore.open_readonly(finished.folder) as store:
        (session,) = store.sessions()
        for point in store.labelled():
            assert store.session_of(point.label_id) == session
            assert store.session_of_generation(point.frame.generation) in (session, None)  # None: by no committee
        models = list(finished.results.rglob("*.model"))
        assert len(models) == len(store.models()) + 1, "the product is a copy of one member"
        for path in models:
            assert store.session_of_model(hashlib.sha256(path.read_bytes()).hexdigest()) == session
    for name in ("aims_PAX.yaml", "mace.yaml", "water.xyz"):
        assert session.inputs[name] == (finished.folder / name).read_text(encoding="utf-8")
    assert {"aims_pax", "torch", "mace-torch", "tblite"} <= session.versions.keys()


def test_exported_datasets_are_what_the_store_holds(finished: Finished) -> None:
    exported = {
        frame.info["label_id"]: frame
        for split in (Split.TRAINING, Split.VALIDATION)
        for frame in read(finished.results / f"{split}.extxyz", ":")
    }
    dataset = labels_of(finished.folder)
    assert sorted(exported) == sorted(one.label_id for one in dataset)
    for one in dataset:
        frame = exported[one.label_id]
        np.testing.assert_allclose(frame.positions, one.frame.positions, atol=1e-8)
        np.testing.assert_allclose(frame.arrays["REF_forces"], one.label.forces, atol=1e-8)
        assert frame.info["REF_energy"] == pytest.approx(one.label.energy, abs=1e-8)
        assert (frame.info["trajectory"], frame.info["md_step"]) == (one.frame.trajectory, one.frame.md_step)


def test_trajectories_of_one_seed_have_noise_of_their_own(finished: Finished) -> None:
    paths = [finished.folder / "trajectories" / f"active_{index:03d}.extxyz" for index in range(3)]
    first, second, third = (read(path, "0") for path in paths)
    assert first.info["md_step"] == second.info["md_step"] == third.info["md_step"] == 3
    for one, other in ((first, second), (first, third), (second, third)):
        assert np.abs(one.positions - other.positions).max() > 1e-3


def test_saved_frames_are_spaced_by_their_interval(finished: Finished) -> None:
    for index in range(3):
        frames = read(finished.folder / "trajectories" / f"active_{index:03d}.extxyz", ":")
        steps = [frame.info["md_step"] for frame in frames]
        assert steps == list(range(3, steps[-1] + 1, 3))


def test_no_structure_was_asked_for_twice(finished: Finished) -> None:
    for stage in Stage:
        asked = [(job.frame.trajectory, job.frame.md_step) for job in jobs_of(finished.folder, stage)]
        assert len(set(asked)) == len(asked) > 0


def test_export_writes_the_datasets_of_a_run_again(finished: Finished, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(program, ["export", str(finished.folder), "--out", str(tmp_path / "data")])
    assert outcome.exit_code == 0
    for split in (Split.TRAINING, Split.VALIDATION):
        name = f"{split}.extxyz"
        assert (tmp_path / "data" / name).read_text() == (finished.results / name).read_text()
        assert f"({finished.summary.content['labels'][str(split)]} structures)" in outcome.stdout


def test_export_where_nothing_was_run_is_explained(tmp_path: Path) -> None:
    folder = water_project(tmp_path / "new", {})
    outcome = CliRunner().invoke(program, ["export", str(folder)])
    assert outcome.exit_code == 2
    assert "holds no run" in outcome.stderr


def test_exported_energies_are_centred_on_the_training_structures(finished: Finished) -> None:
    frames = read(finished.results / "training.extxyz", ":")
    for name in finished.summary.content["models"]:
        calculator = MACECalculator(model_paths=str(finished.results / name), device="cpu", default_dtype="float64")
        errors = [(calculator.get_potential_energy(one) - one.info["REF_energy"]) / len(one) for one in frames]
        assert abs(np.mean(errors)) < 2e-5
