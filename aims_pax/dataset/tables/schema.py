"""The tables of a run store, and how older files become the present version.

The version of a file is SQLite's ``user_version``. ``UPGRADES[n]`` turns version n into version n + 1; version 0 is an
empty file. A released upgrade is never edited: a new version is a new function at the end.

Columns with large arrays stand last, so that SQLite need not read over them. Structures have a table of their own,
which keeps ``jobs`` small enough to be counted in milliseconds. Diagnostics (scores, losses, predictions) may be NULL,
which is how SQLite stores a NaN: a diverging model must not end a run. Energies of labels may not.

Version 2 sets structures apart from labels. What may grow (names of stages, splits, selectors, references) is free
text, and the program says what it knows of it. Version 3 notes who has worked on a run, with what. Version 4
keeps what files call the kind of their structures, version 5 what has computed a label. Version 6 keeps labels that
nobody is to learn, because of their forces.
"""

from collections.abc import Callable, Sequence
from sqlite3 import Connection

from aims_pax.errors import StoreError

APPLICATION_ID = 0x61505831
"""Marks an SQLite file as a run store ("aPX1")."""

_DAMAGED = "the file is damaged: restore it from a copy"

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


_STRUCTURES = """(
        structure_id INTEGER PRIMARY KEY,
        stage TEXT NOT NULL,
        source TEXT NOT NULL,
        system TEXT NOT NULL,
        trajectory INTEGER NOT NULL,
        md_step INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        charge INTEGER,
        spin INTEGER,
        pbc BLOB NOT NULL,
        cell BLOB NOT NULL,
        numbers BLOB NOT NULL,
        positions BLOB NOT NULL,
        UNIQUE (stage, trajectory, md_step)
    )"""

_JOBS = """(
        label_id INTEGER PRIMARY KEY,
        structure_id INTEGER NOT NULL REFERENCES structures,
        reference TEXT NOT NULL,
        stage TEXT NOT NULL,
        status TEXT NOT NULL,
        submitted_at REAL NOT NULL,
        UNIQUE (structure_id, reference)
    )"""

_SPLITS = """(
        position INTEGER PRIMARY KEY,
        structure_id INTEGER NOT NULL UNIQUE REFERENCES structures,
        split TEXT NOT NULL,
        member INTEGER
    )"""

_PREDICTIONS = """(
        structure_id INTEGER PRIMARY KEY REFERENCES structures,
        generation INTEGER NOT NULL,
        energy REAL,
        energy_deviation REAL,
        stress BLOB,
        stress_deviation BLOB,
        forces BLOB NOT NULL,
        forces_deviation BLOB NOT NULL
    )"""

_SERIES = """(
        series INTEGER PRIMARY KEY,
        stage TEXT NOT NULL,
        selector TEXT NOT NULL,
        kind TEXT NOT NULL,
        UNIQUE (stage, selector, kind)
    )"""

_SCORES = """(
        series INTEGER NOT NULL REFERENCES series,
        number INTEGER NOT NULL,
        trajectory INTEGER NOT NULL,
        md_step INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        score REAL,
        threshold REAL,
        picked INTEGER NOT NULL,
        PRIMARY KEY (series, number)
    ) WITHOUT ROWID"""

_VERSION_2 = (
    # All that a label of version 1 said of its structure, and of the structure's place in the dataset.
    f"CREATE TABLE new_structures {_STRUCTURES}",
    """INSERT INTO new_structures
        SELECT label_id, stage, '', system, trajectory, md_step, generation, NULL, NULL, pbc, cell, numbers, positions
        FROM jobs JOIN structures USING (label_id) ORDER BY label_id""",
    f"CREATE TABLE new_jobs {_JOBS}",
    "INSERT INTO new_jobs SELECT label_id, label_id, '', stage, status, submitted_at FROM jobs ORDER BY label_id",
    f"CREATE TABLE splits {_SPLITS}",
    "INSERT INTO splits SELECT position, label_id, split, member FROM assignments ORDER BY position",
    f"CREATE TABLE predictions {_PREDICTIONS}",
    f"CREATE TABLE series {_SERIES}",
    "INSERT INTO series SELECT 1, 'active', 'moving threshold', '' WHERE EXISTS (SELECT 1 FROM checks)",
    f"CREATE TABLE scores {_SCORES}",
    """INSERT INTO scores
        SELECT 1, number, trajectory, md_step, generation, score, threshold, picked FROM checks ORDER BY number""",
)

