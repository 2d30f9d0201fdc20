"""Campaigns of more stages than v0.2 had: they repeat, go on from one another, and are changed between sessions."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.io import write
from typer.testing import CliRunner

from aims_pax.campaign import run_campaign
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.errors import UserError
from aims_pax.frame import Split, Stage
from aims_pax.protocols import Status
from aims_pax.settings import load_project

from .engines import PLAIN
from .projects import COPPER, Watcher, copper, in_child, labels_of, write_project
from .resuming import Outcome, assert_same, outcome_of, weights_of

pytestmark = pytest.mark.usefixtures("springs")

BOTH = (Stage.INITIAL, Stage.ACTIVE)
INITIAL = {key: value for key, value in COPPER["INITIAL_DATASET_GENERATION"].items() if key != "ensemble_size"}
LEARN = {"ensemble_size": 2, "max_train_set_size": 4, "skip_step_mlff": 2, "valid_ratio": 0.4, "epochs_per_worker": 2}
AGAIN = {**LEARN, "max_train_set_size": 7, "skip_step_mlff": 3, "c_x": -0.2, "MD": {"temperature": 500}}
FIRST: list[Any] = [
    {"initial": {**INITIAL, "ensemble_size": 2}},
    {"converge": {"max_convergence_epochs": 3}},
    {"learn": {**LEARN, "num_trajectories": 2}},
]
MORE: list[Any] = [
    {"converge": {"max_convergence_epochs": 3}},
    {"learn": {**AGAIN, "num_trajectories": 3}},
    {"converge": {"max_convergence_epochs": 4, "converge_best": False}},
]
NAMES = ["initial", "initial convergence", "active", "convergence", "learn-2", "learn-2 convergence"]


def project_of(folder: Path, stages: list[Any]) -> Path:
    """A project of copper that goes through these stages."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "copper.xyz").is_file():
        write(folder / "copper.xyz", copper())
    settings = {
        "REFERENCE": {**COPPER["REFERENCE"], "calculator": PLAIN},
        "STAGES": stages,
        "MD": COPPER["MD"],
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.xyz"},
    }
    write_project(folder, settings)
    return folder


def run(folder: Path, *, stages: tuple[Stage, ...] = BOTH, observer: Watcher | None = None) -> Mapping[str, Any]:
    """What the summary of a run says."""
    project = load_project(folder, stages=stages)
    observer = Watcher() if observer is None else observer
    return run_campaign(project, stages=project.asked(stages), observer=observer).content


def outcome(folder: Path) -> Outcome:
    """All that the run leaves, the states of its second active learning among it."""
    found = outcome_of(folder)
    with RunStore.open_readonly(folder) as store:
        for name in ("learner.learn-2", "sampler.learn-2", "convergence.active", "convergence.learn-2"):
            found.states[name] = store.load_state(name)
    return found


