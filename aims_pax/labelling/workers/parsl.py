"""A pool on Parsl's workers: on this machine, or on blocks that a batch system lends."""

import logging
import pickle
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from parsl.app.app import python_app
from parsl.config import Config
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors import HighThroughputExecutor

from aims_pax.errors import PoolDead, Problem, SettingsError
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.result import decode
from aims_pax.labelling.worker import label_on_worker
from aims_pax.labelling.workers.blocks import BlockQueue, Ledger, cancel_command
from aims_pax.labelling.workers.configuration import CountedLosses, GuardedExecutor, guard
from aims_pax.labelling.workers.outlook import BlockOutlook
from aims_pax.labelling.workers.probe import await_probes, look_around
from aims_pax.protocols import LabelDone, LabelJob, PoolOutlook
from aims_pax.reference.process.leash import ending
from aims_pax.settings.methods.reference import ReferencesBySystem, ReferenceSettings

log = logging.getLogger(__name__)
diary = logging.getLogger("aims_pax.labels")

LAST_WORDS_S: Final = 1.0
"""How long the last message of an interchange may take, which says why it ends."""

LOOK_S: Final = 0.2
"""How often an interchange is looked at until Parsl has started."""

CLOSING_S: Final = 12.0
"""How long Parsl may take to clean up before its processes are ended without asking. With the end of the present step
and what comes after, a campaign that was asked to leave has half a minute."""


