"""What was asked of batch systems: a ledger that outlives the campaign, and their own words when something is wrong."""

import fcntl
import glob
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from parsl.jobs.states import JobState

from aims_pax.errors import StoreError
from aims_pax.labelling.workers import undertaker

log = logging.getLogger(__name__)

CANCEL: Final = {
    "SlurmProvider": "scancel",
    "TorqueProvider": "qdel",  # PBSProProvider is one, too
    "GridEngineProvider": "qdel",
    "LSFProvider": "bkill",
    "CondorProvider": "condor_rm",
}
"""The command that cancels the jobs of each of Parsl's providers that has a batch system behind it."""

FAILED_STATES: Final = (JobState.FAILED, JobState.MISSING)
"""A block that was refused, that failed, or that ended before any of its workers had reached the campaign."""

KEPT_SLURM_VARIABLES: Final = ("SLURM_CONF",)
"""What may pass from the campaign's own Slurm job to those that it submits. Anything else there describes the wrong
job, such as SLURM_CPUS_PER_TASK, which srun would believe; SBATCH_CLUSTERS would overrule the cluster that is named."""

TAIL_LINES: Final = 12
QUEUE_S: Final = 20.0

FAREWELL_S: Final = 10.0
"""How long the undertaker may take to end when there is nothing to do."""


class Ledger:
    """The batch jobs of one campaign, in a file that an undertaker reads when the campaign is killed.

    Parameters
    ----------
    folder : Path
        Where the files of all campaigns of a run are. Jobs of those that have ended are cancelled first.

    Raises
    ------
    StoreError
        The file system knows no locks.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.n_left_over = cancel_left_over(folder)
        self._path = folder / f"batch_jobs-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}.jsonl"
        opened = self._path.with_suffix(".new")  # it gets its name when it is locked: others take it for a dead one's
        self._file = opened.open("a", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{folder}: this file system can't lock files ({error.strerror})") from error
        opened.rename(self._path)
        program = [sys.executable, "-I", "-S", str(Path(undertaker.__file__).resolve())]
        self._undertaker = subprocess.Popen(
            [*program, str(self._path), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # neither Ctrl-C nor the end of the terminal reaches it
        )

    def add(self, cancel: list[str], job: str) -> None:
        """Note a job that was submitted, and the command that cancels it."""
        try:
            self._file.write(json.dumps({"cancel": cancel, "job": job, "submitted": time.time()}) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:  # the job is there all the same, and Parsl must hear of it
            log.warning("job %s is not in %s (%s): if this run is killed, cancel it yourself", job, self._path, error)

    def close(self, *, all_cancelled: bool) -> None:
        """End the undertaker; jobs that the campaign could not cancel itself are left to it."""
        if self._file.closed:
            return
        if self._undertaker.stdin is None:
            raise AssertionError("it was opened as a pipe")
        if all_cancelled:
            self._path.unlink(missing_ok=True)
            self._undertaker.stdin.write(b".")
        with suppress(BrokenPipeError):  # somebody has ended the undertaker
            self._undertaker.stdin.close()
        with suppress(OSError):  # what the disk had no place for
            self._file.close()
        if all_cancelled:
            with suppress(subprocess.TimeoutExpired):
                self._undertaker.wait(FAREWELL_S)


def cancel_left_over(folder: Path) -> int:
    """Cancel the batch jobs of campaigns that have ended without doing so; returns their number."""
    n_jobs = 0
    for path in folder.glob("batch_jobs-*.jsonl"):
        # An error: the campaign that wrote it is alive and holds the lock, or its undertaker has just removed it.
        with suppress(OSError), path.open("r+", encoding="utf-8") as file:  # NFS locks only what can be written
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            n_jobs += undertaker.cancel_all(path)
    return n_jobs


def cancel_command(provider: Any) -> list[str] | None:
    """The command that takes ids of this provider's jobs and cancels them; None where there is no batch system."""
    for kind in type(provider).__mro__:
        if kind.__name__ in CANCEL:
            clusters = getattr(provider, "clusters", None)
            return [CANCEL[kind.__name__], *([f"--clusters={clusters}"] if clusters else [])]
    return None


