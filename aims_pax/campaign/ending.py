"""How the sessions of a run begin and end, noted for those who look at it when nobody works on it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
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


class Ending(StrEnum):
    """How a session has ended before the end of its run."""

    LEFT = "left"
    """As it was asked to; the same command goes on."""
    STOPPED = "stopped"
    """Something is to be mended, then the same command goes on."""
    DONE = "part done"
    """Its command was for a part of the campaign, and that is done."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the newest session has ended before the end of the run.

    Parameters
    ----------
    ending : Ending
    words : str
        Why: ``left because of Ctrl-C``, or a message.
    at : float
        Unix time, s.
    """

    ending: Ending
    words: str
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
    with store.unflushed_transaction():
        memory.keep(ENDED, Ended(Ending.DONE, "what was asked for is done", time.time()))


def _ended(error: BaseException) -> Ended:
    if isinstance(error, Departed):
        return Ended(Ending.LEFT, f"left because of {error.reason}", time.time())
    if isinstance(error, KeyboardInterrupt):
        return Ended(Ending.LEFT, "interrupted", time.time())
    words = str(error) if isinstance(error, AimsPaxError) else f"{type(error).__name__}: {error}"
    return Ended(Ending.STOPPED, words, time.time())
