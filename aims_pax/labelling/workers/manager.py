"""Parsl's manager of the workers of a node, whose workers may be killed at any instant.

Parsl's own workers take their tasks from one queue of :mod:`multiprocessing`. One that is killed while it waits there
(by the kernel, when memory runs out) takes the queue's lock along, and no worker of the node gets a task ever again;
and the task of one that is killed before it has noted that it has it is never heard of. Here each worker has a pipe of
its own, and a task is noted as its own before it is sent there.

Run as ``python -m aims_pax.labelling.workers.manager``, with the arguments of Parsl's ``process_worker_pool.py``.
"""

import os
import runpy
import sys
import threading
from collections import deque
from collections.abc import Callable, MutableMapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from queue import Empty
from typing import Any, Final

POOL: Final = "parsl.executors.high_throughput.process_worker_pool"


class TaskQueue:
    """Tasks for the workers of a node; a worker that is started with it gets its :class:`WorkersEnd`.

    Parameters
    ----------
    book : callable
        Gives the tasks in progress by the numbers of their workers: by it, the tasks of lost workers are answered.
    """

    def __init__(self, book: Callable[[], MutableMapping[int, Any]]) -> None:
        self._book = book
        self._tasks: deque[Any] = deque()
        self._ends: dict[Connection, Connection] = {}
        self._idle: dict[Connection, int] = {}
        self._bell, self._rope = Pipe(duplex=False)
        threading.Thread(target=self._serve, name="aims-pax-tasks", daemon=True).start()

    def put(self, task: Any) -> None:
        """Give this to the next worker that is idle."""
        self._tasks.append(task)
        self._rope.send_bytes(b"task")

    def qsize(self) -> int:
        """Tasks that no worker has."""
        return len(self._tasks)

    def __reduce__(self) -> tuple[type["WorkersEnd"], tuple[Connection]]:
        ours, theirs = Pipe()
        self._ends[ours] = theirs
        self._rope.send_bytes(b"worker")
        return WorkersEnd, (theirs,)

    def _serve(self) -> None:
        while True:
            for end in wait([self._bell, *list(self._ends)]):
                self._hear(end)
            while self._tasks and self._idle:
                self._hand_out()

    def _hear(self, end: Any) -> None:
        if end is self._bell:
            end.recv_bytes()
            return
        try:
            self._idle[end] = end.recv()
        except (EOFError, OSError):
            self._forget(end)
        else:
            self._ends[end].close()  # as long as this process has it open, the worker's death is not heard

    def _hand_out(self) -> None:
        end = next(iter(self._idle))
        worker, task, book = self._idle.pop(end), self._tasks.popleft(), self._book()
        book[worker] = task
        try:
            end.send(task)
        except OSError:
            self._forget(end)
            if book.pop(worker, None) is not None:  # else it was answered as lost
                self._tasks.appendleft(task)

    def _forget(self, end: Connection) -> None:
        self._idle.pop(end, None)
        self._ends.pop(end).close()
        end.close()


class WorkersEnd:
    """The queue as one worker sees it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._has_asked = pipe, False

    def get(self, timeout: float | None = None) -> Any:
        """The next task; :class:`queue.Empty` when there is none in time (s)."""
        if not self._has_asked:
            self._pipe.send(int(os.environ["PARSL_WORKER_RANK"]))
            self._has_asked = True
        if not self._pipe.poll(timeout):
            raise Empty
        task, self._has_asked = self._pipe.recv(), False
        return task


if __name__ == "__main__":
    import signal
    from multiprocessing.managers import SyncManager

    from parsl.multiprocessing import SpawnContext

    from aims_pax.labelling.workers.manager import TaskQueue as Tasks  # by the name under which workers import it
    from aims_pax.reference.process.leash import ask_for_signal

    def of_tasks() -> Any:
        """The first queue that Parsl's manager makes is for tasks, the second for their results."""
        del SpawnContext.Queue
        return Tasks(lambda: sys.modules["__main__"].manager._tasks_in_progress)

    def book_keeper() -> SyncManager:
        """The process that keeps the tasks in progress; by itself it outlives a manager that is killed."""
        started = SyncManager(ctx=SpawnContext)
        started.start(ask_for_signal, (signal.SIGKILL,))
        return started

    SpawnContext.Queue, SpawnContext.Manager = of_tasks, book_keeper
    runpy.run_module(POOL, run_name="__main__", alter_sys=True)
