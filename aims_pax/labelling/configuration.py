"""Parsl configurations: the guards that every campaign needs, the built-in local one, and those that users write."""

import functools
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from parsl.config import Config
from parsl.dataflow.taskrecord import TaskRecord
from parsl.executors import HighThroughputExecutor
from parsl.executors.base import ParslExecutor
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.executors.high_throughput.executor import DEFAULT_INTERCHANGE_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SimpleLauncher
from parsl.logconfigs.file import FileLogging
from parsl.providers import LocalProvider

NEVER: Final = 1e9
"""Cost of a retry that is larger than any budget of retries."""


class GuardedExecutor(HighThroughputExecutor):  # type: ignore[misc]
    """Parsl's HighThroughputExecutor with the defaults and repairs that a long unattended run needs.

    Takes the same options. Measured with Parsl 2026.10.26.
    """

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "cores_per_worker": 1e-6,  # max_workers_per_node alone decides
            "heartbeat_period": 15,  # a lost worker is noticed within this, s
            "heartbeat_threshold": 60,  # a lost block is given up after this, s
            # Parsl's default makes the executor unusable for ever after a few failed blocks; False repeats broken
            # batch jobs for ever.
            "block_error_handler": functools.partial(windowed_error_handler, threshold=10),
            "interchange_launch_cmd": guarded_interchange(),
        }
        super().__init__(**defaults | options)

    def scale_in(self, blocks: int, max_idletime: float | None = None) -> list[str]:
        """Give back blocks; none when fewer than one is asked for.

        Parsl's own cancels every idle and every not yet connected block when asked for zero, which its strategy does
        whenever a fraction of a block is to spare: such a queue never gets going.
        """
        if blocks < 1:
            return []
        given_back: list[str] = super().scale_in(blocks, max_idletime)
        return given_back


def guarded_interchange() -> list[str]:
    """Command of an interchange that ends with this process, whatever ends it."""
    return [sys.executable, "-m", "aims_pax.labelling.interchange", str(os.getpid())]


def retry_cost(error: Exception, task: TaskRecord) -> float:
    """What a failed attempt costs of the allowed retries: lost workers and blocks are tried again, nothing else is."""
    return 1.0 if isinstance(error, WorkerLost | ManagerLost) else NEVER


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


def end_with_campaign() -> str:
    """Shell lines that end a block on this machine within a second after this process has ended.

    Without them a killed campaign leaves workers that compute until they miss the interchange's heartbeat. The
    signal goes to the block's whole process group, engines included.
    """
    campaign = os.getpid()
    # A process that was killed and that nobody waits for stays in the table as a zombie (Z).
    alive = f"kill -0 {campaign} 2>/dev/null && ! grep -qs '^State:.Z' /proc/{campaign}/status"
    return f'(while {alive}; do sleep 1; done; kill -TERM 0) &\ntrap "kill $!" EXIT'


def local_config(
    max_workers: int = 4, *, threads_per_worker: int = 1, worker_init: str = "", run_dir: Path | str = "runinfo"
) -> Config:
    """Workers on this machine.

    Parameters
    ----------
    max_workers : int
        Labels computed at the same time.
    threads_per_worker : int
        Threads of each; ``max_workers * threads_per_worker`` should not exceed the number of cores.
    worker_init : str
        Shell lines that run before the workers start: module load, export, ulimit.
    run_dir : path
        Where Parsl keeps its logs.
    """
    lines = [end_with_campaign(), worker_environment(threads_per_worker), worker_init]
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
    return campaign_config([executor], strategy="simple", strategy_period=0.5, run_dir=str(run_dir))


def guard(config: Config, run_dir: Path) -> Config:
    """Fit a user's configuration to a campaign: its logs into the run folder, its interchange tied to this process.

    Retries, scaling and everything else stay as the user wrote them; a missing retry rule becomes ours, which only
    speaks when retries are allowed.
    """
    config.run_dir = str(run_dir)
    config.retry_handler = config.retry_handler or retry_cost
    for executor in config.executors:
        if (
            isinstance(executor, HighThroughputExecutor)
            and executor.interchange_launch_cmd == DEFAULT_INTERCHANGE_LAUNCH_CMD
        ):
            executor.interchange_launch_cmd = guarded_interchange()
    return config
