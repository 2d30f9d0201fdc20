"""Files that earlier versions wrote: a run goes on from them as from its own."""

import contextlib
import json
import re
import shutil
import sqlite3
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.dataset.tables.schema import UPGRADES
from aims_pax.errors import ModelError, StoreError
from aims_pax.frame import Frame, Label, Stage
from aims_pax.labelling.result import read_finished
from aims_pax.outcome.datasets import Wanted, export_datasets
from aims_pax.protocols import LabelJob

from .projects import jobs_of, labels_of, loaded, run

DATA = Path(__file__).parents[1] / "data"
"""`interrupted_run` was killed in active learning, by a program of store version 1 and checkpoint version 2, as its
13th label was to be stored, with its result in its folder; label 10 had failed. `committee_v1.pt` is the checkpoint of
the same moment as a program of checkpoint version 1 wrote it. `finished_run` is the project of water with its probe, a
goal of 9 training structures and its best member converged, run to its end by a program of store version 1; its models
and figures were left out."""

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


@pytest.fixture
def old_finished_run(tmp_path: Path) -> Path:
    """A copy of the finished run."""
    shutil.copytree(DATA / "finished_run", tmp_path / "project")
    return tmp_path / "project"


def rows_of(folder: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Everything in a store that is never changed once it is there."""
    with RunStore.open_readonly(folder) as store:
        jobs = list(store.jobs())
        failures = [
            (job.label_id, n, *astuple(one)) for job in jobs for n, one in enumerate(store.failures_of(job.label_id))
        ]
        return {
            "structures": {(job.structure_id, job.stage, *arrays_of(job.frame)) for job in jobs},
            "labels": {(one.label_id, *arrays_of(one.label)) for one in store.labelled()},
            "jobs": {(job.label_id, job.status) for job in jobs if job.status is not JobStatus.SUBMITTED},
            "failures": set(failures),
            "splits": {(place, one.label_id, one.split, one.member) for place, one in enumerate(store.labelled())},
            "scores": {tuple(row) for row in store.scores().tolist()},
            "epochs": {row.tobytes() for row in store.epochs()},
            "journal": {(one.number, one.time, one.kind, json.dumps(one.payload)) for one in store.journal()},
        }


def arrays_of(one: Frame | Label) -> tuple[Any, ...]:
    """The values of all fields, of arrays their bytes."""
    values = (getattr(one, field.name) for field in fields(one))
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else repr(value) for value in values)


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


def test_an_old_finished_run_is_exported_planned_and_checked(old_finished_run: Path) -> None:
    before, store = rows_of(old_finished_run), (old_finished_run / "run.db").read_bytes()
    written = export_datasets(loaded(old_finished_run), Wanted(old_finished_run / "exported"))
    assert {path.name: n for path, n in written.items()} == {"training.extxyz": 11, "validation.extxyz": 7}
    for name in ("training.extxyz", "validation.extxyz"):
        exported, kept = (
            (old_finished_run / place / name).read_text(encoding="utf-8") for place in ("exported", "results")
        )
        assert re.sub(r" split=\w+ stage=\w+", "", exported) == kept, "it says where structures come from besides"
    for command in ("plan", "check"):
        said = CliRunner().invoke(program, [command, str(old_finished_run)])
        assert said.exit_code == 0, said.output
        if command == "plan":
            assert (old_finished_run / "run.db").read_bytes() == store, "what reads a run leaves it as it is"
    assert rows_of(old_finished_run) == before


def test_an_old_finished_run_is_finished(old_finished_run: Path) -> None:
    before = rows_of(old_finished_run)
    summary = json.loads((old_finished_run / "results" / "summary.json").read_text(encoding="utf-8"))
    assert run(old_finished_run).content == summary
    assert rows_of(old_finished_run) == before
    with RunStore.open_readonly(old_finished_run) as store:
        counts = store.counts()
    said = summary["labels"]
    assert (counts.n_requested, counts.n_received, counts.n_failed) == (said["asked"], said["received"], said["failed"])
    assert (counts.n_train, counts.n_valid) == (said["training"], said["validation"])


def test_an_old_finished_run_goes_on_when_its_goal_is_raised(old_finished_run: Path) -> None:
    before = rows_of(old_finished_run)
    settings = old_finished_run / "aims_PAX.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("set_size: 9", "set_size: 12"), encoding="utf-8")
    summary = run(old_finished_run).content
    assert summary["stopped_because"]["active"].endswith("max_train_set_size")
    assert summary["labels"]["received"] > len(before["labels"])
    after = rows_of(old_finished_run)
    for table, rows in before.items():
        if table != "epochs":  # those of the convergence belong to models that learn no more
            assert rows <= after[table], table
    assert (old_finished_run / "results.1" / "summary.json").is_file()
    with RunStore.open_readonly(old_finished_run) as store:
        (session,) = store.sessions()
        made = {point.label_id: store.session_of(point.label_id) for point in store.labelled()}
    assert [*made.values()] == [None] * len(before["labels"]) + [session] * (len(made) - len(before["labels"]))


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
