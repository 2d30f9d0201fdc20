"""Which structures train, validate and test: each has its place for life."""

from collections.abc import Iterator

import numpy as np

from aims_pax.dataset.records import OWN_REFERENCE, Counts, JobStatus
from aims_pax.dataset.tables.base import PAGE
from aims_pax.dataset.tables.database import Row
from aims_pax.dataset.tables.kept_out import KeptOutTables
from aims_pax.dataset.tables.labels import LABEL, N_LABEL
from aims_pax.dataset.tables.structures import FRAME, frame_of_row
from aims_pax.errors import StoreError
from aims_pax.frame import LabelledFrame, Split

# CROSS JOIN: read in the order of the places, whatever SQLite thinks of it.
_DATASET = (
    "SELECT splits.position, jobs.label_id, splits.split, splits.member, structures.stage, structures.source, "
    f"{LABEL}, {FRAME} FROM splits "
    "CROSS JOIN jobs ON jobs.structure_id = splits.structure_id AND jobs.reference = ? "
    "CROSS JOIN labels ON labels.label_id = jobs.label_id "
    "CROSS JOIN structures ON structures.structure_id = splits.structure_id"
)

_PLACE_DTYPE = np.dtype([("position", np.int64)])


class SplitTables(KeptOutTables):
    """The dataset: structures in the order in which they were given their places."""

    def assign(self, label_id: int, split: Split, member: int | None = None) -> None:
        """Give a labelled structure its place in the dataset, for its whole life and by whatever reference.

        Parameters
        ----------
        label_id : int
        split : Split
        member : int or None
            The committee member that alone uses it; None when all share it.

        Raises
        ------
        StoreError
            The label was not received, or its structure has a place already.
        """
        alone = None if member is None else int(member)
        placed = self._database.execute(
            "INSERT INTO splits (structure_id, split, member) "
            "SELECT jobs.structure_id, ?, ? FROM jobs JOIN labels USING (label_id) WHERE label_id = ?",
            (split.value, alone, label_id),
        )
        if placed.rowcount != 1:
            raise StoreError(f"label {label_id} has not been received: its structure can't have a place in the dataset")

    def labelled(
        self, after: int = 0, *, reference: str | None = None, split: Split | None = None
    ) -> Iterator[LabelledFrame]:
        """The dataset in the order of assignment, with the labels of one reference. A page of it is held at a time.

        Parameters
        ----------
        after : int
            How many structures to pass over, because they were read before.
        reference : str or None
            Structures that it has not labelled are left out.
        split : Split or None
            Of this use alone; None: of all.
        """
        chosen = "" if split is None else f"AND splits.split = '{split.value}' "
        sql = f"{_DATASET} WHERE splits.position > ? {chosen}ORDER BY splits.position LIMIT ?"
        for page in self._whole_pages(sql, self._key_of(reference), after=after):
            yield from self._points(page)

    def sampled(
        self, n: int, rng: np.random.Generator, *, reference: str | None = None, split: Split | None = None
    ) -> Iterator[LabelledFrame]:
        """So many structures of the dataset at random, in the order of assignment; all where there are no more.

        Of the others nothing is read but their places.

        Parameters
        ----------
        n : int
        rng : Generator
        reference, split
            As for :meth:`labelled`.
        """
        key = self._key_of(reference)
        wanted = ("", ()) if split is None else ("AND splits.split = ? ", (split.value,))
        places = self._database.table(
            "SELECT splits.position FROM splits CROSS JOIN jobs ON jobs.structure_id = splits.structure_id "
            f"AND jobs.reference = ? WHERE jobs.status = ? {wanted[0]}ORDER BY splits.position",
            *(key, JobStatus.DONE.value, *wanted[1]),
            dtype=_PLACE_DTYPE,
        )["position"]
        drawn = np.sort(rng.choice(places, size=min(n, len(places)), replace=False)).tolist()
        for first in range(0, len(drawn), PAGE):
            some = drawn[first : first + PAGE]
            sql = f"{_DATASET} WHERE splits.position IN ({', '.join('?' * len(some))}) ORDER BY splits.position"
            yield from self._points(self._database.rows(sql, key, *some))

    def _points(self, page: list[Row]) -> Iterator[LabelledFrame]:
        """Structures of the dataset in the columns of :data:`_DATASET`."""
        extras = self._extras([label_id for _, label_id, *_ in page]) if page else {}
        for _, label_id, split, member, stage, source, *rest in page:
            with self._database.decoding():
                label = self._label(label_id, rest[:N_LABEL], extras=extras.get(label_id, {}))
                frame = frame_of_row(rest[N_LABEL:])
                point = LabelledFrame(label_id, frame, label, Split(split), member, stage, source)
            yield point

    def unassigned(self, stage: str) -> list[int]:
        """Numbers of the labels that one stage has asked for and received, of structures without a place yet."""
        rows = self._database.rows(
            "SELECT label_id FROM jobs WHERE reference = ? AND status = ? AND stage = ? AND NOT EXISTS "
            "(SELECT 1 FROM splits WHERE splits.structure_id = jobs.structure_id) ORDER BY label_id",
            *(self.chosen_reference, JobStatus.DONE.value, str(stage)),
        )
        return [label_id for (label_id,) in rows]

    def n_placed(self) -> int:
        """Structures that have a place in the dataset, by whatever reference they are labelled."""
        return int(self._database.rows("SELECT count(*) FROM splits")[0][0])

    def structures(self, *, reference: str | None = None, only_placed: bool = True) -> list[tuple[int, int]]:
        """Structures that a reference has labelled, in the order of its labels.

        Parameters
        ----------
        reference : str or None
        only_placed : bool
            Whether those without a place in the dataset are left out.

        Returns
        -------
        list of (int, int)
            Numbers of each structure and of its label.
        """
        placed = "AND EXISTS (SELECT 1 FROM splits WHERE splits.structure_id = jobs.structure_id) "
        return [
            (int(structure_id), int(label_id))
            for structure_id, label_id in self._database.rows(
                "SELECT structure_id, label_id FROM jobs WHERE reference = ? AND status = ? "
                f"{placed if only_placed else ''}ORDER BY label_id",
                *(self._key_of(reference), JobStatus.DONE.value),
            )
        ]

    def place_of(self, structure_id: int) -> tuple[Split, int | None] | None:
        """The split of a structure, and the member that alone uses it; None where it has no place."""
        row = self._database.first("SELECT split, member FROM splits WHERE structure_id = ?", structure_id)
        with self._database.decoding():
            return None if row is None else (Split(row[0]), row[1])

    def counts(self, *, reference: str | None = None) -> Counts:
        """How much the run holds by one reference: labels, and structures of the dataset that have one."""
        reference = self._key_of(reference)
        status: dict[str, int] = dict(
            self._database.rows("SELECT status, count(*) FROM jobs WHERE reference = ? GROUP BY status", reference)
        )
        split: dict[str, int] = dict(self._database.rows(*self._places(reference)))
        (n_failures,) = self._database.rows(
            "SELECT count(*) FROM failures CROSS JOIN jobs USING (label_id) WHERE +jobs.reference = ?", reference
        )[0]
        return Counts(
            n_in_flight=status.get(JobStatus.SUBMITTED, 0),
            n_received=status.get(JobStatus.DONE, 0),
            n_failed=status.get(JobStatus.FAILED, 0),
            n_failures=n_failures,
            n_train=split.get(Split.TRAINING, 0),
            n_valid=split.get(Split.VALIDATION, 0),
            n_test=split.get(Split.TEST, 0),
            n_withdrawn=status.get(JobStatus.WITHDRAWN, 0),
            n_kept_out=self.n_kept_out(reference=reference),
        )

    def _places(self, reference: str) -> tuple[str, *tuple[object, ...]]:
        """What counts structures by split, and its parameters; all places have a label until another one is chosen."""
        if reference == self.chosen_reference == OWN_REFERENCE:
            return ("SELECT split, count(*) FROM splits GROUP BY split",)
        sql = (
            "SELECT split, count(*) FROM splits CROSS JOIN jobs ON jobs.structure_id = splits.structure_id "
            "AND jobs.reference = ? AND jobs.status = ? GROUP BY split"
        )
        return sql, reference, JobStatus.DONE.value
