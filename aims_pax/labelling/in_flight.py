"""Labels that are being computed somewhere: how long they take, which take too long, and what is waited for."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from aims_pax.protocols import LabelJob
from aims_pax.times import about

N_RECENT: Final = 20
"""Labels of a system by whose times the next ones are judged."""

MIN_PEERS: Final = 5
"""With fewer labels of its system nothing is known of how long a label takes."""

SLOW_FACTOR: Final = 5.0
MIN_SLOW_S: Final = 60.0
"""A label is slow when it takes this many times the median of its peers, and more than a minute."""

_ATTEMPT: Final = re.compile(r"attempt-(?P<host>.+)-(?P<process>\d+)-(?P<began_ns>\d+)")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A calculation under way, as the name of its folder tells of it.

    Parameters
    ----------
    host : str
    process : int
        Of the worker.
    began : float
        Unix time, s, by the worker's clock.
    """

    host: str
    process: int
    began: float


@dataclass(frozen=True, slots=True)
class SlowLabel:
    """A label that takes far longer than its peers; times in s."""

    label_id: int
    attempt: Attempt
    elapsed_s: float
    n_peers: int
    median_s: float

    def __str__(self) -> str:
        return (
            f"{self.label_id} has been computing for {about(self.elapsed_s)} on {self.attempt.host} "
            f"(process {self.attempt.process}); the median of {self.n_peers} others was {about(self.median_s)}"
        )


@dataclass(frozen=True, slots=True)
class _Sent:
    """A label that the pool has; `earlier` are the folders of attempts that are over."""

    folder: Path
    system: str
    earlier: frozenset[str]


class InFlight:
    """Watches over the labels that a pool was given.

    Parameters
    ----------
    recent : callable
        Seconds that the last labels of a system took, up to a number of them, oldest first.
    called : str
        What they are called before their number.
    clock : callable
        Unix time, s.
    """

    def __init__(
        self,
        recent: Callable[[str, int], list[float]],
        *,
        called: str = "label",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recent, self._called, self._clock = recent, called, clock
        self._times: dict[str, deque[float]] = {}
        self._sent: dict[int, _Sent] = {}
        self._slow: set[int] = set()

    @property
    def label_ids(self) -> tuple[int, ...]:
        """Labels that the pool has."""
        return tuple(self._sent)

    @property
    def n_computing(self) -> int:
        """How many of them a worker has begun."""
        return sum(_current(sent) is not None for sent in self._sent.values())

    def sent(self, job: LabelJob) -> None:
        """A label is about to be given to the pool."""
        earlier = frozenset(name for name, _ in _attempts(job.folder))
        self._sent[job.label_id] = _Sent(job.folder, job.frame.system, earlier)

    def ended(self, label_id: int) -> None:
        """The pool has answered."""
        self._sent.pop(label_id, None)

    def labelled(self, system: str, wall_s: float) -> None:
        """A label of this system was computed, in so many seconds."""
        self._times_of(system).append(wall_s)

    def longest_s(self, system: str) -> float | None:
        """The longest time that one of the last labels of a system took, s; None when there are none."""
        return max(self._times_of(system), default=None)

    def newly_slow(self) -> Iterator[SlowLabel]:
        """Labels that have become slow since this was asked last."""
        for label_id, sent in self._sent.items():
            times = self._times_of(sent.system)
            if label_id in self._slow or len(times) < MIN_PEERS:
                continue
            attempt, usual_s = _current(sent), median(times)
            if attempt is None:
                continue
            elapsed_s = self._clock() - attempt.began
            if elapsed_s > max(MIN_SLOW_S, SLOW_FACTOR * usual_s):
                self._slow.add(label_id)
                yield SlowLabel(label_id, attempt, elapsed_s, len(times), usual_s)

    def states(self) -> list[str]:
        """What becomes of each label that the pool has, in words, in the order in which they were sent."""
        return [
            f"{self._called} {label_id} ({sent.system}) {self._state(sent)}" for label_id, sent in self._sent.items()
        ]

    def _state(self, sent: _Sent) -> str:
        attempt = _current(sent)
        if attempt is None:
            return "has not begun"
        elapsed = about(self._clock() - attempt.began)
        return f"has been computing for {elapsed} on {attempt.host} (process {attempt.process})"

    def _times_of(self, system: str) -> "deque[float]":
        if system not in self._times:
            self._times[system] = deque(self._recent(system, N_RECENT), maxlen=N_RECENT)
        return self._times[system]


def _current(sent: _Sent) -> Attempt | None:
    """The newest attempt that was begun since the label was sent."""
    new = [attempt for name, attempt in _attempts(sent.folder) if name not in sent.earlier]
    return max(new, key=lambda attempt: attempt.began, default=None)


def _attempts(folder: Path) -> list[tuple[str, Attempt]]:
    """All attempts that have left a folder, with its name."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # none was begun, or the file system does not answer now
        return []
    found = [(name, _ATTEMPT.fullmatch(name)) for name in names]
    return [
        (name, Attempt(match["host"], int(match["process"]), int(match["began_ns"]) / 1e9))
        for name, match in found
        if match is not None
    ]
