"""Files of version 1: what they said is what the present version says of them, and an upgrade loses nothing."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.dataset import RunStore
from aims_pax.dataset.tables.schema import UPGRADES, upgrade
from aims_pax.errors import StoreError
from aims_pax.frame import Frame

DATA = Path(__file__).parents[3] / "data"
"""`interrupted_run` was killed in active learning of copper by EMT. `finished_run` is the water project of
tests/integration/projects.py with its probe, a goal of 9 training structures and its best member converged for 4
epochs, run to its end by a program of store version 1; its models and figures were left out."""

OLD_RUNS = ("interrupted_run", "finished_run")


@pytest.fixture(params=OLD_RUNS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a run folder of version 1."""
    shutil.copytree(DATA / request.param, tmp_path / "run")
    return tmp_path / "run"


def asked(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What SQLite itself says of the store in a folder."""
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        return connection.execute(sql).fetchall()


def test_old_runs_are_of_version_1_and_fill_all_its_tables() -> None:
    filled: set[str] = set()
    tables: list[str] = []
    for name in OLD_RUNS:
        address = f"file:{DATA / name}/run.db?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            filled |= {name for name in tables if connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()}
    assert set(tables) == filled, "an upgrade is tested on rows of all tables"


def test_upgraded_run_holds_the_same_labels_in_the_same_places(folder: Path) -> None:
    places = asked(
        folder,
        "SELECT label_id, split, member, stage, system, trajectory, md_step, generation, energy, labels.reference, "
        "wall_s, stress, forces, numbers, positions, cell, pbc FROM assignments JOIN labels USING (label_id) "
        "JOIN jobs USING (label_id) JOIN structures USING (label_id) ORDER BY position",
    )
    extras = {
        (number, name): blob for number, name, blob in asked(folder, "SELECT label_id, name, numbers FROM extras")
    }
    with RunStore.open(folder) as store:
        points = list(store.labelled())
    assert points
    assert [
        (
            *(one.label_id, one.split, one.member, one.stage, one.frame.system, one.frame.trajectory),
            *(one.frame.md_step, one.frame.generation, one.label.energy, one.label.reference, one.label.wall_s),
            *(None if one.label.stress is None else one.label.stress.tobytes(), one.label.forces.tobytes()),
            *(one.frame.numbers.tobytes(), one.frame.positions.tobytes()),
            *(one.frame.cell.tobytes(), one.frame.pbc.tobytes()),
        )
        for one in points
    ] == places
    assert {(one.frame.charge, one.frame.spin, one.source) for one in points} == {(None, None, "")}
    found = {(one.label_id, name): values.tobytes() for one in points for name, values in one.label.extras.items()}
    assert found == extras


def test_upgraded_run_holds_the_same_requests(folder: Path) -> None:
    jobs = asked(
        folder,
        "SELECT label_id, stage, status, (SELECT count(*) FROM failures WHERE failures.label_id = jobs.label_id), "
        "trajectory, md_step, positions FROM jobs JOIN structures USING (label_id) ORDER BY label_id",
    )
    failures = asked(folder, "SELECT label_id, reason, message, folder, wall_s FROM failures ORDER BY failure")
    with RunStore.open(folder) as store:
        found = list(store.jobs())
        counts = store.counts()
        failed = [
            (job.label_id, one.reason, one.message, one.folder, one.wall_s)
            for job in found
            for one in store.failures_of(job.label_id)
        ]
    assert [
        (
            *(job.label_id, job.stage, job.status, job.n_failures),
            *(job.frame.trajectory, job.frame.md_step, job.frame.positions.tobytes()),
        )
        for job in found
    ] == jobs
    assert failed == failures
    statuses = [row[2] for row in jobs]
    assert (counts.n_in_flight, counts.n_received, counts.n_failed) == tuple(
        statuses.count(status) for status in ("submitted", "done", "failed")
    )
    assert counts.n_failures == len(failures)


def test_upgraded_run_holds_the_same_splits_scores_and_epochs(folder: Path) -> None:
    splits = dict(asked(folder, "SELECT split, count(*) FROM assignments GROUP BY split"))
    checks = asked(
        folder,
        "SELECT number, trajectory, md_step, generation, score, threshold, picked FROM checks ORDER BY number",
    )
    epochs = asked(folder, "SELECT epoch, generation, member, train_loss, loss, n_train FROM epochs ORDER BY number")
    with RunStore.open(folder) as store:
        assert (store.counts().n_train, store.counts().n_valid) == (splits["training"], splits["validation"])
        scores = store.scores()
        assert len(scores) == len(checks) > 0
        assert store.series() == {1: ("active", "moving threshold", "")}
        fields = ["number", "trajectory", "md_step", "generation", "score", "threshold", "picked"]
        assert [tuple(row) for row in scores[fields].tolist()] == checks
        learned = store.epochs()[["epoch", "generation", "member", "train_loss", "loss", "n_train"]]
        np.testing.assert_array_equal(np.array(epochs, dtype=learned.dtype), learned)


def test_upgraded_run_holds_the_same_events_states_and_facts(folder: Path) -> None:
    before = {table: asked(folder, f"SELECT * FROM {table}") for table in ("meta", "states", "journal")}
    RunStore.open(folder).close()
    assert {table: asked(folder, f"SELECT * FROM {table}") for table in before} == before
    assert asked(folder, "PRAGMA user_version") == [(len(UPGRADES),)]
    assert asked(folder, "PRAGMA integrity_check") == [("ok",)]
    assert asked(folder, "PRAGMA foreign_key_check") == []


def test_upgraded_run_has_the_tables_of_a_new_one(folder: Path, tmp_path: Path) -> None:
    tables = "SELECT type, name, replace(sql, char(34), '') FROM sqlite_master ORDER BY type, name"
    RunStore.open(folder).close()
    RunStore.open(tmp_path / "new").close()
    assert asked(folder, tables) == asked(tmp_path / "new", tables)


@pytest.mark.parametrize("version", range(2, len(UPGRADES)))
def test_run_of_a_version_between_is_upgraded_to_the_same(version: int, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "between")
    with contextlib.closing(sqlite3.connect(tmp_path / "between" / "run.db", isolation_level=None)) as connection:
        upgrade(connection, UPGRADES[:version])
    rows = "SELECT * FROM {} ORDER BY 1"
    for path in (folder, tmp_path / "between"):
        with RunStore.open(path) as store:
            assert store.kept_out() == []
            assert store.counts().n_kept_out == 0
    for table in ("structures", "jobs", "labels", "extras", "failures", "splits"):
        assert asked(folder, rows.format(table)) == asked(tmp_path / "between", rows.format(table))


def test_upgraded_run_refuses_a_structure_that_it_has(folder: Path) -> None:
    with RunStore.open(folder) as store:
        job = next(store.jobs())
        with pytest.raises(StoreError, match=r"UNIQUE constraint failed: structures\.stage, structures\.trajectory"):
            store.add_job(job.frame, job.stage)
        with pytest.raises(StoreError, match=r"UNIQUE constraint failed: jobs\.structure_id, jobs\.reference"):
            store.request(job.structure_id, stage=job.stage)
        new = Frame("new", 99, 1, 0, job.frame.numbers, job.frame.positions)
        n_before = store.counts().n_requested
        assert store.add_job(new, job.stage) == n_before + 1


def test_upgrade_that_finds_no_room_leaves_the_file_as_it_was(folder: Path) -> None:
    tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
    before = asked(folder, tables)
    with contextlib.closing(sqlite3.connect(folder / "run.db", isolation_level=None)) as connection:
        (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {n_pages + 3}")
        with pytest.raises(sqlite3.OperationalError, match="database or disk is full"):
            upgrade(connection)
    assert asked(folder, "PRAGMA user_version") == [(1,)]
    assert asked(folder, tables) == before
    with RunStore.open(folder) as store:
        assert store.counts().n_received > 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM structures WHERE label_id = 1", "not every row of jobs can be brought into new_structures"),
        (
            "DELETE FROM labels WHERE label_id = 1; DELETE FROM jobs WHERE label_id = 1",
            "belongs to no row of structures",
        ),
    ],
    ids=["structure", "job"],
)
def test_upgrade_of_a_damaged_file_loses_nothing_more(damage: str, said: str, folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        connection.executescript(damage)
        connection.commit()
    with pytest.raises(StoreError, match=rf"run\.db: .*{said}.*restore it from a copy"):
        RunStore.open(folder)
    assert asked(folder, "PRAGMA user_version") == [(1,)]


def test_old_run_is_read_without_being_touched(folder: Path) -> None:
    before = (folder / "run.db").read_bytes()
    jobs = asked(folder, "SELECT label_id FROM jobs ORDER BY label_id")
    with RunStore.open_readonly(folder) as store:
        assert [(job.label_id,) for job in store.jobs()] == jobs
        assert len(list(store.labelled())) == store.counts().n_train + store.counts().n_valid
        with pytest.raises(StoreError, match=r"run\.db: attempt to write a readonly database"):
            store.set_meta("key", "value")
    assert (folder / "run.db").read_bytes() == before


def test_old_run_is_read_as_it_is_while_an_older_program_writes_it(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "run.db", isolation_level=None)) as older:
        older.execute("PRAGMA journal_mode = WAL")
        older.execute("INSERT INTO meta VALUES ('committed', 'in the log')")
        older.execute("BEGIN IMMEDIATE")
        older.execute("INSERT INTO meta VALUES ('uncommitted', 'value')")
        with RunStore.open_readonly(folder) as store:
            assert store.get_meta("committed") == "in the log"
            assert store.get_meta("uncommitted") is None
        older.execute("COMMIT")
