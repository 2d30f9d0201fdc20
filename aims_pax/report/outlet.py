"""Standard output of a program that goes on when nobody reads it any more."""

import io
import os
from typing import TextIO

STANDARD_STREAMS = (1, 2)


class Outlet(io.TextIOBase):
    """Writes to a terminal, a pipe or a file, and to nowhere from the moment at which that is gone.

    A closed window, a lost connection or a reader that has ended is no reason to end a campaign that may go on; the
    diary in its folder has every line. The standard streams that led to the same place then lead to nowhere as well,
    so that nothing else of the program fails there.

    Parameters
    ----------
    stream : TextIO
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self._stream.encoding

    def write(self, text: str) -> int:
        """Write, or let it be."""
        try:
            return self._stream.write(text)
        except OSError:
            self._lead_nowhere()
            return len(text)

    def flush(self) -> None:
        """Flush, or let it be."""
        try:
            self._stream.flush()
        except OSError:
            self._lead_nowhere()

    def isatty(self) -> bool:
        """Whether a person may look at it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Of the stream."""
        return self._stream.fileno()

    def _lead_nowhere(self) -> None:
        gone = os.fstat(self.fileno())
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in STANDARD_STREAMS:
            if os.path.samestat(os.fstat(number), gone):
                os.dup2(nowhere, number)
        os.close(nowhere)
