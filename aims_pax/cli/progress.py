"""One line that says where a command stands: rewritten in a terminal, a new one now and then in a file or a pipe."""

import shutil
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

from aims_pax.report.outlet import Outlet

TERMINAL_S: Final = 0.1
PLAIN_S: Final = 10.0
"""Seconds between two lines, in a terminal and elsewhere."""


class ProgressLine:
    """Shows the newest words of some work.

    Parameters
    ----------
    stream : TextIO
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = Outlet(stream), clock
        self._in_place = stream.isatty()
        self._shown_at: float | None = None
        self._words = self._put_last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def show(self, words: str) -> None:
        """Show these words, if it is time to."""
        now = self._clock()
        self._words = words
        if self._shown_at is not None and now - self._shown_at < (TERMINAL_S if self._in_place else PLAIN_S):
            return
        self._shown_at = now
        self._put()

    def end(self) -> None:
        """Leave the line as it is, with the newest words; what comes next begins a line of its own."""
        if self._words and (self._in_place or self._words != self._put_last):
            self._put()
        if self._words:
            self._stream.write("\n" if self._in_place else "")
            self._stream.flush()
        self._words, self._shown_at = "", None

    def _put(self) -> None:
        self._put_last = self._words
        if self._in_place:
            width = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{self._words[: width - 1]}")
        else:
            self._stream.write(f"{self._words}\n")
        self._stream.flush()
