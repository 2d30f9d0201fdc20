"""One pool that several desks ask at the same time."""

import time
from dataclasses import replace

from aims_pax.protocols import LabelDone, LabelJob, Pool, PoolOutlook


class SharedPool:
    """Gives each of several desks a share of one pool: all use its workers, each hears of its own jobs alone.

    Parameters
    ----------
    pool : Pool
        Asked by nobody else from now on.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._owners: dict[int, tuple[PoolShare, int]] = {}
        self._n_submitted = 0

    def share(self) -> "PoolShare":
        """A pool for one more desk."""
        return PoolShare(self)

    def submit(self, job: LabelJob, owner: "PoolShare") -> int:
        """Submit a job under a number that no other has, which is the result."""
        self._n_submitted += 1
        self._owners[self._n_submitted] = owner, job.label_id
        self.pool.submit(replace(job, label_id=self._n_submitted))
        return self._n_submitted

    def collect(self, *, timeout_s: float | None) -> bool:
        """Hand everything that has finished to its owners; whether there was anything."""
        done = self.pool.collect(timeout_s=timeout_s)
        for one in done:
            owner, label_id = self._owners.pop(one.label_id)
            owner.hear(LabelDone(label_id, one.result))
        return bool(done)

    def withdraw(self, number: int) -> None:
        """Wait no longer for a job."""
        del self._owners[number]
        self.pool.withdraw(number)


class PoolShare:
    """What one desk sees of a pool; made by :meth:`SharedPool.share`. Closing it leaves the pool to the others."""

    def __init__(self, shared: SharedPool) -> None:
        self._shared = shared
        self._numbers: dict[int, int] = {}
        self._done: list[LabelDone] = []

    @property
    def n_in_flight(self) -> int:
        """Labels submitted here and not yet collected."""
        return len(self._numbers) + len(self._done)

    @property
    def n_lost(self) -> int:
        """Attempts of the whole pool that were lost with their workers so far."""
        return self._shared.pool.n_lost

    def submit(self, job: LabelJob) -> None:
        """Start a label as soon as there is room."""
        self._numbers[job.label_id] = self._shared.submit(job, self)

    def hear(self, done: LabelDone) -> None:
        """Keep an answer until it is collected."""
        del self._numbers[done.label_id]
        self._done.append(done)

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything of this share that has finished; see :class:`aims_pax.protocols.Pool` for how long it waits."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._numbers:
            left_s = 0.0 if self._done else None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._shared.collect(timeout_s=left_s):
                break
        done, self._done = self._done, []
        return done

    def withdraw(self, label_id: int) -> None:
        """Wait no longer for a label."""
        if label_id in self._numbers:
            self._shared.withdraw(self._numbers.pop(label_id))
        self._done = [done for done in self._done if done.label_id != label_id]

    def wake(self) -> None:
        """Make a collect of the pool return at once, whoever waits."""
        self._shared.pool.wake()

    def outlook(self) -> PoolOutlook:
        """What may be hoped for from the whole pool."""
        return self._shared.pool.outlook()

    def close(self) -> None:
        """Wait for nothing of this share any more."""
        for label_id in [*self._numbers, *(done.label_id for done in self._done)]:
            self.withdraw(label_id)
