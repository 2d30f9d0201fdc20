"""What a killed campaign leaves behind, and who may open it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aims_pax.dataset import JobStatus, RunStore, ScoreRow
from aims_pax.dataset.tables.database import Database
from aims_pax.dataset.tables.schema import UPGRADES, upgrade
from aims_pax.errors import RunLocked, StoreError, UserError
from aims_pax.frame import Frame, Label, Stage

WRITER = """
import sys
from pathlib import Path

import numpy as np

from aims_pax.dataset import RunStore
from aims_pax.frame import Frame, Label, Split, Stage

store = RunStore.open(Path(sys.argv[1]))

def write(md_step):
    frame = Frame("h2", 0, md_step, 0, np.array([1, 1]), np.full((2, 3), float(md_step)))
    label_id = store.add_job(frame, Stage.ACTIVE)
    store.add_label(label_id, Label(-float(md_step), np.full((2, 3), float(md_step)), None, "test", 1.0))
    store.assign(label_id, Split.TRAINING)
    store.save_state("learner", str(md_step).encode())

md_step = 0
while True:
    md_step += 1
    with store.transaction():
        write(md_step)
        if md_step == int(sys.argv[2]):
            print("within", flush=True)
            sys.stdin.read()
    print(md_step, flush=True)
"""


def writer(folder: Path, *, stops_within: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(stops_within)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill without warning; what it had acknowledged until then."""
    os.kill(process.pid, signal.SIGKILL)
    acknowledged, _ = process.communicate()
    return acknowledged.split()


def assert_whole(store: RunStore, n: int) -> None:
    labelled = list(store.labelled())
    assert [x.frame.md_step for x in labelled] == list(range(1, n + 1))
    assert all(x.label.energy == -x.frame.md_step == -x.frame.positions[0, 0] for x in labelled)
    assert store.load_state("learner") == str(n).encode()
    assert store.counts().n_received == n


def test_kill_within_a_transaction_leaves_the_state_before_it(tmp_path: Path) -> None:
    process = writer(tmp_path, stops_within=4)
    assert process.stdout is not None
    while process.stdout.readline() != "within\n":
        pass
    killed(process)
    with RunStore.open_readonly(tmp_path) as store:
        assert_whole(store, 3)
    with RunStore.open(tmp_path) as store:
        assert_whole(store, 3)


def test_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    process = writer(tmp_path, stops_within=-1)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(40)]
    acknowledged += killed(process)
    with RunStore.open(tmp_path) as store:
        n = store.counts().n_received
        assert n in (int(acknowledged[-1]), int(acknowledged[-1]) + 1)
        assert_whole(store, n)


def test_second_campaign_is_told_who_works_in_the_folder(tmp_path: Path) -> None:
    process = writer(tmp_path, stops_within=1)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(
        RunLocked, match=rf"another campaign is working in this folder \(host .*, process {process.pid}\)"
    ):
        RunStore.open(tmp_path)
    killed(process)
    RunStore.open(tmp_path).close()


def test_folder_is_locked_within_one_process_too(tmp_path: Path) -> None:
    with RunStore.open(tmp_path):
        with pytest.raises(RunLocked, match="one campaign per run folder"):
            RunStore.open(tmp_path)
        RunStore.open_readonly(tmp_path).close()
    RunStore.open(tmp_path).close()


def test_reader_sees_what_the_campaign_has_committed(tmp_path: Path, frame: Callable[..., Frame]) -> None:
    with RunStore.open(tmp_path) as store, RunStore.open_readonly(tmp_path) as reader:
        store.add_job(frame(), Stage.ACTIVE)
        assert [job.status for job in reader.jobs()] == [JobStatus.SUBMITTED]
        with store.transaction():
            store.set_meta("key", "value")
            assert reader.get_meta("key") is None
        assert reader.get_meta("key") == "value"


def test_look_of_a_moment_changes_no_file(tmp_path: Path) -> None:
    def look() -> None:
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with RunStore.open_briefly(tmp_path) as store:
            assert_whole(store, 3)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    process = writer(tmp_path, stops_within=4)
    assert process.stdout is not None
    while process.stdout.readline() != "within\n":
        pass
    look()
    killed(process)
    look()
    RunStore.open(tmp_path).close()
    assert not (tmp_path / "run.db-shm").exists()
    look()


def test_reader_can_not_write(tmp_path: Path, label: Callable[..., Label]) -> None:
    RunStore.open(tmp_path).close()
    with (
        RunStore.open_readonly(tmp_path) as reader,
        pytest.raises(StoreError, match=r"run\.db: attempt to write a readonly database"),
    ):
        reader.add_label(1, label())


def test_run_at_rest_can_be_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunStore.open(tmp_path / "a #1? run") as store:
        store.set_meta("key", "value")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with RunStore.open_readonly(tmp_path / "a #1? run") as reader:
        assert reader.get_meta("key") == "value"
    assert sorted(path.name for path in (tmp_path / "a #1? run").iterdir()) == ["run.db", "run.lock"]


def test_folder_without_a_run_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no run \(run\.db is missing\)"):
        RunStore.open_readonly(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"file/run: can't be used as a run folder \(Not a directory\)"):
        RunStore.open(tmp_path / "file" / "run")


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.db").write_bytes(b"scrambled " * 1000)
    with pytest.raises(StoreError, match=r"run\.db: file is not a database\. The file is damaged"):
        RunStore.open(tmp_path)
    (tmp_path / "run.db").unlink()
    RunStore.open(tmp_path).close()  # the lock was given back