class BlockQueue:
    """One executor's way to its blocks, which remembers what was asked for and what was refused.

    Stands in front of the provider's methods, whatever the provider.

    Parameters
    ----------
    executor : BlockProviderExecutor
    ledger : Ledger or None
        None where blocks need nobody to cancel them.
    """

    def __init__(self, executor: Any, ledger: Ledger | None) -> None:
        self.executor = executor
        self.refusal: str | None = None
        """Why the last submission came to nothing; None when it did not."""
        self.n_refused = 0
        """Submissions refused in a row."""
        provider = executor.provider
        self._ledger, self._cancel = ledger, cancel_command(provider)
        self._said = ""
        self._submit, provider.submit = provider.submit, self._note_submission
        if hasattr(provider, "execute_wait"):
            self._execute, provider.execute_wait = provider.execute_wait, self._note_command

    @property
    def is_batch(self) -> bool:
        """Whether blocks are jobs of a batch system."""
        return self._cancel is not None

    def jobs(self, state: JobState) -> list[str]:
        """Ids of the blocks' jobs that are in this state, as far as is known."""
        ids = self.executor.blocks_to_job_id
        known = list(self.executor.status_facade.items())
        return [str(ids[block]) for block, status in known if status.state is state and block in ids]

    def failed_blocks(self) -> list[str]:
        """Blocks that were given to us and came to nothing, oldest first."""
        ids, known = self.executor.blocks_to_job_id, list(self.executor.status_facade.items())
        return sorted((block for block, status in known if status.state in FAILED_STATES and block in ids), key=int)

    def reason_pending(self, jobs: list[str]) -> str:
        """What the batch system says of jobs that wait; empty when it says nothing that we can read."""
        if self._cancel is None or self._cancel[0] != "scancel":
            return ""
        command = ["squeue", *self._cancel[1:], "--noheader", "--format=%r", f"--jobs={','.join(jobs)}"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=QUEUE_S).stdout.splitlines()
        except (OSError, subprocess.TimeoutExpired):
            return ""
        # Slurm adds details after a comma (ReqNodeNotAvail, UnavailableNodes:n7), and some reasons are sentences.
        known = {reason: REASONS.get(reason.partition(",")[0]) for reason in said if is_reason(reason)}
        return "; ".join(f"{reason} ({words})" if words else reason for reason, words in known.items())

    def _note_submission(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> Any:
        self._said, job = "", None
        try:
            job = self._submit(command, tasks_per_node, job_name)
        finally:
            error = sys.exception()
            if job:
                self.refusal, self.n_refused = None, 0
            else:
                self.refusal = self._said or (str(error) if error else "it gave no reason; parsl.log may hold one")
                self.n_refused += 1
        if job and self._ledger is not None and self._cancel is not None:
            self._ledger.add(self._cancel, str(job))
        return job

    def _note_command(self, command: str, timeout: float | None = None) -> tuple[int, str, str]:
        """Run a command of the batch system, and keep what it says when it fails."""
        if command.startswith("sbatch "):
            foreign = [name for name in os.environ if re.fullmatch(r"SLURM_\w+|SBATCH_CLUSTERS", name)]
            unset = " ".join(f"-u {name}" for name in foreign if name not in KEPT_SLURM_VARIABLES)
            command = f"env {unset} {command}" if unset else command
        code, output, errors = self._execute(command, timeout)
        if command.startswith("squeue "):  # some versions begin the answers of a named cluster with its name
            output = "\n".join(line for line in output.splitlines() if not line.startswith("CLUSTER:"))
        if command.startswith("squeue ") and "Invalid job id" in errors:
            # Slurm has forgotten the last job of the list. Parsl would take that for no answer, and wait for the job.
            return 0, output, errors
        if code != 0:
            said = errors.strip() or output.strip() or f"exit code {code}"
            self._said = "; ".join(line.strip() for line in said.splitlines())
        return code, output, errors


def is_reason(line: str) -> bool:
    """Whether a line of squeue's answer tells why a job waits."""
    return line not in ("", "None") and not line.startswith("CLUSTER:")


REASONS: Final = {
    "Priority": "other jobs come first",
    "Resources": "no free nodes",
    "Dependency": "it waits for another job",
    "ReqNodeNotAvail": "nodes are down or reserved, maybe for maintenance",
    "PartitionConfig": "the partition can't give what is asked, such as so many nodes: it will not start",
    "PartitionNodeLimit": "more nodes than the partition gives: it will not start",
    "PartitionTimeLimit": "a longer walltime than the partition gives: it will not start",
    "PartitionDown": "the partition is down",
    "BadConstraints": "no node can give what is asked: it will not start",
    "JobHeldUser": "it was held by you",
    "JobHeldAdmin": "it was held by an administrator",
    "QOSMaxJobsPerUserLimit": "you have as many jobs as you may",
    "QOSMaxCpuPerUserLimit": "you have as many cores as you may",
    "AssocGrpCpuLimit": "your account has as many cores as it may",
    "AssocGrpCPUMinutesLimit": "your account has used up its time",
    "InvalidAccount": "the account is not valid: it will not start",
    "InvalidQOS": "the QOS is not valid: it will not start",
}
"""Slurm's reasons in plain words."""


def error_output(executor: Any, block: str) -> str:
    """The end of what a block wrote to its standard error; empty when there is nothing, or not yet."""
    folder = getattr(executor.provider, "script_dir", None)
    if folder is None:
        return ""
    for path in Path(folder).glob(f"*{glob.escape(executor.label)}.block-{block}.*"):
        if path.suffix in (".err", ".stderr"):
            with suppress(OSError):  # a job's file may come and go on a shared file system
                lines = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
                return "\n".join(lines[-TAIL_LINES:])
    return ""