_VERSION_2_TAKES_AWAY = (
    "DROP TABLE structures",
    "DROP TABLE jobs",
    "DROP TABLE assignments",
    "DROP TABLE checks",
    "ALTER TABLE new_structures RENAME TO structures",
    "ALTER TABLE new_jobs RENAME TO jobs",
    "CREATE INDEX jobs_by_status ON jobs (reference, status)",
)

_SAME_ROWS = {"jobs": ("new_jobs", "new_structures"), "assignments": ("splits",), "checks": ("scores",)}
"""Tables of version 1, and those that have a row for each of theirs in version 2."""

_VERSION_3 = (
    """CREATE TABLE texts (
        digest TEXT PRIMARY KEY,
        text TEXT NOT NULL
    )""",
    """CREATE TABLE sessions (
        session INTEGER PRIMARY KEY,
        began_at REAL NOT NULL,
        host TEXT NOT NULL,
        process INTEGER NOT NULL,
        versions TEXT NOT NULL,
        inputs TEXT NOT NULL
    )""",
    """CREATE TABLE models (
        model INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        member INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        written_at REAL NOT NULL,
        session INTEGER REFERENCES sessions
    )""",
    "ALTER TABLE labels ADD COLUMN session INTEGER REFERENCES sessions",
    "ALTER TABLE failures ADD COLUMN session INTEGER REFERENCES sessions",
    "ALTER TABLE epochs ADD COLUMN session INTEGER REFERENCES sessions",
)


_VERSION_4 = ("ALTER TABLE structures ADD COLUMN config_type TEXT NOT NULL DEFAULT ''",)

_VERSION_5 = (
    "ALTER TABLE labels ADD COLUMN worker TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE failures ADD COLUMN worker TEXT NOT NULL DEFAULT ''",
)

_VERSION_6 = (
    # As labels of the same program, so that one can be moved there as it is.
    """CREATE TABLE kept_out (
        label_id INTEGER PRIMARY KEY REFERENCES jobs,
        max_force_ev_per_ang REAL NOT NULL,
        energy REAL NOT NULL,
        wall_s REAL NOT NULL,
        reference TEXT NOT NULL,
        received_at REAL NOT NULL,
        session INTEGER REFERENCES sessions,
        worker TEXT NOT NULL,
        stress BLOB,
        forces BLOB NOT NULL
    )""",
    """CREATE TABLE kept_out_extras (
        label_id INTEGER NOT NULL REFERENCES kept_out,
        name TEXT NOT NULL,
        shape TEXT NOT NULL,
        numbers BLOB NOT NULL,
        PRIMARY KEY (label_id, name)
    )""",
)


def _create(connection: Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in _VERSION_1:
        connection.execute(statement)


def _set_structures_apart(connection: Connection) -> None:
    for statement in _VERSION_2:
        connection.execute(statement)
    for before, after in _SAME_ROWS.items():
        for table in after:
            if _n_rows(connection, table) != _n_rows(connection, before):
                raise StoreError(f"not every row of {before} can be brought into {table}; {_DAMAGED}")
    for statement in _VERSION_2_TAKES_AWAY:
        connection.execute(statement)


def _note_sessions(connection: Connection) -> None:
    for statement in _VERSION_3:
        connection.execute(statement)


def _note_config_types(connection: Connection) -> None:
    for statement in _VERSION_4:
        connection.execute(statement)


def _note_workers(connection: Connection) -> None:
    for statement in _VERSION_5:
        connection.execute(statement)


def _keep_labels_out(connection: Connection) -> None:
    for statement in _VERSION_6:
        connection.execute(statement)


def _n_rows(connection: Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


Upgrade = Callable[[Connection], None]

UPGRADES: tuple[Upgrade, ...] = (
    *(_create, _set_structures_apart, _note_sessions, _note_config_types, _note_workers),
    _keep_labels_out,
)


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

    An upgrade that fails leaves the file at the version before it. Foreign keys are off meanwhile, without which no
    table can be replaced that others refer to; each upgrade has to leave them whole.

    Raises
    ------
    StoreError
        The file is damaged, and an upgrade would lose something.
    """
    connection.execute("PRAGMA foreign_keys = OFF")
    for version in range(version_of(connection, newest=len(upgrades)), len(upgrades)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            upgrades[version](connection)
            if (broken := connection.execute("PRAGMA foreign_key_check").fetchone()) is not None:
                raise StoreError(f"row {broken[1]} of {broken[0]} belongs to no row of {broken[2]}; {_DAMAGED}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back where the disk is full
                connection.execute("ROLLBACK")
            raise
    connection.execute("PRAGMA foreign_keys = ON")
