"""Labels that would teach little: structures nearly alike at the same time, and requests that training has answered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from aims_pax.dataset.store import RunStore
from aims_pax.frame import FloatArray, Frame, Split
from aims_pax.labelling.desk import LabelDesk
from aims_pax.learner.events import ChunkDone, Rescored
from aims_pax.learner.state import State
from aims_pax.learner.transition import asks_by_score
from aims_pax.protocols import Predictor
from aims_pax.selection import distances, spread_of
from aims_pax.stages.loop.judging import Judgements
from aims_pax.stages.loop.parts import LoopParts

LEAST_STRUCTURES: Final = 5
"""Of fewer training structures of a system nobody knows how far apart they are."""

MOST_STRUCTURES: Final = 64
"""The newest of them that are looked at: an estimate of their spread needs no more."""


class Redundancy:
    """Looks for labels that are not worth their price; everything that it says follows from what is stored.

    Parameters
    ----------
    parts : LoopParts
        Its `skip_alike` and `withdraws`.
    """

    def __init__(self, store: RunStore, desk: LabelDesk, parts: LoopParts, judgements: Judgements) -> None:
        self._store, self._desk, self._parts, self._judgements = store, desk, parts, judgements
        self._spreads: dict[str, FloatArray | None] = {}
        self._known_at = (-1, -1)

    def looked_at(self, event: ChunkDone, state: State, committee: Predictor) -> tuple[ChunkDone, int | None]:
        """The same event, which says whether a structure that would be asked for is like one that is; and whose."""
        if not self._parts.skip_alike or not asks_by_score(state, event, self._parts.rules):
            return event, None
        frame = self._frame(event.trajectory)
        there = [index for index in state.standing if self._frame(index).system == frame.system]
        spread = self._spread(frame.system, committee) if there else None
        if spread is None:
            return event, None
        one, *others = committee.descriptors([frame, *map(self._frame, there)])
        found = distances(one, np.array(others), spread=spread)
        nearest = int(found.argmin())
        if found[nearest] >= self._parts.skip_alike:
            return event, None
        return replace(event, is_alike=True), there[nearest]

    def second_looks(self, state: State, committee: Predictor) -> list[Rescored]:
        """What the committee says now of structures whose labels nobody has begun."""
        if not self._parts.withdraws:
            return []
        waiting = [pick for pick in state.withdrawable if self._desk.is_waiting(self._frame(pick.trajectory))]
        scores = self._judgements.again(committee, [pick.trajectory for pick in waiting])
        return [Rescored(pick.trajectory, pick.md_step, *scores[pick.trajectory]) for pick in waiting]

    def _frame(self, trajectory: int) -> Frame:
        return self._parts.sampler.frame(trajectory)

    def _spread(self, system: str, committee: Predictor) -> FloatArray | None:
        """How far training structures of a system are from each other, as this generation sees them."""
        now = (committee.generation, self._store.n_placed())
        if now != self._known_at:
            self._spreads, self._known_at = {}, now
        if system not in self._spreads:
            frames = self._training_frames(system)
            enough = len(frames) >= LEAST_STRUCTURES
            self._spreads[system] = spread_of(committee.descriptors(frames)) if enough else None
        return self._spreads[system]

    def _training_frames(self, system: str) -> Sequence[Frame]:
        points = [point.frame for point in self._store.labelled() if point.split is Split.TRAINING]
        return [frame for frame in points if frame.system == system][-MOST_STRUCTURES:]
