"""Finished runs whose goals are raised: they go on as if the goal had been further from the beginning."""

import json
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from aims_pax.campaign.progress import progress_of
from aims_pax.cli.program import program
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.learner.state import Phase, State
from aims_pax.protocols import Status
from aims_pax.sampling import BatchedSampler, TrajectoryCheckpoint
from aims_pax.stages.memory import Memory

from .engines import PLAIN, Watched
from .projects import Watcher, changed, copper_project, in_child, labels_of, run

pytestmark = pytest.mark.usefixtures("springs")


CHANGES: dict[str, dict[str, Any]] = {
    "REFERENCE": {"calculator": PLAIN},
    "ACTIVE_LEARNING": {
        "max_train_set_size": 4,
        "converge_al": True,
        "converge_best": True,
        "max_convergence_epochs": 4,
        "margin": 0.0,
    },
}


def settled(folder: Path, **active: Any) -> Path:
    """The same project with other settings of active learning."""
    path = folder / "aims_PAX.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(changed(settings, {"ACTIVE_LEARNING": active})), encoding="utf-8")
    return folder


def memory_of(folder: Path, store: RunStore) -> Memory:
    return Memory(store, RunFolder(folder, folder / "aims_ase_calcs"))


def summary_of(results: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has reached four training structures and converged its best member."""
    Watched.forget()
    folder = copper_project(tmp_path_factory.mktemp("finished"), changes=CHANGES)
    run(folder)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "project")
    return tmp_path / "project"


def test_raised_goal_has_a_finished_run_learn_on(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    before, summary = labels_of(project), summary_of(project / "results")
    models = {path.name: path.read_bytes() for path in (project / "results").glob("**/*.model")}
    with RunStore.open_readonly(project) as store:
        checks, epochs = store.scores(), store.epochs()
    settled(project, max_train_set_size=7)
    with caplog.at_level("INFO"):
        run(project)
    assert "learning goes on with the committee as it was before its convergence" in caplog.messages
    after = labels_of(project)
    assert [one.label_id for one in after[: len(before)]] == [one.label_id for one in before]
    assert len(after) > len(before)
    with RunStore.open_readonly(project) as store:
        assert store.scores()[: len(checks)].tobytes() == checks.tobytes()
        learned = store.epochs()
        state = memory_of(project, store).recall("learner.active", State)
    assert state is not None
    assert state.train_size >= 7
    own = learned[learned["member"] == 0]["epoch"]
    assert own.tolist() == list(range(1, len(own) + 1)), "epochs of the first convergence belong to other weights"
    assert epochs["generation"].max() > 0
    assert summary_of(project / "results")["stopped_because"]["active"].endswith("max_train_set_size")
    assert summary_of(project / "results")["labels"]["received"] > summary["labels"]["received"]
    assert summary_of(project / "results.1") == summary
    assert {path.name: path.read_bytes() for path in (project / "results.1").glob("**/*.model")} == models


def test_learning_goes_on_with_the_committee_before_its_convergence(project: Path) -> None:
    settled(project, max_train_set_size=7)

    def leave(_: Status) -> None:
        raise KeyboardInterrupt("now")

    with pytest.raises(KeyboardInterrupt, match="now"):
        run(project, observer=Watcher(leave))
    with RunStore.open_readonly(project) as store:
        memory = memory_of(project, store)
        checkpoint = memory.committee_checkpoint()
        assert progress_of(memory) == "active"
        state = memory.recall("learner.active", State)
        assert store.load_state("convergence.active") is None
    assert checkpoint is not None
    assert checkpoint.name == "before_convergence.pt"
    assert state is not None
    assert state.stopping is None
    assert state.in_phase(Phase.RUNNING)
    assert (project / "results" / "summary.json").is_file(), "the earlier results stay until there are new ones"


def test_trajectories_that_ended_by_a_failure_go_back_to_their_checkpoints(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunStore.open(project) as store:
        memory = memory_of(project, store)
        state = memory.recall("learner.active", State)
        assert state is not None
        failed = replace(state.trajectories[1], failures=1)
        memory.keep("learner.active", replace(state, trajectories=(state.trajectories[0], failed)))
    rewound: list[int] = []
    rewind = BatchedSampler.rewind

    def seen(sampler: BatchedSampler, index: int, checkpoint: TrajectoryCheckpoint) -> None:
        rewound.append(index)
        rewind(sampler, index, checkpoint)

    def leave(_: Status) -> None:
        raise KeyboardInterrupt("now")

    monkeypatch.setattr(BatchedSampler, "rewind", seen)
    settled(project, max_train_set_size=7)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="now"):
            run(project, observer=Watcher(leave))
    assert rewound == [1], "once, although the run was interrupted at once and went on"


def test_converged_weights_learn_on_where_nothing_else_was_kept(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / "checkpoints" / "before_convergence.pt").unlink()
    settled(project, max_train_set_size=6)
    with caplog.at_level("INFO"):
        run(project)
    assert "the converged one learns on" in caplog.text
    assert summary_of(project / "results")["stopped_because"]["active"].endswith("max_train_set_size")
    with RunStore.open_readonly(project) as store:
        epochs = store.epochs()
    assert sorted(epochs["generation"].tolist()) == epochs["generation"].tolist()


@pytest.mark.parametrize("n_labels", [0, 2])
def test_reopened_run_that_is_killed_goes_on_and_keeps_the_results_of_its_first_end_once(
    n_labels: int, project: Path
) -> None:
    n_before = len(labels_of(project))
    settled(project, max_train_set_size=7)

    def kill(now: Status) -> None:
        if now.n_labels_received >= n_before + n_labels:
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(project, observer=Watcher(kill))) == -signal.SIGKILL
    run(project)
    assert summary_of(project / "results")["stopped_because"]["active"].endswith("max_train_set_size")
    assert [path.name for path in sorted(project.glob("results*"))] == ["results", "results.1"]
    identities = [one.label_id for one in labels_of(project)]
    assert len(set(identities)) == len(identities) > n_before


def test_goal_can_be_raised_again_and_again(project: Path) -> None:
    for goal in (5, 6):
        run(settled(project, max_train_set_size=goal))
    assert {path.name for path in project.glob("results*")} == {"results", "results.1", "results.2"}


def test_more_epochs_of_convergence_converge_a_finished_run_again(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    n_labels = len(labels_of(project))
    with RunStore.open_readonly(project) as store:
        n_epochs = len(store.epochs())
    with caplog.at_level("DEBUG", logger="aims_pax.run"):
        run(settled(project, max_convergence_epochs=6))
    assert "its models are converged again: max_convergence_epochs was 4, and is 6" in caplog.text
    assert len(labels_of(project)) == n_labels
    with RunStore.open_readonly(project) as store:
        assert len(store.epochs()) > n_epochs
    assert (project / "results.1").is_dir()


def test_all_members_are_converged_where_it_was_the_best_alone(project: Path) -> None:
    with RunStore.open_readonly(project) as store:
        before = store.epochs()
    run(settled(project, converge_best=False))
    with RunStore.open_readonly(project) as store:
        added = store.epochs()[len(before) :]
    assert set(added["member"].tolist()) == {0, 1}


def test_convergence_under_way_takes_a_higher_limit_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)

    def leave(now: Status) -> None:
        if "epoch 2 of" in now.activity:
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(folder, observer=Watcher(leave))) == -signal.SIGKILL
    with caplog.at_level("DEBUG", logger="aims_pax.run"):
        run(settled(folder, max_convergence_epochs=5))
    assert "converged again" not in caplog.text
    assert not (folder / "results.1").exists()


def test_goal_raised_while_the_models_converge_has_the_run_learn_on(tmp_path: Path) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)

    def leave(now: Status) -> None:
        if "epoch 2 of" in now.activity:
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(folder, observer=Watcher(leave))) == -signal.SIGKILL
    n_labels = len(labels_of(folder))
    run(settled(folder, max_train_set_size=6))
    assert len(labels_of(folder)) > n_labels
    assert not (folder / "results.1").exists()


def test_finished_run_says_which_goal_to_raise(project: Path) -> None:
    said = CliRunner().invoke(program, ["run", str(project)])
    assert said.exit_code == 0, said.output
    assert "raise ACTIVE_LEARNING.max_train_set_size" in said.output


def test_check_says_that_a_raised_goal_has_the_run_go_on(project: Path) -> None:
    said = CliRunner().invoke(program, ["check", str(settled(project, max_train_set_size=9))])
    assert said.exit_code == 0, said.output
    words = " ".join(said.output.split())
    assert "had ended, and it goes on learning actively: max_train_set_size was 4, and is 9" in words
    assert "nothing is computed" not in said.output
