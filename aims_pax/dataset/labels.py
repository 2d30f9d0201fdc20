"""Requests for labels, their answers, and the dataset that grows from them."""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from aims_pax.dataset.blobs import bool_array, bool_blob, float_array, float_blob, int_array, int_blob
from aims_pax.dataset.database import Row
from aims_pax.dataset.records import Counts, JobStatus, StoredJob
from aims_pax.dataset.tables import Tables
from aims_pax.errors import StoreError
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, LabelledFrame, Split, Stage

_FRAME = "system, trajectory, md_step, generation, numbers, positions, cell, pbc"

_LABEL = "labels.energy, labels.forces, labels.stress, labels.reference, labels.wall_s"


class LabelTables(Tables):
    """What was asked of the reference, what it answered, and who learns from it."""

    def add_job(self, frame: Frame, stage: Stage) -> int:
        """Note that a label of this frame is asked for; its number is the result.

        Raises
        ------
        StoreError
            A label of the same stage, trajectory and MD step was asked for before.
        """
        row = (stage.value, frame.system, int(frame.trajectory), int(frame.md_step), int(frame.generation))
        with self.transaction():
            label_id = self._database.execute(
                "INSERT INTO jobs (stage, system, trajectory, md_step, generation, status, submitted_at) "
                "VALUES (?, ?, ?, ?, ?, 'submitted', ?)",
                (*row, self._clock()),
            ).lastrowid
            assert label_id is not None
            self._database.execute(
                "INSERT INTO structures (label_id, pbc, cell, numbers, positions) VALUES (?, ?, ?, ?, ?)",
                (
                    label_id,
                    bool_blob(frame.pbc),
                    float_blob(frame.cell),
                    int_blob(frame.numbers),
                    float_blob(frame.positions),
                ),
            )
        return label_id

    def resubmit(self, label_id: int) -> None:
        """Ask again for a label that failed; its earlier failures stay on record."""
        self._move(label_id, JobStatus.FAILED, JobStatus.SUBMITTED)

    def jobs(self, status: JobStatus | None = None) -> Iterator[StoredJob]:
        """Requested labels in the order of the requests: those of one status, or all.

        Jobs whose status changes while they are read are read as they are when their turn comes.
        """
        which = "" if status is None else f"AND status = '{status.value}'"
        sql = (
            f"SELECT label_id, stage, status, (SELECT count(*) FROM failures WHERE failures.label_id = jobs.label_id), "
            f"{_FRAME} FROM jobs JOIN structures USING (label_id) WHERE label_id > ? {which} ORDER BY label_id LIMIT ?"
        )
        for label_id, stage, found, n_failures, *frame in self._pages(sql, after=0):
            with self._database.decoding():
                job = StoredJob(label_id, _frame(frame), Stage(stage), JobStatus(found), n_failures)
            yield job

    def frame_of(self, label_id: int) -> Frame:
        """The frame for which this label was asked."""
        row = self._database.first(
            f"SELECT {_FRAME} FROM jobs JOIN structures USING (label_id) WHERE label_id = ?", label_id
        )
        if row is None:
            raise StoreError(f"label {label_id} was never asked for")
        return _frame(row)

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
            _check_label(label_id, label, self.frame_of(label_id))
            stress = None if label.stress is None else float_blob(label.stress)
            self._database.execute(
                "INSERT INTO labels (label_id, energy, wall_s, reference, received_at, stress, forces) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    label_id,
                    float(label.energy),
                    float(label.wall_s),
                    label.reference,
                    self._clock(),
                    stress,
                    float_blob(label.forces),
                ),
            )
            for name, values in label.extras.items():
                self._database.execute(
                    "INSERT INTO extras (label_id, name, shape, numbers) VALUES (?, ?, ?, ?)",
                    (label_id, name, json.dumps(np.shape(values)), float_blob(values)),
                )

    def add_failure(self, label_id: int, failure: LabelFailure) -> None:
        """Note that the last attempt at a submitted job gave no label."""
        with self.transaction():
            self._move(label_id, JobStatus.SUBMITTED, JobStatus.FAILED)
            self._database.execute(
                "INSERT INTO failures (label_id, reason, message, folder, wall_s, failed_at) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    label_id,
                    failure.reason.value,
                    failure.message,
                    failure.folder,
                    float(failure.wall_s),
                    self._clock(),
                ),
            )

    def label_of(self, label_id: int) -> Label | None:
        """The label with this number; None when it has not been received."""
        row = self._database.first(f"SELECT {_LABEL} FROM labels WHERE label_id = ?", label_id)
        return None if row is None else self._label(label_id, row)

    def failures_of(self, label_id: int) -> list[LabelFailure]:
        """All failed attempts at one label, oldest first."""
        rows = self._database.rows(
            "SELECT reason, message, folder, wall_s FROM failures WHERE label_id = ? ORDER BY failure", label_id
        )
        with self._database.decoding():
            return [LabelFailure(FailureReason(reason), *rest) for reason, *rest in rows]

    def recent_wall_s(self, system: str, n: int) -> list[float]:
        """Seconds that each of the last `n` labels of a system took, oldest first."""
        rows = self._database.rows(
            "SELECT wall_s FROM labels JOIN jobs USING (label_id) WHERE system = ? ORDER BY received_at DESC LIMIT ?",
            *(system, n),
        )
        return [wall_s for (wall_s,) in reversed(rows)]

    def failed_attempts(self) -> dict[FailureReason, int]:
        """How many attempts have failed for each reason, also of labels that were received in the end."""
        rows = self._database.rows("SELECT reason, count(*) FROM failures GROUP BY reason ORDER BY min(failure)")
        with self._database.decoding():
            return {FailureReason(reason): n for reason, n in rows}

    def given_up(self) -> dict[FailureReason, int]:
        """How many labels were given up, by the reason of their last failure."""
        rows = self._database.rows(
            "SELECT reason, count(*) FROM failures WHERE failure IN ("
            "SELECT max(failure) FROM failures JOIN jobs USING (label_id) WHERE status = 'failed' GROUP BY label_id"
            ") GROUP BY reason ORDER BY min(failure)"
        )
        with self._database.decoding():
            return {FailureReason(reason): n for reason, n in rows}

    def _label(self, label_id: int, row: Row | list[Any]) -> Label:
        energy, forces, stress, reference, wall_s = row
        extras = self._database.rows("SELECT name, shape, numbers FROM extras WHERE label_id = ?", label_id)
        with self._database.decoding():
            return Label(
                energy=energy,
                forces=float_array(forces, -1, 3),
                stress=None if stress is None else float_array(stress, 6),
                reference=reference,
                wall_s=wall_s,
                extras={name: float_array(blob, *json.loads(shape)) for name, shape, blob in extras},
            )

    def assign(self, label_id: int, split: Split, member: int | None = None) -> None:
        """Give a labelled structure its place in the dataset, for its whole life.

        Parameters
        ----------
        label_id : int
        split : Split
        member : int or None
            The committee member that alone uses it; None when all share it.
        """
        alone = None if member is None else int(member)
        self._database.execute(
            "INSERT INTO assignments (label_id, split, member) VALUES (?, ?, ?)", (label_id, split.value, alone)
        )

    def labelled(self, after: int = 0) -> Iterator[LabelledFrame]:
        """The dataset in the order of assignment.

        Parameters
        ----------
        after : int
            How many structures to pass over, because they were read before.
        """
        sql = (
            f"SELECT position, label_id, split, member, {_LABEL}, {_FRAME} FROM assignments "
            "JOIN labels USING (label_id) JOIN jobs USING (label_id) JOIN structures USING (label_id) "
            "WHERE position > ? ORDER BY position LIMIT ?"
        )
        for _, label_id, split, member, *rest in self._pages(sql, after=after):
            with self._database.decoding():
                point = LabelledFrame(label_id, _frame(rest[5:]), self._label(label_id, rest[:5]), Split(split), member)
            yield point

    def unassigned(self, stage: Stage) -> list[int]:
        """Numbers of the labels of one stage that were received and have no place in the dataset yet."""
        rows = self._database.rows(
            "SELECT label_id FROM jobs WHERE status = 'done' AND stage = ? "
            "AND NOT EXISTS (SELECT 1 FROM assignments WHERE assignments.label_id = jobs.label_id) ORDER BY label_id",
            stage.value,
        )
        return [label_id for (label_id,) in rows]

    def counts(self) -> Counts:
        """How much the run holds."""
        status: dict[str, int] = dict(self._database.rows("SELECT status, count(*) FROM jobs GROUP BY status"))
        split: dict[str, int] = dict(self._database.rows("SELECT split, count(*) FROM assignments GROUP BY split"))
        (n_failures,) = self._database.rows("SELECT count(*) FROM failures")[0]
        return Counts(
            n_in_flight=status.get(JobStatus.SUBMITTED, 0),
            n_received=status.get(JobStatus.DONE, 0),
            n_failed=status.get(JobStatus.FAILED, 0),
            n_failures=n_failures,
            n_train=split.get(Split.TRAINING, 0),
            n_valid=split.get(Split.VALIDATION, 0),
        )

    def label_wall_s(self) -> float:
        """Seconds that all reference calculations took together, failed ones included. Reads every label."""
        row = self._database.first("SELECT (SELECT total(wall_s) FROM labels) + (SELECT total(wall_s) FROM failures)")
        return float(row[0]) if row else 0.0


def _frame(row: Row | list[Any]) -> Frame:
    system, trajectory, md_step, generation, numbers, positions, cell, pbc = row
    return Frame(
        system=system,
        trajectory=trajectory,
        md_step=md_step,
        generation=generation,
        numbers=int_array(numbers, -1),
        positions=float_array(positions, -1, 3),
        cell=float_array(cell, 3, 3),
        pbc=bool_array(pbc, 3),
    )


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
