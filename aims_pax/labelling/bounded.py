"""A pool whose workers are handed no more than so many labels at a time."""

from collections.abc import Mapping

from aims_pax.protocols import LabelDone, LabelJob, Pool, PoolOutlook


class BoundedPool:
    """Keeps labels back while as many as are allowed are with the workers of another pool, or in its queues.

    Parameters
    ----------
    pool : Pool
        Asked by nobody else from now on.
    max_in_flight : int
    priorities : mapping of system to int, or None
        Labels of systems with higher numbers go first; others, and those of one number, in their order.
    """

    def __init__(self, pool: Pool, max_in_flight: int, *, priorities: Mapping[str, int] | None = None) -> None:
        self._pool, self._max, self._priorities = pool, max_in_flight, priorities or {}
        self._waiting: dict[int, LabelJob] = {}

    @property
    def n_in_flight(self) -> int:
        """Labels submitted here and not yet collected."""
        return len(self._waiting) + self._pool.n_in_flight

    @property
    def n_lost(self) -> int:
        """Attempts that were lost with their workers so far."""
        return self._pool.n_lost

    def submit(self, job: LabelJob) -> None:
        """Hand a label on as soon as there is room."""
        self._waiting[job.label_id] = job
        self._fill()

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that has finished; see :class:`aims_pax.protocols.Pool` for how long it waits."""
        done = self._pool.collect(timeout_s=timeout_s)
        self._fill()
        return done

    def withdraw(self, label_id: int) -> None:
        """Wait no longer for a label."""
        if self._waiting.pop(label_id, None) is None:
            self._pool.withdraw(label_id)
            self._fill()

    def wake(self) -> None:
        """Make a collect that waits, or the next one that would, return at once."""
        self._pool.wake()

    def outlook(self) -> PoolOutlook:
        """What may be hoped for from the workers."""
        return self._pool.outlook()

    def close(self) -> None:
        """Release the workers; what is kept back is forgotten with what is in flight."""
        self._waiting.clear()
        self._pool.close()

    def _fill(self) -> None:
        while self._waiting and self._pool.n_in_flight < self._max:
            first = max(self._waiting.values(), key=lambda job: self._priorities.get(job.frame.system, 0))
            self._pool.submit(self._waiting.pop(first.label_id))
