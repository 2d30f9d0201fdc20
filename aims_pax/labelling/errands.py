"""What a pool computes besides the labels of a run: steps of AIMD, free atoms."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.result import RESULT_FILE, fingerprint
from aims_pax.protocols import LabelDone, Pool


class Errands:
    """Has structures labelled that belong to no dataset, by a desk with books of its own.

    What is done about faults, lost workers and the walltime is what is done for every label. The books outlive the
    process, so that nothing is computed twice: a run that goes on makes the same MD again, and finds its forces here.

    Parameters
    ----------
    store : RunStore
        The books.
    desk : LabelDesk
        That keeps these books, and is asked by nobody else.
    departure : Departure
    """

    def __init__(self, store: RunStore, desk: LabelDesk, departure: Departure) -> None:
        self.listeners: list[Callable[[], None]] = []
        """Called for each label that has come."""
        self._store, self._desk, self._departure = store, desk, departure
        self._labels: dict[str, int] = {}
        self._under_way: set[str] = set()
        self._failures: dict[str, LabelFailure] = {}
        self._n_asked = 0
        for job in store.jobs():
            self._n_asked += 1
            if job.status is JobStatus.DONE:
                self._labels[_digest(job.frame)] = job.label_id
            elif job.status is JobStatus.SUBMITTED:
                self._under_way.add(_digest(job.frame))
        self._keep(desk.resume())

    @property
    def n_labels(self) -> int:
        """Labels that are known."""
        return len(self._labels)

    @property
    def n_under_way(self) -> int:
        """Structures that were asked for and have no answer yet."""
        return len(self._under_way)

    @property
    def failed_attempts(self) -> dict[FailureReason, int]:
        """Attempts that have failed since the books were begun, also for structures that have got their labels."""
        return self._store.failed_attempts()

    def ask(self, frame: Frame) -> None:
        """Have a structure labelled that has no label and is not under way; one that failed is tried anew."""
        digest = _digest(frame)
        self._failures.pop(digest, None)
        if digest in self._labels or digest in self._under_way:
            return
        self._n_asked += 1
        with self._store.unflushed_transaction():
            # Structures of one trajectory are told apart by their steps, and these are counted here.
            label_id = self._desk.request(replace(frame, md_step=self._n_asked))
        self._under_way.add(digest)
        self._desk.send(label_id)

    def answer(self, frame: Frame) -> Label | LabelFailure | None:
        """What is known of this very structure."""
        digest = _digest(frame)
        if digest in self._failures:
            return self._failures[digest]
        return self._store.label_of(self._labels[digest]) if digest in self._labels else None

    def wait(self) -> None:
        """Wait until something has come of what was asked for.

        Raises
        ------
        Departed
            The campaign is to leave, or nothing more can come before the end of its walltime.
        CampaignStopped
            Something is wrong with the workers, not with the structures.
        """
        self._keep(self._desk.collect(timeout_s=None))
        if self._desk.only_held:
            self._departure.ask(Reason.WALLTIME)
        if self._departure.reason is not None:
            self._departure.leave()

    def _keep(self, arrived: list[LabelDone]) -> None:
        if not arrived:
            return
        with self._store.transaction():
            answers = [self._desk.record(done) for done in arrived]
        for answer in answers:
            digest = _digest(answer.frame)
            self._under_way.discard(digest)
            if isinstance(answer.result, Label):
                self._labels[digest] = answer.label_id
                for listener in self.listeners:
                    listener()
            else:
                self._failures[digest] = answer.result
            self._desk.tidy(answer)


@contextmanager
def errands_in(
    folder: RunFolder, pool: Pool, departure: Departure, *, keeps_folders: bool, no_progress_s: float, called: str
) -> Iterator[Errands]:
    """Errands with a folder of their own for books and calculations; the books go when all is done.

    Parameters
    ----------
    keeps_folders, no_progress_s, called
        As for :class:`LabelDesk`.
    """
    with kept_errands(
        folder, pool, departure, keeps_folders=keeps_folders, no_progress_s=no_progress_s, called=called
    ) as errands:
        yield errands
    forget_books(folder)


@contextmanager
def kept_errands(
    folder: RunFolder, pool: Pool, departure: Departure, *, keeps_folders: bool, no_progress_s: float, called: str
) -> Iterator[Errands]:
    """The same, with books that stay: what asks later finds what was computed."""
    with RunStore.open(folder.root) as store:
        desk = LabelDesk(
            store,
            pool,
            folder,
            folder.root.name,
            keeps_folders=keeps_folders,
            departure=departure,
            no_progress_s=no_progress_s,
            called=called,
        )
        yield Errands(store, desk, departure)


def forget_books(folder: RunFolder) -> None:
    """Let what is computed there begin anew; files of calculations that are to be kept stay where they are."""
    for path in (*folder.root.glob(f"{STORE_NAME}*"), *folder.calculations.glob(f"*/{RESULT_FILE}")):
        path.unlink(missing_ok=True)
    for place in {folder.root, folder.calculations}:
        if place.is_dir() and not any(path.is_dir() for path in place.iterdir()):
            shutil.rmtree(place, ignore_errors=True)


def _digest(frame: Frame) -> str:
    """Of a structure of a trajectory, whatever step it is."""
    return fingerprint(replace(frame, md_step=0, generation=0))
