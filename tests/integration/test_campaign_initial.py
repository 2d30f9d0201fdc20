"""What each setting of INITIAL_DATASET_GENERATION does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import read, write

from aims_pax.dataset.store import RunStore
from aims_pax.frame import LabelledFrame, Split, Stage
from aims_pax.learner.training.annealing import LEAST_COOLING_EPOCHS
from aims_pax.reference.embedded.tblite import TbliteReference

from .engines import PLAIN, SPRINGS, Watched, reference_section
from .projects import Watcher, copper, copper_project, jobs_of, labels_of, run, water_project

pytestmark = pytest.mark.usefixtures("springs")


def initial_changes(**keys: Any) -> dict[str, Any]:
    return {"ACTIVE_LEARNING": None, "INITIAL_DATASET_GENERATION": keys}


def positions_of(folder: Path) -> list[Any]:
    return [job.frame.positions for job in jobs_of(folder, Stage.INITIAL)]


def of_member(dataset: list[LabelledFrame], member: int | None) -> set[int]:
    return {one.label_id for one in dataset if one.member == member}


@pytest.mark.parametrize("distinct", [True, False])
def test_members_have_structures_of_their_own_unless_they_share_all(
    distinct: bool, engine: type[Watched], tmp_path: Path
) -> None:
    folder = copper_project(tmp_path, changes=initial_changes(distinct_model_sets=distinct))
    content = run(folder).content
    dataset = labels_of(folder)
    assert content["training_structures_of_each_member"] == [2, 2]
    if distinct:
        assert [len(of_member(dataset, member)) for member in (0, 1)] == [4, 4]
        assert len(dataset) == 8
    else:
        assert of_member(dataset, None) == {one.label_id for one in dataset}
        assert len(dataset) == 4
    assert len(engine.computed) == len(dataset)


def test_aimd_computes_every_step_once_and_labels_from_these_steps(engine: type[Watched], tmp_path: Path) -> None:
    changes = initial_changes(initial_sampling="aimd", foundational_model=None, skip_step_initial=3)
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    dataset = labels_of(folder)
    assert len(dataset) == 8
    assert len(engine.computed) == 1 + 3 * len(dataset), "the starting structure, and one calculation for each step"
    structures = {positions.tobytes() for positions in engine.computed}
    assert len(structures) == len(engine.computed)
    assert {one.frame.positions.tobytes() for one in dataset} <= structures


def test_steps_of_aimd_are_shown_as_they_come_and_their_failures_are_told_in_the_end(
    engine: type[Watched], tmp_path: Path
) -> None:
    changes = initial_changes(initial_sampling="aimd", foundational_model=None, skip_step_initial=3)
    engine.manners = {6: "unconverged"}
    watcher = Watcher()
    summary = run(copper_project(tmp_path, changes=changes), observer=watcher)
    shown = [status.md_steps for status in watcher.seen if status.stage == "initial"]
    assert set(range(3 * 8 + 1)) <= set(shown)
    assert shown[:4] == [0, 1, 2, 3]
    assert summary.content["faults"]["aimd_attempts_failed"] == {"not converged": 1}
    assert "faults: 1 × not converged in AIMD steps" in summary.lines()


def test_campaign_that_has_workers_computes_no_step_and_no_free_atom_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(*_: object, **__: object) -> None:
        raise AssertionError("computed in the campaign's own process")

    monkeypatch.setattr(TbliteReference, "label", here)
    monkeypatch.setattr(TbliteReference, "isolated_atom_energy", here)
    aimd = initial_changes(initial_sampling="aimd", max_initial_set_size=1, intermediate_epochs_idg=1)
    folder = water_project(tmp_path, {**aimd, "CLUSTER": {"type": "local", "max_workers": 2}})
    run(folder)
    assert {one.label.reference.split(" ")[0] for one in labels_of(folder)} == {"tblite"}
    with RunStore.open_readonly(folder) as store:
        energies = json.loads(store.load_state("isolated_atoms") or b"{}")
    assert {number: round(energy) for number, energy in energies.items()} == {"1": -11, "8": -103}  # GFN2-xTB's, eV


def test_equilibration_moves_every_structure_and_labels_none(
    engine: type[Watched], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(copper_project(tmp_path / "at once", changes=initial_changes()))
    n_computed = len(engine.computed)
    with caplog.at_level("INFO", "aims_pax.initial"):
        run(copper_project(tmp_path / "later", changes=initial_changes(equilibration_steps=23)))
    assert len(engine.computed) == 2 * n_computed
    at_once, later = (jobs_of(tmp_path / name, Stage.INITIAL) for name in ("at once", "later"))
    assert [job.frame.md_step for job in later] == [23 + job.frame.md_step for job in at_once]
    assert "equilibrating: 23 MD steps of each starting structure, not labelled" in caplog.messages
    (told,) = (message for message in caplog.messages if message.startswith("equilibrated: "))
    assert "structures are labelled from here" in told


def test_calculator_by_import_path_drives_as_the_same_reference_does(engine: type[Watched], tmp_path: Path) -> None:
    run(copper_project(tmp_path / "driver", changes=initial_changes(foundational_model=PLAIN)))
    run(copper_project(tmp_path / "aimd", changes=initial_changes(initial_sampling="aimd", foundational_model=None)))
    pairs = list(zip(positions_of(tmp_path / "driver"), positions_of(tmp_path / "aimd"), strict=True))
    assert len(pairs) == 8
    for driven, expected in pairs:
        np.testing.assert_allclose(driven, expected, atol=1e-10)


def test_foundation_model_from_a_file_drives_as_the_same_teacher_does(mace_model: Path, tmp_path: Path) -> None:
    teacher = {"type": "teacher", "model_path": str(mace_model), "max_force_ev_per_ang": 1000.0}
    common = {"max_initial_set_size": 1, "intermediate_epochs_idg": 1}
    driver = {"foundational_model": "mace", "foundational_model_settings": {"mace_model": str(mace_model)}}
    foundational = {**initial_changes(**common, **driver), "REFERENCE": teacher}
    aimd = {**initial_changes(**common, initial_sampling="aimd"), "REFERENCE": teacher}
    run(water_project(tmp_path / "driver", foundational))
    run(water_project(tmp_path / "aimd", aimd))
    pairs = list(zip(positions_of(tmp_path / "driver"), positions_of(tmp_path / "aimd"), strict=True))
    assert len(pairs) == 4
    for driven, expected in pairs:
        # Positions enter the two models about different origins, so that they differ by rounding.
        np.testing.assert_allclose(driven, expected, atol=1e-9)


def test_embedded_tight_binding_drives_where_no_driver_is_given(tmp_path: Path) -> None:
    common = {"max_initial_set_size": 1, "intermediate_epochs_idg": 1}
    run(water_project(tmp_path / "driver", initial_changes(**common)))
    run(water_project(tmp_path / "aimd", initial_changes(**common, initial_sampling="aimd")))
    pairs = list(zip(positions_of(tmp_path / "driver"), positions_of(tmp_path / "aimd"), strict=True))
    for driven, expected in pairs:
        # The driver starts self-consistency from its last step, the reference from scratch: 1e-6 eV apart.
        np.testing.assert_allclose(driven, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("criterion", "n_rounds", "reason"),
    [
        ({"max_initial_set_size": 3}, 3, "the training set has reached max_initial_set_size"),
        ({"max_initial_epochs": 3, "max_initial_set_size": None}, 2, "max_initial_epochs have been trained"),
        (
            {"desired_acc": 10.0, "desired_acc_scale_idg": 100.0, "max_initial_set_size": None},
            1,
            "the validation force MAE has reached desired_acc times desired_acc_scale_idg",
        ),
    ],
)
def test_initial_stage_ends_by_each_of_its_criteria(
    criterion: dict[str, Any], n_rounds: int, reason: str, engine: type[Watched], tmp_path: Path
) -> None:
    content = run(copper_project(tmp_path, changes=initial_changes(**criterion))).content
    assert content["stopped_because"]["initial"] == reason
    assert content["labels"]["received"] == 4 * n_rounds
    assert content["epochs"]["initial"] == criterion.get("max_initial_epochs", 2 * n_rounds)


def test_converge_initial_trains_on_and_keeps_the_best_weights(engine: type[Watched], tmp_path: Path) -> None:
    changes = initial_changes(converge_initial=True, max_convergence_epochs=6, margin=0.0)
    folder = copper_project(tmp_path, changes={**changes, "REFERENCE": reference_section(SPRINGS)})
    content = run(folder).content
    assert content["epochs"]["initial"] == 4
    assert content["epochs"]["of_each_member"] == [10, 10]
    with RunStore.open_readonly(folder) as store:
        epochs = store.epochs()
    for member in (0, 1):
        losses = epochs["loss"][epochs["member"] == member]
        assert losses[4:].min() < losses[3]


def test_convergence_ends_when_patience_is_used_up(engine: type[Watched], tmp_path: Path) -> None:
    changes = initial_changes(
        converge_initial=True, convergence_patience=2, margin=1e6, max_convergence_epochs=50, valid_skip=1
    )
    content = run(copper_project(tmp_path, changes=changes)).content
    # The first epoch sets the loss to beat; no later one is better by the margin. Then the learning rate falls.
    assert content["epochs"]["of_each_member"] == [4 + 3 + LEAST_COOLING_EPOCHS] * 2


def test_every_starting_structure_gives_its_part_of_the_initial_dataset(engine: type[Watched], tmp_path: Path) -> None:
    changes = {**initial_changes(max_initial_set_size=3), "MISC": {"path_to_geometry": None}}
    folder = copper_project(tmp_path, changes=changes)
    (folder / "geometry").mkdir()
    for name, scale in (("small", 0.97), ("large", 1.05)):
        atoms = copper()
        atoms.positions *= scale
        write(folder / "geometry" / f"{name}.xyz", atoms)
    content = run(folder).content
    jobs = jobs_of(folder, Stage.INITIAL)
    systems = [job.frame.system for job in jobs]
    assert systems.count("small") == systems.count("large") == len(jobs) // 2
    assert len(jobs) == 16, "two rounds of two points for each member and each structure"
    assert content["training_structures_of_each_member"] == [5, 5]
    first = {job.frame.system: job.frame.positions for job in jobs[:2]}
    assert np.ptp(first["large"]) > np.ptp(first["small"])


@pytest.mark.parametrize("saves", [True, False])
def test_frames_of_the_initial_sampling_are_saved_when_asked_for(
    saves: bool, engine: type[Watched], tmp_path: Path
) -> None:
    changes = initial_changes(save_trajectories=saves, save_trajectories_interval=2, max_initial_set_size=1)
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    path = folder / "trajectories" / "initial_000.extxyz"
    assert path.exists() == saves
    if saves:
        assert [frame.info["md_step"] for frame in read(path, ":")] == list(range(2, 21, 2))


def test_validation_structures_never_train(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=initial_changes(valid_ratio=0.25, n_points_per_sampling_step_idg=4))
    run(folder)
    for member in (0, 1):
        own = [one.split for one in labels_of(folder) if one.member == member]
        for n in range(1, len(own) + 1):
            assert abs(own[:n].count(Split.VALIDATION) - 0.25 * n) <= 1
