"""A pool without workers: it answers what it is told, when it is told."""

from collections.abc import Callable
from typing import Final

import numpy as np

from aims_pax.frame import FailureReason, Label, LabelFailure
from aims_pax.labelling.worker import carry_out
from aims_pax.protocols import LabelDone, LabelJob, PoolOutlook, Reference

Answer = Callable[[LabelJob], Label | LabelFailure]
"""What becomes of a job; asked as soon as it is submitted."""

Delay = Callable[[LabelJob], int | None]
"""After how many calls of :meth:`ScriptedPool.collect` a job is answered, the next one being 1; None: not by itself."""

ALL_WELL: Final = PoolOutlook("one worker, which obeys", is_dead=False)


def at_once(job: LabelJob) -> int:
    """Answered by the next call."""
    return 1


def labelled(job: LabelJob) -> Label:
    """A label of -1 eV without forces, after 3 s."""
    return Label(-1.0, np.zeros((job.frame.n_atoms, 3)), None, "scripted", 3.0)


def failing(reason: FailureReason, *, times: int | None = None, then: Answer = labelled) -> Answer:
    """Fails so many times for each label (None: always), and then answers otherwise."""

    def answer(job: LabelJob) -> Label | LabelFailure:
        if times is None or job.attempt <= times:
            return LabelFailure(reason, "as it was told")
        return then(job)

    return answer


def computing(reference: Reference, *, want_stress: bool = False) -> Answer:
    """Computes each label as a worker does, which leaves its result in the job's folder."""

    def answer(job: LabelJob) -> Label | LabelFailure:
        return carry_out(reference, job, want_stress=want_stress)

    return answer


class ScriptedPool:
    """Answers jobs as it is told and after as many calls as it is told; keeps the jobs that it was given.

    It never sleeps: a call that may wait goes on to the moment when the next answer is due. One that would wait for
    ever is a mistake of the test, and says so.

    Parameters
    ----------
    answer : callable
        What becomes of a job. A worker that is lost is counted in :attr:`n_lost`.
    delay : callable
        When that becomes known. Labels with different delays arrive in another order than they were asked for.
    outlook : PoolOutlook
    """

    def __init__(self, answer: Answer = labelled, *, delay: Delay = at_once, outlook: PoolOutlook = ALL_WELL) -> None:
        self._answer, self._delay, self._outlook = answer, delay, outlook
        self._due: dict[int, tuple[int | None, LabelDone]] = {}
        self.in_flight: dict[int, LabelJob] = {}
        """Jobs that are not answered yet, by their labels."""
        self._n_calls = 0
        self._is_woken = False
        self.n_lost = 0
        """Answers so far that a worker was lost; a test may add those of which nothing was heard."""
        self.jobs: list[LabelJob] = []
        """All jobs that it was given, in their order."""
        self.withdrawn: list[int] = []
        """Labels that the campaign no longer waited for."""
        self.is_closed = False

    @property
    def n_in_flight(self) -> int:
        """Labels submitted and not yet collected."""
        return len(self._due)

    def submit(self, job: LabelJob) -> None:
        """Take a job, and find out at once what is to become of it."""
        self.jobs.append(job)
        result = self._answer(job)
        if isinstance(result, LabelFailure) and result.reason is FailureReason.WORKER_LOST:
            self.n_lost += 1
        delay = self._delay(job)
        due = None if delay is None else self._n_calls + delay
        self.in_flight[job.label_id] = job
        self._due[job.label_id] = (due, LabelDone(job.label_id, result))

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that is due by this call; if it may wait, at least one answer."""
        self._n_calls += 1
        moments = [due for due, _ in self._due.values() if due is not None]
        was_woken, self._is_woken = self._is_woken, False
        if timeout_s != 0 and not was_woken and moments:
            self._n_calls = max(self._n_calls, min(moments))
        if timeout_s is None and not was_woken and self._due and not moments:
            raise AssertionError(f"this would wait for ever: labels {sorted(self._due)} are not answered by themselves")
        arrived = [label_id for label_id, (due, _) in self._due.items() if due is not None and due <= self._n_calls]
        arrived.sort(key=lambda label_id: self._due[label_id][0] or 0)
        return [self._taken(label_id) for label_id in arrived]

    def answer(self, label_id: int, result: Label | LabelFailure | None = None) -> None:
        """Let a job that is not answered by itself be answered by the next call, by another result if one is given."""
        _, known = self._due[label_id]
        self._due[label_id] = (self._n_calls + 1, known if result is None else LabelDone(label_id, result))

    def withdraw(self, label_id: int) -> None:
        """Wait no longer for a label: its result was found otherwise."""
        self.withdrawn.append(label_id)
        if label_id in self._due:
            self._taken(label_id)

    def wake(self) -> None:
        """Make the next :meth:`collect` return at once."""
        self._is_woken = True

    def outlook(self) -> PoolOutlook:
        """As it was told."""
        return self._outlook

    def close(self) -> None:
        """Forget what was not collected."""
        self._due.clear()
        self.in_flight.clear()
        self.is_closed = True

    def _taken(self, label_id: int) -> LabelDone:
        del self.in_flight[label_id]
        return self._due.pop(label_id)[1]
