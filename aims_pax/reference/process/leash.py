"""Programs that end when the process that started them ends, by whatever signal.

An engine that outlives its worker goes on using cores that nobody pays for and writes into folders that nobody reads.
This file is also a program, which knows nothing of this package, to start in 20 ms:

- ``python -I -S leash.py exec PARENT_PID PROGRAM ARGUMENT...`` turns into the program, which gets SIGTERM when the
  parent ends. Enough for a program that ends what it has started, as launchers of MPI do.
- ``python -I -S leash.py keep PARENT_PID PROGRAM ARGUMENT...`` stays beside the program and ends all that it has
  started, too. The program finds a folder for temporary files, removed at the end, in the variable AIMS_PAX_SCRATCH.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal that this process, and what it turns into, gets when its parent thread ends. Linux only."""

NOT_HERE: Final = "not found on this machine"
"""How references speak of what is missing where they were asked, and may be there where labels are computed."""

NOT_FOUND: Final = 127
"""The exit code by which shells say that there is no such program."""

SIGNALLED: Final = 128
"""Shells add the number of the signal to this for a program that a signal has ended."""

GRACE_S: Final = 5.0
"""Time from SIGTERM to SIGKILL, in which a launcher ends its ranks."""

WATCHED: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
"""What a keeper waits for, less what it was told to ignore: blocked from its start, so that none is missed."""

SCRATCH: Final = "AIMS_PAX_SCRATCH"


def leashed(command: Sequence[str]) -> list[str]:
    """The command that starts this one so that it gets SIGTERM when the asking process ends.

    Raises
    ------
    FileNotFoundError
        There is no such program on this machine.
    """
    return _held("exec", command)


def kept(command: Sequence[str]) -> list[str]:
    """The command that starts this one, and that ends all its processes when it ends, is ended by SIGTERM, or when the
    asking process ends.

    Raises
    ------
    FileNotFoundError
        There is no such program on this machine.
    """
    return _held("keep", command)


def _held(how: str, command: Sequence[str]) -> list[str]:
    missing = missing_program(command)
    if missing is not None:
        raise FileNotFoundError(missing)
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), how, str(os.getpid()), *command]


def missing_program(command: Sequence[str]) -> str | None:
    """Words for a program that is not there; None when it is."""
    from shutil import which

    if which(command[0]) is not None:
        return None
    return f"the program {command[0]} was {NOT_HERE}"


def ending(code: int) -> str:
    """How a program ended, by its exit code as Python (negative) or a shell (128 and more) tells of a signal."""
    number = -code if code < 0 else code - SIGNALLED
    if number in list(signal.Signals):
        return f"ended by {signal.Signals(number).name}"
    return f"ended with exit code {code}"


def signal_when_parent_ends(parent: int, *, by: signal.Signals) -> None:
    """Ask the kernel for a signal when the parent ends, and leave at once when it has ended already."""
    ask_for_signal(by)
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        sys.exit("the process that asked for this program has ended")


def ask_for_signal(death_signal: signal.Signals) -> None:
    """Ask the kernel for this signal when the thread that started this process ends; nothing but on Linux."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)


def _become(command: list[str]) -> NoReturn:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_FOUND)


def _keep(command: list[str]) -> int:
    """Run the program; returns its exit code as a shell gives it, when nothing of it runs any more."""
    import shutil
    import subprocess
    import tempfile

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        ask_for_signal(signal.SIGKILL)

    scratch = tempfile.mkdtemp(prefix="aims-pax-")
    try:
        child = subprocess.Popen(command, process_group=0, preexec_fn=prepare, env=os.environ | {SCRATCH: scratch})
        # A signal that is ignored but blocked is delivered by sigwait all the same; nohup means that it should not be.
        heard = {number for number in WATCHED if signal.getsignal(number) is not signal.SIG_IGN}
        while child.poll() is None and signal.sigwait(heard) == signal.SIGCHLD:
            continue
        _end_group(child.pid, reap=child.poll)
        code = child.wait()
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return code if code >= 0 else SIGNALLED - code


def _end_group(group: int, *, reap: Callable[[], int | None]) -> None:
    """End all processes of a group, first by SIGTERM, so that launchers end their ranks."""
    import time

    deadline = time.monotonic() + GRACE_S
    by: int = signal.SIGTERM
    try:
        while time.monotonic() < deadline:
            os.killpg(group, by)
            by = 0  # only ask whether somebody is left
            time.sleep(0.02)
            reap()
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    how, parent, *command = sys.argv[1:]
    if how == "exec":
        signal_when_parent_ends(int(parent), by=signal.SIGTERM)
        _become(command)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    signal_when_parent_ends(int(parent), by=signal.SIGTERM)
    sys.exit(_keep(command))
