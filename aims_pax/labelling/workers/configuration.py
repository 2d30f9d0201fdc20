"""Parsl configurations: the guards that every campaign needs, the built-in local one, and those that users write."""

import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from contextlib import suppress
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from parsl.config import Config
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import HighThroughputExecutor
from parsl.executors.base import ParslExecutor
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.executors.high_throughput.executor import DEFAULT_INTERCHANGE_LAUNCH_CMD, DEFAULT_LAUNCH_CMD
from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher
from parsl.logconfigs.file import FileLogging
from parsl.providers import LocalProvider, SlurmProvider
from parsl.utils import wtime_to_minutes

from aims_pax.errors import Problem, SettingsError
from aims_pax.labelling.workers.blocks import FAILED_STATES, error_output
from aims_pax.settings.reading.sbatch import CLUSTER_VARIABLES, cluster_of, is_one

KEY: Final = "CLUSTER.parsl_config"

PLAIN: Final = r"[\w./+@%=:,~-]+"
"""What Parsl's commands can hold, because it quotes nothing."""

NEVER: Final = 1e9
"""Cost of a retry that is larger than any budget of retries."""

MAX_FAILED_BLOCKS: Final = 10
"""So many blocks in a row that come to nothing make an executor give up."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""How long an executor waits before it asks for blocks again after its batch system has refused: doubled each time."""


GUARDED_MANAGER: Final = DEFAULT_LAUNCH_CMD.replace(
    "process_worker_pool.py", "python -m aims_pax.labelling.workers.manager"
)
"""Command of a manager whose workers may be killed while they wait."""


class GuardedExecutor(HighThroughputExecutor):  # type: ignore[misc]
    """Parsl's HighThroughputExecutor with the defaults and repairs that a long unattended run needs.

    Takes the same options. Measured with Parsl 2026.10.26. Between the campaign and its workers all is encrypted and
    authenticated (CurveZMQ), with keys that are drawn for each run and lie in its log folder, readable by its owner
    alone.
    """

    polls_often = True
    """Whether the batch system is asked for news every few seconds; set to False once workers have answered."""

    _pause_s, _not_before = 0.0, 0.0

    def __init__(self, **options: Any) -> None:
        pinned = options.get("cpu_affinity", "none") != "none"
        counted = bool(options.get("max_workers_per_node"))
        defaults: dict[str, Any] = {
            # Where workers are counted and not pinned, max_workers_per_node alone decides. Pinned workers beyond the
            # number of cores would end and be started again for ever; uncounted ones would be a million.
            "cores_per_worker": 1e-6 if counted and not pinned else 1.0,
            "heartbeat_period": 15,  # a lost worker is noticed within this, s
            "heartbeat_threshold": 60,  # a lost block is given up after this, s
            # Parsl's default makes the executor unusable for ever after a few failed blocks; False repeats broken
            # batch jobs for ever.
            "block_error_handler": give_up_after_failures,
            "interchange_launch_cmd": guarded_interchange(),
            "launch_cmd": GUARDED_MANAGER,
        }
        super().__init__(**defaults | options)

    @property
    def status_polling_interval(self) -> float:
        """Seconds between looks at the batch system; shorter while nothing has been seen to work."""
        return min(float(super().status_polling_interval), 4.0 if self.polls_often else 30.0)

    @property
    def workers_per_node(self) -> Fraction | float:
        """As Parsl's scaling counts workers; a fraction where one process of workers serves a block of many nodes.

        Parsl's own takes every node of a block for a place for labels, and asks for too few blocks.
        """
        own: float = super().workers_per_node
        if isinstance(self.provider.launcher, SimpleLauncher):
            return Fraction(own) / int(self.provider.nodes_per_block)
        return own

    def scale_out_facade(self, n: int) -> list[str]:
        """Ask for more blocks, up to the first refusal; after one, not before some time has passed."""
        blocks: list[str] = []
        while len(blocks) < n and time.monotonic() >= self._not_before:
            given: list[str] = super().scale_out_facade(1)
            self._pause_s = 0.0 if given else min(max(FIRST_PAUSE_S, 2 * self._pause_s), LONGEST_PAUSE_S)
            self._not_before = time.monotonic() + self._pause_s
            blocks += given
        return blocks

    def scale_in(self, blocks: int, max_idletime: float | None = None) -> list[str]:
        """Give back blocks; none when fewer than one is asked for.

        Parsl's own cancels every idle and every not yet connected block when asked for zero, which its strategy does
        whenever a fraction of a block is to spare: such a queue never gets going.
        """
        if blocks < 1:
            return []
        given_back: list[str] = super().scale_in(blocks, max_idletime)
        return given_back

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        """Answer every task with this, once.

        Parsl's own is called again at every look, and stops at the first task that has an answer already.
        """
        if self.bad_state_is_set:
            return
        self._executor_exception = exception
        self._executor_bad_state.set()
        for future in list(self._tasks.values()):
            with suppress(InvalidStateError):
                future.set_exception(BadStateException(self, exception))


