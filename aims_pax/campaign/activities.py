"""Wall time of a campaign by what it was spent on."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Activity(StrEnum):
    """What the campaign's own process is doing."""

    STARTING = "starting"
    """Loading models, starting workers, reading the store."""
    SAMPLING = "sampling"
    """Molecular dynamics."""
    CHECKING = "checking"
    """Committee predictions for the uncertainty."""
    TRAINING = "training"
    """Epochs of continual learning."""
    CONVERGING = "converging"
    """Epochs of the final convergence."""
    LABELLING = "labelling"
    """Blocked on labels: in the inline pool they are computed in this time, elsewhere it is waited for them."""
    RECORDING = "recording"
    """Committing to the run store and writing checkpoints and results."""
    DECIDING = "deciding"
    """Everything else: what the learner does, and what holds the parts together."""


class Stopwatch:
    """Adds up wall seconds by activity, over all interruptions of a run; from its making, no second is left out.

    Parameters
    ----------
    clock : callable
        Seconds from some fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(Activity, 0.0)
        self._open = Activity.DECIDING
        self._since = clock()

    @contextmanager
    def during(self, activity: Activity) -> Iterator[None]:
        """Count the time within to an activity; an activity within another interrupts it."""
        outer = self._switch(activity)
        try:
            yield
        finally:
            self._switch(outer)

    def seconds(self) -> dict[str, float]:
        """Seconds so far, by activity."""
        self._switch(self._open)
        return {str(activity): seconds for activity, seconds in self._seconds.items()}

    def to_text(self) -> str:
        return json.dumps(self.seconds())

    def add(self, text: str) -> None:
        """Add the seconds that an earlier process of the same run has written with :meth:`to_text`."""
        for name, seconds in json.loads(text).items():
            self._seconds[Activity(name)] += seconds

    def _switch(self, activity: Activity) -> Activity:
        now, before = self._clock(), self._open
        self._seconds[before] += now - self._since
        self._open, self._since = activity, now
        return before
