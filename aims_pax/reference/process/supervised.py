"""A reference in a process of its own, which may crash or hang without taking the worker along."""

import logging
import os
import pickle
import re
import selectors
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.protocols import Reference
from aims_pax.reference.calculation import keep_failure, reason_said
from aims_pax.reference.process.leash import GRACE_S, ending, kept, missing_program
from aims_pax.reference.process.messages import (
    MARK,
    SIZE_VARIABLES,
    AtomRequest,
    LabelRequest,
    Ready,
    Request,
    as_line,
    of_line,
)
from aims_pax.settings.methods.reference import ReferenceSettings

log = logging.getLogger(__name__)

START_S: Final = 300.0
"""Longest time from the start of a host until its reference is built; imports from a busy file system are slow."""

CLOSING_S: Final = 10.0
"""Time that an engine may take to end in order."""

LAST_WORDS: Final = 3
"""Lines of a dead host's output that stand in the message; failure.txt holds all of them."""

TWO_MPIS: Final = "The launcher must belong to the MPI library that mpi4py loads"

OUTPUT_BYTES: Final = 100_000
"""Most of a host's output that is kept with a failure, counted from its end."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A host that gave no answer.

    Parameters
    ----------
    reason : FailureReason
    message : str
    output : str
        What the host and its engine printed during this request.
    """

    reason: FailureReason
    message: str
    output: str = ""


class Supervised:
    """Labels by a reference that lives in a host: one process, or several under a launcher.

    The host is started with the first label, serves one label after the other, and is started anew after it died, after
    it was ended for a label that took too long, and when its engine can't go on to the next structure.

    Parameters
    ----------
    reference : Reference
        The same reference in this process, to be asked for what needs no calculation.
    settings : ReferenceSettings
        What the host builds its own reference from; `walltime_s`, launcher and environment are taken from here.
    """

    def __init__(self, reference: Reference, settings: ReferenceSettings) -> None:
        self._reference = reference
        self._settings = settings
        self._host: Host | None = None
        self._session: Hashable = None

    @property
    def name(self) -> str:
        """The name of the reference itself."""
        return self._reference.name

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """A missing launcher, and what the reference itself says."""
        missing = missing_program(self._settings.launcher) if self._settings.launcher else None
        return ([] if missing is None else [missing]) + self._reference.problems(numbers, periodic=periodic)

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One label, or a failure when the host died or `walltime_s` has passed."""
        started = time.perf_counter()
        session = self._settings.session(frame, want_stress=want_stress)
        answer = self._ask(LabelRequest(frame, folder.absolute(), want_stress), session=session)
        if isinstance(answer, LabelFailure) and session is not None:
            self.close()  # the next label would start from the state in which an engine that lives on has failed
        if isinstance(answer, Label | LabelFailure):
            return answer
        keep_failure(folder, frame, f"{self.name}\n{answer.reason}: {answer.message}\n\n{answer.output}")
        return LabelFailure(answer.reason, answer.message, str(folder), time.perf_counter() - started)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """The reference's own; None also when its host gave no answer, which is logged."""
        if not self._settings.FREE_ATOMS:
            return None
        answer = self._ask(AtomRequest(number, folder.absolute()), session=None)
        if isinstance(answer, Loss):
            log.warning("the free atom Z = %d has no energy: %s: %s", number, answer.reason, answer.message)
            return None
        energy: float | None = answer
        return energy

    def close(self) -> None:
        """End the host; the next label starts another one."""
        if self._host is not None:
            self._host.close()
            self._host = None

    def _ask(self, request: Request, *, session: Hashable) -> Any:
        """The answer of a host that can serve this session, or the loss of it."""
        if self._host is not None and (not self._host.is_alive or session != self._session):
            self.close()
        if self._host is None:
            started = self._start()
            if isinstance(started, Loss):
                return started
            self._host, self._session = started, session
        # Without a host meanwhile: were this interrupted, its answer would be taken for that to the next question.
        host, self._host = self._host, None
        answer = host.ask(request, timeout_s=self._settings.walltime_s)
        if not isinstance(answer, Loss):
            self._host = host
        return answer

    def _start(self) -> "Host | Loss":
        """A new host with its reference built. Whatever is in its way is not the structure's fault."""
        try:
            host = Host(self._settings.launcher, self._settings.own_environment)
        except OSError as error:
            return Loss(FailureReason.MISSING_EXECUTABLE, f"the engine's process can't be started: {error}")
        ready = host.ask(self._settings, timeout_s=START_S)
        if isinstance(ready, Ready) and ready.problem is None:
            return host
        host.close()
        if isinstance(ready, Loss):
            hint = f". {TWO_MPIS}" if self._settings.launcher else ""
            return Loss(FailureReason.MISSING_EXECUTABLE, f"at its start, {ready.message}{hint}", ready.output)
        return Loss(FailureReason.MISSING_EXECUTABLE, ready.problem)