class TooManyFailedBlocks(Exception):
    """An executor's blocks come to nothing, one after the other; the message says what the last one said."""


def give_up_after_failures(executor: Any, status: dict[str, JobStatus]) -> None:
    """Declare an executor unusable when its newest blocks have all failed; those that were refused are none."""
    newest = sorted(status.keys() & executor.blocks_to_job_id.keys(), key=int)[-MAX_FAILED_BLOCKS:]
    if len(newest) == MAX_FAILED_BLOCKS and all(status[block].state in FAILED_STATES for block in newest):
        last = status[newest[-1]]
        words = error_output(executor, newest[-1]) or (last.message if last.state is JobState.FAILED else None)
        executor.set_bad_state_and_fail_all(
            TooManyFailedBlocks(f"{MAX_FAILED_BLOCKS} blocks in a row came to nothing; the last said: {words}")
        )


def guarded_interchange() -> list[str]:
    """Command of an interchange that ends with this process, whatever ends it."""
    return [sys.executable, "-m", "aims_pax.labelling.workers.interchange", str(os.getpid())]


def retry_cost(error: Exception, task: TaskRecord) -> float:
    """What a failed attempt costs of the allowed retries: lost workers and blocks are tried again, nothing else is."""
    return 1.0 if isinstance(error, WorkerLost | ManagerLost) else NEVER


class CountedLosses:
    """A rule of retries that counts the attempts which were lost with their workers or blocks.

    Parameters
    ----------
    rule : callable or None
        What a failed attempt costs; None: Parsl's own rule, by which each costs 1.
    """

    def __init__(self, rule: Callable[[Exception, TaskRecord], float] | None) -> None:
        self._rule = rule
        self.n_lost = 0

    def __call__(self, error: Exception, task: TaskRecord) -> float:
        """What the attempt costs of the allowed retries."""
        self.n_lost += isinstance(error, WorkerLost | ManagerLost)
        return 1.0 if self._rule is None else self._rule(error, task)


def campaign_config(executors: list[ParslExecutor], **options: Any) -> Config:
    """A Parsl configuration with the settings that suit a campaign: few, long tasks, on blocks that may be lost.

    Parameters
    ----------
    executors : list of ParslExecutor
    **options
        Of :class:`parsl.config.Config`, instead of the ones chosen here.
    """
    chosen: dict[str, Any] = {
        "strategy": "htex_auto_scale",  # gives back single idle blocks; "simple" waits until nothing is left to do
        "strategy_period": 5.0,
        "max_idletime": 300.0,  # blocks take long to get; a task sent while one is given back is lost for a while
        "retries": 2,
        "retry_handler": retry_cost,
        "usage_tracking": 0,
        "initialize_logging": FileLogging(level=logging.INFO),  # DEBUG is 21 lines for every task
    }
    return Config(executors=executors, **chosen | options)


def worker_environment(threads_per_worker: int) -> str:
    """Shell lines in front of every worker: this Python first on the PATH, and the threads of its linear algebra."""
    folder = shlex.quote(str(Path(sys.executable).parent))
    threads = " ".join(
        f"{library}_NUM_THREADS={threads_per_worker}" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
    )
    return f"export PATH={folder}:$PATH\nexport {threads}"


def drain_period(walltime: str, longest_label_s: float | None) -> int | None:
    """Seconds after which a block takes no new labels, so that its walltime ends none; None: it always takes them.

    Parameters
    ----------
    walltime : str
        Of the block, HH:MM:SS.
    longest_label_s : float or None
        What a label may take.

    Raises
    ------
    ValueError
        The longest label does not fit the walltime.
    """
    if longest_label_s is None:
        return None
    left = int(60 * wtime_to_minutes(walltime) - longest_label_s)
    if left <= 0:
        raise ValueError(f"labels of {longest_label_s:g} s do not fit a walltime of {walltime}")
    return left


def end_with_campaign() -> str:
    """Shell lines that end a block on this machine within a second after this process has ended.

    Without them a killed campaign leaves workers that compute until they miss the interchange's heartbeat. The
    signal goes to the block's whole process group, engines included.
    """
    campaign = os.getpid()
    # A process that was killed and that nobody waits for stays in the table as a zombie (Z).
    alive = f"kill -0 {campaign} 2>/dev/null && ! grep -qs '^State:.Z' /proc/{campaign}/status"
    return f'(while {alive}; do sleep 1; done; kill -TERM 0) &\ntrap "kill $! 2>/dev/null" EXIT'


