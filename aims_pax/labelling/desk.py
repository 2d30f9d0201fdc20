"""Labels, from the wish to the store: each is asked for once, and stored before anyone acts on it."""

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.claims import is_begun, offer, withdraws
from aims_pax.labelling.faults import REMEDIES
from aims_pax.labelling.in_flight import InFlight
from aims_pax.labelling.patience import Patience, pool_dead
from aims_pax.labelling.result import discard, read_finished
from aims_pax.protocols import LabelDone, LabelJob, Pool
from aims_pax.reference.force_limit import ForceLimit
from aims_pax.times import about

diary = logging.getLogger("aims_pax.labels")

LOOK_S: Final = 30.0
"""How often the labels in flight are looked at."""

SLOW_LABEL, WORKERS_LOST = "SlowLabel", "WorkersLost"
"""Kinds of journal entries: a label far slower than its peers; attempts lost with their workers (`n`)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one label that was asked for."""

    label_id: int
    frame: Frame
    result: Label | LabelFailure


class LabelDesk:
    """Asks a pool for labels on behalf of one stage, and keeps the store's books of them.

    The caller owns the transactions: :meth:`request` and :meth:`record` are called within the transaction that also
    stores what the learner makes of them; :meth:`send` and :meth:`tidy` after it was committed. Attempts that fail and
    are made again, as :mod:`aims_pax.labelling.faults` says, are committed here: the learner hears of none.

    Parameters
    ----------
    keeps_folders : bool
        Whether the files of successful calculations stay.
    departure : Departure
        Says when the campaign has to leave. A label that is likely to take longer is not begun: it is held.
    no_progress_s : float, s
        After so long without any answer it is said what is waited for.
    called : str
        What is asked for here, before its number, where the diary tells of it.
    reference : str or None
        Key of the reference in the books; None: that which the run learns from.
    is_revocable : bool
        Whether labels may be withdrawn that no worker has begun.
    told : callable
        Hears what is waited for, as in :class:`~aims_pax.labelling.patience.Patience`.
    limit : callable or None
        The largest force that a label of a frame may hold to be learned, whatever the reference has made of it; None:
        as the reference says.
    """

    def __init__(
        self,
        store: RunStore,
        pool: Pool,
        folder: RunFolder,
        stage: str,
        *,
        keeps_folders: bool,
        departure: Departure,
        no_progress_s: float = 3600.0,
        called: str = "label",
        reference: str | None = None,
        is_revocable: bool = False,
        told: Callable[[str], None] = lambda _words: None,
        limit: Callable[[Frame], ForceLimit] | None = None,
    ) -> None:
        self._is_revocable, self._limit = is_revocable, limit
        self._store, self._pool, self._folder, self._stage = store, pool, folder, stage
        self._reference = store.chosen_reference if reference is None else reference
        self._keeps_folders, self._departure, self._called = keeps_folders, departure, called
        self._frames: dict[int, Frame] = {}
        self._held: set[int] = set()
        self._put_off: set[int] = set()
        self._unreported: set[int] = set()
        self._n_failures: Counter[int] = Counter()
        self._n_in_row = 0
        self._stopped: CampaignStopped | None = None
        self._in_flight = InFlight(partial(store.recent_wall_s, reference=self._reference), called=called)
        self._patience = Patience(pool, self._in_flight, patience_s=no_progress_s, told=told)
        self._look_s = min(LOOK_S, no_progress_s)
        self._looked = time.monotonic()
        self._n_lost = pool.n_lost

    @property
    def n_in_flight(self) -> int:
        """Labels asked for and not yet recorded."""
        return len(self._frames)

    @property
    def only_held(self) -> bool:
        """Whether labels are in the books, and all of them wait for the next session: nothing will come in this one."""
        return bool(self._frames) and self._held >= self._frames.keys()

    def request(self, frame: Frame, *, source: str = "") -> int:
        """Enter a label into the books; returns its number.

        Parameters
        ----------
        source : str
            What has picked the frame.
        """
        label_id = self._store.add_job(frame, self._stage, source=source, reference=self._reference)
        self._frames[label_id] = frame
        return label_id

    def request_another(self, structure_id: int) -> int:
        """Enter a label by this reference of a structure that others have labelled; returns its number."""
        label_id = self._store.request(structure_id, stage=self._stage, reference=self._reference)
        self._frames[label_id] = self._store.frame_of(label_id)
        return label_id

    def send(self, label_id: int) -> None:
        """Let the pool start on a label that was committed, if it can finish in time."""
        job = self._job(label_id)
        if job.start_before is not None and time.time() >= job.start_before:
            self._hold(label_id)
            return
        if self._is_revocable:
            offer(job)
        self._in_flight.sent(job)
        self._pool.submit(job)

    def is_waiting(self, frame: Frame) -> bool:
        """Whether the label of a frame is in the books, may be withdrawn, and no worker has begun it."""
        label_id = self._label_of(frame)
        return self._is_revocable and label_id is not None and not is_begun(self._job(label_id))

    def withdraw(self, frame: Frame) -> int | None:
        """Strike a label off the books that no worker has begun; its number, or None where one has: it is kept.

        Within the caller's transaction. The worker that comes to it later does not begin it.
        """
        label_id = self._label_of(frame)
        if label_id is None or not self._is_revocable or not withdraws(self._job(label_id)):
            return None
        self._store.withdraw(label_id)
        self._pool.withdraw(label_id)
        self._in_flight.ended(label_id)
        self._held.discard(label_id)
        self._put_off.discard(label_id)
        del self._frames[label_id]
        return label_id

    def _label_of(self, frame: Frame) -> int | None:
        """The label that was asked for a frame; None where it is not in the books."""
        identity = (frame.trajectory, frame.md_step)
        return next((n for n, one in self._frames.items() if (one.trajectory, one.md_step) == identity), None)

    def resume(self, known: Callable[[Frame], Label | LabelFailure | None] = lambda _frame: None) -> list[LabelDone]:
        """Take up the labels that were in flight when the run was interrupted.

        Those whose calculation had finished are returned; the others are sent to the pool again.

        Parameters
        ----------
        known : callable
            What has been computed elsewhere of a structure.
        """
        finished = []
        for job in self._store.jobs(JobStatus.SUBMITTED, reference=self._reference):
            if job.stage != self._stage:
                continue
            self._frames[job.label_id], self._n_failures[job.label_id] = job.frame, job.n_failures
            result = read_finished(self._job(job.label_id)) or known(job.frame)
            if result is None:
                self.send(job.label_id)
            elif self._is_final(done := self._judged(LabelDone(job.label_id, result))):
                finished.append(done)
        return finished

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that the pool has finished; see :meth:`aims_pax.protocols.Pool.collect`.

        Empty at once when the campaign is leaving, and when all labels are held.

        Raises
        ------
        CampaignStopped
            Something is wrong with the workers, not with the structures. What is in flight stays in the books, so
            that it is computed when the run goes on.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._patience.calm()
        while self._departure.reason is None and not self.only_held:
            left_s = self._look_s if deadline is None else min(self._look_s, max(0.0, deadline - time.monotonic()))
            arrived = [] if self._stopped else self._pool.collect(timeout_s=left_s)
            answers = [done for done in map(self._judged, arrived) if self._is_final(done)]
            answers += [done for done in map(self._judged, self._look()) if self._is_final(done)]
            if answers:
                return answers
            if self._stopped is not None:
                raise self._stopped
            if self._pool.n_in_flight == 0 and self._put_off:
                self._ask_again()
                continue
            if self._pool.n_in_flight == 0 or (deadline is not None and time.monotonic() >= deadline):
                break
            self._patience.look()
        return []

    def record(self, done: LabelDone) -> Answer:
        """Store an answer and strike it off the books."""
        if isinstance(done.result, Label):
            self._store.add_label(done.label_id, done.result)
        else:
            self._store.add_failure(done.label_id, done.result)
        return Answer(done.label_id, self._frames.pop(done.label_id), done.result)

    def tidy(self, answer: Answer) -> None:
        """Remove the folder of a label that was committed; that of a failure is kept for the user.

        A label that its worker did not report keeps it, too: the pool may be about to try it again, and is to find it.
        """
        if isinstance(answer.result, Label) and answer.label_id not in self._unreported:
            discard(self._folder.label(answer.label_id), keep_files=self._keeps_folders)

    def _judged(self, done: LabelDone) -> LabelDone:
        """The answer, with its label let in or kept out by the limit of this desk."""
        if self._limit is None:
            return done
        frame = self._frames[done.label_id]
        return LabelDone(done.label_id, self._limit(frame).judged(done.result, frame))

    def _is_final(self, done: LabelDone) -> bool:
        """Whether the learner is to hear of this answer. If not, the label is held, or asked for again."""
        self._patience.calm()
        self._in_flight.ended(done.label_id)
        if isinstance(done.result, Label):
            self._n_in_row = 0
            self._in_flight.labelled(self._frames[done.label_id].system, done.result.wall_s)
            self._ask_again()
            return True
        if self._stopped is not None:
            return False
        if done.result.reason is FailureReason.NOT_STARTED:
            self._hold(done.label_id)
            return False
        return self._is_given_up(done.label_id, done.result)

    def _is_given_up(self, label_id: int, failure: LabelFailure) -> bool:
        """Do about a failed attempt what the table says; True when no other is made."""
        remedy = REMEDIES[failure.reason]
        self._n_in_row = 0 if remedy.n_in_row is None else self._n_in_row + 1
        if failure.reason is FailureReason.WORKER_LOST and (outlook := self._pool.outlook()).is_dead:
            self._stopped = pool_dead(outlook.words)
            return False
        is_place = remedy.n_in_row is not None and self._n_in_row >= remedy.n_in_row
        n_alike = 1 + sum(earlier.reason is failure.reason for earlier in self._store.failures_of(label_id))
        if not is_place and remedy.n_attempts is not None and n_alike >= remedy.n_attempts:
            return True
        with self._store.transaction():
            self._store.add_failure(label_id, failure)
            self._store.resubmit(label_id)
        self._n_failures[label_id] += 1
        if not is_place:
            diary.warning(
                "%s %d  %s, and is asked for again: %s", self._called, label_id, failure.reason, failure.message
            )
            self.send(label_id)
        elif self._in_flight.n_computing:
            # Workers elsewhere may be sound. One that fails its labels at once would take this one again and again.
            self._put_off.add(label_id)
            diary.warning(
                "%s %d  %s, and is asked for again when another %s has come: %s",
                *(self._called, label_id, failure.reason, self._called, failure.message),
            )
        else:
            self._stopped = CampaignStopped(
                f"{self._n_in_row} labels in a row could not be computed because of their workers "
                f"({failure.reason}: {failure.message}). No structure is to blame: mend what is wrong there, then the "
                "same command goes on, and what was in flight is computed again"
            )
        return False

    def _ask_again(self) -> None:
        """Send what was put off."""
        while self._put_off:
            self.send(self._put_off.pop())

    def _hold(self, label_id: int) -> None:
        """Leave a label in the books for the next session."""
        self._held.add(label_id)
        usual_s = self._in_flight.longest_s(self._frames[label_id].system) or 0.0
        diary.info(
            "%s %d  waits for the next session: it may take %s, and the campaign leaves before that",
            *(self._called, label_id, about(usual_s)),
        )

    def _look(self) -> list[LabelDone]:
        """Take note of workers that were lost; now and then of labels that take too long.

        Returns
        -------
        list of LabelDone
            Results that lie in their folders: a worker that is lost at the wrong moment has no time to report them.
        """
        if (n_lost := self._pool.n_lost) > self._n_lost:
            self._store.append_journal(WORKERS_LOST, {"n": n_lost - self._n_lost})
            self._n_lost = n_lost
        if time.monotonic() - self._looked < self._look_s:
            return []
        self._looked = time.monotonic()
        for slow in self._in_flight.newly_slow():
            diary.warning("%s %s", self._called, slow)
            self._store.append_journal(SLOW_LABEL, dataclasses.asdict(slow))
        found = [(label_id, read_finished(self._job(label_id))) for label_id in self._in_flight.label_ids]
        unreported = [LabelDone(label_id, result) for label_id, result in found if result is not None]
        for done in unreported:
            self._pool.withdraw(done.label_id)
            self._unreported.add(done.label_id)
        return unreported

    def _job(self, label_id: int) -> LabelJob:
        frame, ends_at = self._frames[label_id], self._departure.ends_at
        longest_s = None if ends_at is None else self._in_flight.longest_s(frame.system)
        start_before = None if ends_at is None or longest_s is None else ends_at - longest_s
        return LabelJob(
            label_id,
            frame,
            self._folder.label(label_id),
            1 + self._n_failures[label_id],
            start_before=start_before,
            is_revocable=self._is_revocable,
        )
