"""One small task on the workers of each executor, before a campaign relies on them."""

import pickle
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parsl.jobs.states import JobState

from aims_pax.errors import Problem, SettingsError
from aims_pax.frame import Frame
from aims_pax.labelling.workers.blocks import BlockQueue, error_output

LOOK_S: Final = 1.0

MAX_REFUSALS: Final = 3
"""Submissions that are refused in a row before nothing is expected any more: 15 s, for a batch system that is busy."""

MAX_FAILED_BLOCKS: Final = 2
"""Blocks that come to nothing, likewise: one may have met a broken node, or was ended for want of memory."""

ANSWER_S: Final = 300.0
"""How long a block may run without an answer of its workers; starting Python on a busy file system takes minutes."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a worker finds itself.

    Parameters
    ----------
    host, python : str
        Name of the machine, version of Python.
    problems : tuple of str
        Why labels can't be computed here; empty when they can.
    """

    host: str
    python: str
    problems: tuple[str, ...]


def look_around(settings: bytes, samples: Sequence[Frame], folder: Path, *, free_mb: int) -> Surroundings:
    """The task that a worker carries out: everything that a label needs, but for the calculation.

    Parameters
    ----------
    settings : bytes
        Pickled reference settings.
    samples : sequence of Frame
        One of each system.
    folder : Path
        Where calculations will write.
    free_mb : int
        Free disk that they need, MB.
    """
    from aims_pax.reference.by_system import in_charge
    from aims_pax.reference.registry import build_reference

    problems = []
    reference = build_reference(pickle.loads(settings))
    for frame in samples:
        numbers = [int(number) for number in frame.numbers]
        problems += in_charge(reference, frame).problems(numbers, periodic=bool(frame.pbc.any()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free // 10**6
        if free < free_mb:
            problems.append(f"only {free} MB are free in {folder}, and {free_mb} are needed")
    except OSError as error:
        problems.append(f"{folder} can't be written to ({error.strerror})")
    return Surroundings(platform.node(), platform.python_version(), tuple(dict.fromkeys(problems)))


def await_probes(
    probes: Mapping[str, "Future[Surroundings]"],
    queues: Mapping[str, BlockQueue],
    *,
    lost: Callable[[], str | None],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Surroundings]:
    """Wait until the workers of every executor have answered.

    As long as jobs are pending in a queue that takes them, this waits for days.

    Parameters
    ----------
    probes : mapping of executor label to Future of :func:`look_around`
    queues : mapping of executor label to BlockQueue
    lost : callable
        Why no executor will ever answer; None while they may.

    Raises
    ------
    SettingsError
        Workers can't be had, or can't compute labels; in their own words.
    """
    answers: dict[str, Surroundings] = {}
    running_since: dict[str, float] = {}
    while len(answers) < len(probes):
        wait([probe for label, probe in probes.items() if label not in answers], timeout=LOOK_S)
        for label, probe in probes.items():
            queue = queues.get(label)
            if probe.done():
                answers[label] = _answer(label, probe, queue)
            elif (message := lost()) is not None:
                raise SettingsError(_problem(label, message, queue))
            elif queue is not None:
                if not queue.jobs(JobState.RUNNING):
                    running_since.pop(label, None)  # it was preempted, and is to wait for its turn again
                else:
                    running_since.setdefault(label, clock())
                _raise_if_hopeless(queue, clock() - running_since.get(label, clock()))
    return answers


def _answer(label: str, probe: "Future[Surroundings]", queue: BlockQueue | None) -> Surroundings:
    error = probe.exception()
    if error is not None:
        words = f"{type(error).__name__}: {error}"
        raise SettingsError(_problem(label, f"A first task failed on a worker. {words}", queue))
    surroundings = probe.result()
    if surroundings.problems:
        reasons = "; ".join(surroundings.problems)
        found = f"No labels can be computed on {surroundings.host} (Python {surroundings.python}): {reasons}."
        raise SettingsError(_problem(label, found, queue))
    return surroundings


def _raise_if_hopeless(queue: BlockQueue, running_s: float) -> None:
    """Raise when an executor will not get workers by waiting."""
    label = queue.executor.label
    if queue.refusal is not None and queue.n_refused >= MAX_REFUSALS:
        found = f"The batch system refuses the jobs of the executor {label}: {queue.refusal}"
        advice = "Correct what it names (partition, account, limits); sbatch or qsub with the same line says the same."
        raise SettingsError(Problem(_where(label), found, "", advice))
    failed = queue.failed_blocks()
    if len(failed) >= MAX_FAILED_BLOCKS:
        found = f"Blocks of the executor {label} end before their workers are there."
        raise SettingsError(_problem(label, found, queue))
    if running_s > ANSWER_S:
        found = f"A block of the executor {label} has run for {running_s / 60:.0f} min, and no worker has answered."
        raise SettingsError(_problem(label, found, queue))


def _problem(label: str, found: str, queue: BlockQueue | None) -> Problem:
    advice = (
        "Workers need this version of Python, aims_pax and the engine: see worker_init of the Parsl configuration "
        "(worker_str of v0.2), and docs/cluster.md."
    )
    if queue is None:
        return Problem(_where(label), found, "", advice)
    blocks = sorted(queue.executor.blocks_to_job_id, key=int)
    said = next((words for block in reversed(blocks) if (words := error_output(queue.executor, block))), "")
    if said:
        quoted = "\n".join(f"    {line}" for line in said.splitlines())
        found = f"{found}\n  The error output of its newest block ends with:\n{quoted}"
    return Problem(_where(label), found, "", f"{advice} All logs: {Path(queue.executor.run_dir)}.")


def _where(label: str) -> str:
    return f"CLUSTER, executor {label}"
