"""The run store: the one file that must survive whatever happens to a campaign."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from aims_pax.dataset.lock import RunLock
from aims_pax.dataset.tables.database import Database
from aims_pax.dataset.tables.history import HistoryTables
from aims_pax.dataset.tables.predictions import PredictionTables
from aims_pax.dataset.tables.sessions import SessionTables
from aims_pax.dataset.tables.splits import SplitTables
from aims_pax.errors import Problem, UserError

STORE_NAME = "run.db"


class RunStore(SplitTables, PredictionTables, HistoryTables, SessionTables):
    """Everything of a run that must outlive it: structures, labels, splits, predictions, scores, states and events.

    Every method that writes is durable when it returns; within :meth:`transaction` all of them are, together, when
    the block ends. Opening costs the same for any size of run. A store belongs to the thread that opened it.

    Raises
    ------
    StoreError
        From every method: the file is damaged, full or read-only, or what is asked contradicts what is stored.
    """

    def __init__(self, database: Database, lock: RunLock | None, clock: Callable[[], float]) -> None:
        super().__init__(database, clock)
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], float] = time.time) -> "RunStore":
        """Open or create the store of a run folder, and lock the folder against a second campaign.

        Parameters
        ----------
        folder : Path
            Created when absent.
        clock : callable
            Seconds since 1970, UTC.

        Raises
        ------
        RunLocked
            Another campaign works in this folder.
        UserError
            The folder can't be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = RunLock(folder)
        except OSError as error:
            raise UserError(
                Problem(
                    where=str(folder),
                    found=f"can't be used as a run folder ({error.strerror})",
                    allowed="a folder in which you may create files",
                    advice="Choose another folder, or ask for the right to write here.",
                )
            ) from error
        try:
            return cls(Database.open(folder / STORE_NAME), lock, clock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open_readonly(cls, folder: Path) -> "RunStore":
        """Open the store of a run to look at it, also while a campaign is writing it.

        Raises
        ------
        UserError
            There is no run in this folder.
        """
        return cls(Database.open_readonly(_path_in(folder)), None, time.time)

    @classmethod
    def open_briefly(cls, folder: Path) -> "RunStore":
        """Open the store of a run for a moment, from any machine that sees it; not even SQLite's own files change.

        Raises
        ------
        UserError
            There is no run in this folder.
        """
        return cls(Database.open_briefly(_path_in(folder)), None, time.time)

    @property
    def is_readonly(self) -> bool:
        """Whether it was opened to be looked at."""
        return self._lock is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the folder free. May be called twice."""
        self._database.close()
        if self._lock is not None:
            self._lock.release()


def _path_in(folder: Path) -> Path:
    path = folder / STORE_NAME
    if not path.is_file():
        raise UserError(
            Problem(
                where=str(folder),
                found=f"holds no run ({STORE_NAME} is missing)",
                advice="Name the folder of a project that has been run, or run it first.",
            )
        )
    return path
