"""What was measured on the way, what happened, and the states from which a run goes on."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aims_pax.dataset.database import Row
from aims_pax.dataset.records import EPOCH_DTYPE, SCORE_DTYPE, EpochRow, JournalEntry, ScoreRow
from aims_pax.dataset.tables import Tables

_EPOCH_COLUMNS = ", ".join(EPOCH_DTYPE.names or ())


class HistoryTables(Tables):
    """Scores, learning curves, the journal, and named states."""

    def append_scores(self, rows: Iterable[ScoreRow]) -> None:
        """Add scores of structures.

        Raises
        ------
        StoreError
            A score of this number is there already.
        """
        with self.transaction():
            self._database.execute_many(
                "INSERT INTO checks (number, trajectory, md_step, generation, score, threshold, picked) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_score_columns(row) for row in rows),
            )

    def scores(self, after: int | None = None) -> NDArray[np.void]:
        """Scores in the order of their numbers, with the fields of ``SCORE_DTYPE``.

        Parameters
        ----------
        after : int or None
            Only those with a higher number than this.
        """
        sql = (
            "SELECT number, trajectory, md_step, generation, score, threshold, picked FROM checks "
            "WHERE number > ? ORDER BY number"
        )
        return self._database.table(sql, -(2**63) if after is None else after, dtype=SCORE_DTYPE)

    def add_epochs(self, rows: Iterable[EpochRow]) -> None:
        """Add epochs to the learning curves."""
        with self.transaction():
            self._database.execute_many(
                f"INSERT INTO epochs ({_EPOCH_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (_epoch_columns(row) for row in rows),
            )

    def epochs(self) -> NDArray[np.void]:
        """The learning curves in the order in which they were added, with the fields of ``EPOCH_DTYPE``."""
        return self._database.table(f"SELECT {_EPOCH_COLUMNS} FROM epochs ORDER BY number", dtype=EPOCH_DTYPE)

    def forget_epochs(self, *, after_generation: int) -> None:
        """Remove from the learning curves what later generations of the models have added."""
        self._database.execute("DELETE FROM epochs WHERE generation > ?", (after_generation,))

    def append_journal(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Add an event; its number is the result.

        Parameters
        ----------
        kind : str
        payload : mapping
            What JSON can say; infinities and NaN are allowed.
        """
        number = self._database.execute(
            "INSERT INTO journal (time, kind, payload) VALUES (?, ?, ?)",
            (self._clock(), kind, json.dumps(dict(payload))),
        ).lastrowid
        assert number is not None
        return number

    def journal(self, after: int = 0) -> Iterator[JournalEntry]:
        """Events in their order, those with a higher number than `after`."""
        sql = "SELECT number, time, kind, payload FROM journal WHERE number > ? ORDER BY number LIMIT ?"
        for number, when, kind, payload in self._pages(sql, after=after):
            with self._database.decoding():
                entry = JournalEntry(number, when, kind, json.loads(payload))
            yield entry

    def save_state(self, key: str, data: bytes) -> None:
        """Keep bytes under a name; what stood there before is replaced."""
        self._database.execute("INSERT OR REPLACE INTO states (key, value) VALUES (?, ?)", (key, data))

    def load_state(self, key: str) -> bytes | None:
        """The bytes kept under this name; None when there are none."""
        row = self._database.first("SELECT value FROM states WHERE key = ?", key)
        return None if row is None else bytes(row[0])

    def forget_state(self, key: str) -> None:
        """Remove what is kept under this name, if anything is."""
        self._database.execute("DELETE FROM states WHERE key = ?", (key,))

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the run (settings fingerprint, versions); what stood there before is replaced."""
        self._database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def get_meta(self, key: str) -> str | None:
        """The fact of this name; None when it was never set."""
        row = self._database.first("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])


def _score_columns(row: ScoreRow) -> Row:
    numbers = int(row.number), int(row.trajectory), int(row.md_step), int(row.generation)
    return *numbers, float(row.score), float(row.threshold), bool(row.picked)


def _epoch_columns(row: EpochRow) -> Row:
    errors: tuple[float | None, ...] = (None,) * 4
    if (measured := row.errors) is not None:
        errors = (
            measured.loss,
            measured.energy_mae_ev_per_atom,
            measured.force_mae_ev_per_ang,
            measured.stress_mae_ev_per_ang3,
        )
    numbers = int(row.epoch), int(row.generation), int(row.member), float(row.train_loss)
    return *numbers, *errors, int(row.n_train), int(row.n_valid)