class ParslPool:
    """Labels on Parsl's workers.

    Every submitted job is answered exactly once: by its label, by the failure of its calculation, or, when Parsl has
    lost it more often than it may retry, by a failure with the reason WORKER_LOST.

    Parameters
    ----------
    settings : ReferenceSettings or ReferencesBySystem
        What the workers build their reference from. Sent instead of the reference, which can't be pickled.
    config : Config
        A configuration that was not used before. It is fitted to the campaign; see
        :func:`aims_pax.labelling.workers.configuration.guard`.
    want_stress : bool
        Ask for stress where the structure is periodic and the method has it.
    run_dir : Path
        Where Parsl keeps its logs.
    keep_files : bool
        Keep what the engine wrote for labels that succeeded, too.
    executors : mapping of str to str
        Labels of the executors that compute the labels of each system. Systems that are not named, or all when there
        is no mapping, go to the first executor of the configuration.
    priorities : mapping of str to int
        Of systems: labels of the higher number are begun first. 0 for those that are not named; with no mapping, first
        come, first served.
    """

    def __init__(
        self,
        settings: ReferenceSettings | ReferencesBySystem,
        config: Config,
        *,
        want_stress: bool,
        run_dir: Path,
        keep_files: bool = False,
        executors: Mapping[str, str] | None = None,
        priorities: Mapping[str, int] | None = None,
    ) -> None:
        logging.getLogger("parsl").propagate = False  # it has files of its own; the campaign's diary is for people
        self._settings = pickle.dumps(settings)
        self._want_stress = want_stress
        self._keep_files = keep_files
        self._jobs: dict[int, LabelJob] = {}
        self._arrived: queue.SimpleQueue[tuple[LabelJob, Future[bytes] | None] | None] = queue.SimpleQueue()
        self._lost: str | None = None
        self._kernel = ParslKernel(guard(config, run_dir.resolve()), on_loss=self._give_up)
        self._executors, self._priorities = executors or {}, priorities or {}
        self._first = config.executors[0].label
        self._tasks = {
            executor.label: python_app(label_on_worker, data_flow_kernel=self._kernel.parsl, executors=[executor.label])
            for executor in config.executors
        }

    @property
    def n_in_flight(self) -> int:
        """Labels submitted and not yet collected."""
        return len(self._jobs)

    @property
    def n_lost(self) -> int:
        """Attempts that were lost with their workers so far, also those that Parsl began again by itself."""
        return self._kernel.n_lost

    def probe(self, samples: Sequence[Frame], folder: Path, *, free_mb: int = 0) -> None:
        """Wait until workers of every executor in use have shown that they can compute labels.

        Parameters
        ----------
        samples : sequence of Frame
            One of each system.
        folder : Path
            Where calculations will write.
        free_mb : int
            Free disk that they need, MB.

        Raises
        ------
        SettingsError
            They can't, or no workers can be had; with the words of the worker or of the batch system.
        """
        by_executor: dict[str, list[Frame]] = {}
        for frame in samples:
            by_executor.setdefault(self._executors.get(frame.system, self._first), []).append(frame)
        probes = {}
        for label, frames in by_executor.items():
            task = python_app(look_around, data_flow_kernel=self._kernel.parsl, executors=[label])
            probes[label] = task(self._settings, frames, folder.resolve(), free_mb=free_mb)
        queues = {queue.executor.label: queue for queue in self._kernel.queues}
        if any(queue.is_batch for queue in queues.values()):
            diary.info("the first job of each executor is awaited, to see whether labels can be computed there")
        for label, found in await_probes(probes, queues, lost=lambda: self._lost).items():
            diary.info("executor %s computes labels: host %s, Python %s", label, found.host, found.python)
            self._kernel.settle(label)

    def submit(self, job: LabelJob) -> None:
        """Queue one label for the workers."""
        job = replace(job, folder=job.folder.resolve())  # a worker may have another working directory
        self._jobs[job.label_id] = job
        if self._lost is not None:
            self._arrived.put((job, None))
            return
        task = self._tasks[self._executors.get(job.frame.system, self._first)]
        future = task(
            self._settings, job, self._want_stress, self._keep_files, **self._place_in_queue(job.frame.system)
        )
        # Parsl calls back in the thread that receives all results: no more than a queue's put may happen there.
        future.add_done_callback(partial(self._note, job))

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that has finished; see :class:`aims_pax.protocols.Pool` for how long it waits."""
        done: list[LabelDone] = []
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._jobs:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                arrived = self._arrived.get_nowait() if done else self._arrived.get(timeout=left)
            except queue.Empty:
                break
            if arrived is None:
                break
            job, future = arrived
            # A job that was given up, or withdrawn and perhaps submitted anew, may still be answered by its own future.
            if self._jobs.get(job.label_id) is job:
                del self._jobs[job.label_id]
                done.append(LabelDone(job.label_id, self._answer(job, future)))
        return done

    def withdraw(self, label_id: int) -> None:
        """Wait no longer for a label; what its task still answers is ignored."""
        self._jobs.pop(label_id, None)

    def wake(self) -> None:
        """Make a collect that waits, or the next one that would, return at once."""
        self._arrived.put(None)

    def outlook(self) -> PoolOutlook:
        """What may be hoped for from the workers; asks the batch system."""
        return PoolOutlook(self._lost, is_dead=True) if self._lost is not None else self._kernel.outlook()

    def close(self) -> None:
        """End all workers; what is in flight is forgotten. Returns within a quarter of a minute, whatever happened."""
        self._jobs.clear()
        self._kernel.close()

    def _place_in_queue(self, system: str) -> dict[str, dict[str, int]]:
        """Parsl's interchange serves the lowest number first, and tasks without one last."""
        if not self._priorities:
            return {}
        return {"parsl_resource_specification": {"priority": -self._priorities.get(system, 0)}}

    def _note(self, job: LabelJob, future: "Future[bytes]") -> None:
        self._arrived.put((job, future))

    def _answer(self, job: LabelJob, future: "Future[bytes] | None") -> Label | LabelFailure:
        """What became of a job whose future is done, or that was given up and has none."""
        if future is None:
            message = self._lost or ""
        elif (error := future.exception()) is not None:
            # The worker's entry catches everything, so that an exception here is Parsl's own: a lost worker or
            # block, an executor that has given up, a task that could not be sent.
            message = f"{type(error).__name__}: {error}"
        elif (result := decode(future.result(), job.frame)) is not None:
            return result
        else:
            message = "the worker's answer arrived damaged"
        return LabelFailure(FailureReason.WORKER_LOST, message, str(job.folder))

    def _give_up(self, message: str) -> None:
        """Answer all that is in flight: the interchange has ended, and Parsl would never do it."""
        self._lost = message
        log.error("%s", message)
        for job in list(self._jobs.values()):
            self._arrived.put((job, None))


