"""The engine's own process: it builds a reference once and labels one frame after the other until it is told to end.

Run as ``python -m aims_pax.reference.process.host [parallel]``, where `parallel` says that a launcher such as mpiexec
starts it several times: then all ranks label the same frames together, and rank 0 alone talks to the worker.

Requests arrive on standard input and answers leave on standard output, a line each. What engines and MPI print goes to
standard error, and what a launcher adds to standard output lacks the mark of our lines.
"""

import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from types import TracebackType
from typing import Any, Final

from aims_pax.reference.process.leash import SCRATCH
from aims_pax.reference.process.messages import MARK, SIZE_VARIABLES, Ready, as_line, of_line

LAST_MOMENTS_S: Final = 5.0
"""Time that an orderly end may take once nobody listens any more."""

POLL_S: Final = (0.0002, 0.01)
"""How long a rank that waits for work sleeps before it looks again, at first and at most; MPI's own waiting would keep
its core busy."""


class Alone:
    """A host that no launcher has multiplied."""

    rank = 0
    size = 1

    def share(self, message: Any) -> Any:
        """The message of rank 0."""
        return message


class MpiRanks:
    """The ranks that a launcher has started, by mpi4py."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._world = MPI.COMM_WORLD
        self.rank = self._world.Get_rank()
        self.size = self._world.Get_size()
        sys.excepthook = self._abort

    def share(self, message: Any) -> Any:
        """The message of rank 0, on all ranks. They wait for it without using their cores."""
        everybody = self._world.Ibarrier()
        pause_s, longest_s = POLL_S
        while not everybody.Test():
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)
        return self._world.bcast(message, root=0)

    def _abort(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """End all ranks: the others would wait for this one for ever."""
        traceback.print_exception(kind, error, trace)
        sys.stderr.flush()
        self._world.Abort(1)


class Listener:
    """The messages of a pipe, read by a thread: that the worker has gone shows also while an engine computes.

    Parameters
    ----------
    source : int
        File descriptor. Read without a buffer of Python's, whose lock would be missed at the end.
    """

    def __init__(self, source: int) -> None:
        self._source = source
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Any:
        """The next message; None when there will be no more.

        It is unpickled in the caller's thread: two threads that import the same packages at once can miss half of them.
        """
        line = self._lines.get()
        return None if line is None else of_line(line)

    def _listen(self) -> None:
        received = b""
        while arrived := os.read(self._source, 1 << 20):
            *lines, received = (received + arrived).split(b"\n")
            for line in lines:
                if MARK in line:
                    self._lines.put(line)
        self._lines.put(None)
        time.sleep(LAST_MOMENTS_S)
        os._exit(1)  # a code other than 0, so that a launcher ends the other ranks, too


def main(*, parallel: bool) -> None:
    """The life of a host."""
    if os.path.isdir(os.environ.get(SCRATCH, "")):
        tempfile.tempdir = os.environ[SCRATCH]
    # Engines and the programs that they start inherit 0, 1 and 2: they must neither read requests nor write answers.
    requests, answers = os.dup(0), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    ranks = MpiRanks() if parallel else Alone()
    problem = _world_problem(ranks.size) if parallel else None
    leader = ranks.rank == 0
    listener = Listener(requests) if leader else None
    if not leader:
        os.close(requests)  # srun copies requests to all ranks, and would wait for those who don't read them

    def next_message() -> Any:
        return ranks.share(None if listener is None else listener.next())

    def answer(message: object) -> None:
        if leader:
            answers.write(as_line(message))
            answers.flush()

    from aims_pax.reference.registry import build_engine

    reference = build_engine(next_message())
    answer(Ready(problem))
    while (request := next_message()) is not None:
        answer(request.carried_out(reference, rank=ranks.rank))


def _world_problem(size: int) -> str | None:
    """What to say when the launcher and the MPI library do not know each other."""
    started = next((int(os.environ[name]) for name in SIZE_VARIABLES if os.environ.get(name, "").isdigit()), size)
    if started == size:
        return None
    return (
        f"the launcher started {started} ranks, and each of them sees a world of {size}: the launcher and the MPI "
        "library of mpi4py belong to different installations. Use the mpiexec of the one that mpi4py loads."
    )


if __name__ == "__main__":
    from aims_pax.reference.process import host

    host.main(parallel="parallel" in sys.argv[1:])
