"""A pool without workers: every label is computed in the campaign's own process, at the moment it is asked for."""

from aims_pax.frame import LabelFailure
from aims_pax.labelling.result import discard
from aims_pax.labelling.worker import carry_out
from aims_pax.protocols import LabelDone, LabelJob, PoolOutlook, Reference


class InlinePool:
    """Labels one after the other, in this process.

    Parameters
    ----------
    reference : Reference
    want_stress : bool
        Ask for stress where the structure is periodic and the method has it.
    keep_files : bool
        Keep what the engine wrote for labels that succeeded, too.
    """

    def __init__(self, reference: Reference, *, want_stress: bool, keep_files: bool = False) -> None:
        self._reference = reference
        self._want_stress = want_stress
        self._keep_files = keep_files
        self._done: list[LabelDone] = []
        self._is_woken = False
        self.n_lost = 0
        """None is lost but with the campaign itself."""

    @property
    def n_in_flight(self) -> int:
        """Labels submitted and not yet collected."""
        return len(self._done)

    def submit(self, job: LabelJob) -> None:
        """Compute the label now; not any more after :meth:`wake`.

        A failure that comes when the campaign is to leave is forgotten: Ctrl-C in a terminal ends its engine, too.
        """
        if self._is_woken:
            return
        result = carry_out(self._reference, job, want_stress=self._want_stress, keep_files=self._keep_files)
        if self._is_woken and isinstance(result, LabelFailure):
            discard(job.folder)
            return
        self._done.append(LabelDone(job.label_id, result))

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything computed since the last call; never waits, because nothing is ever under way."""
        done, self._done = self._done, []
        return done

    def withdraw(self, label_id: int) -> None:
        """Forget the answer to a label."""
        self._done = [done for done in self._done if done.label_id != label_id]

    def wake(self) -> None:
        """Begin no further label: the campaign is about to leave, and asks for them when it goes on."""
        self._is_woken = True

    def outlook(self) -> PoolOutlook:
        """There is always hope: this process is the worker."""
        return PoolOutlook("labels are computed by the campaign itself, one after the other", is_dead=False)

    def close(self) -> None:
        """Forget what was not collected; its results are in the jobs' folders."""
        self._done = []
