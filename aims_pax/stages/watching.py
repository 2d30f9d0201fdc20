"""A run as it is seen: told at once to whoever looks on, and kept in its store for those who look later."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

from aims_pax.dataset.records import Counts
from aims_pax.dataset.store import RunStore
from aims_pax.learner.journal import from_text
from aims_pax.protocols import ErrorAhead, Observer, StageSeen, StageState, Status
from aims_pax.stages.activities import Stopwatch
from aims_pax.stages.memory import Memory, recalling

SHOWN: Final = "shown"
"""Under which a run remembers what it has last told of itself. Nothing goes on from it."""

KEPT_S: Final = 10.0
"""How old what is kept may become while nothing changes but numbers, s."""

LOOKED_S: Final = 1.0
"""How often parts, workers and the time that is left are looked at again, s."""

N_ERRORS: Final = 30
"""Errors that the trend is shown by."""

WINDOW_S: Final = 3600.0
N_LABELS: Final = 200
"""Time, and labels at most, by which the use of workers is measured."""

TimeLeft = Mapping[str, tuple[float, ...]]
"""Seconds that parts of a run have still to take, by their names, as in :class:`~aims_pax.protocols.StageSeen`."""


def status_at_rest(counts: Counts, *, stage: str, activity: str = "") -> Status:
    """Where a run stands while no trajectory moves, as far as its labels tell; the rest is for :func:`replace`."""
    return Status(
        stage=stage,
        n_running=0,
        n_waiting=0,
        n_training=0,
        n_finished=0,
        n_labels_requested=counts.n_requested,
        n_labels_received=counts.n_received,
        n_labels_failed=counts.n_failed,
        n_train=counts.n_train,
        n_valid=counts.n_valid,
        train_goal=None,
        md_steps=0,
        epochs=0,
        threshold=float("inf"),
        last_score=None,
        force_mae_ev_per_ang=None,
        activity=activity,
        n_withdrawn=counts.n_withdrawn,
    )


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is foretold of a run under way.

    Parameters
    ----------
    left_s : TimeLeft
    error : ErrorAhead or None
    """

    left_s: TimeLeft = field(default_factory=dict)
    error: ErrorAhead | None = None


Outlook = Callable[[Status, RunStore, Memory], Ahead]
"""Foretells. It is asked at every status and must be quick; it may answer as it did before."""


def no_outlook(_status: Status, _store: RunStore, _memory: Memory) -> Ahead:
    """Nobody foretells."""
    return Ahead()


class Watching:
    """Tells an observer of a run, and the run's store.

    What is kept costs a write without waiting for the disk, when something else is done than before, and else at most
    one in ten seconds; with whatever is committed in any case it costs nothing of its own.

    Implements :class:`aims_pax.protocols.Observer`.

    Parameters
    ----------
    stopwatch : Stopwatch
        Knows in which part the run is, and for how long it was in each.
    n_workers : int or None
        As in :class:`~aims_pax.protocols.Status`.
    clock : callable
        Unix time, s.
    """

    def __init__(
        self,
        observer: Observer,
        store: RunStore,
        memory: Memory,
        *,
        stopwatch: Stopwatch,
        n_workers: int | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._observer, self._store, self._memory = observer, store, memory
        self._stopwatch, self._n_workers, self._clock = stopwatch, n_workers, clock
        self.outlook: Outlook = no_outlook
        self.parts: Sequence[str] = ()
        """Names of all parts of the campaign in their order."""
        self._errors = tuple(store.error_course(N_ERRORS))
        self._stages: tuple[StageSeen, ...] = ()
        self._busy: float | None = None
        self._n_kept_out = 0
        self._looked_at = self._kept_at = 0.0
        self._status: Status | None = None
        self._kept: Status | None = None

    def show(self, status: Status) -> None:
        """Tell of the newest status."""
        now = self._clock()
        if (error := status.force_mae_ev_per_ang) is not None and (not self._errors or error != self._errors[-1]):
            self._errors = (*self._errors, error)[-N_ERRORS:]
        if abs(now - self._looked_at) > LOOKED_S or self._stopwatch.part != told_part(self._stages):
            self._stages, self._busy, self._looked_at = self._seen(), self._busy_workers(now), now
            self._n_kept_out = self._store.n_kept_out()
        told = replace(
            status,
            stages=self._stages,
            force_maes=self._errors,
            n_workers=self._n_workers,
            busy_workers=self._busy,
            at=now,
            n_labels_kept_out=self._n_kept_out,
        )
        ahead = self.outlook(told, self._store, self._memory)
        stages = tuple(_with_time_left(one, ahead.left_s) for one in self._stages)
        self._status = replace(told, stages=stages, error_ahead=ahead.error)
        self._observer.show(self._status)
        if self._is_news(self._status, now):
            with self._store.unflushed_transaction():
                self.keep()

    def tell_what_is_waited_for(self, words: str) -> None:
        """The present status goes on, and this is why."""
        if self._status is None:
            return
        self._status = replace(self._status, waits_for=words)
        self._observer.show(self._status)
        with self._store.unflushed_transaction():
            self.keep()

    def keep(self) -> None:
        """Store what was told last, within the caller's transaction."""
        if self._status is not None and self._status is not self._kept:
            self._memory.keep(SHOWN, self._status)
            self._kept, self._kept_at = self._status, self._clock()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._observer.close()

    def _is_news(self, status: Status, now: float) -> bool:
        """Whether those who look at the store should hear of it now."""
        if self._kept is None or abs(now - self._kept_at) > KEPT_S:
            return True
        before = self._kept
        return (_words(status.activity), status.present) != (_words(before.activity), before.present)

    def _seen(self) -> tuple[StageSeen, ...]:
        """Every part of the campaign: those before the present one are over."""
        present, spent_s = self._stopwatch.part, self._stopwatch.seconds_by_part()
        names = list(self.parts)
        index = names.index(present) if present in names else -1
        states = [
            StageState.AHEAD if n > index else StageState.PRESENT if n == index else StageState.OVER
            for n in range(len(names))
        ]
        return tuple(StageSeen(name, state, spent_s.get(name, 0.0)) for name, state in zip(names, states, strict=True))

    def _busy_workers(self, now: float) -> float | None:
        """Labels that were computed at the same time within the last hour, on average."""
        labels = self._store.recent_labels(N_LABELS)
        if not labels or not self._n_workers:
            return None
        since = max(now - WINDOW_S, min(received_at - wall_s for received_at, wall_s in labels))
        computed_s = sum(max(0.0, min(wall_s, received_at - since)) for received_at, wall_s in labels)
        return min(float(self._n_workers), computed_s / max(now - since, 1e-3))


def told_part(stages: Sequence[StageSeen]) -> str:
    """The part that is under way; empty where none is."""
    return next((one.name for one in stages if one.state is StageState.PRESENT), "")


def _with_time_left(stage: StageSeen, left_s: TimeLeft) -> StageSeen:
    known = stage.name in left_s and stage.state is not StageState.OVER
    return replace(stage, left_s=left_s[stage.name]) if known else stage


def _words(activity: str) -> str:
    return re.sub(r"\d+", "", activity)


def kept_status(memory: Memory) -> Status | None:
    """What a run has last told of itself; None where a program did that kept nothing of it.

    What a later program tells besides is left out.
    """
    kept = memory.recall_bytes(SHOWN)
    if kept is None:
        return None
    with recalling(SHOWN):
        known = {one.name for one in fields(Status)}
        content = {name: value for name, value in json.loads(kept).items() if name in known}
        return from_text(Status, json.dumps(content))
