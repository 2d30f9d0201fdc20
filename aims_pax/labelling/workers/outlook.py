"""What a waiting campaign says of its blocks: pending, refused, failed, or gone for good."""

import logging
import queue as queues
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.errors import CommandClientBadError
from parsl.jobs.states import JobState
from zmq import ZMQError

from aims_pax.labelling.workers.blocks import BlockQueue, error_output
from aims_pax.protocols import PoolOutlook

diary = logging.getLogger("aims_pax.labels")

LOOK_S: Final = 15.0
"""How often the watch looks at what Parsl knows anyway; it asks no batch system."""

FIRST_LINE_S, LONGEST_PAUSE_S = 60.0, 3600.0
"""When waiting is first worth a line, and the longest time until the next; the time between doubles."""

EMPTY_S: Final = 120.0
"""An executor that has had labels but no block for so long, and that asks for none, will ask for none."""

CONNECTING_S: Final = 900.0
"""Workers of a block that has run for so long without being heard of will not be heard of."""

INTERCHANGE_S: Final = 10.0
"""How long an interchange may take to say which workers it knows."""


@dataclass(slots=True)
class _Seen:
    """What was said of one executor."""

    blocks: tuple[int, int] = (0, 0)
    refusal: str | None = None
    failed: set[str] = field(default_factory=set)
    running_since: float | None = None
    empty_since: float | None = None
    waiting_since: float | None = None
    next_line_s: float = FIRST_LINE_S


class BlockOutlook:
    """Writes into the diary what becomes of blocks, in a thread that sleeps most of the time.

    Parameters
    ----------
    queues : sequence of BlockQueue
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, queues: Sequence[BlockQueue], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._queues = {queue: _Seen() for queue in queues}
        self._clock = clock
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live, name="aims-pax-blocks", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()

    def _live(self) -> None:
        while not self._end.wait(LOOK_S):
            for level, line in self.news():
                diary.log(level, "%s", line)

    def news(self) -> Iterator[tuple[int, str]]:
        """Lines for the diary with their levels: what is new since the last call."""
        for queue, seen in self._queues.items():
            name = f"executor {queue.executor.label}"
            pending = queue.jobs(JobState.PENDING)
            blocks = (len(queue.jobs(JobState.RUNNING)), len(pending))
            if queue.is_batch and blocks != seen.blocks:
                yield logging.INFO, f"{name}: {blocks[0]} jobs run, {blocks[1]} are pending in the queue"
            seen.blocks = blocks
            self._time(queue, seen)
            if queue.refusal is not None and queue.refusal != seen.refusal:
                yield logging.WARNING, f"{name}: a job was refused, and is tried again: {queue.refusal}"
            seen.refusal = queue.refusal
            for block in queue.failed_blocks():
                if block not in seen.failed:
                    words = error_output(queue.executor, block) or "it left no error output"
                    yield logging.WARNING, f"{name}: block {block} came to nothing: {words}"
                seen.failed.add(block)
            yield from self._waiting(queue, seen, pending, n_running=blocks[0])

    def outlook(self) -> PoolOutlook:
        """What may be hoped for from the executors that have labels to compute, or that were given up."""
        found = [
            _outlook(queue, seen, now=self._clock())
            for queue, seen in self._queues.items()
            if queue.executor.outstanding() or queue.executor.bad_state_is_set
        ]
        words = "; ".join(one.words for one in found) or "no executor has labels to compute"
        return PoolOutlook(words, is_dead=bool(found) and all(one.is_dead for one in found))

    def _time(self, queue: BlockQueue, seen: _Seen) -> None:
        """Note since when blocks run, and since when labels have had no block and no hope of one."""
        n_running, n_pending = seen.blocks
        lies_idle = not (n_running or n_pending or queue.refusal) and bool(queue.executor.outstanding())
        seen.running_since = _since(seen.running_since, now=self._clock(), holds=n_running > 0)
        seen.empty_since = _since(seen.empty_since, now=self._clock(), holds=lies_idle)

    def _waiting(
        self, queue: BlockQueue, seen: _Seen, pending: list[str], *, n_running: int
    ) -> Iterator[tuple[int, str]]:
        """A line for labels that wait because no job of theirs has begun."""
        if n_running or not pending or not queue.executor.outstanding():
            seen.waiting_since, seen.next_line_s = None, FIRST_LINE_S
            return
        if seen.waiting_since is None:
            seen.waiting_since = self._clock()
        waited_s = self._clock() - seen.waiting_since
        if waited_s >= seen.next_line_s:
            seen.next_line_s = waited_s + min(waited_s, LONGEST_PAUSE_S)
            yield logging.INFO, waiting_line(queue, pending, waited_s)


def waiting_line(queue: BlockQueue, pending: list[str], waited_s: float) -> str:
    """``waiting: 2 jobs pending in the queue of executor dft since 5 min: Priority (other jobs come first)``."""
    jobs = f"{len(pending)} job{'s' if len(pending) != 1 else ''}"
    reason = queue.reason_pending(pending)
    minutes = round(waited_s / 60)
    since = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    return f"waiting: {jobs} pending in the queue of executor {queue.executor.label} since {since}" + (
        f": {reason}" if reason else ""
    )


def _since(before: float | None, *, now: float, holds: bool) -> float | None:
    """Since when something holds; None while it does not."""
    if not holds:
        return None
    return now if before is None else before


def _outlook(queue: BlockQueue, seen: _Seen, *, now: float) -> PoolOutlook:
    """What may be hoped for from one executor."""
    executor = queue.executor
    if executor.bad_state_is_set:
        return PoolOutlook(f"executor {executor.label} was given up: {executor.executor_exception}", is_dead=True)
    running, pending = queue.jobs(JobState.RUNNING), queue.jobs(JobState.PENDING)
    words = f"executor {executor.label}: {len(running)} blocks run, {len(pending)} are pending"
    if pending and (reason := queue.reason_pending(pending)):
        words += f" ({reason})"
    if queue.refusal is not None:
        words += f", another was refused and is asked for again ({queue.refusal})"
    if running or pending or queue.refusal is not None:
        # Parsl learns late that a block has begun; its workers are known at once.
        n_workers = _connected_workers(executor) if running or pending else None
        words += "" if n_workers is None else f", {n_workers} workers are connected"
        is_old = seen.running_since is not None and now - seen.running_since > CONNECTING_S
        return PoolOutlook(words, is_dead=n_workers == 0 and is_old and not pending and queue.refusal is None)
    failed = queue.failed_blocks()
    said = error_output(executor, failed[-1]) if failed else ""
    words += ", and none is asked for" + (f"; the last one that failed said: {said}" if said else "")
    return PoolOutlook(words, is_dead=seen.empty_since is not None and now - seen.empty_since > EMPTY_S)


def _connected_workers(executor: Any) -> int | None:
    """Workers that an executor's interchange knows; None when it does not answer, or does not count them.

    Parsl waits for that answer without end, so that another thread asks.
    """
    if not isinstance(executor, HighThroughputExecutor):
        return None
    answer: queues.SimpleQueue[int] = queues.SimpleQueue()

    def ask() -> None:
        with suppress(CommandClientBadError, ZMQError):
            answer.put(sum(node["worker_count"] for node in executor.connected_managers()))

    threading.Thread(target=ask, name="aims-pax-workers", daemon=True).start()
    try:
        return answer.get(timeout=INTERCHANGE_S)
    except queues.Empty:
        return None
