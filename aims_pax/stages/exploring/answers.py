"""Labels of the frames of a round: what is wished for, asked for and answered, and where its structures go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.records import JobStatus, StoredJob
from aims_pax.frame import CommitteePrediction, Frame, Split
from aims_pax.labelling.desk import LabelDesk
from aims_pax.learner.exploration import Exploration
from aims_pax.learner.selectors import RandomShare
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.exploring import judging
from aims_pax.stages.labelled.batch import Ask, Batch
from aims_pax.stages.states import MOTIONS

if TYPE_CHECKING:
    from aims_pax.protocols import Committee

MAX_AHEAD: Final = 200
"""Labels that are asked for before there is an answer."""

CHOSEN: Final = "chosen"
"""Under which the chosen frames of the present round are kept: their numbers among all, and why."""

Identity = tuple[int, int]
"""Trajectory and MD step."""


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """A frame that is to be labelled, and why."""

    frame: Frame
    why: str

    @property
    def identity(self) -> Identity:
        """By which it is known again in the store."""
        return self.frame.trajectory, self.frame.md_step


def keep_wishes(bench: Bench, name: str, wishes: Mapping[int, str]) -> None:
    """Remember which frames of a round are to be labelled, by their numbers, and why; in the caller's transaction."""
    bench.memory.keep_json(f"{MOTIONS}{name} {CHOSEN}", list(wishes.items()))


def wished(bench: Bench, name: str, frames: Sequence[Frame]) -> list[Wish]:
    """The same with the frames, of which these are all of the round."""
    kept = bench.memory.recall_json(f"{MOTIONS}{name} {CHOSEN}")
    assert isinstance(kept, list)
    return [Wish(frames[number], why) for number, why in kept]


def asks_of(
    bench: Bench, wishes: Sequence[Wish], committee: "Committee", *, learns_stress: bool
) -> dict[Identity, Ask]:
    """What asks for each label, and keeps what all members say of the frame beside it.

    That is computed for all that were chosen, as before an interruption, so that it is the same to the last bit.
    """
    with bench.stopwatch.during(Activity.CHECKING):
        said = judging.predicted(committee, [one.frame for one in wishes], learns_stress=learns_stress)
    return {
        wish.identity: partial(_ask, bench=bench, wish=wish, said=each) for wish, each in zip(wishes, said, strict=True)
    }


def _ask(desk: LabelDesk, *, bench: Bench, wish: Wish, said: CommitteePrediction) -> int:
    label_id = desk.request(wish.frame, source=wish.why)
    bench.store.add_prediction(label_id, said)
    return label_id


class Answers:
    """What has become of the labels of a round.

    Parameters
    ----------
    bench : Bench
    name : str
        Of the stage.
    settings : ExploreSettings
    state : Exploration
    """

    def __init__(self, bench: Bench, name: str, settings: ExploreSettings, state: Exploration) -> None:
        self._bench, self._name, self._settings, self._state = bench, name, settings, state
        self._jobs: list[StoredJob] = [
            job for job in bench.store.jobs() if job.stage == name and job.label_id >= state.first_label
        ]
        statuses = [job.status for job in self._jobs]
        self._n_received, self._n_failed = statuses.count(JobStatus.DONE), statuses.count(JobStatus.FAILED)

    @property
    def are_complete(self) -> bool:
        """Whether all that was chosen has an answer."""
        return self._n_received + self._n_failed >= self._state.present.n_selected

    def missing(self, asks: Mapping[Identity, Ask]) -> list[Ask]:
        """Those that were not made."""
        asked = {(job.frame.trajectory, job.frame.md_step) for job in self._jobs}
        return [ask for identity, ask in asks.items() if identity not in asked]

    def batch(self, committee: "Committee", *, n_epochs: int) -> Batch:
        """What asks and waits for all of them."""
        counts = self._bench.store.counts()
        return Batch(
            self._bench,
            self._name,
            n_wanted=self._state.present.n_selected,
            n_received=self._n_received,
            n_failed=self._n_failed,
            max_failures=self._settings.max_consecutive_failures,
            doing=f"round {self._state.present.number}, labelling",
            fate="is left out",
            n_train=committee.n_train(0),
            n_valid=committee.n_valid(0),
            n_epochs=n_epochs,
            n_received_before=counts.n_received - self._n_received,
            n_failed_before=counts.n_failed - self._n_failed,
        )

    def place_drawn(self) -> None:
        """Let structures that were drawn at random test, also where nothing is trained."""
        store = self._bench.store
        drawn = {job.label_id for job in store.jobs() if job.source == RandomShare.NAME}
        for label_id in store.unassigned(self._name):
            if label_id in drawn:
                store.assign(label_id, Split.TEST)

    def place(self) -> None:
        """Let the others train, validate or test, in the order in which their labels were asked for."""
        store = self._bench.store
        own = [one.split for one in store.labelled() if one.stage == self._name and one.source != RandomShare.NAME]
        label_ids = store.unassigned(self._name)
        frames = [store.frame_of(label_id) for label_id in label_ids]
        before = {split: own.count(split) for split in Split}
        number = self._state.present.number
        for label_id, split in zip(
            label_ids, judging.placed(frames, self._settings, number=number, before=before), strict=True
        ):
            store.assign(label_id, split)
