"""The tables of a run store, and how older files become the present version.

The version of a file is SQLite's ``user_version``. ``UPGRADES[n]`` turns version n into version n + 1; version 0 is an
empty file. A released upgrade is never edited: a new version is a new function at the end.

Columns with large arrays stand last, so that SQLite need not read over them. Structures have a table of their own,
which keeps ``jobs`` small enough to be counted in milliseconds. Diagnostics (scores, losses) may be NULL, which is how
SQLite stores a NaN: a diverging model must not end a run. Energies may not.
"""

from collections.abc import Callable, Sequence
from sqlite3 import Connection

from aims_pax.errors import StoreError

APPLICATION_ID = 0x61505831
"""Marks an SQLite file as a run store ("aPX1")."""

_VERSION_1 = (
    """CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE states (
        key TEXT PRIMARY KEY,
        value BLOB NOT NULL
    )""",
    """CREATE TABLE jobs (
        label_id INTEGER PRIMARY KEY,
        stage TEXT NOT NULL CHECK (stage IN ('initial', 'active')),
        system TEXT NOT NULL,
        trajectory INTEGER NOT NULL,
        md_step INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('submitted', 'done', 'failed')),
        submitted_at REAL NOT NULL,
        UNIQUE (stage, trajectory, md_step)
    )""",
    "CREATE INDEX jobs_by_status ON jobs (status)",
    """CREATE TABLE structures (
        label_id INTEGER PRIMARY KEY REFERENCES jobs,
        pbc BLOB NOT NULL,
        cell BLOB NOT NULL,
        numbers BLOB NOT NULL,
        positions BLOB NOT NULL
    )""",
    """CREATE TABLE labels (
        label_id INTEGER PRIMARY KEY REFERENCES jobs,
        energy REAL NOT NULL,
        wall_s REAL NOT NULL,
        reference TEXT NOT NULL,
        received_at REAL NOT NULL,
        stress BLOB,
        forces BLOB NOT NULL
    )""",
    """CREATE TABLE extras (
        label_id INTEGER NOT NULL REFERENCES labels,
        name TEXT NOT NULL,
        shape TEXT NOT NULL,
        numbers BLOB NOT NULL,
        PRIMARY KEY (label_id, name)
    )""",
    """CREATE TABLE failures (
        failure INTEGER PRIMARY KEY,
        label_id INTEGER NOT NULL REFERENCES jobs,
        reason TEXT NOT NULL,
        message TEXT NOT NULL,
        folder TEXT,
        wall_s REAL NOT NULL,
        failed_at REAL NOT NULL
    )""",
    "CREATE INDEX failures_by_label ON failures (label_id)",
    """CREATE TABLE assignments (
        position INTEGER PRIMARY KEY,
        label_id INTEGER NOT NULL UNIQUE REFERENCES labels,
        split TEXT NOT NULL CHECK (split IN ('training', 'validation')),
        member INTEGER
    )""",
    """CREATE TABLE checks (
        number INTEGER PRIMARY KEY,
        trajectory INTEGER NOT NULL,
        md_step INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        score REAL,
        threshold REAL,
        picked INTEGER NOT NULL
    )""",
    """CREATE TABLE epochs (
        number INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        member INTEGER NOT NULL,
        train_loss REAL,
        loss REAL,
        energy_mae_ev_per_atom REAL,
        force_mae_ev_per_ang REAL,
        stress_mae_ev_per_ang3 REAL,
        n_train INTEGER NOT NULL,
        n_valid INTEGER NOT NULL
    )""",
    """CREATE TABLE journal (
        number INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL
    )""",
)


def _create(connection: Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in _VERSION_1:
        connection.execute(statement)


Upgrade = Callable[[Connection], None]

UPGRADES: tuple[Upgrade, ...] = (_create,)


def version_of(connection: Connection, *, newest: int = len(UPGRADES)) -> int:
    """Schema version of an open file; 0 when it is empty.

    Raises
    ------
    StoreError
        The file belongs to another program, or to a newer version of this one.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if not is_empty and application != APPLICATION_ID:
        raise StoreError("this SQLite file was not written by aims_pax")
    if version > newest:
        raise StoreError(
            f"this run was written by a newer aims_pax (store version {version}, this program knows {newest}); "
            "update aims_pax to continue it"
        )
    return version


def upgrade(connection: Connection, upgrades: Sequence[Upgrade] = UPGRADES) -> None:
    """Bring an open file to the newest version, one version per transaction.

    An upgrade that fails leaves the file at the version before it.
    """
    for version in range(version_of(connection, newest=len(upgrades)), len(upgrades)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            upgrades[version](connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
