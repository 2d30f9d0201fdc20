"""A pool without workers: every label is computed in the campaign's own process, at the moment it is asked for."""

from aims_pax.labelling.worker import carry_out
from aims_pax.protocols import LabelDone, LabelJob, Reference


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

    @property
    def n_in_flight(self) -> int:
        """Labels submitted and not yet collected."""
        return len(self._done)

    def submit(self, job: LabelJob) -> None:
        """Compute the label now."""
        result = carry_out(self._reference, job, want_stress=self._want_stress, keep_files=self._keep_files)
        self._done.append(LabelDone(job.label_id, result))

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything computed since the last call; never waits, because nothing is ever under way."""
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        """Forget what was not collected; its results are in the jobs' folders."""
        self._done = []
