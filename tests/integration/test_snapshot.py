"""Models and figures of a run that is not finished: `aims-pax export --models`."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aims_pax.campaign.snapshot import Snapshot, export_snapshot, newest_committee
from aims_pax.cli.program import program
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import StoreError
from aims_pax.protocols import Status
from aims_pax.stages.memory import Memory

from .projects import Watcher, copper_project, loaded, run
from .snapshots import CHANGES, N_INITIAL, interrupted

pytestmark = pytest.mark.usefixtures("springs")


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted in active learning, when it had learned its first labels."""
    return interrupted(tmp_path_factory.mktemp("learning"), "sampling", n_labels=N_INITIAL + 2)


@pytest.fixture
def project(learning: Path, tmp_path: Path) -> Path:
    shutil.copytree(learning, tmp_path / "project")
    return tmp_path / "project"


def test_run_under_way_is_not_disturbed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)
    copper_project(tmp_path / "other", changes=CHANGES)
    taken: list[Snapshot] = []

    def look(now: Status) -> None:
        if now.activity == "training" and now.n_labels_received > N_INITIAL and not taken:
            taken.append(export_snapshot(loaded(folder), None))

    run(folder, observer=Watcher(look))
    run(tmp_path / "other")
    (snapshot,) = taken
    assert any(line.startswith("The run is under way (host ") for line in snapshot.state)
    assert snapshot.folder == folder / "snapshot"
    for name in ("training.extxyz", "validation.extxyz"):
        assert (folder / "results" / name).read_bytes() == (tmp_path / "other" / "results" / name).read_bytes()


def test_models_under_convergence_are_the_best_so_far(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "project", "converging, epoch 2")
    snapshot = export_snapshot(loaded(folder), tmp_path / "out")
    assert snapshot.folder == tmp_path / "out"
    assert "the models are being converged; these are their best weights so far" in snapshot.state[0]


def test_run_without_models_gives_what_it_has(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "project", "sampling", n_labels=2)
    snapshot = export_snapshot(loaded(folder), None)
    assert snapshot.models == ()
    assert snapshot.state[0].startswith("No models yet: the initial dataset is being made.")
    assert (snapshot.folder / "training.extxyz").is_file()


def test_lost_results_of_a_finished_run_are_made_again(project: Path, tmp_path: Path) -> None:
    run(project)
    models = {path.relative_to(project) for path in (project / "results").glob("**/*.model")}
    assert "these are its results" in " ".join(export_snapshot(loaded(project), None).state)
    shutil.rmtree(project / "results")
    with pytest.raises(StoreError, match="aims-pax export --models writes its results again"):
        run(project)
    snapshot = export_snapshot(loaded(project), tmp_path / "copy")
    assert "were made again" in " ".join(snapshot.state)
    assert {path.relative_to(project) for path in (project / "results").glob("**/*.model")} == models
    assert (tmp_path / "copy" / "summary.json").is_file()
    run(project)


def test_checkpoint_that_is_replaced_while_it_is_read_is_looked_for_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = Memory.committee_checkpoint
    gone = iter([project / "checkpoints" / "committee_000001.pt"] * 2)
    monkeypatch.setattr(Memory, "committee_checkpoint", lambda memory: next(gone, None) or newest(memory))
    with RunStore.open_readonly(project) as store:
        committee = newest_committee(Memory(store, RunFolder(project, project / "calculations")), device="cpu")
    assert committee is not None
    assert committee.n_members == 2


def test_folder_without_a_run_is_told(tmp_path: Path) -> None:
    said = CliRunner().invoke(program, ["export", "--models", str(copper_project(tmp_path, changes=CHANGES))])
    assert said.exit_code == 2
    assert "holds no run" in said.output
