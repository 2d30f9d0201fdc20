"""What a campaign says when nothing comes, and when it stops to hope."""

import logging
import time
from collections.abc import Callable
from typing import Final

from aims_pax.errors import PoolDead
from aims_pax.labelling.in_flight import InFlight
from aims_pax.protocols import Pool
from aims_pax.times import about

diary = logging.getLogger("aims_pax.labels")

TOLD_S: Final = 60.0
"""Waiting after which those who look on hear what is waited for, s."""

MAX_SHOWN: Final = 20
"""Labels that are named one by one."""


class Patience:
    """Says what a campaign waits for that has had no answer for long.

    Parameters
    ----------
    pool : Pool
    in_flight : InFlight
    patience_s : float, s
        `MISC.no_progress_s`.
    told : callable
        Hears what may be hoped for from the pool, after a minute and then each time that the waiting has doubled.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        pool: Pool,
        in_flight: InFlight,
        *,
        patience_s: float,
        told: Callable[[str], None] = lambda _words: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._in_flight, self._patience_s, self._clock = pool, in_flight, patience_s, clock
        self._told = told
        self.calm()

    def calm(self) -> None:
        """Something has come, or the waiting has only begun."""
        self._since = self._clock()
        self._due_s, self._told_due_s = self._patience_s, TOLD_S

    def look(self) -> None:
        """Speak when it is time to, while the campaign can do nothing but wait.

        Raises
        ------
        PoolDead
            It would wait for ever.
        """
        waited_s = self._clock() - self._since
        if waited_s >= self._told_due_s:
            self._told_due_s = 2 * waited_s
            self._told(self._pool.outlook().words)
        if waited_s < self._due_s:
            return
        self._due_s = waited_s + self._patience_s
        outlook, states = self._pool.outlook(), self._in_flight.states()
        diary.warning(
            "nothing has come for %s (MISC.no_progress_s); %d labels are waited for. %s",
            *(about(waited_s), self._pool.n_in_flight, outlook.words),
        )
        for state in states[:MAX_SHOWN]:
            diary.warning("  %s", state)
        if len(states) > MAX_SHOWN:
            diary.warning("  and %d more", len(states) - MAX_SHOWN)
        if outlook.is_dead:
            raise pool_dead(outlook.words)


def pool_dead(words: str) -> PoolDead:
    """The end of a campaign whose workers are gone for good."""
    return PoolDead(
        f"no more labels can be computed, because the workers are gone: {words}. No label is lost, and what was in "
        "flight stays in the books. Mend what ended them (the logs of Parsl are in the run's log folder), then the "
        "same command goes on"
    )
