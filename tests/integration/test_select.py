"""A dataset chosen from a pool of labelled structures, without MD and without a reference."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from aims_pax.campaign.session import opened
from aims_pax.cli.program import program
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Split, Stage
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import has_begun
from aims_pax.stages.stock.select import SelectFromPool

from .engines import Watched
from .projects import Watcher, active_project, copper_project, in_child, labels_of, write_project
from .test_campaign_active import write_dataset

pytestmark = pytest.mark.usefixtures("springs")

N_POOL = 24

POOL_ALONE: dict[str, Any] = {
    "DATA_FILTERING": {
        "hdf5_paths": ["pool.extxyz"],
        "eval_stride": 7,
        "first_set_size": 4,
        "epochs_per_batch": 2,
        "ensemble_size": 2,
        "max_train_set_size": 8,
        "valid_ratio": 0.3,
        "c_x": -0.95,
        "max_convergence_epochs": 2,
    },
}
"""All that the authors' branch needs: no MD, no structures, no reference."""


def pool_project(folder: Path) -> Path:
    copper_project(folder)
    write_dataset(folder / "pool.extxyz", n_structures=N_POOL, seed=5)
    return folder


def settings_of(folder: Path, **keys: Any) -> SelectSettings:
    values = {
        "first_set_size": 4,
        "eval_stride": 7,
        "epochs_per_batch": 6,
        "valid_ratio": 0.3,
        "ensemble_size": 2,
        "c_x": -0.95,
    }
    return SelectSettings.model_validate({"pool": "pool.extxyz", **values, **keys}, context={"folder": folder})


def select(
    folder: Path, *, act: Callable[[Status], None] | None = None, departure: Departure | None = None, **keys: Any
) -> None:
    project = load_project(folder, stages=(Stage.INITIAL, Stage.ACTIVE))
    with (
        RunStore.open(folder) as store,
        opened(project, store, Watcher(act), departure or Departure()) as bench,
    ):
        SelectFromPool(StagePlan("select", "select", settings_of(folder, **keys))).run(bench)


def states_of(folder: Path) -> tuple[Any, ...]:
    """All that a selection leaves behind, to the last bit."""
    with RunStore.open_readonly(folder) as store:
        labelled = [
            (
                one.label_id,
                one.split,
                one.source,
                one.frame.positions.tobytes(),
                one.label.energy,
                one.label.forces.tobytes(),
            )
            for one in store.labelled()
        ]
        kept = [store.load_state(key) for key in ("passes.select", "stagnations.select", "pool.select")]
        return labelled, kept, store.epochs().tobytes(), [one.prediction.forces.tobytes() for one in store.predicted()]


def test_structures_join_by_their_error_and_are_never_labelled_again(engine: type[Watched], tmp_path: Path) -> None:
    folder = pool_project(tmp_path)
    select(folder, max_train_set_size=12)
    labelled = labels_of(folder)
    assert engine.computed == [], "neither structures nor free atoms"
    trained = [one for one in labelled if one.split is Split.TRAINING]
    assert len(trained) == 12
    assert len(labelled) - len(trained) == pytest.approx(0.3 * len(labelled), abs=1)
    assert all(one.source.startswith("pool.extxyz, structure ") for one in labelled)
    assert len({one.source.partition(";")[0] for one in labelled}) == len(labelled), "each once"

    pool = read_extxyz(folder / "pool.extxyz")
    for one in labelled:
        frame, label = pool[one.frame.md_step - 1]
        np.testing.assert_array_equal(one.frame.positions, frame.positions)
        np.testing.assert_array_equal(one.label.forces, label.forces)
    with RunStore.open_readonly(folder) as store:
        assert has_begun(store, "select")
        chunks = [entry.payload for entry in store.journal() if entry.kind == "PoolJudged"]
        predicted = {one.label_id for one in store.predicted()}
    first = {one.label_id for one in labelled if "first structures" in one.source}
    assert len(first) == 4
    assert predicted == {one.label_id for one in labelled} - first
    assert [chunk["last"] for chunk in chunks][:2] == [7, 14]


def test_selection_ends_when_a_pass_picks_nothing(engine: type[Watched], tmp_path: Path) -> None:
    folder = pool_project(tmp_path)
    select(folder, c_x=50.0)
    assert len(labels_of(folder)) == 4, "no error is fifty times the mean"


def test_a_committee_that_is_there_judges_from_the_beginning(
    engine: type[Watched], initial_copper: Path, tmp_path: Path
) -> None:

    folder = active_project(tmp_path, initial_copper)
    n_before = len(labels_of(folder))
    write_dataset(folder / "pool.extxyz", n_structures=N_POOL, seed=5)
    n_computed = len(engine.computed)
    select(folder, max_train_set_size=8)
    joined = labels_of(folder)[n_before:]
    assert joined
    assert all("error above threshold" in one.source for one in joined)
    assert len(engine.computed) == n_computed


