"""Requests for labels, and their answers."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aims_pax.dataset.records import ATTEMPT_DTYPE, OWN_REFERENCE, JobStatus, StoredJob
from aims_pax.dataset.tables.blobs import float_array, float_blob
from aims_pax.dataset.tables.database import Row
from aims_pax.dataset.tables.structures import FRAME, StructureTables, frame_of_row
from aims_pax.errors import StoreError
from aims_pax.frame import FailureReason, FloatArray, Frame, Label, LabelFailure

LABEL = "labels.energy, labels.forces, labels.stress, labels.reference, labels.wall_s, labels.worker"
"""Columns of which a label is made."""

N_LABEL = len(LABEL.split(","))
"""How many they are."""

CHOSEN_REFERENCE = "chosen reference"
"""Under which a store notes it."""

Extras = Mapping[str, FloatArray]

KEPT_OUT = "kept_out"
"""Table of labels that nobody is to learn; their jobs count as failed."""


class LabelTables(StructureTables):
    """What was asked of references, and what they answered.

    A structure has at most one label by each reference. References are told apart by keys of their own. Where none is
    named, the one is meant that the run learns from: :data:`OWN_REFERENCE`, the project's, until another is chosen.
    """

    @property
    def chosen_reference(self) -> str:
        """Key of the reference whose labels the run learns from, and that is asked for new ones."""
        row = self._database.first("SELECT value FROM meta WHERE key = ?", CHOSEN_REFERENCE)
        return OWN_REFERENCE if row is None else str(row[0])

    def choose_reference(self, reference: str) -> None:
        """Learn from the labels of another reference from now on; those of all others stay."""
        sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
        self._database.execute(sql, (CHOSEN_REFERENCE, reference))

    def _key_of(self, reference: str | None) -> str:
        return self.chosen_reference if reference is None else reference

    def add_job(self, frame: Frame, stage: str, *, source: str = "", reference: str | None = None) -> int:
        """Keep a new structure and note that its label is asked for; the number of the label is the result.

        Parameters
        ----------
        frame : Frame
        stage : str
            Name of the stage that the frame comes from, and that asks.
        source : str
            What picked it, or where it was taken from.
        reference : str or None

        Raises
        ------
        StoreError
            There is a structure of the same stage, trajectory and MD step.
        """
        with self.transaction():
            return self.request(self.add_structure(frame, stage, source=source), stage=stage, reference=reference)

    def request(self, structure_id: int, *, stage: str, reference: str | None = None) -> int:
        """Note that a label of a structure is asked for; its number is the result.

        Raises
        ------
        StoreError
            It was asked for before, or there is no such structure.
        """
        label_id = self._database.execute(
            "INSERT INTO jobs (structure_id, reference, stage, status, submitted_at) VALUES (?, ?, ?, ?, ?)",
            (structure_id, self._key_of(reference), str(stage), JobStatus.SUBMITTED.value, self._clock()),
        ).lastrowid
        assert label_id is not None
        return label_id

    def resubmit(self, label_id: int) -> None:
        """Ask again for a label that failed; its earlier failures stay on record."""
        self._move(label_id, JobStatus.FAILED, JobStatus.SUBMITTED)

    def withdraw(self, label_id: int) -> None:
        """Note that a label is wanted no longer which nobody has begun to compute."""
        self._move(label_id, JobStatus.SUBMITTED, JobStatus.WITHDRAWN)

    def jobs(self, status: JobStatus | None = None, *, reference: str | None = None) -> Iterator[StoredJob]:
        """Requested labels of a reference in the order of the requests: those of one status, or all.

        Jobs whose status changes while they are read are read as they are when their turn comes.
        """
        # The plus keeps SQLite from reading all jobs by their index only to sort them.
        which = "+jobs.reference = ?" if status is None else f"jobs.reference = ? AND jobs.status = '{status.value}'"
        sql = (
            "SELECT jobs.label_id, jobs.structure_id, structures.source, jobs.stage, jobs.reference, jobs.status, "
            f"(SELECT count(*) FROM failures WHERE failures.label_id = jobs.label_id), {FRAME} FROM jobs "
            f"CROSS JOIN structures USING (structure_id) WHERE {which} AND jobs.label_id > ? "
            "ORDER BY jobs.label_id LIMIT ?"
        )
        for label_id, structure_id, source, stage, which, found, n_failures, *frame in self._pages(
            sql, self._key_of(reference), after=0
        ):
            with self._database.decoding():
                job = StoredJob(
                    label_id=label_id,
                    structure_id=structure_id,
                    frame=frame_of_row(frame),
                    source=source,
                    stage=stage,
                    reference=which,
                    status=JobStatus(found),
                    n_failures=n_failures,
                )
            yield job

    def asked_of(self, stage: str) -> dict[int, JobStatus]:
        """Where the labels stand that a stage has asked for, whose structures are numbered by their MD steps alone."""
        rows = self._database.rows(
            "SELECT md_step, status FROM jobs CROSS JOIN structures USING (structure_id) "
            "WHERE +jobs.reference = ? AND jobs.stage = ? ORDER BY label_id",
            *(self.chosen_reference, str(stage)),
        )
        with self._database.decoding():
            return {md_step: JobStatus(status) for md_step, status in rows}

    def wall_s_by_system(self) -> dict[str, list[float]]:
        """Seconds that labels took of the reference that the run learns from, by system, in the order of requests."""
        found: dict[str, list[float]] = {}
        for system, wall_s in self._database.rows(
            "SELECT structures.system, labels.wall_s FROM labels CROSS JOIN jobs USING (label_id) "
            "CROSS JOIN structures USING (structure_id) WHERE +jobs.reference = ? ORDER BY labels.label_id",
            self.chosen_reference,
        ):
            found.setdefault(system, []).append(wall_s)
        return found

    def frame_of(self, label_id: int) -> Frame:
        """The frame for which this label was asked."""
        row = self._database.first(
            f"SELECT {FRAME} FROM jobs JOIN structures USING (structure_id) WHERE label_id = ?", label_id
        )
        if row is None:
            raise unknown(label_id)
        return frame_of_row(row)

    def structure_of(self, label_id: int) -> int:
        """Number of the structure for which this label was asked."""
        row = self._database.first("SELECT structure_id FROM jobs WHERE label_id = ?", label_id)
        if row is None:
            raise unknown(label_id)
        return int(row[0])

    def _move(self, label_id: int, before: JobStatus, after: JobStatus) -> None:
        changed = self._database.execute(
            "UPDATE jobs SET status = ? WHERE label_id = ? AND status = ?", (after.value, label_id, before.value)
        )
        if changed.rowcount != 1:
            found = self._database.first("SELECT status FROM jobs WHERE label_id = ?", label_id)
            state = f"is {found[0]}" if found else "was never asked for"
            raise StoreError(f"label {label_id} can't become {after}: it {state}, and must be {before}")

    def add_label(self, label_id: int, label: Label) -> None:
        """Store the label of a submitted job.

        Raises
        ------
        StoreError
            The job is not in flight, or the label can't be one of its frame: another number of atoms, or numbers
            that are not finite; or the transaction is one that a power cut may take back.
        """
        with self.transaction():
            if not self._database.flushes:
                raise StoreError(f"label {label_id} can't be stored in a transaction that is not flushed to the disk")
            self._move(label_id, JobStatus.SUBMITTED, JobStatus.DONE)
            self._forget_kept_out(label_id)
            self._write(label_id, label, ("labels", "extras"))

    def _write(self, label_id: int, label: Label, tables: tuple[str, str]) -> None:
        """Enter a label and its further results into two tables."""
        _check_label(label_id, label, self.frame_of(label_id))
        stress = None if label.stress is None else float_blob(label.stress)
        columns: dict[str, object] = {
            "label_id": label_id,
            "energy": float(label.energy),
            "wall_s": float(label.wall_s),
            "reference": label.reference,
            "received_at": self._clock(),
            "session": self._session,
            "worker": label.worker,
            "stress": stress,
            "forces": float_blob(label.forces),
        }
        if tables[0] == KEPT_OUT:
            columns["max_force_ev_per_ang"] = label.max_force_ev_per_ang
        self._database.execute(
            f"INSERT INTO {tables[0]} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            columns.values(),
        )
        for name, values in label.extras.items():
            self._database.execute(
                f"INSERT INTO {tables[1]} (label_id, name, shape, numbers) VALUES (?, ?, ?, ?)",
                (label_id, name, json.dumps(np.shape(values)), float_blob(values)),
            )

    def _forget_kept_out(self, label_id: int) -> None:
        """Remove the label of an earlier attempt that was kept out, if there is one."""
        for table in (f"{KEPT_OUT}_extras", KEPT_OUT):
            self._database.execute(f"DELETE FROM {table} WHERE label_id = ?", (label_id,))

    def add_failure(self, label_id: int, failure: LabelFailure) -> None:
        """Note that the last attempt at a submitted job gave no label to learn from; one that is kept out is stored."""
        with self.transaction():
            self._move(label_id, JobStatus.SUBMITTED, JobStatus.FAILED)
            if failure.label is not None:
                self._forget_kept_out(label_id)
                self._write(label_id, failure.label, (KEPT_OUT, f"{KEPT_OUT}_extras"))
            self._database.execute(
                "INSERT INTO failures (label_id, reason, message, folder, wall_s, failed_at, session, worker) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    label_id,
                    failure.reason.value,
                    failure.message,
                    failure.folder,
                    float(failure.wall_s),
                    self._clock(),
                    self._session,
                    failure.worker,
                ),
            )

    def label_of(self, label_id: int) -> Label | None:
        """The label with this number; None when it has not been received."""
        row = self._database.first(f"SELECT {LABEL} FROM labels WHERE label_id = ?", label_id)
        return None if row is None else self._label(label_id, row)

    def labels_of(self, structure_id: int) -> dict[str, Label]:
        """All labels of one structure, by their references, in the order of the requests."""
        rows = self._database.rows(
            f"SELECT jobs.reference, label_id, {LABEL} FROM jobs JOIN labels USING (label_id) WHERE structure_id = ? "
            "ORDER BY label_id",
            structure_id,
        )
        return {reference: self._label(label_id, row) for reference, label_id, *row in rows}

    def failures_of(self, label_id: int) -> list[LabelFailure]:
        """All failed attempts at one label, oldest first."""
        rows = self._database.rows(
            "SELECT reason, message, folder, wall_s, worker FROM failures WHERE label_id = ? ORDER BY failure", label_id
        )
        with self._database.decoding():
            return [LabelFailure(FailureReason(reason), *rest) for reason, *rest in rows]

    def recent_wall_s(self, system: str, n: int, *, reference: str | None = None) -> list[float]:
        """Seconds that each of the last `n` labels of a system took, of those received, in the order of requests."""
        rows = self._database.rows(
            "SELECT labels.wall_s FROM jobs CROSS JOIN labels USING (label_id) "
            "CROSS JOIN structures USING (structure_id) "
            "WHERE structures.system = ? AND +jobs.reference = ? ORDER BY jobs.label_id DESC LIMIT ?",
            *(system, self._key_of(reference), n),
        )
        return [wall_s for (wall_s,) in reversed(rows)]

    def recent_labels(self, n: int) -> list[tuple[float, float]]:
        """When each of the newest `n` labels was received (seconds since 1970, UTC), and its wall time, s."""
        return [
            (received_at, wall_s)
            for received_at, wall_s in self._database.rows(
                "SELECT received_at, wall_s FROM labels ORDER BY label_id DESC LIMIT ?", n
            )
        ]

    def failed_attempts(self, *, reference: str | None = None) -> dict[FailureReason, int]:
        """How many attempts have failed for each reason, also of labels that were received in the end."""
        rows = self._database.rows(
            "SELECT reason, count(*) FROM failures CROSS JOIN jobs USING (label_id) WHERE +jobs.reference = ? "
            "GROUP BY reason ORDER BY min(failure)",
            self._key_of(reference),
        )
        with self._database.decoding():
            return {FailureReason(reason): n for reason, n in rows}

    def given_up(self, *, reference: str | None = None) -> dict[FailureReason, int]:
        """How many labels were given up, by the reason of their last failure."""
        rows = self._database.rows(
            "SELECT reason, count(*) FROM failures WHERE failure IN ("
            "SELECT max(failure) FROM failures JOIN jobs USING (label_id) WHERE reference = ? AND status = 'failed' "
            "GROUP BY label_id) GROUP BY reason ORDER BY min(failure)",
            self._key_of(reference),
        )
        with self._database.decoding():
            return {FailureReason(reason): n for reason, n in rows}

    def attempts(self) -> NDArray[np.void]:
        """Every attempt at a label by any reference, in the order of their ends, with the fields of ``ATTEMPT_DTYPE``.

        A label that was asked for again keeps the time of its first request.
        """
        return self._database.table(
            "SELECT label_id, submitted_at, received_at AS ended_at, wall_s, 1, worker "
            "FROM labels JOIN jobs USING (label_id) UNION ALL "
            "SELECT label_id, submitted_at, failed_at, wall_s, 0, worker FROM failures JOIN jobs USING (label_id) "
            "ORDER BY ended_at",
            dtype=ATTEMPT_DTYPE,
        )

    def label_wall_s(self) -> float:
        """Seconds that all reference calculations took together, failed ones included. Reads every label."""
        row = self._database.first("SELECT (SELECT total(wall_s) FROM labels) + (SELECT total(wall_s) FROM failures)")
        return float(row[0]) if row else 0.0

    def _label(self, label_id: int, row: Row | list[Any], *, extras: Extras | None = None) -> Label:
        """The label in the columns of :data:`LABEL`; its further results are looked up where they are not given."""
        energy, forces, stress, reference, wall_s, worker = row
        known = self._extras([label_id]).get(label_id, {}) if extras is None else extras
        with self._database.decoding():
            return Label(
                energy=energy,
                forces=float_array(forces, -1, 3),
                stress=None if stress is None else float_array(stress, 6),
                reference=reference,
                wall_s=wall_s,
                extras=known,
                worker=worker,
            )

    def _extras(self, label_ids: Sequence[int], *, table: str = "extras") -> dict[int, dict[str, FloatArray]]:
        """Further results of some labels; labels without any are left out."""
        found: dict[int, dict[str, FloatArray]] = {}
        sql = (
            f"SELECT label_id, name, shape, numbers FROM {table} WHERE label_id IN ({', '.join('?' * len(label_ids))})"
        )
        with self._database.decoding():
            for label_id, name, shape, blob in self._database.rows(sql, *label_ids):
                found.setdefault(label_id, {})[name] = float_array(blob, *json.loads(shape))
        return found


def unknown(label_id: int) -> StoreError:
    """What is said of a number that no label has."""
    return StoreError(f"label {label_id} was never asked for")


def _check_label(label_id: int, label: Label, frame: Frame) -> None:
    """The last gate before a label is kept for ever."""
    if label.forces.shape != (frame.n_atoms, 3):
        raise StoreError(
            f"label {label_id} has forces of shape {label.forces.shape}, but its frame has {frame.n_atoms} atoms"
        )
    if label.stress is not None and label.stress.shape != (6,):
        raise StoreError(f"label {label_id} has a stress of shape {label.stress.shape}; Voigt's (6,) is stored")
    numbers = [label.forces, *([] if label.stress is None else [label.stress]), *label.extras.values()]
    if not (math.isfinite(label.energy) and all(np.isfinite(array).all() for array in numbers)):
        raise StoreError(f"label {label_id} holds numbers that are not finite")
