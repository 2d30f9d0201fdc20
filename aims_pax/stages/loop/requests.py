"""Structures on their way to the reference: wanted by the learner, entered into the books, sent when committed."""

from collections.abc import Callable, Sequence

from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame
from aims_pax.labelling.desk import LabelDesk
from aims_pax.learner.events import SubmitLabel
from aims_pax.protocols import LabelDone
from aims_pax.stages.loop.judging import Judgements, Opinion
from aims_pax.stages.loop.parts import LoopParts
from aims_pax.stages.loop.telling import Diary


class Requests:
    """What a loop asks its desk for, in the order in which that must happen."""

    def __init__(self, desk: LabelDesk, store: RunStore, parts: LoopParts, diary: Diary) -> None:
        self._desk, self._store, self._parts, self._diary = desk, store, parts, diary
        self._wanted: list[SubmitLabel] = []
        self._entered: list[tuple[int, Frame]] = []

    @property
    def are_waiting(self) -> bool:
        """Whether structures are wanted that no commit has stored."""
        return bool(self._wanted)

    def want(self, pick: SubmitLabel) -> None:
        """The learner has picked the structure where a trajectory stands."""
        self._wanted.append(pick)

    def enter(self, predicted: Callable[[Sequence[int]], dict[int, Opinion]], judgements: Judgements) -> None:
        """Enter wanted structures into the books, with what the committee says of them; within a transaction.

        Parameters
        ----------
        predicted : callable
            What the committee says of the structures where some trajectories stand.
        judgements : Judgements
            Why they were picked, for the diary.
        """
        opinions = predicted([pick.trajectory for pick in self._wanted])
        for pick in self._wanted:
            frame = self._parts.sampler.frame(pick.trajectory)
            label_id = self._desk.request(frame, source=pick.selector)
            if pick.trajectory in opinions:
                self._store.add_prediction(label_id, opinions[pick.trajectory].prediction())
            self._entered.append((label_id, frame))
            judgement = judgements.newest(pick.trajectory, pick.selector)
            self._diary.picked(pick, frame.md_step, label_id, judgement=judgement)
        self._wanted.clear()

    def send(self) -> list[LabelDone]:
        """Have the labels computed that were committed; returns those that the driver has computed already."""
        entered, self._entered = self._entered, []
        known: list[LabelDone] = []
        for label_id, frame in entered:
            label = self._parts.known_label(frame)
            if label is None:
                self._desk.send(label_id)
            else:
                known.append(LabelDone(label_id, label))
        return known
