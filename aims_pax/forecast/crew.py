"""Whoever computes labels in a simulated campaign: so many workers, or the campaign itself."""

import heapq
from typing import Final, Protocol

OWN_PROCESS: Final = 0
"""Number of workers where there are none: the campaign computes its labels itself, and does nothing else meanwhile."""


class Crew(Protocol):
    """Whoever computes labels."""

    def submit(self, number: int, *, now_s: float, label_s: float) -> float:
        """Ask for a label; returns how long the campaign itself is held up by it, s."""

    def next_done_s(self) -> float:
        """When the next label is done."""

    def done(self, now_s: float) -> list[int]:
        """Numbers of the labels that are done by now, first come first."""


class Workers:
    """Equal workers that serve labels in the order in which they are asked for."""

    def __init__(self, n_workers: int) -> None:
        self._free_at = [0.0] * n_workers
        self._done_at: list[tuple[float, int]] = []

    def submit(self, number: int, *, now_s: float, label_s: float) -> float:
        done_s = max(now_s, heapq.heappop(self._free_at)) + label_s
        heapq.heappush(self._free_at, done_s)
        heapq.heappush(self._done_at, (done_s, number))
        return 0.0

    def next_done_s(self) -> float:
        return self._done_at[0][0]

    def done(self, now_s: float) -> list[int]:
        found = []
        while self._done_at and self._done_at[0][0] <= now_s:
            found.append(heapq.heappop(self._done_at)[1])
        return found


class OwnProcess:
    """The campaign itself, which computes a label at the moment it is asked for."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._done_s = 0.0

    def submit(self, number: int, *, now_s: float, label_s: float) -> float:
        self._done.append(number)
        self._done_s = now_s + label_s
        return label_s

    def next_done_s(self) -> float:
        return self._done_s

    def done(self, now_s: float) -> list[int]:
        found, self._done = self._done, []
        return found


def crew(n_workers: int) -> Crew:
    """So many workers, or the campaign's own process for :data:`OWN_PROCESS`."""
    return OwnProcess() if n_workers == OWN_PROCESS else Workers(n_workers)
