"""The private Slurm as tests see it: what is in its queue, and what may happen to it."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .daemons import END_S, START_S, holds_within

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")
N_NODES = 4
CPUS_PER_NODE = 2


@dataclass(frozen=True, slots=True)
class Job:
    """A line of squeue."""

    number: int
    state: str
    """RUNNING, PENDING, COMPLETING and so on."""
    nodes: str
    reason: str


class Slurm:
    """A running Slurm of four nodes with two cores each; the commands of this process go to it."""

    n_nodes = N_NODES
    cpus_per_node = CPUS_PER_NODE

    def jobs(self) -> list[Job]:
        """All jobs that have not ended."""
        lines = self.told("squeue", "--noheader", "--format=%A|%T|%N|%r").splitlines()
        return [Job(int(line.split("|")[0]), *line.split("|")[1:]) for line in lines]

    def n_running(self) -> int:
        return Counter(job.state for job in self.jobs())["RUNNING"]

    def cancel(self, number: int) -> None:
        """What a user does with scancel, or an administrator: the job is gone within seconds."""
        self.told("scancel", str(number))

    def occupy(self, *options: str) -> int:
        """Fill nodes with somebody else's job; its number."""
        submitted = self.told("sbatch", "--parsable", "--output=/dev/null", *options, "--wrap=sleep 1000")
        return int(submitted)

    @contextlib.contextmanager
    def drained(self) -> Iterator[None]:
        """Nodes that take no new jobs, as before maintenance."""
        names = [f"n{number}" for number in range(1, self.n_nodes + 1)]
        self.told("scontrol", "update", f"nodename={','.join(names)}", "state=drain", "reason=maintenance")
        try:
            yield
        finally:
            self.told("scontrol", "update", f"nodename={','.join(names)}", "state=resume")

    def is_empty_within(self, seconds: float) -> bool:
        return holds_within(seconds, lambda: not self.jobs())

    def clear(self) -> None:
        """Cancel whatever is left, so that the next test begins with an empty queue."""
        for job in self.jobs():
            self.cancel(job.number)
        assert self.is_empty_within(END_S)

    @staticmethod
    def told(*command: str) -> str:
        """What a command of Slurm prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.fixture(scope="session")
def private_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Slurm for all tests of a session, in folders, ports and keys of its own; taken down whatever happens.

    Should this process be killed, the standard input of the program that runs Slurm ends, and Slurm with it.
    """
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if missing:
        pytest.skip(f"no Slurm on this machine: {', '.join(missing)} not found (Debian: slurm-wlm and munge)")
    if os.geteuid() != 0:
        pytest.skip("a private Slurm needs root")
    folder = tmp_path_factory.mktemp("slurm") / "private"
    command = [sys.executable, str(Path(__file__).with_name("daemons.py")), str(folder)]
    daemons = subprocess.Popen(
        [*command, str(N_NODES), str(CPUS_PER_NODE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C in the terminal is for pytest
    )
    assert daemons.stdout is not None
    said = daemons.stdout.readline()
    if not said:
        pytest.fail(f"the private Slurm did not start: {daemons.communicate()[1]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield Slurm()
    try:
        _, complaints = daemons.communicate(timeout=START_S + 3 * END_S)
    finally:
        daemons.kill()
    assert daemons.returncode == 0, complaints


@pytest.fixture
def slurm(private_slurm: Slurm) -> Iterator[Slurm]:
    """The private Slurm with an empty queue, before and after the test."""
    private_slurm.clear()
    yield private_slurm
    private_slurm.clear()
