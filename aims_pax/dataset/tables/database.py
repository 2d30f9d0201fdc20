"""An SQLite file that survives crashes, with nested transactions and errors in this package's words."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aims_pax.dataset.durable import flush_folder
from aims_pax.dataset.tables.schema import UPGRADES, upgrade, version_of
from aims_pax.errors import ShapeError, StoreError

BUSY_TIMEOUT_S = 30.0
"""How long a statement waits for another process that reads or copies the file."""

WAL_LIMIT_BYTES = 64 * 2**20
"""Size to which the write-ahead log is cut back after it has been emptied."""

DAMAGED = ". The file is damaged: restore it from a copy, or start in a new folder"

Row = tuple[Any, ...]


class Database:
    """A connection to one run store file; belongs to the thread that opened it.

    Commits are durable: the write-ahead log is flushed to disk at each (``synchronous=FULL``), except those of
    :meth:`unflushed_transaction`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._depth = 0
        self._identity = _identity(path)
        self._leaves_log = False
        self.flushes = True

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Open for writing; an absent file is created, an older one upgraded."""
        is_new = not path.exists()
        with _translated(path):
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        with _closed_on_error(connection), _translated(path):
            version_of(connection)  # before anything is written into a file that is not ours
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
            upgrade(connection)
        if is_new:
            flush_folder(path.parent)
        return cls(path, connection)

    @classmethod
    def open_readonly(cls, path: Path) -> "Database":
        """Open an existing file beside a campaign that may be writing it.

        Of an older file, what it holds at this moment is read in the present version; the file itself stays as it is.
        A write-ahead log that reading makes goes with :meth:`close`.
        """
        is_at_rest = _has_no_log(path)
        database = cls._looked_at(path, _readonly_address(path))
        database._leaves_log = is_at_rest
        return database

    @classmethod
    def open_briefly(cls, path: Path) -> "Database":
        """As :meth:`open_readonly`, for a moment only, and without a trace.

        Readers leave marks in the file that all who use the database share (``-shm``), which this one does not: it may
        be on another machine, where that file is not the same memory.
        """
        try:
            return cls._looked_at(path, _brief_address(path))
        except StoreError:  # a campaign may have begun or ended at this very moment
            return cls._looked_at(path, _brief_address(path))

    @classmethod
    def _looked_at(cls, path: Path, address: str) -> "Database":
        with _translated(path):
            connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        with _closed_on_error(connection), _translated(path):
            if version_of(connection) < len(UPGRADES):
                connection = _upgraded_copy(connection)
        return cls(path, connection)

    def close(self) -> None:
        """Close the file; what was not committed is lost. May be called twice."""
        self._connection.close()
        if self._leaves_log:
            self._leaves_log = False
            _remove_empty_log(self._path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes within, or none of them; durable when the outermost block has ended.

        A block that raises takes back its own writes only, so an outer block may go on.
        """
        point = f"depth_{self._depth}" if self._depth else None
        self.execute(f"SAVEPOINT {point}" if point else "BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            if point is None:
                self._check_place()
            self.execute(f"RELEASE {point}" if point else "COMMIT")
        except BaseException:
            if self._is_in_transaction():
                self.execute(f"ROLLBACK TO {point}" if point else "ROLLBACK")
            raise
        finally:
            self._depth -= 1

    @contextmanager
    def unflushed_transaction(self) -> Iterator[None]:
        """As :meth:`transaction`, without waiting for the disk when the outermost block ends.

        No kill can take back what was committed; a power cut can, as far as the last flushed commit, and leaves all or
        nothing of each.
        """
        if self._depth:
            with self.transaction():
                yield
            return
        self.flushes = False
        try:
            self.execute("PRAGMA synchronous = NORMAL")
            with self.transaction():
                yield
        finally:
            self.execute("PRAGMA synchronous = FULL")
            self.flushes = True

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Run one statement.

        Raises
        ------
        StoreError
            Besides what SQLite finds wrong: the file was removed or replaced, and what is written would be lost.
        """
        if self._depth == 0:
            self._check_place()
        with _translated(self._path):
            return self._connection.execute(sql, tuple(parameters))

    def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run one statement for each row."""
        with _translated(self._path):
            self._connection.executemany(sql, rows)

    def first(self, sql: str, *parameters: Any) -> Row | None:
        """First row of a query, or None."""
        with _translated(self._path):
            row: Row | None = self._connection.execute(sql, parameters).fetchone()
            return row

    def rows(self, sql: str, *parameters: Any) -> list[Row]:
        """All rows of a query."""
        with _translated(self._path):
            return self._connection.execute(sql, parameters).fetchall()

    def table(self, sql: str, *parameters: Any, dtype: np.dtype[np.void]) -> NDArray[np.void]:
        """All rows of a query as one array, with NaN for NULL; holds nothing besides it."""
        with self.decoding(), _translated(self._path):
            return np.fromiter(self._connection.execute(sql, parameters), dtype=dtype)

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Values that no version of this program has written are damage, and said to be."""
        try:
            yield
        except (LookupError, TypeError, ValueError, ShapeError) as error:
            raise StoreError(f"{self._path}: it holds what can't stand there ({error}){DAMAGED}") from error

    def _check_place(self) -> None:
        """See that the open files are still those of their names: SQLite goes on writing into removed ones."""
        if _identity(self._path) != self._identity:
            raise StoreError(
                f"{self._path}: this file, or {self._path.name}-wal beside it, was removed or replaced while the "
                "campaign was using it, and nothing more can be stored. Where the folder was moved to, the same "
                "command goes on; else put back what was removed. Leave a run folder alone while a campaign works in it"
            )

    def _is_in_transaction(self) -> bool:
        # SQLite itself rolls everything back after some errors (disk full); a closed connection can't be asked.
        try:
            return self._connection.in_transaction
        except sqlite3.ProgrammingError:
            return False


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Name the file in everything that can be wrong with it."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}{_advice(error)}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: {error}{DAMAGED}") from error


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _upgraded_copy(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The content of an older file in the present version, to be read only; the file is closed.

    The copy is a file without a name, which goes with its connection: a run may be larger than the memory.
    """
    copy = sqlite3.connect("", isolation_level=None)
    with _closed_on_error(copy), closing(connection):
        connection.backup(copy)
        upgrade(copy)
        copy.execute("PRAGMA query_only = ON")
    return copy


def _identity(path: Path) -> tuple[tuple[int, int] | None, ...]:
    """Device and inode of the file and of its write-ahead log; None for one that is not there."""
    found: list[tuple[int, int] | None] = []
    for one in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = one.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return tuple(found)


def _advice(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return ". Make room and start again: what was stored before is safe"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return DAMAGED
    return ""


def _readonly_address(path: Path) -> str:
    # In a folder that this user can't write, SQLite can't set up the shared memory of the write-ahead log. When there
    # is no log, nobody is writing, and the file can be read as it is.
    is_at_rest = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"


def _beside(path: Path) -> tuple[Path, Path]:
    """The write-ahead log of a file, and what all share who use it."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _has_no_log(path: Path) -> bool:
    """Whether nothing waits in a log; an empty one may be that of another reader."""
    log, _ = _beside(path)
    try:
        return log.stat().st_size == 0
    except OSError:
        return True


def _remove_empty_log(path: Path) -> None:
    """Have SQLite remove a log that a reader has made: who only reads can't, and the last one that may write does.

    Whoever else has the file open by then keeps it, by SQLite's own locks. A log that holds anything is a campaign's,
    and stays also where locks do not reach from one machine to another.
    """
    if not any(one.exists() for one in _beside(path)) or not _has_no_log(path):
        return
    address = f"{path.absolute().as_uri()}?mode=rw"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True, timeout=0)) as last:
        last.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _brief_address(path: Path) -> str:
    """Where nothing is shared, and no log waits to be read, nobody writes; the file is as it is for this moment."""
    log, shared = _beside(path)
    if shared.exists():
        return f"{path.absolute().as_uri()}?mode=ro&readonly_shm=1"
    return _readonly_address(path) if log.exists() else f"{path.absolute().as_uri()}?mode=ro&immutable=1"
