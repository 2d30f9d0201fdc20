"""How the sessions of a run begin and end, noted for those who look at it when nobody works on it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed
from aims_pax.errors import AimsPaxError, StoreError
from aims_pax.stages.memory import Memory

BEGUN: Final = "begun"
ENDED: Final = "ended"
"""Under which a run remembers the two."""


@dataclass(frozen=True, slots=True)
class Begun:
    """By what the newest session was begun.

    Parameters
    ----------
    command : str
        As it was typed; empty for one that Python has begun.
    folder : str
        In which it was typed.
    """

    command: str
    folder: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How the newest session has ended before the end of the run.

    Parameters
    ----------
    words : str
        Why: ``left because of Ctrl-C``, or a message.
    is_departure : bool
        Whether it has left as it was asked to; else something is to be mended.
    at : float
        Unix time, s.
    """

    words: str
    is_departure: bool
    at: float


@contextmanager
def noting_end(store: RunStore, memory: Memory, *, command: str) -> Iterator[None]:
    """Note the beginning of a session, and how it ends if not as it should; one that is killed notes no end."""
    with store.unflushed_transaction():
        memory.keep(BEGUN, Begun(command, os.getcwd()))
        memory.forget(ENDED)
    try:
        yield
    except BaseException as error:
        with suppress(StoreError), store.unflushed_transaction():  # what is told is the error, and not the note
            memory.keep(ENDED, _ended(error))
        raise


def _ended(error: BaseException) -> Ended:
    if isinstance(error, Departed):
        return Ended(f"left because of {error.reason}", True, time.time())
    if isinstance(error, KeyboardInterrupt):
        return Ended("interrupted", True, time.time())
    words = str(error) if isinstance(error, AimsPaxError) else f"{type(error).__name__}: {error}"
    return Ended(words, False, time.time())