def test_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "run.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = (tmp_path / "run.db").read_bytes()
    with pytest.raises(StoreError, match=r"run\.db: this SQLite file was not written by aims_pax"):
        RunStore.open(tmp_path)
    assert (tmp_path / "run.db").read_bytes() == before


@pytest.mark.parametrize("opener", [RunStore.open, RunStore.open_readonly])
def test_run_of_a_newer_program_is_left_alone(tmp_path: Path, opener: Callable[[Path], RunStore]) -> None:
    RunStore.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "run.db") as connection:
        connection.execute(f"PRAGMA user_version = {len(UPGRADES) + 1}")
    connection.close()
    with pytest.raises(
        StoreError, match=rf"run\.db: this run was written by a newer aims_pax \(store version {len(UPGRADES) + 1}"
    ):
        opener(tmp_path)


def test_older_run_is_upgraded_and_keeps_its_content(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        store.set_meta("key", "value")
    add_column = lambda connection: connection.execute("ALTER TABLE journal ADD COLUMN host TEXT")  # noqa: E731
    newer = (*UPGRADES, add_column)
    with sqlite3.connect(tmp_path / "run.db", isolation_level=None) as connection:
        upgrade(connection, newer)
        upgrade(connection, newer)  # nothing left to do
        assert connection.execute("PRAGMA user_version").fetchone() == (len(newer),)
        assert connection.execute("SELECT host FROM journal").fetchall() == []
        assert connection.execute("SELECT value FROM meta").fetchall() == [("value",)]
    connection.close()


def test_failing_upgrade_leaves_the_version_before_it(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()

    def half_an_upgrade(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")
        connection.execute("CREATE TABLE half (x)")

    connection = sqlite3.connect(tmp_path / "run.db", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="table half already exists"):
        upgrade(connection, (*UPGRADES, half_an_upgrade))
    assert connection.execute("PRAGMA user_version").fetchone() == (len(UPGRADES),)
    connection.close()
    RunStore.open(tmp_path).close()


def test_commits_are_flushed_to_disk(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "run.db")
    assert database.first("PRAGMA journal_mode") == ("wal",)
    assert database.first("PRAGMA synchronous") == (2,)  # FULL
    assert database.first("PRAGMA foreign_keys") == (1,)
    database.close()


def test_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "run.db")
    database.execute("INSERT INTO meta VALUES ('key', 'value')")
    database.execute("PRAGMA max_page_count = 40")

    def fill() -> None:
        with database.transaction(), database.transaction():
            database.execute("INSERT INTO states VALUES ('big', zeroblob(1000000))")

    with pytest.raises(StoreError, match=r"database or disk is full\. Make room and start again"):
        fill()
    database.execute("PRAGMA max_page_count = 4000")
    fill()
    assert database.first("SELECT value FROM meta") == ("value",)
    database.close()


def test_resuming_reads_no_table_as_a_whole(tmp_path: Path, frame: Callable[..., Frame]) -> None:
    """10^7 checks and 10^5 labels must open and go on in seconds: every query on the way has to use an index."""
    statements: list[str] = []
    with RunStore.open(tmp_path) as store:
        store.add_job(frame(), Stage.ACTIVE)
        store.append_scores([ScoreRow(1, 0, 25, 0, 0.1, 0.2, False)])
        connection = store._database._connection
        connection.set_trace_callback(statements.append)
        list(store.jobs(JobStatus.SUBMITTED))
        list(store.jobs())
        list(store.labelled(after=10))
        store.unassigned(Stage.ACTIVE)
        list(store.journal(after=10))
        store.scores(after=10)
        store.load_state("learner")
        store.get_meta("fingerprint")
        connection.set_trace_callback(None)
        assert len(statements) == 13
        for statement in statements:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert steps == ["SCAN series"] or not [  # which are as many as selectors
                step for step in steps if step.startswith(("SCAN", "USE TEMP"))
            ], (statement, steps)


def beside(folder: Path) -> set[str]:
    """What SQLite keeps beside the file."""
    return {path.name for path in folder.glob("run.db-*")}


def test_a_reader_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    assert beside(tmp_path) == set()
    with RunStore.open_readonly(tmp_path) as store:
        store.counts()
        assert beside(tmp_path), "a reader makes a log"
    assert beside(tmp_path) == set()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_of_two_readers_cleans_up(tmp_path: Path, order: tuple[int, int]) -> None:
    RunStore.open(tmp_path).close()
    readers = [RunStore.open_readonly(tmp_path) for _ in order]
    for reader in readers:
        reader.counts()
    first, last = (readers[number] for number in order)
    first.close()
    assert beside(tmp_path), "the other one reads on"
    last.counts()
    last.close()
    assert beside(tmp_path) == set()


def test_the_log_of_a_campaign_that_began_meanwhile_stays(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    reader = RunStore.open_readonly(tmp_path)
    reader.counts()
    with RunStore.open(tmp_path) as campaign:
        reader.close()
        assert beside(tmp_path) == {"run.db-wal", "run.db-shm"}
        campaign.set_meta("settings", "kept")
    with RunStore.open_readonly(tmp_path) as store:
        assert store.get_meta("settings") == "kept"


def test_a_log_that_a_killed_campaign_has_left_is_not_touched(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "run") as campaign:
        campaign.set_meta("settings", "kept")
        shutil.copytree(tmp_path / "run", tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm"))
    log = (tmp_path / "killed" / "run.db-wal").read_bytes()
    assert log
    with RunStore.open_readonly(tmp_path / "killed") as store:
        assert store.get_meta("settings") == "kept"
    assert (tmp_path / "killed" / "run.db-wal").read_bytes() == log
