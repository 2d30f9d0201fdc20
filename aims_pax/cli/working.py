"""What a command is doing, for a person who waits for it."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

PATIENCE_S: Final = 1.0
"""Commands that answer sooner say nothing of themselves."""


@contextmanager
def working(words: str, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Say on standard error what is being done, once, when it takes long; standard output belongs to the answer.

    Parameters
    ----------
    words : str
        ``measuring 4 models on heldout.extxyz``.
    patience_s : float, s
    """

    def say() -> None:
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            print(f"{words} ...", file=sys.stderr, flush=True)

    timer = threading.Timer(patience_s, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
