"""Files that earlier versions wrote: a run goes on from them as from its own."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.schema import UPGRADES
from aims_pax.errors import ModelError, StoreError
from aims_pax.frame import Label, Stage
from aims_pax.labelling.result import read_finished
from aims_pax.protocols import LabelJob

from .projects import jobs_of, labels_of, run

DATA = Path(__file__).parents[1] / "data"
"""`interrupted_run` was killed in active learning, by a program of store version 1 and checkpoint version 2, as its
13th label was to be stored, with its result in its folder; label 10 had failed. `committee_v1.pt` is the checkpoint of
the same moment as a program of checkpoint version 1 wrote it."""

N_LABELS, N_TRAIN_AT_THE_END = 11, 8


@pytest.fixture(params=[1, 2])
def old_run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the interrupted run, with the checkpoint in either version."""
    folder = tmp_path / "project"
    shutil.copytree(DATA / "interrupted_run", folder)
    (checkpoint,) = (folder / "checkpoints").iterdir()
    if request.param == 1:
        shutil.copy(DATA / "committee_v1.pt", checkpoint)
    assert torch.load(checkpoint, weights_only=True)["version"] == request.param
    return folder


def test_an_old_run_is_of_the_versions_that_it_stands_for() -> None:
    address = f"file:{DATA}/interrupted_run/run.db?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        filled = {name for name in tables if connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()}
    assert set(tables) - filled == {"extras"}, "an upgrade is tested on rows of all tables"


def rows_of(folder: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Everything in a store that is never changed once it is there."""
    tables = ("structures", "labels", "failures", "assignments", "checks", "epochs", "journal")
    selections = {table: f"SELECT * FROM {table}" for table in tables}
    selections["jobs"] = "SELECT * FROM jobs WHERE status <> 'submitted'"
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        return {table: set(connection.execute(selection)) for table, selection in selections.items()}


def test_an_old_run_is_continued_to_its_end(old_run: Path) -> None:
    before = rows_of(old_run)
    assert len(before["labels"]) == N_LABELS
    labels = run(old_run).content["labels"]
    assert (labels["training"], labels["in_flight"]) == (N_TRAIN_AT_THE_END, 0)
    after = rows_of(old_run)
    for table, rows in before.items():
        assert rows <= after[table], table
    with contextlib.closing(sqlite3.connect(old_run / "run.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(UPGRADES),)


def test_a_label_that_an_old_program_had_computed_is_not_computed_again(old_run: Path) -> None:
    (job,) = [job for job in jobs_of(old_run, Stage.ACTIVE) if job.status is JobStatus.SUBMITTED]
    (folder,) = old_run.glob(f"aims_ase_calcs/run-*/{job.label_id:06d}")
    finished = read_finished(LabelJob(job.label_id, job.frame, folder))
    assert isinstance(finished, Label)
    run(old_run)
    (stored,) = [one.label for one in labels_of(old_run) if one.label_id == job.label_id]
    assert stored.wall_s == finished.wall_s


def test_a_checkpoint_of_a_newer_program_is_refused(old_run: Path) -> None:
    (path,) = (old_run / "checkpoints").iterdir()
    content = torch.load(path, weights_only=True)
    torch.save(content | {"version": 99}, path)
    with pytest.raises(ModelError, match=r"committee_000008\.pt: is of version 99, written by a newer aims_pax"):
        run(old_run)


def test_a_store_of_a_newer_program_is_refused(old_run: Path) -> None:
    with contextlib.closing(sqlite3.connect(old_run / "run.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"written by a newer aims_pax \(store version 99"):
        run(old_run)
