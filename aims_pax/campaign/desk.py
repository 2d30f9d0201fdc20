"""Labels, from the wish to the store: each is asked for once, and stored before anyone acts on it."""

from dataclasses import dataclass

from aims_pax.campaign.run_folder import RunFolder
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Label, LabelFailure, Stage
from aims_pax.labelling.result import discard, read_finished
from aims_pax.protocols import LabelDone, LabelJob, Pool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one label that was asked for."""

    label_id: int
    frame: Frame
    result: Label | LabelFailure


class LabelDesk:
    """Asks a pool for labels on behalf of one stage, and keeps the store's books of them.

    The caller owns the transactions: :meth:`request` and :meth:`record` are called within the transaction that also
    stores what the learner makes of them; :meth:`send` and :meth:`tidy` after it was committed.

    Parameters
    ----------
    keeps_folders : bool
        Whether the folders of successful calculations stay.
    """

    def __init__(self, store: RunStore, pool: Pool, folder: RunFolder, stage: Stage, *, keeps_folders: bool) -> None:
        self._store, self._pool, self._folder, self._stage = store, pool, folder, stage
        self._keeps_folders = keeps_folders
        self._frames: dict[int, Frame] = {}

    @property
    def n_in_flight(self) -> int:
        """Labels asked for and not yet recorded."""
        return len(self._frames)

    def request(self, frame: Frame) -> int:
        """Enter a label into the books; returns its number."""
        label_id = self._store.add_job(frame, self._stage)
        self._frames[label_id] = frame
        return label_id

    def send(self, label_id: int) -> None:
        """Let the pool start on a label that was committed."""
        self._pool.submit(self._job(label_id))

    def resume(self) -> list[LabelDone]:
        """Take up the labels that were in flight when the run was interrupted.

        Those whose calculation had finished are returned; the others are sent to the pool again.
        """
        finished = []
        for job in self._store.jobs(JobStatus.SUBMITTED):
            if job.stage is not self._stage:
                continue
            self._frames[job.label_id] = job.frame
            result = read_finished(self._job(job.label_id))
            if result is None:
                self.send(job.label_id)
            else:
                finished.append(LabelDone(job.label_id, result))
        return finished

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that the pool has finished; see :meth:`aims_pax.protocols.Pool.collect`."""
        return self._pool.collect(timeout_s=timeout_s)

    def record(self, done: LabelDone) -> Answer:
        """Store an answer and strike it off the books."""
        if isinstance(done.result, Label):
            self._store.add_label(done.label_id, done.result)
        else:
            self._store.add_failure(done.label_id, done.result)
        return Answer(done.label_id, self._frames.pop(done.label_id), done.result)

    def tidy(self, answer: Answer) -> None:
        """Remove the folder of a label that was committed; that of a failure is kept for the user."""
        if isinstance(answer.result, Label) and not self._keeps_folders:
            discard(self._folder.label(answer.label_id))

    def _job(self, label_id: int) -> LabelJob:
        return LabelJob(label_id, self._frames[label_id], self._folder.label(label_id))
