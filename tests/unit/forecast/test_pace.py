import os
import time
from pathlib import Path

import pytest
import yaml
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import write

from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped
from aims_pax.forecast.amounts import Outset, outsets_ahead
from aims_pax.forecast.pace import Wishes, measure, workload_of
from aims_pax.forecast.speed import measured_driver, measured_labels, measured_speed
from aims_pax.forecast.stages.learning import DEFAULT_LABELS, DEFAULT_PICK_RATE
from aims_pax.frame import Label, Split, Stage
from aims_pax.settings import LocalCluster, Project, load_project

ACTIVE = {"num_trajectories": 3, "ensemble_size": 2, "skip_step_mlff": 4, "max_train_set_size": 30, "valid_ratio": 0.1}
SLOW_S = 0.05


class Slow(EMT):  # type: ignore[misc]
    def calculate(self, *arguments: object) -> None:
        time.sleep(SLOW_S)
        super().calculate(*arguments)


KNOWN = Wishes(label_s=60.0, md_steps_per_s=500.0, epoch_s=2.0, pick_rate=0.2)


def project_in(folder: Path, *, distance: float = 2.5, driver: str = "tblite", **active: object) -> Project:
    write(folder / "copper.xyz", Atoms("Cu2", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, distance]]))
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"},
        "INITIAL_DATASET_GENERATION": {
            "n_points_per_sampling_step_idg": 2,
            "ensemble_size": 2,
            "max_initial_set_size": 6,
            **({"initial_sampling": "aimd"} if driver == "aimd" else {"foundational_model": driver}),
        },
        "ACTIVE_LEARNING": {key: value for key, value in (ACTIVE | active).items() if value is not None},
        "MD": {"stat_ensemble": "nvt"},
        "MISC": {"path_to_geometry": "copper.xyz", "probe": False},
    }
    mace = {
        "GENERAL": {"name_exp": "tiny", "seed": 1},
        "ARCHITECTURE": {"num_channels": 4, "max_L": 0, "max_ell": 1, "correlation": 1, "r_max": 4.0},
        "MISC": {"device": "cpu"},
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump(mace), encoding="utf-8")
    return load_project(folder, stages=(Stage.ACTIVE,))


def learning_of(project: Project) -> Outset:
    """Its active learning, after the initial dataset."""
    return outsets_ahead(project, (Stage.INITIAL, Stage.ACTIVE))[1]


def test_what_the_user_says_is_taken_over(tmp_path: Path) -> None:
    workload, facts = workload_of(learning_of(project_in(tmp_path)), KNOWN)
    pace = workload.pace
    assert pace.label_s == (60.0,)
    assert pace.batch_step_s + 3 * pace.trajectory_step_s == pytest.approx(3 / 500.0)
    assert (pace.epoch_s, pace.pick_rate) == (2.0, 0.2)
    assert (workload.n_trajectories, workload.n_initial_train) == (3, 7)
    assert workload.rules.max_train_size == 30
    assert sum("given" in fact for fact in facts) == 4


def test_number_of_labels_replaces_the_goals_of_the_project(tmp_path: Path) -> None:
    project = project_in(tmp_path, max_MD_steps=100)
    workload, _ = workload_of(learning_of(project), Wishes(60.0, 500.0, 2.0, 0.2, n_labels=100))
    assert workload.rules.max_train_size == 7 + 90
    assert workload.rules.max_md_steps is None


def test_goal_that_no_simulation_can_reach_is_replaced_and_said(tmp_path: Path) -> None:
    project = project_in(tmp_path, max_train_set_size=None, desired_acc=0.01)
    workload, facts = workload_of(learning_of(project), KNOWN)
    assert workload.rules.desired_force_mae is None
    assert workload.rules.max_train_size == 7 + 0.9 * DEFAULT_LABELS
    assert "an assumption: desired_acc alone sets no number" in facts[-1]


def test_md_that_another_model_drives_takes_its_time_and_that_of_the_checks(tmp_path: Path) -> None:
    """Four steps of each of three trajectories for each check of all by the committee."""
    model = {"model_type": f"{__name__}:Slow", "arguments": {}}
    project = project_in(tmp_path, use_foundational=True, foundational_model_settings=model)
    workload, facts = workload_of(learning_of(project), Wishes(label_s=60.0, pick_rate=0.2))
    pace = workload.pace
    together_s = pace.batch_step_s + 3 * pace.trajectory_step_s
    assert together_s > 3 * SLOW_S
    assert any(f"{__name__}:Slow drives and untrained models of mace.yaml judge" in fact for fact in facts)


