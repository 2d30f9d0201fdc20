"""The live view: where a campaign stands, at one glance, while it runs."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from aims_pax.protocols import Status
from aims_pax.report.glance import glance, status_line

PLAIN_INTERVAL_S: Final = 10.0
"""Seconds between progress lines where the output is not a terminal."""

REFRESHES_PER_SECOND: Final = 2.0


class LiveView:
    """Shows a campaign to a person: a panel in a terminal, a line now and then in a file or a pipe.

    Implements :class:`aims_pax.protocols.Observer`.

    Parameters
    ----------
    console : Console
        Where to show; the same console that the diary prints to.
    title : str
        Name of the project.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, console: Console, *, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._title = title
        self._clock = clock
        self._status: Status | None = None
        self._printed: tuple[float, Status] | None = None
        self._live = (
            Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, get_renderable=self._panel, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, status: Status) -> None:
        """Take note of the newest status; the panel is drawn by a thread of its own."""
        self._status = status
        if self._live is None:
            self._print_now_and_then(status)
        elif not self._live.is_started:
            self._live.start()

    def close(self) -> None:
        """Leave the terminal as it was, with the last status as its last line."""
        if self._live is not None and self._live.is_started:
            self._live.stop()
        status, self._status = self._status, None
        if status is not None and (self._printed is None or self._printed[1] != status):
            self._print(replace(status, activity="", stages=()))  # over by now

    def _print_now_and_then(self, status: Status) -> None:
        """Print when it is time to, and when there is progress to tell."""
        now_s = self._clock()
        if self._printed is not None:
            last_s, last = self._printed
            if now_s - last_s < PLAIN_INTERVAL_S or work_of(status) == work_of(last):
                return
        self._print(status)
        self._printed = (now_s, status)

    def _print(self, status: Status) -> None:
        self._console.print(status_line(status), highlight=False, markup=False, soft_wrap=True)

    def _panel(self) -> RenderableType:
        return Text() if self._status is None else glance(self._status, title=self._title, at=time.time())


def work_of(status: Status) -> Status:
    """A status without what changes while nothing gets done: its time, and what is going on."""
    stages = tuple(replace(one, spent_s=0.0, left_s=()) for one in status.stages)
    return replace(status, activity="", is_waiting=False, waits_for="", stages=stages, busy_workers=None, at=0.0)
