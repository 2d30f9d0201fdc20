"""A private Slurm on this machine: one controller and several daemons that each pretend to be a node.

    python tests/slurm/daemons.py FOLDER [N_NODES [CPUS_PER_NODE]]

Root only. It prints a line when all nodes are idle, and takes everything down, jobs included, when its standard
input ends; so it lives no longer than the program or terminal that started it. Nothing of the machine's own Slurm or
munge is used: key, sockets, ports and state are this instance's. In between, with ``SLURM_CONF=FOLDER/slurm.conf``,
squeue and all the others speak to it.
"""

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections."""

START_S = 30.0
END_S = 15.0

CONFIGURATION = """\
ClusterName=private
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is requeued waits until its credentials have expired, by default for two minutes.
AuthInfo=socket={folder}/munge.socket,cred_expire=15
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
# No cgroups: the nodes share one machine, and what it may do to itself is unknown.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
# Nodes have the cores that are said here, whatever the machine has.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=2
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in random.sample(PORTS, len(PORTS)):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"fewer than {count} free ports between {PORTS[0]} and {PORTS[-1]}")


def configure(folder: Path, *, n_nodes: int, cpus_per_node: int) -> Path:
    """Write slurm.conf and munge's key; the path of slurm.conf."""
    (folder / "state").mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(64))
    key.chmod(0o400)
    ports = free_ports(1 + n_nodes)
    nodes = "\n".join(
        f"NodeName=n{number} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus_per_node} RealMemory=4000"
        for number, port in enumerate(ports[1:], start=1)
    )
    path = folder / "slurm.conf"
    path.write_text(CONFIGURATION.format(folder=folder, ports=ports, nodes=nodes), encoding="utf-8")
    return path


def started(folder: Path, name: str, *command: str) -> "subprocess.Popen[bytes]":
    """Start a daemon in the foreground, which the kernel ends should this program be killed."""

    def end_with_parent() -> None:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)

    with (folder / f"{name}.log").open("wb") as log:
        # Safe: this program has one thread.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent, cwd=folder
        )


def said(*command: str) -> str:
    """What a command of Slurm prints; empty when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def holds_within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def n_idle() -> int:
    return len(said("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N").split())


@contextlib.contextmanager
def running(folder: Path, *, n_nodes: int, cpus_per_node: int) -> Iterator[None]:
    """Slurm, as long as the context lasts.

    Raises
    ------
    RuntimeError
        It did not come up, or something of it had to be killed at the end.
    """
    configuration = configure(folder, n_nodes=n_nodes, cpus_per_node=cpus_per_node)
    os.environ["SLURM_CONF"] = str(configuration)
    daemons = []
    try:
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        munged = ("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files)
        daemons.append(started(folder, "munged", *munged))
        holds_within(START_S, (folder / "munge.socket").exists)
        daemons.append(started(folder, "slurmctld", "slurmctld", "-D", "-c", "-f", str(configuration)))
        for number in range(1, n_nodes + 1):
            slurmd = ("slurmd", "-D", "-N", f"n{number}", "-f", str(configuration))
            daemons.append(started(folder, f"slurmd-n{number}", *slurmd))
        if not holds_within(START_S, lambda: n_idle() == n_nodes):
            logs = "\n".join(f"{log.name}: {log.read_text()[-600:]}" for log in folder.glob("*.log"))
            raise RuntimeError(f"{n_idle()} of {n_nodes} nodes are idle after {START_S:g} s\n{logs}")
        yield
    finally:
        killed = end(daemons, configuration)
    if killed:
        raise RuntimeError(f"had to be killed: {killed}")


def end(daemons: "list[subprocess.Popen[bytes]]", configuration: Path) -> list[str]:
    """Cancel all jobs and end the daemons; what did not go by itself and was killed."""
    for job in said("squeue", "--noheader", "--format=%A").split():
        said("scancel", job)
    holds_within(END_S, lambda: not said("squeue", "--noheader"))
    for daemon in reversed(daemons):  # munged last: the others authenticate while they end
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(END_S)
    left = remains(configuration)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return list(left.values())


def remains(configuration: Path) -> dict[int, str]:
    """Daemons, and processes of jobs, of this Slurm: {pid: command}."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            environment = (entry / "environ").read_bytes().split(b"\0")
            ours = f"SLURM_CONF={configuration}".encode() in environment
            in_job = any(line.startswith(b"SLURM_JOB_ID=") for line in environment)
            is_daemon = command.startswith(("munged", "slurmctld", "slurmd", "slurmstepd"))
            if ours and (in_job or is_daemon):
                found[int(entry.name)] = command
    return found


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    given = [int(word) for word in sys.argv[2:]]
    n_nodes, cpus_per_node = given + [4, 2][len(given) :]
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the end of the input follows
    try:
        with running(folder, n_nodes=n_nodes, cpus_per_node=cpus_per_node):
            print(f"{n_nodes} nodes are idle; SLURM_CONF={folder}/slurm.conf", flush=True)
            sys.stdin.read()
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