def test_label_is_measured_when_nobody_says_how_long_it_takes(tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    project = project_in(tmp_path)
    workload, facts = workload_of(learning_of(project), Wishes(None, 500.0, 2.0))
    assert 0 < workload.pace.label_s[0] < 10
    assert workload.pace.pick_rate == DEFAULT_PICK_RATE
    assert "copper was labelled now, by ase" in facts[0]
    after = sorted(path.name for path in tmp_path.iterdir())
    assert set(after) - set(before) == {"aims_PAX.yaml", "copper.xyz", "mace.yaml"}


def test_failed_label_ends_it_in_words(tmp_path: Path) -> None:
    project = project_in(tmp_path, distance=0.6)
    with pytest.raises(CampaignStopped, match=r"the probe label of copper failed after .* kept out: .* are kept in"):
        workload_of(learning_of(project), Wishes(None, 500.0, 2.0))


def test_run_in_the_folder_tells_how_long_labels_took_and_how_often_they_were_asked_for(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    frame = project.systems[0].frame
    with RunStore.open(project.run_folder) as store:
        label_id = store.add_job(frame, Stage.ACTIVE)
        label = Label(-1.0, frame.positions * 0.01, None, "EMT", wall_s=42.0)
        store.add_label(label_id, label)
        store.assign(label_id, Split.TRAINING, None)
        infinite = [ScoreRow(n, 0, 4 * n, 0, 0.1, float("inf"), False) for n in range(1, 12)]
        judged = [ScoreRow(n, 0, 4 * n, 0, 0.1, 0.1, n % 4 == 0) for n in range(12, 112)]
        store.append_scores(infinite + judged)
    workload, _ = workload_of(learning_of(project), Wishes(None, 500.0, 2.0))
    assert workload.pace.label_s == (42.0,)
    assert workload.pace.pick_rate == pytest.approx(0.25)


def test_models_are_timed_without_a_dataset(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    speed = measured_speed(project, 4)
    assert 0 <= speed.trajectory_step_s < 1
    assert speed.batch_step_s + speed.trajectory_step_s > 0
    assert 0 < speed.structure_epoch_s < 10
    assert not project.run_folder.joinpath("run.db").exists()


def test_label_for_a_worker_of_this_machine_is_computed_with_its_share_of_the_threads(tmp_path: Path) -> None:
    project = project_in(tmp_path).on_cluster(LocalCluster(max_workers=2))
    before = dict(os.environ)
    label_s, fact = measured_labels(project)
    assert 0 < label_s["copper"][0] < 10
    assert "copper was labelled now, by ase" in fact
    assert dict(os.environ) == before


def test_reference_that_can_not_label_here_says_so_in_its_worker_too(tmp_path: Path) -> None:
    project = project_in(tmp_path, distance=0.6).on_cluster(LocalCluster(max_workers=2))
    with pytest.raises(CampaignStopped, match=r"the probe label of copper failed after .* kept out"):
        measured_labels(project)


def test_driver_is_timed_and_leaves_nothing_in_the_project(tmp_path: Path) -> None:
    project = project_in(tmp_path, driver="ase.calculators.emt:EMT")
    before = sorted(tmp_path.iterdir())
    step_s, fact = measured_driver(project)
    assert 0 < step_s["copper"] < 1
    assert fact.startswith("driver: ")
    assert sorted(tmp_path.iterdir()) == before


def test_driver_whose_dynamics_stop_is_told(tmp_path: Path) -> None:
    _, fact = measured_driver(project_in(tmp_path, distance=0.6, driver="ase.calculators.emt:EMT"))
    assert "; its MD stops: copper: " in fact


def test_reference_that_drives_takes_a_label_a_step(tmp_path: Path) -> None:
    project = project_in(tmp_path, driver="aimd")
    measured = measure(project, (Stage.INITIAL, Stage.ACTIVE), KNOWN)
    assert measured.driver_step_s == {"copper": 60.0}
    assert "driver: the reference itself, a label a step, by the workers" in measured.facts
