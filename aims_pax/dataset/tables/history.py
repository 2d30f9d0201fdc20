"""What was measured on the way, what happened, and the states from which a run goes on."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aims_pax.dataset.records import EPOCH_DTYPE, SCORE_DTYPE, EpochRow, JournalEntry, ScoreRow, Series
from aims_pax.dataset.tables.base import Tables
from aims_pax.dataset.tables.database import Row

_EPOCH_ROWS = 200
"""Rows of epochs that are looked through for a measured one: members, and epochs between validations."""

_EPOCH_COLUMNS = ", ".join(EPOCH_DTYPE.names or ())


class HistoryTables(Tables):
    """Scores, learning curves, the journal, and named states."""

    def append_scores(self, rows: Iterable[ScoreRow]) -> None:
        """Add scores of structures.

        Raises
        ------
        StoreError
            A score of this number is there already, in the same series.
        """
        with self.transaction():
            known: dict[tuple[str, str, str], int] = {series: number for number, series in self.series().items()}
            self._database.execute_many(
                "INSERT INTO scores (series, number, trajectory, md_step, generation, score, threshold, picked) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((self._number_of((row.stage, row.selector, row.kind), known), *_score_columns(row)) for row in rows),
            )

    def _number_of(self, series: tuple[str, str, str], known: dict[tuple[str, str, str], int]) -> int:
        """Number of a series, among those that are known or as the next one."""
        number = known.get(series)
        if number is None:
            number = self._database.execute(
                "INSERT INTO series (stage, selector, kind) VALUES (?, ?, ?)", tuple(map(str, series))
            ).lastrowid
            assert number is not None
            known[series] = number
        return number

    def series(self) -> dict[int, Series]:
        """Who has judged structures in this run, by number."""
        rows = self._database.rows("SELECT series, stage, selector, kind FROM series ORDER BY series")
        return {number: Series(*names) for number, *names in rows}

    def score_kinds(self) -> dict[int, str]:
        """What each series measures, by its number; empty where that was not noted."""
        return {number: one.kind for number, one in self.series().items()}

    def scores(
        self,
        after: int | None = None,
        *,
        stage: str | None = None,
        selector: str | None = None,
        kind: str | None = None,
    ) -> NDArray[np.void]:
        """Scores, series by series and in each of them in the order of their numbers.

        Parameters
        ----------
        after : int or None
            Only those with a higher number than this.
        stage, selector, kind : str or None
            Only those of this stage, selector and kind; None: of all.

        Returns
        -------
        (n_scores,), fields of ``SCORE_DTYPE``
        """
        wanted = (stage, selector, kind)
        chosen = [
            number
            for number, series in self.series().items()
            if all(name is None or str(name) == own for name, own in zip(wanted, series, strict=True))
        ]
        sql = (
            "SELECT series, number, trajectory, md_step, generation, score, threshold, picked FROM scores "
            "WHERE series = ? AND number > ? ORDER BY number"
        )
        first = -(2**63) if after is None else after
        tables = [self._database.table(sql, number, first, dtype=SCORE_DTYPE) for number in chosen]
        if len(tables) == 1:  # the usual case, without a second copy of what may be 10^7 rows
            return tables[0]
        return np.concatenate([np.zeros(0, dtype=SCORE_DTYPE), *tables])

    def newest_threshold(self, stage: str) -> tuple[str, float] | None:
        """Kind and threshold of the newest score of a stage; None where there is none."""
        sql = "SELECT threshold FROM scores WHERE series = ? ORDER BY number DESC LIMIT 1"
        for number, series in self.series().items():
            row = self._database.first(sql, number) if series.stage == stage else None
            if row is not None and row[0] is not None:
                return series.kind, float(row[0])
        return None

    def add_epochs(self, rows: Iterable[EpochRow]) -> None:
        """Add epochs to the learning curves."""
        with self.transaction():
            self._database.execute_many(
                f"INSERT INTO epochs ({_EPOCH_COLUMNS}, session) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((*_epoch_columns(row), self._session) for row in rows),
            )

    def epochs(self) -> NDArray[np.void]:
        """The learning curves in the order in which they were added, with the fields of ``EPOCH_DTYPE``."""
        return self._database.table(f"SELECT {_EPOCH_COLUMNS} FROM epochs ORDER BY number", dtype=EPOCH_DTYPE)

    def error_course(self, n: int) -> list[float]:
        """Validation force MAE, eV/Å, of the newest `n` epochs in which it was measured: means over members."""
        rows = self._database.rows(
            "SELECT avg(force_mae_ev_per_ang) FROM (SELECT * FROM epochs ORDER BY number DESC LIMIT ?) "
            "WHERE force_mae_ev_per_ang IS NOT NULL GROUP BY generation, epoch ORDER BY max(number) DESC LIMIT ?",
            *(_EPOCH_ROWS * n, n),
        )
        return [error for (error,) in reversed(rows)]

    def learning_course(self, *, after_n_train: int, until_generation: int | None) -> list[tuple[int, float]]:
        """Sizes of the training set, ascending, and validation force MAEs, eV/Å: means over members, the last of each.

        Parameters
        ----------
        after_n_train : int
            Only larger sizes than this.
        until_generation : int or None
            Only models of this generation or earlier; None: all.
        """
        rows = self._database.rows(
            "SELECT n_train, avg(force_mae_ev_per_ang) FROM epochs WHERE force_mae_ev_per_ang IS NOT NULL "
            "AND n_train > ? AND generation <= ? GROUP BY generation, epoch, n_train ORDER BY max(number)",
            *(after_n_train, 2**62 if until_generation is None else until_generation),
        )
        newest = {n: mae for n, mae in rows if mae > 0}
        return sorted(newest.items())

    def n_epochs(self) -> int:
        """The most epochs that a member has made."""
        row = self._database.first("SELECT max(epoch) FROM epochs")
        return 0 if row is None or row[0] is None else int(row[0])

    def newest_generation(self) -> int:
        """Generation of the committee, by its newest epoch; 0 before any."""
        row = self._database.first("SELECT max(generation) FROM epochs")
        return 0 if row is None or row[0] is None else int(row[0])

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

    def state_names(self, prefix: str) -> list[str]:
        """Names under which bytes are kept, of those that begin so, in alphabetical order."""
        rows = self._database.rows(
            "SELECT key FROM states WHERE substr(key, 1, ?) = ? ORDER BY key", len(prefix), prefix
        )
        return [str(name) for (name,) in rows]

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
