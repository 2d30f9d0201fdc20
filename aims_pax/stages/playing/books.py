"""Labels of players: wanted, entered into the books, sent when committed, and answered."""

from collections.abc import Iterable, Sequence

from aims_pax.departure import Reason
from aims_pax.frame import Frame
from aims_pax.labelling.desk import Answer
from aims_pax.learner.workflows import Submit
from aims_pax.protocols import Committee, LabelDone
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.exploring.judging import predicted
from aims_pax.stages.playing.cast import Role
from aims_pax.stages.playing.showing import Showing


class Books:
    """What players ask a desk for, in the order in which that must happen.

    The source of a label, in the store, is the workflow that has asked for it.
    """

    def __init__(self, bench: Bench, name: str, roles: Sequence[Role], showing: Showing) -> None:
        self._bench, self._roles, self._showing = bench, roles, showing
        self._learns_stress = bench.project.mace.general.compute_stress
        self._desk = bench.desk(name)
        self._wanted: list[tuple[Submit, Frame]] = []
        self._entered: list[int] = []

    @property
    def are_waiting(self) -> bool:
        """Whether structures are wanted that no commit has stored."""
        return bool(self._wanted)

    def want(self, asked: Submit, frame: Frame) -> None:
        """The learner has picked a structure."""
        self._wanted.append((asked, frame))

    def enter(self, committee: Committee | None) -> None:
        """Enter wanted structures, with what the committee says of them; within the caller's transaction."""
        frames = [frame for _, frame in self._wanted]
        said = [] if committee is None else predicted(committee, frames, learns_stress=self._learns_stress)
        for place, (asked, frame) in enumerate(self._wanted):
            label_id = self._desk.request(frame, source=self._roles[asked.player].workflow.name)
            if said:
                self._bench.store.add_prediction(label_id, said[place])
            self._entered.append(label_id)
            self._showing.asked(asked, frame, label_id)
        self._wanted.clear()

    def send(self) -> None:
        """Have the labels computed that were committed."""
        entered, self._entered = self._entered, []
        with self._bench.stopwatch.during(Activity.LABELLING):
            for label_id in entered:
                self._desk.send(label_id)

    def resume(self) -> list[LabelDone]:
        """Take up labels in flight; those that had come are returned."""
        with self._bench.stopwatch.during(Activity.LABELLING):
            return self._desk.resume()

    def hear(self, *, timeout_s: float | None) -> list[LabelDone]:
        """The labels that have come; None: wait for one."""
        with self._bench.stopwatch.during(Activity.LABELLING):
            return self._desk.collect(timeout_s=timeout_s)

    def leave_if_held(self) -> None:
        """Ask to leave where no label comes before the walltime."""
        if self._desk.only_held:
            self._bench.departure.ask(Reason.WALLTIME)

    def record(self, done: LabelDone) -> Answer:
        """Store an answer, within the caller's transaction."""
        return self._desk.record(done)

    def tidy(self, answers: Iterable[Answer]) -> None:
        """Remove folders of labels that were committed."""
        for answer in answers:
            self._desk.tidy(answer)
