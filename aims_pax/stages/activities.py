"""Wall time of a campaign by what it was spent on, and by the part of the run that it belongs to."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

SAME_MOMENT_S: Final = 0.01
"""By how much two accounts of the same time may differ, because one was stored a moment after the other, s."""


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
    VERIFYING = "verifying"
    """Molecular dynamics with the finished models, for the verdict."""
    LABELLING = "labelling"
    """Blocked on labels: in the inline pool they are computed in this time, elsewhere it is waited for them."""
    RECORDING = "recording"
    """Committing to the run store and writing checkpoints and results."""
    DECIDING = "deciding"
    """Everything else: what the learner does, and what holds the parts together."""


class Part(StrEnum):
    """The parts of a run that wall time is told by; what a forecast foretells, too.

    Besides them each stage of a campaign is a part by its own name; those that most campaigns have are among them.
    """

    STARTING = "starting"
    """Loading and building models, starting workers, reading the store; whichever part needs it."""
    INITIAL = "initial"
    """The initial dataset: MD of its driver, labels, epochs."""
    INITIAL_CONVERGENCE = "initial convergence"
    """Training on the initial dataset, as long as that helps."""
    ACTIVE = "active"
    """Active learning."""
    CONVERGENCE = "convergence"
    """Training the final models."""
    VERDICT = "verdict"
    """MD with the product, watched."""
    RESULTS = "results"
    """Exporting models and datasets, measuring errors, drawing figures."""
    NOT_RECORDED = "not recorded"
    """Spent by an older version of this program, which noted no parts."""


class Stopwatch:
    """Adds up wall seconds by activity and by part, over all interruptions of a run; no second is left out.

    Time belongs to :attr:`Part.STARTING` until :meth:`enter` is called, and always when the activity is starting.

    Parameters
    ----------
    clock : callable
        Seconds from some fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(Activity, 0.0)
        self._by_part: dict[str, float] = dict.fromkeys(map(str, Part), 0.0)
        self._part = str(Part.STARTING)
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

    @property
    def part(self) -> str:
        """The part of the run that time belongs to now."""
        return self._part

    def enter(self, part: str) -> None:
        """From now on time belongs to this part of the run: one of :class:`Part`, or a stage by its name."""
        self._switch(self._open)
        self._part = str(part)

    def seconds(self) -> dict[str, float]:
        """Seconds so far, by activity."""
        self._switch(self._open)
        return {str(activity): seconds for activity, seconds in self._seconds.items()}

    def seconds_by_part(self) -> dict[str, float]:
        """Seconds so far, by part; those of an older program only where there are any."""
        self._switch(self._open)
        told = {part: seconds for part, seconds in self._by_part.items() if seconds or part != Part.NOT_RECORDED}
        ends = (Part.VERDICT, Part.RESULTS, Part.NOT_RECORDED)
        return dict(sorted(told.items(), key=lambda item: item[0] in ends))

    def to_text(self) -> str:
        """Seconds by activity, to be stored."""
        return json.dumps(self.seconds())

    def parts_to_text(self) -> str:
        """Seconds by part, to be stored beside :meth:`to_text`, which older programs read."""
        return json.dumps(self.seconds_by_part())

    def add(self, text: str, *, parts: str | None = None) -> None:
        """Add the seconds that an earlier process of the same run has stored.

        Parameters
        ----------
        text : str
            Of :meth:`to_text`.
        parts : str or None
            Of :meth:`parts_to_text`; None where an older program has stored none.
        """
        spent_s, told_s = 0.0, 0.0
        for name, seconds in json.loads(text).items():
            self._seconds[Activity(name)] += seconds
            spent_s += seconds
        for name, seconds in json.loads(parts or "{}").items():
            self._by_part[name] = self._by_part.get(name, 0.0) + seconds
            told_s += seconds
        if spent_s - told_s > SAME_MOMENT_S:
            self._by_part[Part.NOT_RECORDED] += spent_s - told_s

    def _switch(self, activity: Activity) -> Activity:
        now, before = self._clock(), self._open
        self._seconds[before] += now - self._since
        part = str(Part.STARTING) if before is Activity.STARTING else self._part
        self._by_part[part] = self._by_part.get(part, 0.0) + now - self._since
        self._open, self._since = activity, now
        return before
