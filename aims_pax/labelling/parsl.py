"""A pool on Parsl's workers: on this machine, or on blocks that a batch system lends."""

import logging
import pickle
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from parsl.app.app import python_app
from parsl.config import Config
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors import HighThroughputExecutor

from aims_pax.frame import FailureReason, LabelFailure
from aims_pax.labelling.configuration import guard
from aims_pax.labelling.result import decode
from aims_pax.labelling.worker import label_on_worker
from aims_pax.protocols import LabelDone, LabelJob
from aims_pax.settings.reference import ReferencesBySystem, ReferenceSettings

log = logging.getLogger(__name__)

CLOSING_S: Final = 30.0
"""How long Parsl may take to clean up before its processes are ended without asking."""


class ParslPool:
    """Labels on Parsl's workers.

    Every submitted job is answered exactly once: by its label, by the failure of its calculation, or, when Parsl has
    lost it more often than it may retry, by a failure with the reason WORKER_LOST.

    Parameters
    ----------
    settings : ReferenceSettings or ReferencesBySystem
        What the workers build their reference from. Sent instead of the reference, which can't be pickled.
    config : Config
        A configuration that was not used before. Its log folder and its interchange are set to the campaign's.
    want_stress : bool
        Ask for stress where the structure is periodic and the method has it.
    run_dir : Path
        Where Parsl keeps its logs.
    keep_files : bool
        Keep what the engine wrote for labels that succeeded, too.
    """

    def __init__(
        self,
        settings: ReferenceSettings | ReferencesBySystem,
        config: Config,
        *,
        want_stress: bool,
        run_dir: Path,
        keep_files: bool = False,
    ) -> None:
        logging.getLogger("parsl").propagate = False  # it has files of its own; the campaign's diary is for people
        self._settings = pickle.dumps(settings)
        self._want_stress = want_stress
        self._keep_files = keep_files
        self._jobs: dict[int, LabelJob] = {}
        self._arrived: queue.SimpleQueue[LabelDone] = queue.SimpleQueue()
        self._lost: str | None = None
        self._kernel = ParslKernel(guard(config, run_dir.resolve()), on_loss=self._give_up)
        self._task = python_app(label_on_worker, data_flow_kernel=self._kernel.parsl)

    @property
    def n_in_flight(self) -> int:
        """Labels submitted and not yet collected."""
        return len(self._jobs)

    def submit(self, job: LabelJob) -> None:
        """Queue one label for the workers."""
        job = replace(job, folder=job.folder.resolve())  # a worker may have another working directory
        self._jobs[job.label_id] = job
        if self._lost is not None:
            self._arrived.put(LabelDone(job.label_id, LabelFailure(FailureReason.WORKER_LOST, self._lost)))
            return
        future = self._task(self._settings, job, self._want_stress, self._keep_files)
        # Parsl calls back in the thread that receives all results: no more than a queue's put may happen there.
        future.add_done_callback(partial(self._note, job))

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that has finished; see :class:`aims_pax.protocols.Pool` for how long it waits."""
        done: list[LabelDone] = []
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._jobs:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                answer = self._arrived.get_nowait() if done else self._arrived.get(timeout=left)
            except queue.Empty:
                break
            # A job given up when the interchange ended may be answered a second time by its own future.
            if self._jobs.pop(answer.label_id, None) is not None:
                done.append(answer)
        return done

    def close(self) -> None:
        """End all workers; what is in flight is forgotten. Returns within about half a minute, whatever happened."""
        self._jobs.clear()
        self._kernel.close()

    def _note(self, job: LabelJob, future: "Future[bytes]") -> None:
        error = future.exception()
        if error is None:
            result = decode(future.result(), job.frame)
            answer = result or LabelFailure(FailureReason.WORKER_LOST, "the worker's answer arrived damaged")
        else:
            # The worker's entry catches everything, so that an exception here is Parsl's own: a lost worker or
            # block, an executor that has given up, a task that could not be sent.
            answer = LabelFailure(FailureReason.WORKER_LOST, f"{type(error).__name__}: {error}", str(job.folder))
        self._arrived.put(LabelDone(job.label_id, answer))

    def _give_up(self, message: str) -> None:
        """Answer all that is in flight: the interchange has ended, and Parsl would never do it."""
        self._lost = message
        log.error("%s", message)
        for label_id, job in list(self._jobs.items()):
            failure = LabelFailure(FailureReason.WORKER_LOST, message, str(job.folder))
            self._arrived.put(LabelDone(label_id, failure))


class ParslKernel:
    """One running Parsl, started and ended in a thread of its own.

    The kernel kills the interchange when the *thread* that started it ends, so that thread must live exactly as long
    as the pool, whichever thread makes the pool.

    Parameters
    ----------
    config : Config
    on_loss : callable
        Called with a message, in another thread, when an interchange ends although nobody asked it to.
    """

    def __init__(self, config: Config, *, on_loss: Callable[[str], None]) -> None:
        self._config = config
        self._on_loss = on_loss
        self._ready: queue.SimpleQueue[DataFlowKernel | BaseException] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._broken = threading.Event()
        self._thread = threading.Thread(target=self._live, name="aims-pax-parsl", daemon=True)
        self._thread.start()
        started = self._ready.get()
        if isinstance(started, BaseException):
            raise started
        self.parsl = started

    def close(self) -> None:
        """End Parsl, its interchange and its blocks; by force when it does not end by itself."""
        self._closing.set()
        # Without its interchange, Parsl waits for an answer that never comes.
        self._thread.join(1.0 if self._broken.is_set() else CLOSING_S)
        if self._thread.is_alive() and not self._broken.is_set():
            log.warning("Parsl did not finish within %g s; its processes are ended now", CLOSING_S)
        for executor in self._interchanges():
            if executor.interchange_proc.poll() is None:
                executor.interchange_proc.kill()
            _cancel_blocks(executor)

    def _live(self) -> None:
        """Start Parsl, wait until it is to be closed, and close it: the life of the thread."""
        try:
            parsl = DataFlowKernel(self._config)
        except BaseException as error:  # handed to the thread that waits for the start, and raised there
            self._ready.put(error)
            return
        self._ready.put(parsl)
        for executor in self._interchanges():
            threading.Thread(target=self._watch, args=(executor,), name="aims-pax-interchange", daemon=True).start()
        self._closing.wait()
        # Parsl closes its sockets under the threads that still hand tasks over, which aborts the whole process (zmq's
        # assertion in signaler.cpp, one time in three after a thousand submits). So these threads finish first.
        parsl._task_launch_pool.shutdown(wait=True, cancel_futures=True)
        parsl.cleanup()

    def _watch(self, executor: HighThroughputExecutor) -> None:
        """Wait for the end of an interchange, which Parsl itself does not notice."""
        code = executor.interchange_proc.wait()
        if not self._closing.is_set():
            self._broken.set()
            self._on_loss(
                f"Parsl's interchange of executor {executor.label} ended unexpectedly (exit code {code}); no more "
                "labels can be computed. Start the campaign again to continue; nothing that was labelled is lost."
            )

    def _interchanges(self) -> list[HighThroughputExecutor]:
        return [
            executor
            for executor in self._config.executors
            if isinstance(executor, HighThroughputExecutor) and executor.interchange_proc is not None
        ]


def _cancel_blocks(executor: HighThroughputExecutor) -> None:
    """Cancel the blocks that Parsl left running; it cancels none when its executor is in a bad state."""
    blocks = executor.blocks_to_job_id
    left = [
        blocks[block] for block, status in executor.status_facade.items() if block in blocks and not status.terminal
    ]
    if left:
        executor.provider.cancel(left)