class Host:
    """One running host, seen from the worker.

    Parameters
    ----------
    launcher : sequence of str
        Words before the interpreter; when the last one is a Python interpreter, it takes the place of ours.
    environment : mapping of str to str
        Variables besides those of this process.

    Raises
    ------
    OSError
        The launcher is missing, or the machine can't start another process.
    """

    def __init__(self, launcher: Sequence[str], environment: Mapping[str, str]) -> None:
        interpreter = () if launcher and Path(launcher[-1]).name.startswith("python") else (sys.executable,)
        command = [
            *launcher,
            *interpreter,
            "-m",
            "aims_pax.reference.process.host",
            *(("parallel",) if launcher else ()),
        ]
        # What the worker's own launcher said of its ranks is not about ours.
        inherited = {name: value for name, value in os.environ.items() if not (launcher and name in SIZE_VARIABLES)}
        # Appended to, so that it can be emptied; without a name, so that nothing stays behind.
        self._output = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        self._child = subprocess.Popen(
            kept(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            env={**inherited, **environment},
            process_group=0,
        )
        self._received = b""
        # The host must not outlive a worker that forgets to close it; SIGKILL is what the leash is for.
        self._end = weakref.finalize(self, _end, self._child)

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def ask(self, message: object, *, timeout_s: float | None) -> Any:
        """The answer to a message, or the loss of this host, which then has ended.

        Parameters
        ----------
        timeout_s : float or None
            Longest wait, s; None: as long as the host lives.
        """
        self._output.truncate(0)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            _pipe(self._child.stdin).write(as_line(message))
            _pipe(self._child.stdin).flush()
            return self._answer(deadline)
        except TimeoutError:
            _end_now(self._child)
            found = f"not finished after {timeout_s:g} s, and ended (REFERENCE.walltime_s)"
            return Loss(FailureReason.WALLTIME, found, self._printed())
        except (BrokenPipeError, EOFError, ValueError, pickle.UnpicklingError):  # gone, or its answer is mutilated
            return self._loss()

    def close(self) -> None:
        """End the host, in order if it can."""
        self._end()

    def _answer(self, deadline: float | None) -> Any:
        """The next line that is a message.

        Raises
        ------
        TimeoutError
            There was none before the deadline.
        EOFError, ValueError, pickle.UnpicklingError
            The host has ended, or its answer is not whole.
        """
        source = _pipe(self._child.stdout).fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            while True:
                line, found, rest = self._received.partition(b"\n")
                if found:
                    self._received = rest
                    if MARK in line:
                        return of_line(line)
                    continue  # the launcher's own words
                left = None if deadline is None else deadline - time.monotonic()
                if not selector.select(left):
                    raise TimeoutError
                arrived = os.read(source, 1 << 20)
                if not arrived:
                    raise EOFError
                self._received += arrived

    def _loss(self) -> Loss:
        """What to say of a host that has ended by itself."""
        try:
            code = self._child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            code = None
        _end_now(self._child)
        printed = self._printed()
        words = " | ".join([line.strip() for line in printed.splitlines() if re.search(r"\w", line)][-LAST_WORDS:])
        ended = f"the engine's process {'stopped answering' if code is None else ending(code)}"
        reason = reason_said(f"{ended}\n{printed}") or FailureReason.CRASHED
        return Loss(reason, f"{ended}; its last words: {words}" if words else ended, printed)

    def _printed(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        tail = os.pread(self._output.fileno(), OUTPUT_BYTES, max(0, size - OUTPUT_BYTES))
        return tail.decode("utf-8", errors="replace")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe of a child that was started with all of them."""
    if pipe is None:
        raise EOFError
    return pipe


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a host in order: it ends its engine when nobody speaks to it any more."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not yet written has no reader
                pipe.close()
    try:
        child.wait(CLOSING_S)
    except subprocess.TimeoutExpired:
        log.warning("an engine did not end within %g s; it is ended by force", CLOSING_S)
        _end_now(child)


def _end_now(child: "subprocess.Popen[bytes]") -> None:
    """End a host and all that it has started, by force if need be."""
    child.terminate()
    try:
        child.wait(2 * GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
