"""What a waiting campaign says of its blocks: pending, refused, failed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from parsl.jobs.states import JobState

from aims_pax.labelling.blocks import BlockQueue, error_output

diary = logging.getLogger("aims_pax.labels")

LOOK_S: Final = 15.0
"""How often the watch looks at what Parsl knows anyway; it asks no batch system."""

FIRST_LINE_S, LONGEST_PAUSE_S = 60.0, 3600.0
"""When waiting is first worth a line, and the longest time until the next; the time between doubles."""


@dataclass(slots=True)
class _Seen:
    """What was said of one executor."""

    blocks: tuple[int, int] = (0, 0)
    refusal: str | None = None
    failed: set[str] = field(default_factory=set)
    waiting_since: float | None = None
    next_line_s: float = FIRST_LINE_S


class BlockWatch:
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
            if queue.refusal is not None and queue.refusal != seen.refusal:
                yield logging.WARNING, f"{name}: a job was refused, and is tried again: {queue.refusal}"
            seen.refusal = queue.refusal
            for block in queue.failed_blocks():
                if block not in seen.failed:
                    words = error_output(queue.executor, block) or "it left no error output"
                    yield logging.WARNING, f"{name}: block {block} came to nothing: {words}"
                seen.failed.add(block)
            yield from self._waiting(queue, seen, pending, n_running=blocks[0])

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
