"""What goes into a run store comes out of it, exactly, and nothing contradictory goes in."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aims_pax.dataset import EpochRow, JobStatus, JournalEntry, RunStore, ScoreRow
from aims_pax.dataset.records import OWN_REFERENCE
from aims_pax.errors import StoreError
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Split, Stage
from aims_pax.protocols import MemberErrors

from ...profiles import times
from .sameness import assert_same

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]


def requests_(store: RunStore, frame: MakeFrame, n: int) -> list[int]:
    return [store.add_job(frame(25 * (i + 1)), Stage.ACTIVE) for i in range(n)]


def test_requests_are_numbered_from_one_in_their_order(store: RunStore, frame: MakeFrame) -> None:
    assert requests_(store, frame, 3) == [1, 2, 3]
    assert [job.label_id for job in store.jobs()] == [1, 2, 3]


def test_frame_and_label_come_back_bit_for_bit(tmp_path: Path, frame: MakeFrame, label: MakeLabel) -> None:
    frames = [frame(25), frame(50, periodic=True, n_atoms=8)]
    labels = [label(3), label(8, with_stress=True)]
    with RunStore.open(tmp_path) as store:
        for one, answer in zip(frames, labels, strict=True):
            label_id = store.add_job(one, Stage.INITIAL)
            store.add_label(label_id, answer)
            store.assign(label_id, Split.TRAINING, member=2)
    with RunStore.open(tmp_path) as store:
        for found, one, answer in zip(store.labelled(), frames, labels, strict=True):
            assert_same(found.frame, one)
            assert_same(found.label, answer)
            assert (found.split, found.member) == (Split.TRAINING, 2)


finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def labelled_pairs(draw: st.DrawFn) -> tuple[Frame, Label]:
    n_atoms = draw(st.integers(1, 5))
    array = lambda *shape: draw(hnp.arrays(np.float64, shape, elements=finite))  # noqa: E731
    frame = Frame(
        system=draw(st.text(st.characters(codec="utf-8"))),
        trajectory=draw(st.integers(0, 2**31 - 1)),
        md_step=draw(st.integers(0, 2**62)),
        generation=draw(st.integers(0, 2**31 - 1)),
        numbers=draw(hnp.arrays(np.int64, n_atoms, elements=st.integers(1, 118))),
        positions=array(n_atoms, 3),
        cell=array(3, 3),
        pbc=draw(hnp.arrays(np.bool_, 3)),
        charge=draw(st.none() | st.integers(-9, 9)),
        spin=draw(st.none() | st.integers(1, 9)),
        config_type=draw(st.text(st.characters(codec="utf-8"), max_size=5)),
    )
    extras = {name: array(*shape) for name, shape in draw(st.dictionaries(st.text("abc"), SHAPES, max_size=2)).items()}
    stress = draw(st.none() | hnp.arrays(np.float64, 6, elements=finite))
    return frame, Label(draw(finite), array(n_atoms, 3), stress, "reference", draw(finite), extras)


SHAPES = st.lists(st.integers(0, 3), max_size=3)


@times(0.3)
@given(st.lists(labelled_pairs(), min_size=1, max_size=3, unique_by=lambda pair: pair[0].md_step))
def test_any_label_comes_back_as_it_was(pairs: list[tuple[Frame, Label]]) -> None:
    with TemporaryDirectory() as folder, RunStore.open(Path(folder)) as store:
        with store.transaction():
            for frame, label in pairs:
                store.add_label(store.add_job(frame, Stage.ACTIVE), label)
        for label_id, (frame, label) in enumerate(pairs, start=1):
            assert_same(store.frame_of(label_id), frame)
            assert_same(store.label_of(label_id), label)


def test_same_frame_is_never_asked_for_twice(store: RunStore, frame: MakeFrame) -> None:
    store.add_job(frame(25), Stage.ACTIVE)
    store.add_job(frame(25), Stage.INITIAL)
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: structures\.stage, structures\.traj"):
        store.add_job(frame(25), Stage.ACTIVE)
    assert store.counts().n_requested == 2


def test_stage_of_any_name_is_kept_with_what_picked_the_structure(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    store.add_label(store.add_job(frame(25), "collect 2", source="strain"), label())
    store.add_job(frame(25), "learn")
    (job, later) = store.jobs()
    assert (job.stage, job.source, job.reference) == ("collect 2", "strain", OWN_REFERENCE)
    assert (later.stage, later.source) == ("learn", "")
    assert store.unassigned("collect 2") == [1]
    store.assign(1, Split.TRAINING)
    (point,) = store.labelled()
    assert (point.stage, point.source) == ("collect 2", "strain")


def test_structure_has_a_label_by_each_reference(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    first = store.add_job(frame(25), Stage.ACTIVE)
    store.add_label(first, label(energy=-1.0))
    structure_id = store.structure_of(first)
    again = store.request(structure_id, stage="relabel", reference="pbe0")
    assert again != first
    assert_same(store.frame_of(again), frame(25))
    store.add_label(again, label(energy=-2.0))
    assert {name: one.energy for name, one in store.labels_of(structure_id).items()} == {"": -1.0, "pbe0": -2.0}
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: jobs\.structure_id, jobs\.reference"):
        store.request(structure_id, stage="relabel", reference="pbe0")
    with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"):
        store.request(99, stage="relabel", reference="pbe0")
    with pytest.raises(StoreError, match="label 99 was never asked for"):
        store.structure_of(99)


def test_a_run_goes_on_with_the_labels_of_the_reference_that_is_chosen(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    for label_id in requests_(store, frame, 2):
        store.add_label(label_id, label(energy=-1.0))
        store.assign(label_id, Split.TRAINING)
    store.add_label(store.request(1, stage="relabel", reference="pbe0"), label(energy=-2.0))
    assert store.chosen_reference == OWN_REFERENCE
    store.choose_reference("pbe0")
    assert [one.label.energy for one in store.labelled()] == [-2.0], "the other has no such label"
    assert (store.counts().n_train, store.n_placed()) == (1, 2)
    later = store.add_job(frame(500), "learn-2")
    store.add_label(later, label(energy=-3.0))
    store.assign(later, Split.VALIDATION)
    assert [one.label.energy for one in store.labelled(after=2)] == [-3.0]
    assert [one.label.energy for one in store.labelled(reference=OWN_REFERENCE)] == [-1.0, -1.0]
    assert store.place_of(store.structure_of(later)) == (Split.VALIDATION, None)
    assert [job.stage for job in store.jobs()] == ["relabel", "learn-2"]


def test_each_reference_is_counted_and_read_by_itself(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    for label_id in requests_(store, frame, 3):
        store.add_label(label_id, label(energy=-1.0))
        store.assign(label_id, Split.TRAINING)
    asked = [store.request(store.structure_of(n), stage="relabel", reference="pbe0") for n in (3, 1)]
    store.add_label(asked[0], label(energy=-2.0))
    store.add_failure(asked[1], LabelFailure(FailureReason.CRASHED, "signal 11"))
    assert store.counts().n_requested == store.counts().n_train == 3
    theirs = store.counts(reference="pbe0")
    assert (theirs.n_requested, theirs.n_received, theirs.n_failed, theirs.n_failures) == (2, 1, 1, 1)
    assert theirs.n_train == 1
    assert store.structures() == [(1, 1), (2, 2), (3, 3)]
    assert store.structures(reference="pbe0") == [(3, 4)]
    assert store.place_of(3) == (Split.TRAINING, None)
    assert store.counts().n_failures == 0
    assert [point.label.energy for point in store.labelled()] == [-1.0, -1.0, -1.0]
    (relabelled,) = store.labelled(reference="pbe0")
    assert (relabelled.label_id, relabelled.label.energy, relabelled.frame.md_step) == (asked[0], -2.0, 75)
    assert [job.label_id for job in store.jobs()] == [1, 2, 3]
    assert [(job.structure_id, job.stage) for job in store.jobs(reference="pbe0")] == [(3, "relabel"), (1, "relabel")]
    assert store.failed_attempts() == store.given_up() == {}
    assert store.failed_attempts(reference="pbe0") == store.given_up(reference="pbe0") == {FailureReason.CRASHED: 1}
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: splits\.structure_id"):
        store.assign(asked[0], Split.VALIDATION)


def test_recent_times_are_those_of_one_system(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    for n in range(1, 5):
        one = replace(frame(n), system="ethanol" if n % 2 else "water")
        store.add_label(store.add_job(one, Stage.ACTIVE), replace(label(), wall_s=float(n)))
    assert store.recent_wall_s("ethanol", 9) == [1.0, 3.0]
    assert store.recent_wall_s("water", 1) == [4.0]


def test_label_is_answered_exactly_once(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    (label_id,) = requests_(store, frame, 1)
    store.add_label(label_id, label(energy=-1.0))
    with pytest.raises(StoreError, match="label 1 can't become done: it is done, and must be submitted"):
        store.add_label(label_id, label(energy=-2.0))
    with pytest.raises(StoreError, match="label 1 can't become failed: it is done"):
        store.add_failure(label_id, LabelFailure(FailureReason.CRASHED, "late"))
    found = store.label_of(label_id)
    assert found is not None
    assert found.energy == -1.0


def test_label_that_nobody_asked_for_is_refused(store: RunStore, label: MakeLabel) -> None:
    with pytest.raises(StoreError, match="label 5 can't become done: it was never asked for"):
        store.add_label(5, label())
    with pytest.raises(StoreError, match="label 5 was never asked for"):
        store.frame_of(5)


def test_label_of_another_structure_is_refused(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    (label_id,) = requests_(store, frame, 1)
    with pytest.raises(StoreError, match=r"forces of shape \(8, 3\), but its frame has 3 atoms"):
        store.add_label(label_id, label(8))
    assert [job.status for job in store.jobs()] == [JobStatus.SUBMITTED]


@pytest.mark.parametrize(
    "wrong",
    [{"energy": math.nan}, {"forces": np.full((3, 3), np.inf)}, {"stress": np.full(6, np.nan)}],
    ids=["energy", "forces", "stress"],
)
def test_label_that_is_not_finite_is_refused(
    store: RunStore, frame: MakeFrame, label: MakeLabel, wrong: dict[str, object]
) -> None:
    (label_id,) = requests_(store, frame, 1)
    with pytest.raises(StoreError, match="label 1 holds numbers that are not finite"):
        store.add_label(label_id, replace(label(), **wrong))
    assert store.label_of(label_id) is None


def test_stress_in_another_shape_is_refused(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    (label_id,) = requests_(store, frame, 1)
    with pytest.raises(StoreError, match=r"stress of shape \(3, 3\)"):
        store.add_label(label_id, replace(label(), stress=np.zeros((3, 3))))


def test_failed_label_can_be_asked_for_again_and_keeps_its_history(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    (label_id,) = requests_(store, frame, 1)
    failures = [
        LabelFailure(FailureReason.WORKER_LOST, "node 7 died", None, 3.0),
        LabelFailure(FailureReason.NOT_CONVERGED, "250 cycles", "labels/1", 9.0),
    ]
    for failure in failures:
        store.add_failure(label_id, failure)
        store.resubmit(label_id)
    store.add_label(label_id, label())
    assert store.failures_of(label_id) == failures
    (job,) = store.jobs(JobStatus.DONE)
    assert job.n_failures == 2
    assert store.label_wall_s() == pytest.approx(12.25)


def test_only_a_failed_label_can_be_asked_for_again(store: RunStore, frame: MakeFrame) -> None:
    requests_(store, frame, 1)
    with pytest.raises(StoreError, match="label 1 can't become submitted: it is submitted, and must be failed"):
        store.resubmit(1)


def test_jobs_are_found_by_status(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    requests_(store, frame, 4)
    store.add_label(2, label())
    store.add_failure(3, LabelFailure(FailureReason.CRASHED, "signal 11"))
    assert [job.label_id for job in store.jobs(JobStatus.SUBMITTED)] == [1, 4]
    assert [job.label_id for job in store.jobs(JobStatus.DONE)] == [2]
    (failed,) = store.jobs(JobStatus.FAILED)
    assert (failed.label_id, failed.stage, failed.status) == (3, Stage.ACTIVE, JobStatus.FAILED)
    assert_same(failed.frame, frame(75))


def test_jobs_may_be_answered_while_they_are_read(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    with store.transaction():
        requests_(store, frame, 300)  # more than one page
    for job in store.jobs(JobStatus.SUBMITTED):
        store.add_label(job.label_id, label())
        if job.label_id == 3:
            break
    assert store.counts().n_received == 3
    with store.transaction():
        for job in store.jobs(JobStatus.SUBMITTED):
            store.add_label(job.label_id, label())
    assert store.counts().n_received == 300


def test_dataset_is_read_in_the_order_of_assignment(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    for label_id in requests_(store, frame, 4):
        store.add_label(label_id, label())
    store.assign(3, Split.TRAINING)
    store.assign(1, Split.VALIDATION, member=0)
    store.assign(4, Split.TRAINING, member=3)
    assert [(x.label_id, x.split, x.member) for x in store.labelled()] == [
        (3, Split.TRAINING, None),
        (1, Split.VALIDATION, 0),
        (4, Split.TRAINING, 3),
    ]
    assert [x.label_id for x in store.labelled(after=2)] == [4]
    assert store.unassigned(Stage.ACTIVE) == [2]
    assert store.unassigned(Stage.INITIAL) == []


def test_place_in_the_dataset_is_for_life(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    (label_id,) = requests_(store, frame, 1)
    with pytest.raises(StoreError, match="label 1 has not been received: its structure can't have a place"):
        store.assign(label_id, Split.TRAINING)
    store.add_label(label_id, label())
    store.assign(label_id, Split.TRAINING)
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: splits\.structure_id"):
        store.assign(label_id, Split.VALIDATION)


def test_structures_for_testing_are_counted_by_themselves(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    for label_id, split in zip(requests_(store, frame, 3), Split, strict=True):
        store.add_label(label_id, label())
        store.assign(label_id, split)
    counts = store.counts()
    assert (counts.n_train, counts.n_valid, counts.n_test, store.n_placed()) == (1, 1, 1, 3)
    assert [point.split for point in store.labelled()] == list(Split)
    assert [point.split for point in store.labelled(after=store.n_placed() - 1)] == [Split.TEST]


def test_counts_follow_from_what_is_stored(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    requests_(store, frame, 5)
    for label_id in (1, 2, 3):
        store.add_label(label_id, label())
    store.add_failure(4, LabelFailure(FailureReason.WALLTIME, "2 h"))
    store.assign(1, Split.TRAINING)
    store.assign(2, Split.VALIDATION)
    counts = store.counts()
    assert (counts.n_requested, counts.n_in_flight, counts.n_received, counts.n_failed) == (5, 1, 3, 1)
    assert (counts.n_failures, counts.n_train, counts.n_valid) == (1, 1, 1)


def test_scores_come_back_in_order_with_infinities(store: RunStore) -> None:
    store.append_scores([ScoreRow(2, 1, 50, 3, 0.3, 0.2, True)])
    store.append_scores([ScoreRow(1, 0, 25, 3, 0.1, math.inf, False), ScoreRow(3, 0, 75, 4, math.nan, 0.2, False)])
    scores = store.scores()
    assert scores["number"].tolist() == [1, 2, 3]
    assert scores["threshold"].tolist() == [math.inf, 0.2, 0.2]
    assert scores["picked"].tolist() == [False, True, False]
    assert math.isnan(scores["score"][2])
    assert store.scores(after=2)["md_step"].tolist() == [75]


def test_score_is_never_replaced(store: RunStore) -> None:
    store.append_scores([ScoreRow(1, 0, 25, 3, 0.1, 0.2, False)])
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: scores\.series, scores\.number"):
        store.append_scores([ScoreRow(2, 0, 50, 3, 0.1, 0.2, False), ScoreRow(1, 0, 25, 3, 0.5, 0.2, False)])
    assert store.scores()["score"].tolist() == [0.1]


def test_scores_are_told_apart_by_stage_selector_and_kind(store: RunStore) -> None:
    def row(number: int, score: float, **who: str) -> ScoreRow:
        return ScoreRow(number, 0, 25 * number, 3, score, math.inf, False, **who)

    best = {"stage": "learn", "selector": "best of window"}
    store.append_scores([row(1, 0.1), row(1, 0.2, **best, kind="max"), row(1, 0.3, **best, kind="mean")])
    store.append_scores([row(2, 0.4, **best, kind="max"), row(2, 0.5)])
    assert store.scores(stage="learn", kind="max")["score"].tolist() == [0.2, 0.4]
    assert store.scores(stage=Stage.ACTIVE)["score"].tolist() == [0.1, 0.5]
    assert store.scores(stage="never run")["score"].tolist() == []
    everything = store.scores()
    series = store.series()
    assert [series[number] for number in everything["series"].tolist()] == [
        *[("active", "moving threshold", "")] * 2,
        *[("learn", "best of window", "max")] * 2,
        ("learn", "best of window", "mean"),
    ]
    assert everything["number"].tolist() == [1, 2, 1, 2, 1]


def test_series_that_was_taken_back_is_made_again(store: RunStore) -> None:
    def judge_and_fail() -> None:
        with store.transaction():
            store.append_scores([ScoreRow(1, 0, 25, 3, 0.1, 0.2, False)])
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        judge_and_fail()
    assert store.series() == {}
    store.append_scores([ScoreRow(1, 0, 25, 3, 0.1, 0.2, False)])
    assert len(store.scores()) == 1


def test_run_without_history_gives_empty_tables(store: RunStore) -> None:
    assert len(store.scores()) == len(store.epochs()) == 0
    assert list(store.journal()) == list(store.labelled()) == list(store.jobs()) == []
    assert store.counts().n_requested == 0
    assert store.label_wall_s() == 0.0


def test_learning_curves_have_nan_where_nothing_was_measured(store: RunStore) -> None:
    errors = MemberErrors(0.5, 0.001, 0.04)
    store.add_epochs([EpochRow(1, 1, 0, 2.0, errors, 9, 1), EpochRow(1, 1, 1, math.nan, None, 8, 2)])
    store.add_epochs([EpochRow(2, 2, 0, 1.0, replace(errors, stress_mae_ev_per_ang3=0.01), 9, 1)])
    epochs = store.epochs()
    assert epochs["epoch"].tolist() == [1, 1, 2]
    assert epochs["member"].tolist() == [0, 1, 0]
    np.testing.assert_equal(epochs["train_loss"], [2.0, math.nan, 1.0])
    np.testing.assert_equal(epochs["force_mae_ev_per_ang"], [0.04, math.nan, 0.04])
    np.testing.assert_equal(epochs["stress_mae_ev_per_ang3"], [math.nan, math.nan, 0.01])
    assert epochs["n_valid"].tolist() == [1, 2, 1]
    store.forget_epochs(after_generation=1)
    assert store.epochs()["epoch"].tolist() == [1, 1]


def test_journal_keeps_order_time_and_infinities(store: RunStore) -> None:
    assert store.append_journal("check", {"threshold": math.inf, "trajectory": 3}) == 1
    assert store.append_journal("stop", {}) == 2
    assert list(store.journal()) == [
        JournalEntry(1, 1000.0, "check", {"threshold": math.inf, "trajectory": 3}),
        JournalEntry(2, 1000.0, "stop", {}),
    ]
    assert [entry.kind for entry in store.journal(after=1)] == ["stop"]


def test_states_and_facts_are_replaced(store: RunStore) -> None:
    assert store.load_state("sampler") is None
    assert store.get_meta("version") is None
    for value in (b"\x00one", b"two\xff"):
        store.save_state("sampler", value)
        store.set_meta("version", repr(value))
    assert store.load_state("sampler") == b"two\xff"
    assert store.get_meta("version") == r"b'two\xff'"
    store.forget_state("sampler")
    assert store.load_state("sampler") is None


def test_numpy_numbers_are_stored_as_numbers(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    one = replace(frame(), trajectory=np.int64(4), md_step=np.int64(50))
    store.add_label(store.add_job(one, Stage.ACTIVE), replace(label(), energy=np.float64(-3.0)))
    store.assign(1, Split.TRAINING, member=np.int64(1))  # type: ignore[arg-type]
    store.append_scores([ScoreRow(np.int64(1), 0, 25, 3, np.float64(0.1), 0.2, np.bool_(True))])  # type: ignore[arg-type]
    (found,) = store.labelled()
    assert (found.frame.trajectory, found.frame.md_step, found.member) == (4, 50, 1)
    assert bool(store.scores()["picked"][0])


def test_failed_transaction_leaves_nothing(store: RunStore, frame: MakeFrame) -> None:
    def write_then_fail() -> None:
        with store.transaction():
            store.add_job(frame(25), Stage.ACTIVE)
            store.set_meta("key", "value")
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        write_then_fail()
    assert store.counts().n_requested == 0
    assert store.get_meta("key") is None
    assert store.add_job(frame(25), Stage.ACTIVE) == 1


def test_failed_inner_block_leaves_the_outer_one_alone(store: RunStore, frame: MakeFrame) -> None:
    with store.transaction():
        store.add_job(frame(25), Stage.ACTIVE)
        with pytest.raises(StoreError, match="UNIQUE"):
            store.add_job(frame(25), Stage.ACTIVE)
        store.add_job(frame(50), Stage.ACTIVE)
    assert [job.frame.md_step for job in store.jobs()] == [25, 50]


def test_every_attempt_is_told_with_its_times_also_of_labels_asked_for_again(
    tmp_path: Path, frame: MakeFrame, label: MakeLabel
) -> None:
    now = iter([10.0, 11.0, 15.0, 18.0, 30.0])
    with RunStore.open(tmp_path, clock=lambda: next(now)) as store:
        first, second = requests_(store, frame, 2)
        store.add_failure(first, LabelFailure(FailureReason.CRASHED, "signal 11", wall_s=3.0, worker="node7 42"))
        store.resubmit(first)
        store.add_label(second, replace(label(3), worker="node8 43"))
        store.add_label(first, label(3))
        found = store.attempts()
        assert [one.worker for one in store.failures_of(first)] == ["node7 42"]
        assert store.labels_of(2)[OWN_REFERENCE].worker == "node8 43"
    assert found[["label_id", "submitted_at", "ended_at", "wall_s", "gave_label", "worker"]].tolist() == [
        (1, 10.0, 15.0, 3.0, False, "node7 42"),
        (2, 11.0, 18.0, 0.25, True, "node8 43"),
        (1, 10.0, 30.0, 0.25, True, ""),
    ]


def filled(store: RunStore, frame: MakeFrame, label: MakeLabel, n: int) -> None:
    splits = (Split.TRAINING, Split.TRAINING, Split.VALIDATION)
    for number, label_id in enumerate(requests_(store, frame, n)):
        store.add_label(label_id, label(3))
        store.assign(label_id, splits[number % 3])


def test_dataset_of_one_use_is_read_alone(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    filled(store, frame, label, 700)
    found = list(store.labelled(split=Split.VALIDATION))
    assert [one.label_id for one in found] == list(range(3, 701, 3))
    assert {one.split for one in found} == {Split.VALIDATION}
    assert [one.label_id for one in store.labelled(600, split=Split.VALIDATION)] == list(range(603, 701, 3))


def test_sample_is_drawn_by_its_generator_and_read_in_order(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    filled(store, frame, label, 700)
    drawn = [[one.label_id for one in store.sampled(300, np.random.default_rng(seed))] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(set(drawn[0]))
    assert len(drawn[0]) == 300
    # The mean of 300 places drawn of 700 is within four standard errors, 4 * 202 * sqrt(4 / 7 / 300).
    assert abs(float(np.mean(drawn[0])) - 350.5) < 35.4
    some = list(store.sampled(10**6, np.random.default_rng(0), split=Split.VALIDATION))
    assert [one.label_id for one in some] == list(range(3, 701, 3)), "no more than there are"
    assert list(store.sampled(5, np.random.default_rng(0), reference="another")) == []


def test_requests_and_times_of_a_stage_are_known_without_their_structures(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    first, second, _ = requests_(store, frame, 3)
    store.add_job(frame(25), "collect")
    store.add_label(first, label(3))
    store.add_failure(second, LabelFailure(FailureReason.CRASHED, "as it was told"))
    assert store.asked_of("active") == {25: JobStatus.DONE, 50: JobStatus.FAILED, 75: JobStatus.SUBMITTED}
    assert store.asked_of("collect") == {25: JobStatus.SUBMITTED}
    assert store.asked_of("another") == {}
    assert store.wall_s_by_system() == {"ethanol": [0.25]}