def test_a_selection_that_was_left_goes_on_as_if_it_had_not_been(engine: type[Watched], tmp_path: Path) -> None:
    keys = {"max_train_set_size": 12}
    whole = pool_project(tmp_path / "whole")
    select(whole, **keys)
    parted = pool_project(tmp_path / "parted")
    for n_seen in range(1, 40):
        departure, seen = Departure(), 0

        def leave(_: Status, limit: int = n_seen % 4 + 1, left: Departure = departure) -> None:
            nonlocal seen
            seen += 1
            if seen >= limit:
                left.ask(Reason.INTERRUPTED)

        try:
            select(parted, act=leave, departure=departure, **keys)
            break
        except Departed:
            continue
    assert states_of(parted) == states_of(whole)


@pytest.mark.parametrize("n_commits", range(1, 12, 2))
def test_a_selection_that_was_killed_goes_on_as_if_it_had_not_been(
    n_commits: int, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    keys = {"max_train_set_size": 8}
    whole = pool_project(tmp_path / "whole")
    select(whole, **keys)
    killed = pool_project(tmp_path / "killed")
    keep = Memory.keep

    def kept(memory: Memory, key: str, value: object) -> None:
        kept.n += 1  # type: ignore[attr-defined]
        if kept.n > n_commits:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)
        keep(memory, key, value)

    def die() -> None:
        kept.n = 0  # type: ignore[attr-defined]
        monkeypatch.setattr(Memory, "keep", kept)
        select(killed, **keys)

    assert in_child(die) == -signal.SIGKILL
    select(killed, **keys)
    assert states_of(killed) == states_of(whole)


def test_a_pool_that_was_changed_is_refused(engine: type[Watched], tmp_path: Path) -> None:
    folder = pool_project(tmp_path)
    select(folder, max_train_set_size=6)
    write_dataset(folder / "pool.extxyz", n_structures=N_POOL + 1, seed=5)
    with pytest.raises(CampaignStopped, match="the pool of select was changed since this run has begun"):
        select(folder, max_train_set_size=8)


def test_a_goal_may_be_raised(engine: type[Watched], tmp_path: Path) -> None:
    """As with every stage: the state says what was done, and the settings what is wanted."""
    folder = pool_project(tmp_path)
    select(folder, max_train_set_size=6)
    select(folder, max_train_set_size=9)
    assert sum(one.split is Split.TRAINING for one in labels_of(folder)) == 9


def test_a_section_of_its_own_is_a_whole_campaign(engine: type[Watched], tmp_path: Path) -> None:
    write_project(tmp_path, POOL_ALONE)
    write_dataset(tmp_path / "pool.extxyz", n_structures=N_POOL, seed=5)
    for command in (["check"], ["plan"], ["filter"]):
        done = CliRunner().invoke(program, [*command, str(tmp_path)], env={"COLUMNS": "200"})
        assert done.exit_code == 0, done.output
    assert engine.computed == []
    assert sum(one.split is Split.TRAINING for one in labels_of(tmp_path)) == 8
    assert (tmp_path / "results" / "tiny.model").is_file()
    assert len(read_extxyz(tmp_path / "results" / "training.extxyz")) == 8
    n_labels = len(labels_of(tmp_path))
    again = CliRunner().invoke(program, ["run", str(tmp_path)], env={"COLUMNS": "200"})
    assert (again.exit_code, len(labels_of(tmp_path))) == (0, n_labels)


def test_active_learning_goes_on_from_a_selection(engine: type[Watched], tmp_path: Path) -> None:
    keys = {key: value for key, value in POOL_ALONE["DATA_FILTERING"].items() if key != "max_convergence_epochs"}
    learn = {"num_trajectories": 2, "max_train_set_size": 10, "skip_step_mlff": 2, "epochs_per_worker": 2}
    stages = [{"select": keys}, {"learn": {**learn, "valid_ratio": 0.4, "save_trajectories": False}}]
    changes = {"INITIAL_DATASET_GENERATION": None, "ACTIVE_LEARNING": None}
    folder = copper_project(tmp_path, changes=changes)
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump({**settings, "STAGES": stages}), encoding="utf-8")
    write_dataset(folder / "pool.extxyz", n_structures=N_POOL, seed=5)
    done = CliRunner().invoke(program, ["run", str(folder)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    by_stage = Counter(one.stage for one in labels_of(folder))
    assert by_stage["select"] >= 8
    assert by_stage["active"] >= 2
    assert len(engine.computed) == by_stage["active"], "free atoms come from the pool"