def local_config(max_workers: int = 4, *, threads_per_worker: int = 1, worker_init: str = "") -> Config:
    """Workers on this machine.

    Parameters
    ----------
    max_workers : int
        Labels computed at the same time.
    threads_per_worker : int
        Threads of each; ``max_workers * threads_per_worker`` should not exceed the number of cores.
    worker_init : str
        Shell lines that run before the workers start: module load, export, ulimit.
    """
    lines = [worker_environment(threads_per_worker), worker_init]
    provider = LocalProvider(
        init_blocks=1,
        min_blocks=1,
        max_blocks=1,
        launcher=SimpleLauncher(),
        worker_init="\n".join(line for line in lines if line),
    )
    executor = GuardedExecutor(
        label="labels",
        address="127.0.0.1",
        max_workers_per_node=max_workers,
        heartbeat_period=5,
        provider=provider,
    )
    # The first block starts at the strategy's first look: every second of its period delays the first label.
    return campaign_config([executor], strategy="simple", strategy_period=0.5)


def guard(config: Config, run_dir: Path) -> Config:
    """Fit a user's configuration to a campaign.

    Its logs go into the run folder and to no terminal, nobody is told of its use, its interchange and the blocks of
    this machine are tied to this process, and Parsl's executors get the repairs of :class:`GuardedExecutor`. Retries,
    scaling and everything else stay as the user wrote them; a missing retry rule becomes ours, which only speaks when
    retries are allowed.

    Raises
    ------
    SettingsError
        Workers on other machines would be spoken to in the clear, or blocks are described in a way that Parsl takes
        and can't follow.
    """
    if not re.fullmatch(PLAIN, str(run_dir)):
        found = f"Parsl's logs would be in {str(run_dir)!r}, and it can't start workers from such a path."
        advice = "Move the project to a folder without blanks, or set MISC.log_dir to one."
        raise SettingsError(Problem("CLUSTER", found, "letters, digits and ./_+@%=:,~-", advice))
    config.run_dir = str(run_dir)
    config.usage_tracking = 0
    config.retry_handler = config.retry_handler or retry_cost
    if config.initialize_logging is True:
        config.initialize_logging = FileLogging(level=logging.INFO)
    for executor in config.executors:
        provider = getattr(executor, "provider", None)
        if problem := _block_problem(executor.label, provider):
            raise SettingsError(problem)
        if isinstance(provider, LocalProvider):
            provider.worker_init = f"{end_with_campaign()}\n{provider.worker_init}"
        if not isinstance(executor, HighThroughputExecutor):
            continue
        if not executor.encrypted and not _is_loopback(executor.address):
            found = f"The executor {executor.label} has encrypted=False, and its workers may be on other machines."
            advice = "Remove it: whoever reaches the port could run programs as you."
            raise SettingsError(Problem(KEY, found, "encrypted=True", advice))
        if type(executor) is HighThroughputExecutor:
            executor.__class__ = GuardedExecutor
        if executor.launch_cmd == DEFAULT_LAUNCH_CMD:
            executor.launch_cmd = GUARDED_MANAGER
        if executor.interchange_launch_cmd == DEFAULT_INTERCHANGE_LAUNCH_CMD:
            executor.interchange_launch_cmd = guarded_interchange()
    return config


def _block_problem(label: str, provider: Any) -> Problem | None:
    """What is wrong with an executor's label, numbers of blocks or walltime; Parsl looks at none of them in time."""
    if not re.fullmatch(r"[\w.-]+", label):
        return Problem(KEY, f"There is an executor with the label {label!r}.", "letters, digits and ._-")
    least, first, most = (getattr(provider, f"{name}_blocks", None) for name in ("min", "init", "max"))
    if most is not None and (most < 1 or max(least or 0, first or 0) > most):
        found = f"The executor {label} has min_blocks={least}, init_blocks={first}, max_blocks={most}."
        return Problem(KEY, found, "max_blocks >= 1, min_blocks and init_blocks")
    if isinstance(provider, SlurmProvider) and (problem := _federation_problem(label, provider)):
        return problem
    walltime = getattr(provider, "walltime", None)
    try:
        wtime_to_minutes(walltime or "00:10:00")
    except ValueError:
        return Problem(KEY, f"The executor {label} has walltime={walltime!r}.", "HH:MM:SS")
    return None


def _federation_problem(label: str, provider: SlurmProvider) -> Problem | None:
    """What is wrong with the cluster of a federation: Parsl asks for jobs and cancels them where `clusters` says."""
    written = cluster_of(provider.scheduler_options)
    chosen = next((os.environ[name] for name in CLUSTER_VARIABLES if os.environ.get(name)), None)
    asked = provider.clusters
    if asked is not None and not is_one(asked):
        found = f"The executor {label} has clusters={asked!r}, and its jobs are watched and cancelled on one."
        return Problem(KEY, found, "one cluster", "Name one of them.")
    if written != asked:
        found = f"The executor {label} sends jobs to the cluster {written} by scheduler_options alone."
        return Problem(KEY, found, "", f"Write SlurmProvider(clusters={written!r}) instead of that line.")
    if chosen is not None and asked is None:
        found = f"The environment chooses the cluster {chosen}, and the executor {label} does not name it."
        return Problem(KEY, found, "", f"Write SlurmProvider(clusters={chosen!r}), or unset the variable.")
    return None


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ip_address(address).is_loopback
    except ValueError:  # a name
        return address == "localhost"
