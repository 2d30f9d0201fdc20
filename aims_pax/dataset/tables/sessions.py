"""Who has worked on a run, with what: every label and model leads back to inputs, settings and versions."""

import hashlib
import json
import os
import platform
import socket
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import aims_pax
from aims_pax.dataset.records import ModelRow, StoredSession
from aims_pax.dataset.tables.base import Tables
from aims_pax.dataset.tables.database import Row

PACKAGES: Final = (
    *("numpy", "scipy", "torch", "mace-torch", "e3nn", "ase", "vesin", "parsl", "pydantic"),
    *("tblite", "dftd3", "dftd4", "pyscf", "pyscf-dispersion", "gpaw", "asi4py", "mpi4py"),
)
"""Distributions that the numbers of a run may depend on; those that are not installed are left out."""

_SESSION = "session, began_at, host, process, versions, inputs"


def installed_versions() -> dict[str, str]:
    """Versions of this program, of Python, and of what is installed beside them, none of which is imported."""
    versions = {"aims_pax": aims_pax.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


class SessionTables(Tables):
    """Sessions, and the models that were written in them."""

    def begin_session(self, *, versions: Mapping[str, str], inputs: Mapping[str, str]) -> int:
        """Note that this process works on the run from now on; the number of the session is the result.

        Labels, failures, epochs and models that are stored from now on belong to it.

        Parameters
        ----------
        versions : mapping of str to str
            As of :func:`installed_versions`.
        inputs : mapping of str to str
            The texts that it begins with, by their names. One that an earlier session had is not stored again.
        """
        with self.transaction():
            digests = {name: self._keep_text(text) for name, text in inputs.items()}
            number = self._database.execute(
                "INSERT INTO sessions (began_at, host, process, versions, inputs) VALUES (?, ?, ?, ?, ?)",
                (
                    *(self._clock(), socket.gethostname(), os.getpid()),
                    *(json.dumps(dict(versions)), json.dumps(digests)),
                ),
            ).lastrowid
            assert number is not None
        self._session = number
        return number

    def _keep_text(self, text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._database.execute("INSERT OR IGNORE INTO texts (digest, text) VALUES (?, ?)", (digest, text))
        return digest

    def sessions(self) -> list[StoredSession]:
        """All sessions in their order; none for a run of an older program."""
        return [self._stored(row) for row in self._database.rows(f"SELECT {_SESSION} FROM sessions ORDER BY session")]

    def session_of(self, label_id: int) -> StoredSession | None:
        """The session in which a label was received; None where it was not, or by an older program."""
        return self._found(f"SELECT {_SESSION} FROM labels JOIN sessions USING (session) WHERE label_id = ?", label_id)

    def session_of_generation(self, generation: int) -> StoredSession | None:
        """The session in which a generation of the committee was trained; None for an older program's."""
        return self._found(
            f"SELECT {_SESSION} FROM epochs JOIN sessions USING (session) WHERE generation = ? ORDER BY number DESC",
            generation,
        )

    def session_of_model(self, sha256: str) -> StoredSession | None:
        """The session that has written a model file of this content; None where it is of no session of this run."""
        return self._found(
            f"SELECT {_SESSION} FROM models JOIN sessions USING (session) WHERE sha256 = ? ORDER BY model", sha256
        )

    def add_models(self, rows: Iterable[ModelRow]) -> None:
        """Note model files that were written."""
        with self.transaction():
            self._database.execute_many(
                "INSERT INTO models (name, sha256, member, generation, written_at, session) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (row.name, row.sha256, int(row.member), int(row.generation), self._clock(), self._session)
                    for row in rows
                ),
            )

    def models(self) -> list[ModelRow]:
        """Model files that were written, in their order; also those that were replaced since."""
        rows = self._database.rows("SELECT name, sha256, member, generation FROM models ORDER BY model")
        return [ModelRow(*row) for row in rows]

    def _found(self, sql: str, *parameters: object) -> StoredSession | None:
        row = self._database.first(sql, *parameters)
        return None if row is None else self._stored(row)

    def _stored(self, row: Row) -> StoredSession:
        number, began_at, host, process, versions, inputs = row
        with self._database.decoding():
            texts = {
                name: self._database.rows("SELECT text FROM texts WHERE digest = ?", digest)[0][0]
                for name, digest in json.loads(inputs).items()
            }
            return StoredSession(number, began_at, host, process, json.loads(versions), texts)