def summary_of(folder: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((folder / "results" / "summary.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign of six stages that nobody interrupted."""
    folder = project_of(tmp_path_factory.mktemp("whole"), [*FIRST, *MORE])
    run(folder)
    return folder


def test_all_entries_are_gone_through_each_under_its_own_name(whole: Path) -> None:
    with RunStore.open_readonly(whole) as store:
        assert json.loads(store.load_state("stages") or b"") == NAMES
        asked = {job.stage for job in store.jobs()}
        thresholds = {series.stage for series in store.series().values()}
    assert asked == {"initial", "active", "learn-2"}
    assert thresholds == {"active", "learn-2"}
    summary = summary_of(whole)
    assert list(summary["stopped_because"]) == ["initial", "active", "learn-2"]
    assert list(summary["wall_s_by_stage"])[-4:] == ["learn-2", "learn-2 convergence", "verdict", "results"]
    assert summary["trained_to_the_end"] == ["tiny_1", "tiny_2"]


def test_goal_counts_the_whole_dataset_and_a_later_stage_begins_with_all_labels(whole: Path) -> None:
    labels = labels_of(whole)
    for member in (0, 1):
        train = [one for one in labels if one.split is Split.TRAINING and one.member in (None, member)]
        assert sum(one.stage != "learn-2" for one in train) >= 4
        assert len(train) >= 7
    again = [one for one in labels if one.stage == "learn-2"]
    assert {one.frame.trajectory for one in again} <= {0, 1, 2}
    assert min(one.frame.md_step for one in again) > 0


def test_stages_have_noise_and_md_of_their_own(whole: Path) -> None:
    project = load_project(whole)
    first, second = project.settings.learning
    assert [project.md_for(0, one.settings).temperature for one in (first, second)] == [300, 500]  # type: ignore[arg-type]
    labels = labels_of(whole)
    begun = [{one.frame.positions.tobytes() for one in labels if one.stage == name} for name in ("active", "learn-2")]
    assert begun[0].isdisjoint(begun[1])


@pytest.mark.parametrize("stage", ["initial", "active", "convergence", "learn-2"])
def test_a_campaign_that_is_killed_in_any_stage_comes_to_the_same(stage: str, whole: Path, tmp_path: Path) -> None:
    project_of(tmp_path, [*FIRST, *MORE])
    seen: list[str] = []

    def kill(now: Status) -> None:
        seen.append(now.stage)
        if now.stage == stage and seen.count(stage) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(tmp_path, observer=Watcher(kill))) == -signal.SIGKILL
    run(tmp_path)
    assert_same(outcome(tmp_path), outcome(whole))


def test_a_campaign_that_leaves_while_its_results_are_written_goes_on_again_and_again(tmp_path: Path) -> None:
    run(project_of(tmp_path, [*FIRST, MORE[0]]))
    for _ in range(2):
        with RunStore.open(tmp_path) as store:
            store.save_state("progress", json.dumps("convergence").encode())
        run(tmp_path)
        with RunStore.open_readonly(tmp_path) as store:
            assert json.loads(store.load_state("stages") or b"") == NAMES[:4]


def test_stages_that_are_added_to_a_finished_run_are_gone_through(tmp_path: Path) -> None:
    ended = [*FIRST, {"converge": {"max_convergence_epochs": 3}}]
    run(project_of(tmp_path, ended))
    n_before, weights = len(labels_of(tmp_path)), weights_of(tmp_path)
    assert run(tmp_path)["labels"]["received"] == n_before
    project_of(tmp_path, [*ended, *MORE[1:]])
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert "it goes on with stages that were added to the campaign: learn-2, learn-2 convergence" in said.output
    summary = run(tmp_path)
    assert summary["labels"]["received"] > n_before
    assert "learn-2" in summary["stopped_because"]
    assert weights_of(tmp_path) != weights
    assert (tmp_path / "results.1").is_dir()


def test_goals_of_the_last_learning_of_a_finished_run_may_be_raised(whole: Path, tmp_path: Path) -> None:
    run(project_of(tmp_path, [*FIRST, *MORE]))
    further = [*FIRST, MORE[0], {"learn": {**AGAIN, "num_trajectories": 3, "max_train_set_size": 9}}, MORE[2]]
    summary = run(project_of(tmp_path, further))
    assert [one.label_id for one in labels_of(tmp_path)][: len(labels_of(whole))] == [
        one.label_id for one in labels_of(whole)
    ]
    assert min(summary["training_structures_of_each_member"]) >= 9
    assert summary["epochs"]["active"] == summary_of(whole)["epochs"]["active"]
    assert summary["trained_to_the_end"] == ["tiny_1", "tiny_2"]


def test_what_was_begun_stays_and_what_is_to_come_may_change(tmp_path: Path) -> None:
    run(project_of(tmp_path, [*FIRST, *MORE]), stages=(Stage.INITIAL,))
    with RunStore.open_readonly(tmp_path) as store:
        assert json.loads(store.load_state("progress") or b"") == "active"
    with pytest.raises(UserError, match="has gone through initial, initial convergence, and the campaign is now"):
        run(project_of(tmp_path, [FIRST[0], *FIRST[2:]]))
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert said.exit_code != 0
    assert "Leave the stages that were begun as they were" in said.output
    run(project_of(tmp_path, FIRST), stages=(Stage.ACTIVE,))
    assert {one.stage for one in labels_of(tmp_path)} == {"initial", "active"}


def test_goal_of_a_stage_that_others_have_built_on_stays(whole: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load((whole / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["STAGES"][2]["learn"]["max_train_set_size"] = 5
    settings["MISC"]["output_dir"] = str(whole)
    write(tmp_path / "copper.xyz", copper())
    write_project(tmp_path, settings)
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert said.exit_code != 0
    assert "STAGES.2.learn.max_train_set_size is 5." in said.output
    assert "raise the goals of STAGES.4.learn" in said.output


def test_check_says_each_entry_as_a_line_and_plan_foretells_it(whole: Path, tmp_path: Path) -> None:
    project_of(tmp_path, [*FIRST, *MORE])
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert said.exit_code == 0, said.output
    for words in (
        "initial convergence: 3 epochs",
        "active learning: ",
        "- convergence: 3 epochs",
        "converge         learn-2 convergence: all members, up to 4 epochs",
        "learn-2: ",
        "learn-2 convergence: 4 epochs",
        "NVT at 500 K",
    ):
        assert words in said.output, said.output
    known = ("--label-s", "1", "--driver-step-s", "0.1", "--md-steps-per-s", "100", "--epoch-s", "1")
    file = tmp_path / "plan.json"
    foretold = CliRunner().invoke(program, ["plan", str(tmp_path), *known, "--json", str(file)])
    assert foretold.exit_code == 0, foretold.output
    stages = json.loads(file.read_text(encoding="utf-8"))["stages"]
    assert list(stages) == ["starting", *NAMES, "results"]
    assert stages["learn-2"]["labels"]["likely"] >= 3
    assert np.isclose(stages["learn-2 convergence"]["epochs"]["likely"], 4)
