"""Signals and the clock, which ask a campaign to leave, and see to it that it does."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, Final, Self

from aims_pax.departure import Departure, Reason
from aims_pax.report.logs import log_failure

diary = logging.getLogger("aims_pax.run")

STEP_S: Final = 15.0
"""How long a campaign that was asked to leave may take to the end of its step, until it is interrupted within."""

LEAVING_S: Final = 28.0
"""How long leaving may take, until the process is ended as it is."""

ASIDE_S: Final = 1.0
"""How long a message or the terminal may hold up the end of the process; a pipe that nobody reads would for ever."""

ECHO_S: Final = 0.3
"""Signals so soon after the first are the same one: ``timeout`` and some batch systems send each twice."""

LONGEST_LOOK_S: Final = 60.0
"""How long the clock is not looked at; it may be set meanwhile, and machines sleep."""

REASONS: Final[Mapping[int, Reason]] = {
    signal.SIGINT: Reason.INTERRUPTED,
    signal.SIGTERM: Reason.TERMINATED,
    signal.SIGHUP: Reason.HUNG_UP,
    signal.SIGUSR1: Reason.WARNED,
}

ALARM: Final = signal.SIGALRM
"""What brings the main thread back from whatever it waits for, to see whether it should leave."""

SHOW_CURSOR: Final = "\x1b[?25h"


class SignalWatch:
    """Within this context signals and the walltime ask for departure, and a departure takes half a minute at most.

    Signals are read by a thread of its own, because Python's handlers run in the main thread, and only when a
    computation in C that it may be in has come to its end. A second signal ends the process at once; workers, batch
    jobs and engines are tied to it and end by themselves. To be entered in the main thread.

    Parameters
    ----------
    departure : Departure
    """

    def __init__(self, departure: Departure) -> None:
        self.restore_terminal: Callable[[], None] = lambda: None
        """Called before the process is ended as it is."""
        self.kept_words: Callable[[], str] = lambda: ""
        """What to tell of what was committed, when the process is ended as it is."""
        self.departure = departure
        self._asked_s: float | None = None
        self._before: dict[int, Any] = {}
        self._pid = os.getpid()
        self._is_over = False
        self._read, self._write = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name="aims-pax-signals", daemon=True)

    def __enter__(self) -> Self:
        self._write.setblocking(False)
        self._hear()
        self.departure.listeners.append(self._poke)
        self._thread.start()
        return self

    def _hear(self) -> None:
        """Take the signals."""
        for number in REASONS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and shells in the background ask
                self._before[number] = signal.signal(number, _noted) or signal.SIG_DFL
        self._before[ALARM] = signal.signal(ALARM, self._interrupt) or signal.SIG_DFL
        self._fd_before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        # A child by fork shares the socket, and would hand its own signals to this process.
        os.register_at_fork(after_in_child=self._restore_handlers)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._poke()
        self._thread.join()  # it sends alarms, which would kill a process without our handler
        self._restore_handlers()
        self.departure.listeners.remove(self._poke)
        self._read.close()
        self._write.close()

    def _restore_handlers(self) -> None:
        if self._before:
            signal.set_wakeup_fd(self._fd_before if os.getpid() == self._pid else -1)
            while self._before:
                signal.signal(*self._before.popitem())

    def _poke(self) -> None:
        """Let the thread look again."""
        self._write.send(b"\0")

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._is_over:
            self.departure.interrupt()

    def _watch(self) -> None:
        """Read signals, keep the deadlines: the life of the thread."""
        while not self._is_over:
            self._read.settimeout(self._next_look_s())
            try:
                numbers = self._read.recv(64)
            except TimeoutError:
                numbers = b""
            for reason in (REASONS[number] for number in numbers if number in REASONS):
                if self.departure.reason is None:
                    self.departure.ask(reason)
                elif reason is Reason.HUNG_UP:
                    continue  # shells send it once more as they end; nobody is in a hurry
                elif self._asked_s is not None and time.monotonic() - self._asked_s > ECHO_S:
                    self._end_now(f"{reason} while it was leaving because of {self.departure.reason}")
            self._keep_deadlines()

    def _next_look_s(self) -> float:
        if self._asked_s is not None:
            waited_s = time.monotonic() - self._asked_s
            return max(0.001, (STEP_S if waited_s < STEP_S else LEAVING_S) - waited_s)
        if self.departure.ends_at is None:
            return LONGEST_LOOK_S
        return min(LONGEST_LOOK_S, max(0.001, self.departure.ends_at - time.time()))

    def _keep_deadlines(self) -> None:
        departure = self.departure
        if departure.reason is None and departure.ends_at is not None and time.time() >= departure.ends_at:
            departure.ask(Reason.WALLTIME)
        if departure.reason is None or self._is_over:
            return
        if self._asked_s is None:
            self._asked_s = time.monotonic()
            when = "after the current step" if departure.is_at_a_step else "now"
            _aside(lambda: diary.info("%s: leaving %s; Ctrl-C from now on: at once", departure.reason, when))
            self._alarm()
        elif time.monotonic() - self._asked_s >= LEAVING_S:
            self._end_now(f"{departure.reason}, and leaving in good order would take longer than {LEAVING_S:g} s")
        elif time.monotonic() - self._asked_s >= STEP_S:
            departure.insist()
            self._alarm()

    def _alarm(self) -> None:
        if not self._is_over and self._before:
            signal.pthread_kill(threading.main_thread().ident or 0, ALARM)

    def _end_now(self, why: str) -> None:
        reason = self.departure.reason
        assert reason is not None, "a process is ended only when it was asked to leave"
        _aside(self.restore_terminal)
        _aside(lambda: log_failure(f"at once: {why}", level=logging.INFO))
        cursor = SHOW_CURSOR if os.isatty(2) else ""
        said = f"{cursor}\nLeft at once: {why}. {self.kept_words()}\n"
        _aside(lambda: os.write(2, said.encode()))
        os._exit(reason.exit_code)


class GuestWatch(SignalWatch):
    """The same within a process that is not ours to end: a notebook's kernel, or a script.

    A second signal, or half a minute, interrupts what still runs, and ends nothing; a kernel that does not come back
    can be restarted. In another thread than the main one, where Python hears no signals, it keeps to the clock, and to
    who asks its departure: the campaign then leaves at the end of a step.
    """

    _has_insisted = False

    def _hear(self) -> None:
        if threading.current_thread() is threading.main_thread():
            super()._hear()

    def _next_look_s(self) -> float:
        return LONGEST_LOOK_S if self._has_insisted else super()._next_look_s()

    def _keep_deadlines(self) -> None:
        if not self._has_insisted:
            super()._keep_deadlines()

    def _end_now(self, why: str) -> None:
        if not self._has_insisted:
            self._has_insisted = True
            _aside(lambda: diary.warning("%s: what runs now is interrupted where it stands", why))
            self.departure.insist()
            self._alarm()


def _noted(_signal: int, _frame: FrameType | None) -> None:
    """The thread that reads the signals has been told by the interpreter itself."""


def _aside(work: Callable[[], object]) -> None:
    """Do something that may block for ever, and don't wait for it for long."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(ASIDE_S)
