"""Leaving before the work is done: who asked for it, by when, and how the campaign's loops hear of it.

A campaign is asked from outside its own thread: by a signal, or by the clock. Loops that can stop between two steps say
so by :meth:`Departure.cooperating`, commit, and leave by :meth:`Departure.leave`; everything else is interrupted where
it stands, which loses nothing that was committed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, NoReturn

MARGIN_S: Final = 60.0
"""Time kept free between leaving and the end of the walltime; never more than a tenth of the walltime."""


class Reason(StrEnum):
    """Why a campaign leaves."""

    INTERRUPTED = "Ctrl-C"
    """The user wants it (SIGINT)."""
    TERMINATED = "SIGTERM"
    """A batch system or ``kill`` ends it."""
    HUNG_UP = "SIGHUP (its terminal was closed)"
    """The window, or the connection, that it was started in is gone; ``nohup`` keeps this from it."""
    WARNED = "SIGUSR1"
    """A batch system warns that its time is nearly over."""
    STOPPED = "a request to stop"
    """The program that runs it wants it."""
    WALLTIME = "the end of the walltime"
    """Its time is nearly over, by MISC.walltime or by the batch job that it runs in."""

    @property
    def exit_code(self) -> int:
        """130, 143, 129 as shells report these signals; 75 (EX_TEMPFAIL of sysexits.h): the same command is due."""
        return {Reason.INTERRUPTED: 130, Reason.TERMINATED: 143, Reason.HUNG_UP: 129}.get(self, 75)


class Departed(KeyboardInterrupt):
    """The campaign leaves as it was asked to; everything on the way out is closed as for Ctrl-C."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in the place of a traceback."""
        return [f"Left because of {self.reason}. What was committed is kept; the same call goes on from there."]


class Departure:
    """Whether a campaign is to leave, seen by the campaign itself."""

    def __init__(self) -> None:
        self.reason: Reason | None = None
        """Why it is to leave; None while nobody has asked it to."""
        self.ends_at: float | None = None
        """Unix time at which it leaves because of its walltime; None: there is no limit."""
        self.listeners: list[Callable[[], None]] = []
        """Called when something here has changed, in the thread that changes it: they wake a pool, or set a clock."""
        self._cooperates = self._insists = self._is_leaving = False

    @property
    def is_at_a_step(self) -> bool:
        """Whether the campaign is in a loop that leaves by itself after its present step."""
        return self._cooperates

    def ask(self, reason: Reason) -> None:
        """Ask the campaign to leave; only the first reason counts. May be called from any thread."""
        if self.reason is None:
            self.reason = reason
            self._tell()

    def limit(self, ends_at: float) -> None:
        """Leave at this Unix time."""
        self.ends_at = ends_at
        self._tell()

    def insist(self) -> None:
        """Wait no longer for a loop to come to the end of its step."""
        self._insists = True

    def interrupt(self) -> None:
        """Leave from wherever the main thread is, unless a loop does so by itself soon; for a signal's handler.

        Raises
        ------
        Departed
            Once; what is closed on the way out is not interrupted again.
        """
        if self.reason is not None and not self._is_leaving and (self._insists or not self._cooperates):
            self.leave()

    def leave(self) -> NoReturn:
        """Leave now; a loop calls this when it has committed.

        Raises
        ------
        Departed
            Always.
        """
        self._is_leaving = True
        raise Departed(self.reason or Reason.INTERRUPTED)

    @contextmanager
    def cooperating(self) -> Iterator[None]:
        """Within, leaving is left to the caller, who looks at :attr:`reason` after each step.

        Raises
        ------
        Departed
            Leaving was asked for before the first step, or during the last.
        """
        self._cooperates = True
        try:
            self._leave_if_asked()
            yield
        finally:
            self._cooperates = False
        self._leave_if_asked()

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _leave_if_asked(self) -> None:
        if self.reason is not None:
            self.leave()


def leaving_time(*, started_at: float, walltime_s: float | None, job_ends_at: float | None) -> float | None:
    """When to leave so that a walltime is kept: the earlier of two ends, less a margin. All are Unix times.

    Parameters
    ----------
    started_at : float
    walltime_s : float or None
        What the user allows (MISC.walltime), s from the start.
    job_ends_at : float or None
        When the batch system ends the job that this process runs in.
    """
    ends = [started_at + walltime_s] if walltime_s is not None else []
    ends += [job_ends_at] if job_ends_at is not None else []
    if not ends:
        return None
    end = min(ends)
    return end - min(MARGIN_S, 0.1 * (end - started_at))