class ParslKernel:
    """One running Parsl, started and ended in a thread of its own.

    The kernel kills the interchange when the *thread* that started it ends, so that thread must live exactly as long
    as the pool, whichever thread makes the pool.

    Parameters
    ----------
    config : Config
    on_loss : callable
        Called with a message, in another thread, when an interchange ends although nobody asked it to.

    Raises
    ------
    SettingsError
        Parsl can't start with this configuration.
    """

    def __init__(self, config: Config, *, on_loss: Callable[[str], None]) -> None:
        self._config = config
        self._on_loss = on_loss
        config.retry_handler = self._losses = CountedLosses(config.retry_handler)
        blocks = [executor for executor in config.executors if getattr(executor, "provider", None) is not None]
        in_batch = any(cancel_command(executor.provider) for executor in blocks)
        self._ledger = Ledger(Path(config.run_dir)) if in_batch else None
        if self._ledger is not None and self._ledger.n_left_over:
            diary.info("%d batch jobs of an earlier run that was killed were cancelled", self._ledger.n_left_over)
        self.queues = tuple(BlockQueue(executor, self._ledger) for executor in blocks)
        self._outlook = BlockOutlook(self.queues)
        self._ready: queue.SimpleQueue[DataFlowKernel | BaseException] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._broken = threading.Event()
        self._thread = threading.Thread(target=self._live, name="aims-pax-parsl", daemon=True)
        self._thread.start()
        try:
            self.parsl = self._started()
        except BaseException:  # Ctrl-C, too
            self._broken.set()
            self.close()
            raise
        self._outlook.start()

    @property
    def n_lost(self) -> int:
        """Attempts that were lost with their workers or blocks."""
        return self._losses.n_lost

    def outlook(self) -> PoolOutlook:
        """What may be hoped for from the blocks."""
        return self._outlook.outlook()

    def settle(self, label: str) -> None:
        """Ask the batch system less often, now that workers of this executor have been seen."""
        executor = self.parsl.executors[label]
        if isinstance(executor, GuardedExecutor):
            executor.polls_often = False

    def close(self) -> None:
        """End Parsl, its interchange and its blocks; by force when it does not end by itself."""
        self._closing.set()
        self._outlook.close()
        # Without its interchange, Parsl waits for an answer that never comes.
        self._thread.join(1.0 if self._broken.is_set() else CLOSING_S)
        if self._thread.is_alive() and not self._broken.is_set():
            log.warning("Parsl did not finish within %g s; its processes are ended now", CLOSING_S)
        cancelled = [_cancel_blocks(queue.executor) for queue in self.queues]
        for executor in self._interchanges():
            if executor.interchange_proc.poll() is None:
                executor.interchange_proc.kill()
        # A Parsl that hangs might still submit.
        self._close_ledger(all_cancelled=all(cancelled) and not self._thread.is_alive())

    def _close_ledger(self, *, all_cancelled: bool) -> None:
        if self._ledger is not None:
            self._ledger.close(all_cancelled=all_cancelled)

    def _started(self) -> DataFlowKernel:
        """Parsl, as soon as it runs. It would wait two minutes for an interchange that has ended.

        Raises
        ------
        PoolDead
            Its interchange has ended.
        SettingsError
            The configuration can't be used.
        """
        started: DataFlowKernel | BaseException | None = None
        while started is None:
            with suppress(queue.Empty):
                started = self._ready.get(timeout=LOOK_S)
            ended = next((each for each in self._interchanges() if each.interchange_proc.poll() is not None), None)
            if ended is not None and not isinstance(started, DataFlowKernel):
                why = "" if started is None else f" ({type(started).__name__}: {started})"
                raise PoolDead(
                    f"Parsl does not start: the interchange of executor {ended.label} has ended{why}. Is a port that "
                    f"the configuration names in use? Parsl's logs: {self._config.run_dir}"
                )
        if isinstance(started, BaseException):
            found = f"Parsl does not start: {type(started).__name__}: {started}."
            raise SettingsError(Problem("CLUSTER", found, "", f"Parsl's logs: {self._config.run_dir}.")) from started
        return started

    def _live(self) -> None:
        """Start Parsl, wait until it is to be closed, and close it: the life of the thread."""
        try:
            parsl = DataFlowKernel(self._config)
        except BaseException as error:  # handed to the one that waits for the start, and raised there
            self._ready.put(error)
            return
        self._ready.put(parsl)
        for executor in self._interchanges():
            threading.Thread(target=self._attend, args=(executor,), name="aims-pax-interchange", daemon=True).start()
        self._closing.wait()
        # Parsl closes its sockets under the threads that still hand tasks over, which aborts the whole process (zmq's
        # assertion in signaler.cpp, one time in three after a thousand submits). So these threads finish first.
        parsl._task_launch_pool.shutdown(wait=True, cancel_futures=True)
        parsl.cleanup()

    def _attend(self, executor: HighThroughputExecutor) -> None:
        """Wait for the end of an interchange, which Parsl itself does not notice."""
        code = executor.interchange_proc.wait()
        if self._closing.wait(LAST_WORDS_S):
            return
        self._broken.set()
        if executor.bad_state_is_set:
            self._on_loss(f"Parsl gave up the executor {executor.label}: {executor.executor_exception}")
            return
        how = ending(code).removeprefix("ended ")
        self._on_loss(f"Parsl's interchange of executor {executor.label} ended unexpectedly, {how}")

    def _interchanges(self) -> list[HighThroughputExecutor]:
        return [
            executor
            for executor in self._config.executors
            if isinstance(executor, HighThroughputExecutor) and executor.interchange_proc is not None
        ]


def _cancel_blocks(executor: Any) -> bool:
    """Cancel the blocks that Parsl left running; it cancels none when its executor is in a bad state.

    Returns whether the batch system has said that all are cancelled.
    """
    blocks = executor.blocks_to_job_id
    left = [
        blocks[block] for block, status in executor.status_facade.items() if block in blocks and not status.terminal
    ]
    try:
        return not left or all(executor.provider.cancel(left))
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the jobs %s of executor %s were not cancelled: %s", left, executor.label, error)
        return False
