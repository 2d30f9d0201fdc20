"""One start of ``aims-pax run`` on a folder, and the processes that belong to it."""

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, NoReturn

import psutil

from . import witness

TESTS: Final = Path(__file__).resolve().parents[1]
LOG: Final = Path("logs", "aims_pax.log")
LONGEST_MOMENT_S: Final = 0.5
LOOK_S: Final = 0.02


class Role(StrEnum):
    """What a process does for a campaign."""

    MAIN = "main"
    WORKER = "worker"
    MANAGER = "manager"
    INTERCHANGE = "interchange"


COMMANDS: Final = {
    Role.MANAGER: "aims_pax.labelling.workers.manager",
    Role.INTERCHANGE: "aims_pax.labelling.workers.interchange",
}
"""Part of the command line that tells these processes."""


def preload() -> None:
    """Import all that a campaign imports, once; its children are forked and need not do it again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mace.calculators  # noqa: F401
        import torch

        import aims_pax.campaign
        import aims_pax.checking.check
        import aims_pax.cli.program
        import aims_pax.labelling.workers.parsl
        import aims_pax.report.live  # noqa: F401

    torch.set_num_threads(1)


class Session:
    """A running campaign.

    Parameters
    ----------
    folder : Path
        The project.
    evidence : Path
        Where :mod:`torture.witness` writes; outside of the project, which may lie on a full disk.
    forked : bool
        Fork this process, which has everything imported, and call the command's entry; or run the true command.
    """

    def __init__(self, folder: Path, evidence: Path, *, forked: bool) -> None:
        self.folder, self.evidence, self.forked = folder, evidence, forked
        (evidence / witness.WORKERS).mkdir(parents=True, exist_ok=True)
        self.output = evidence / f"session-{len(list(evidence.glob('session-*'))) + 1:03d}.txt"
        self._log_bytes = self._size_of_log()
        self.started = time.monotonic()
        self._code: int | None = None
        self.was_measured = False
        self._command: subprocess.Popen[bytes] | None = None
        if forked:
            self.pid = self._fork()
        else:
            program = [str(Path(sys.executable).with_name("aims-pax")), "run", "."]
            with self.output.open("wb") as output:
                self._command = subprocess.Popen(
                    program,
                    cwd=folder,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.pid = self._command.pid

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.started

    @property
    def has_begun(self) -> bool:
        """Whether the diary has a line of this session; before it, signals have their ordinary effect."""
        return self._size_of_log() > self._log_bytes

    def said(self) -> str:
        """Everything on standard output and error."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        if self._code is None:
            if self._command is not None:
                self._code = self._command.poll()
            else:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout_s: float) -> int | None:
        """Exit code as soon as it ends; None when it did not in this time."""
        left_s = timeout_s
        while self.poll() is None and left_s > 0:
            left_s -= moment()
        return self.poll()

    def living(self) -> list[psutil.Process]:
        """All processes of this campaign, those that earlier sessions left included."""
        mark = str(self.evidence)
        return [process for process in psutil.process_iter() if self._is_ours(process, mark)]

    def of(self, role: Role) -> list[psutil.Process]:
        """The living processes of one role."""
        if role is Role.MAIN:
            return [psutil.Process(self.pid)] if self.poll() is None else []
        if role is Role.WORKER:
            labelled = {int(path.name) for path in (self.evidence / witness.WORKERS).iterdir()}
            return [one for one in self.living() if one.pid in labelled and one.pid != self.pid]
        found = []
        for one in self.living():
            with suppress(psutil.Error):
                if COMMANDS[role] in " ".join(one.cmdline()) and one.name() not in ("sh", "bash"):
                    found.append(one)
        return found

    def end(self) -> None:
        """Kill whatever is left."""
        for process in self.living():
            with suppress(psutil.Error):
                process.kill()
        self.wait(5.0)

    def _is_ours(self, process: psutil.Process, mark: str) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # A fork has no environment of its own in /proc, but a session of its own.
            return os.getsid(process.pid) == self.pid or process.environ().get(witness.FOLDER) == mark
        except (psutil.Error, ProcessLookupError, PermissionError):
            return False

    def _size_of_log(self) -> int:
        path = self.folder / LOG
        return path.stat().st_size if path.exists() else 0

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, witness.FOLDER: str(self.evidence)}

    def _fork(self) -> int:
        n_threads = len(os.listdir("/proc/self/task"))
        if n_threads > 1:
            raise RuntimeError(
                f"this process has {n_threads} threads, and what they hold would be held in its children"
            )
        pid = os.fork()
        if pid == 0:
            self._be_the_campaign()
        return pid

    def _be_the_campaign(self) -> NoReturn:
        """What the interpreter does for a command, from its entry point to its end."""
        code = 1
        try:
            os.setsid()
            logging.getLogger().handlers.clear()  # what a library has put there in this process
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with self.output.open("wb") as output, open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), 0)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            os.environ.update(self._environment())
            os.chdir(self.folder)
            sys.argv = ["aims-pax", "run", "."]
            code = _exit_code_of_command()
            threading._shutdown()
            atexit._run_exitfuncs()
        except BaseException:
            traceback.print_exc()
            code = code or 1
        finally:
            with suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _exit_code_of_command() -> int:
    from aims_pax.cli.main import run_program

    try:
        run_program()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def gone_within(seconds: float, processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of some processes that are still there after this time."""
    while True:
        left = list(_running(processes))
        if not left or seconds <= 0:
            return left
        seconds -= moment()


def moment() -> float:
    """Wait before the next look; returns for how long, s. A machine that was paused meanwhile paused all others."""
    began = time.monotonic()
    time.sleep(LOOK_S)
    return min(time.monotonic() - began, LONGEST_MOMENT_S)


def _running(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                yield process
