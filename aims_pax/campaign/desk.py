"""Labels, from the wish to the store: each is asked for once, and stored before anyone acts on it."""

import logging
from collections import Counter
from dataclasses import dataclass

from aims_pax.campaign.run_folder import RunFolder
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Frame, Label, LabelFailure, Stage
from aims_pax.labelling.result import discard, read_finished
from aims_pax.protocols import LabelDone, LabelJob, Pool

diary = logging.getLogger("aims_pax.labels")

MAX_LOST_IN_ROW = 3
"""A label that is lost, after the pool's own retries, may have exhausted its node; this many in a row have not."""

MAX_LOSSES_OF_A_LABEL = 2
"""A label that is lost this often while others come through is too much for its worker, and counts as failed."""


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
        Whether the files of successful calculations stay.
    """

    def __init__(self, store: RunStore, pool: Pool, folder: RunFolder, stage: Stage, *, keeps_folders: bool) -> None:
        self._store, self._pool, self._folder, self._stage = store, pool, folder, stage
        self._keeps_folders = keeps_folders
        self._frames: dict[int, Frame] = {}
        self._n_lost_in_row = 0
        self._losses: Counter[int] = Counter()

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
        """Everything that the pool has finished; see :meth:`aims_pax.protocols.Pool.collect`.

        Labels that were lost with their workers are asked for again, and are not among the answers.

        Raises
        ------
        CampaignStopped
            Several labels in a row were lost: something is wrong with the workers, not with the structures. What is
            in flight stays in the books, so that it is computed when the run goes on.
        """
        answers = []
        for done in self._pool.collect(timeout_s=timeout_s):
            if isinstance(done.result, LabelFailure) and done.result.reason.is_infrastructure:
                if self._ask_again(done.label_id, done.result):
                    continue
            else:
                self._n_lost_in_row = 0
            answers.append(done)
        return answers

    def record(self, done: LabelDone) -> Answer:
        """Store an answer and strike it off the books."""
        if isinstance(done.result, Label):
            self._store.add_label(done.label_id, done.result)
        else:
            self._store.add_failure(done.label_id, done.result)
        return Answer(done.label_id, self._frames.pop(done.label_id), done.result)

    def _ask_again(self, label_id: int, failure: LabelFailure) -> bool:
        """Send a label again that was lost with its worker; False when it is given up, and counts as failed."""
        self._n_lost_in_row += 1
        self._losses[label_id] += 1
        if self._n_lost_in_row >= MAX_LOST_IN_ROW:
            raise CampaignStopped(
                f"{self._n_lost_in_row} labels in a row could not be computed because of their workers "
                f"({failure.reason}: {failure.message}). No structure is to blame: mend what is wrong there, then the "
                "same command goes on, and what was in flight is computed again"
            )
        if self._losses[label_id] >= MAX_LOSSES_OF_A_LABEL:
            return False
        diary.warning("label %d  %s, and is asked for again: %s", label_id, failure.reason, failure.message)
        self.send(label_id)
        return True

    def tidy(self, answer: Answer) -> None:
        """Remove the folder of a label that was committed; that of a failure is kept for the user."""
        if isinstance(answer.result, Label):
            discard(self._folder.label(answer.label_id), keep_files=self._keeps_folders)

    def _job(self, label_id: int) -> LabelJob:
        return LabelJob(label_id, self._frames[label_id], self._folder.label(label_id))
