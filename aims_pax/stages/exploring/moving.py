"""The MD of a round: many trajectories in one batch, frames at fixed intervals, all of it kept as it comes."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from aims_pax.frame import Frame
from aims_pax.protocols import Driver
from aims_pax.sampling import BatchedSampler, TrajectoryStart
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.exploring.starts import Start
from aims_pax.stages.states import MOTIONS
from aims_pax.trajectory import pack_arrays, unpack_arrays

diary = logging.getLogger("aims_pax.explore")

SLICE: Final = 50
"""MD steps between two moments at which a run can be left."""

COMMIT_S: Final = 15.0
"""Seconds of MD that a kill may cost."""

NAMED_EARLY: Final = 5
"""Trajectories of a round whose end is told one by one."""


@dataclass(frozen=True, slots=True)
class EndedEarly:
    """A trajectory that has become unphysical, and is moved no more.

    Parameters
    ----------
    trajectory : int
        Within its round.
    md_step : int
    words : str
    """

    trajectory: int
    md_step: int
    words: str


@dataclass(frozen=True, slots=True)
class Motion:
    """How far the MD of a round has come; a value that can be journalled.

    Parameters
    ----------
    interval : int
        Which interval between frames is under way; 0 is the time that gives none.
    group : int
        Of those of one time step, which move together, the one that is under way.
    n_done : int
        MD steps that it has made of this interval.
    early : tuple of EndedEarly
    """

    interval: int = 0
    group: int = 0
    n_done: int = 0
    early: tuple[EndedEarly, ...] = ()


class Movement:
    """MD from its starts to its end, from wherever the store says that it stands.

    Parameters
    ----------
    bench : Bench
    name : str
        Of the stage.
    settings : ExploreSettings
    starts : sequence of Start
    driver : Driver
    seed : int
        Of velocities and noise.
    show : callable
        Told of the interval that is under way, MD steps made, and trajectories that move.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        settings: ExploreSettings,
        starts: Sequence[Start],
        driver: Driver,
        *,
        seed: int,
        show: Callable[[int, int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench, self._settings, self._starts, self._show, self._clock = bench, settings, starts, show, clock
        self._key = f"{MOTIONS}{name}"
        frames = [replace(one.frame, trajectory=k, md_step=0, generation=0) for k, one in enumerate(starts)]
        self._sampler = BatchedSampler(
            [TrajectoryStart(frame, (one.segment,), seed) for frame, one in zip(frames, starts, strict=True)],
            driver,
            device=bench.existing_committee().device,
        )
        self._groups = _groups(starts)
        self.state = bench.memory.recall(self._key, Motion) or Motion()
        if (saved := bench.memory.recall_bytes(f"{self._key} sampler")) is not None:
            self._sampler.load(saved)
        self._committed = clock()

    def run(self) -> None:
        """Move to the end.

        Raises
        ------
        Departed
            The campaign was asked to leave; the MD until now is kept.
        """
        with self._bench.departure.cooperating():
            while self.state.interval <= self._settings.frames_per_trajectory:
                while self.state.group < len(self._groups):
                    self._move(self._groups[self.state.group])
                self._end_interval()

    @property
    def md_steps(self) -> int:
        """Of all trajectories together."""
        return sum(self._sampler.md_step(k) for k in range(len(self._starts)))

    def _move(self, group: Sequence[int]) -> None:
        """A slice of the present interval of trajectories of one time step."""
        state, settings = self.state, self._settings
        length_ps = settings.sampling_time if state.interval else settings.thermalization_time
        n_steps = self._starts[group[0]].steps(length_ps)
        early = {one.trajectory for one in state.early}
        live = [k for k in group if k not in early]
        n_now = min(SLICE, n_steps - state.n_done) if live else 0
        if n_now <= 0:
            self.state = replace(state, group=state.group + 1, n_done=0)
            return
        with self._bench.stopwatch.during(Activity.SAMPLING):
            moved = self._sampler.advance(live, n_now)
        for one in moved:
            if one.problem is not None:
                self._end_early(EndedEarly(one.trajectory, one.md_step, one.problem))
        self.state = replace(self.state, n_done=state.n_done + n_now)
        self._show(state.interval, self.md_steps, len(self._starts) - len(self.state.early))
        is_asked_to_leave = self._bench.departure.reason is not None
        if is_asked_to_leave or self._clock() - self._committed > COMMIT_S:
            self._commit({})
        if is_asked_to_leave:
            self._bench.departure.leave()

    def _end_early(self, early: EndedEarly) -> None:
        if len(self.state.early) < NAMED_EARLY:
            start = self._starts[early.trajectory]
            time_ps = early.md_step * start.md.timestep / 1000
            words = "trajectory %d, %s, ends at %.3g ps: %s; its frames until then are kept"
            diary.info(words, early.trajectory, start.words, time_ps, early.words)
        self.state = replace(self.state, early=(*self.state.early, early))

    def _end_interval(self) -> None:
        """Keep a frame of each trajectory that is sound, and go on with the next interval."""
        early, frames = {one.trajectory for one in self.state.early}, {}
        if self.state.interval:
            live = [k for k in range(len(self._starts)) if k not in early]
            frames[f"{self._key} frames {self.state.interval:06d}"] = self._packed(live)
        self.state = replace(self.state, interval=self.state.interval + 1, group=0, n_done=0)
        self._commit(frames)

    def _packed(self, trajectories: Sequence[int]) -> bytes:
        frames = [self._sampler.frame(k) for k in trajectories]
        return pack_arrays(
            {
                "trajectories": np.array(trajectories, dtype=np.int64),
                "md_steps": np.array([frame.md_step for frame in frames], dtype=np.int64),
                "positions": np.concatenate([np.zeros((0, 3)), *(frame.positions for frame in frames)]),
                "cells": np.array([frame.cell for frame in frames]).reshape(-1, 3, 3),
            }
        )

    def _commit(self, frames: Mapping[str, bytes]) -> None:
        memory = self._bench.memory
        with self._bench.stopwatch.during(Activity.RECORDING), self._bench.store.transaction():
            for key, packed in frames.items():
                memory.keep_bytes(key, packed)
            memory.keep(self._key, self.state)
            memory.keep_bytes(f"{self._key} sampler", self._sampler.save())
            memory.keep_time(self._bench.stopwatch)
        self._committed = self._clock()


def frames_kept(bench: Bench, name: str, starts: Sequence[Start], *, first: int, generation: int) -> list[Frame]:
    """Frames of the present round, by time and then by trajectory.

    Parameters
    ----------
    starts : sequence of Start
        Of its trajectories.
    first : int
        Number that its first trajectory has in the run.
    generation : int
        Of the committee that has driven it.
    """
    return list(_frames(bench, name, starts, first=first, generation=generation))


def _frames(bench: Bench, name: str, starts: Sequence[Start], *, first: int, generation: int) -> Iterator[Frame]:
    for key in bench.store.state_names(f"{MOTIONS}{name} frames "):
        packed = bench.memory.recall_bytes(key)
        assert packed is not None
        arrays = unpack_arrays(packed, ("trajectories", "md_steps", "positions", "cells"))
        start_of = 0
        for place, number in enumerate(arrays["trajectories"].tolist()):
            start = starts[number]
            atoms = slice(start_of, start_of + start.frame.n_atoms)
            start_of = atoms.stop
            yield replace(
                start.frame,
                trajectory=first + number,
                md_step=int(arrays["md_steps"][place]),
                generation=generation,
                positions=arrays["positions"][atoms].astype(np.float64),
                cell=arrays["cells"][place].astype(np.float64),
                config_type=start.condition,
            )


def forget_motion(bench: Bench, name: str) -> None:
    """Forget the MD of a round, its frames among it; within the caller's transaction."""
    for key in bench.store.state_names(f"{MOTIONS}{name}"):
        if key == f"{MOTIONS}{name}" or key.startswith(f"{MOTIONS}{name} "):
            bench.memory.forget(key)


def _groups(starts: Sequence[Start]) -> list[list[int]]:
    """Trajectories of the same time step."""
    found: dict[float, list[int]] = {}
    for number, start in enumerate(starts):
        found.setdefault(start.md.timestep, []).append(number)
    return list(found.values())
