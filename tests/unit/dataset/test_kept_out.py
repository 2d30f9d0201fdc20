"""Labels that nobody is to learn: stored, counted, part of no dataset, and taken back with every bit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset import JobStatus, RunStore
from aims_pax.errors import StoreError
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Split

from .sameness import assert_same

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]


def kept_out(label: Label) -> LabelFailure:
    return LabelFailure(FailureReason.KEPT_OUT, "too strong", None, label.wall_s, "node1 12", label)


def strong(label: Label, force: float = 80.0) -> Label:
    forces = label.forces.copy()
    forces[1] = [0.0, -force, 0.0]
    return Label(label.energy, forces, label.stress, label.reference, label.wall_s, label.extras, label.worker)


def test_label_that_is_kept_out_is_stored_and_in_no_dataset(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    label_id, answer = store.add_job(frame(25), "active", source="moving threshold"), strong(label(3, with_stress=True))
    store.add_failure(label_id, kept_out(answer))
    (found,) = store.kept_out()
    assert (found.label_id, found.stage, found.system) == (label_id, "active", "ethanol")
    assert (found.source, found.trajectory, found.md_step) == ("moving threshold", 0, 25)
    assert found.max_force_ev_per_ang == pytest.approx(80.0)
    stored = store.kept_out_label(label_id)
    assert stored is not None
    assert_same(stored, answer)
    assert store.label_of(label_id) is None
    assert list(store.labelled()) == []
    assert store.unassigned("active") == []
    with pytest.raises(StoreError, match="has not been received"):
        store.assign(label_id, Split.TRAINING)
    counts = store.counts()
    assert (counts.n_failed, counts.n_kept_out, counts.n_received) == (1, 1, 0)
    assert store.failed_attempts() == {FailureReason.KEPT_OUT: 1}


def test_label_that_is_taken_back_is_as_if_it_had_never_been_kept_out(
    tmp_path: Path, frame: MakeFrame, label: MakeLabel
) -> None:
    answer = strong(label(3))
    with RunStore.open(tmp_path, clock=lambda: 5.0) as store:
        label_id = store.add_job(frame(25), "active")
        store.add_failure(label_id, kept_out(answer))
        seconds = store.label_wall_s()
    with RunStore.open(tmp_path) as store:
        store.take_back(label_id)
        store.assign(label_id, Split.TRAINING)
    with RunStore.open(tmp_path) as store:
        (point,) = store.labelled()
        assert_same(point.label, answer)
        assert [job.status for job in store.jobs()] == [JobStatus.DONE]
        counts = store.counts()
        assert (counts.n_failed, counts.n_kept_out, counts.n_received, counts.n_train) == (0, 0, 1, 1)
        assert store.kept_out() == []
        assert store.failures_of(label_id) == []
        assert store.label_wall_s() == seconds == answer.wall_s, "its time is counted once"
        (attempt,) = store.attempts()
        assert (attempt["gave_label"], attempt["ended_at"]) == (True, 5.0)


def test_only_what_is_kept_out_is_taken_back(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    failed, received = store.add_job(frame(25), "active"), store.add_job(frame(50), "active")
    store.add_failure(failed, LabelFailure(FailureReason.CRASHED, "as it was told"))
    store.add_label(received, label(3))
    with pytest.raises(StoreError, match="label 1 is not kept out: its last attempt gave no label at all"):
        store.take_back(failed)
    with pytest.raises(StoreError, match="label 2 can't become done: it is done"):
        store.take_back(received)
    assert store.counts().n_failed == 1, "what is refused changes nothing"


def test_label_that_is_computed_again_takes_the_place_of_the_one_that_is_kept_out(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    label_id = store.add_job(frame(25), "active")
    for force in (80.0, 90.0):
        store.add_failure(label_id, kept_out(strong(label(3), force)))
        assert [one.max_force_ev_per_ang for one in store.kept_out()] == pytest.approx([force])
        store.resubmit(label_id)
        assert store.kept_out() == [], "it is being computed"
    store.add_label(label_id, label(3))
    assert store.kept_out_label(label_id) is None
    assert store.counts().n_kept_out == 0


def test_numbers_that_are_not_finite_are_no_label_to_keep(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    label_id, broken = store.add_job(frame(25), "active"), label(3)
    broken.forces[0] = np.nan
    with pytest.raises(StoreError, match="not finite"):
        store.add_failure(label_id, kept_out(broken))
    assert [job.status for job in store.jobs()] == [JobStatus.SUBMITTED]
