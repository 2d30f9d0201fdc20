"""Labels that nobody is to learn, because a force is beyond what was allowed: stored, and no part of any dataset."""

from aims_pax.dataset.records import JobStatus, KeptOut
from aims_pax.dataset.tables.labels import KEPT_OUT, LABEL, LabelTables
from aims_pax.errors import StoreError
from aims_pax.frame import FailureReason, Label

_COLUMNS = "label_id, energy, wall_s, reference, received_at, session, worker, stress, forces"
_EXTRAS = "label_id, name, shape, numbers"


class KeptOutTables(LabelTables):
    """What is kept out, and how it comes back."""

    def kept_out(self) -> list[KeptOut]:
        """All labels that are kept out, by whatever reference, in the order of the requests."""
        rows = self._database.rows(
            "SELECT label_id, structure_id, system, trajectory, md_step, jobs.stage, source, jobs.reference, "
            f"{KEPT_OUT}.max_force_ev_per_ang FROM {KEPT_OUT} CROSS JOIN jobs USING (label_id) "
            "CROSS JOIN structures USING (structure_id) WHERE jobs.status = ? ORDER BY label_id",
            JobStatus.FAILED.value,
        )
        return [KeptOut(*row) for row in rows]

    def n_kept_out(self, *, reference: str | None = None) -> int:
        """How many labels of a reference are kept out."""
        (n,) = self._database.rows(
            f"SELECT count(*) FROM {KEPT_OUT} CROSS JOIN jobs USING (label_id) WHERE +jobs.reference = ? "
            "AND +jobs.status = ?",
            *(self._key_of(reference), JobStatus.FAILED.value),
        )[0]
        return int(n)

    def kept_out_label(self, label_id: int) -> Label | None:
        """The label of this number that is kept out; None where it is not."""
        columns = LABEL.replace("labels.", f"{KEPT_OUT}.")
        row = self._database.first(f"SELECT {columns} FROM {KEPT_OUT} WHERE label_id = ?", label_id)
        if row is None:
            return None
        extras = self._extras([label_id], table=f"{KEPT_OUT}_extras")
        return self._label(label_id, row, extras=extras.get(label_id, {}))

    def take_back(self, label_id: int) -> None:
        """Let a label that was kept out be one that was received, as if no limit had been in its way.

        Raises
        ------
        StoreError
            It is not kept out.
        """
        with self.transaction():
            self._move(label_id, JobStatus.FAILED, JobStatus.DONE)
            moved = self._database.execute(
                f"INSERT INTO labels ({_COLUMNS}) SELECT {_COLUMNS} FROM {KEPT_OUT} WHERE label_id = ?", (label_id,)
            )
            if moved.rowcount != 1:
                raise StoreError(f"label {label_id} is not kept out: its last attempt gave no label at all")
            self._database.execute(
                f"INSERT INTO extras ({_EXTRAS}) SELECT {_EXTRAS} FROM {KEPT_OUT}_extras WHERE label_id = ?",
                (label_id,),
            )
            self._forget_kept_out(label_id)
            # The attempt has given a label after all, whose time would else be counted twice.
            self._database.execute(
                "DELETE FROM failures WHERE failure = "
                "(SELECT max(failure) FROM failures WHERE label_id = ? AND reason = ?)",
                (label_id, FailureReason.KEPT_OUT.value),
            )
