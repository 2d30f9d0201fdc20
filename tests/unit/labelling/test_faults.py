"""The table of faults, and the desk that obeys it row by row."""

import logging
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped, PoolDead
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.faults import REMEDIES, Remedy, as_markdown
from aims_pax.labelling.result import encode, write_result
from aims_pax.protocols import LabelDone, LabelJob, Pool, PoolOutlook
from aims_pax.testing.pools import ScriptedPool, failing, labelled

DOCS = Path(__file__).parents[3] / "docs" / "durability.md"


def frame(md_step: int) -> Frame:
    return Frame("hydrogen", 0, md_step, 0, np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))


def desk_of(store: RunStore, pool: Pool, folder: Path) -> LabelDesk:
    run = RunFolder(folder, folder / "calculations")
    return LabelDesk(store, pool, run, Stage.ACTIVE, keeps_folders=False, departure=Departure())


def answered(desk: LabelDesk) -> list[LabelDone]:
    """All final answers, recorded as a campaign does."""
    answers: list[LabelDone] = []
    while done := desk.collect(timeout_s=None):
        answers += done
        for one in done:
            desk.tidy(desk.record(one))
    return answers


GIVEN_UP = [(reason, remedy.n_attempts) for reason, remedy in REMEDIES.items() if remedy.n_attempts is not None]


def test_every_reason_that_can_be_stored_has_its_policy() -> None:
    assert set(REMEDIES) == set(FailureReason) - {FailureReason.NOT_STARTED}
    assert {reason for reason, remedy in REMEDIES.items() if remedy.n_in_row is not None} == {
        reason for reason in FailureReason if reason.is_infrastructure
    }


@pytest.mark.parametrize(("reason", "n_attempts"), GIVEN_UP)
def test_label_is_given_up_after_as_many_attempts_as_the_table_says(
    reason: FailureReason, n_attempts: int, tmp_path: Path
) -> None:
    pool = ScriptedPool(failing(reason))
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, pool, tmp_path)
        desk.send(desk.request(frame(1)))
        (done,) = answered(desk)
        assert done.result == LabelFailure(reason, "as it was told")
        assert [job.attempt for job in pool.jobs] == list(range(1, n_attempts + 1))
        assert [failure.reason for failure in store.failures_of(1)] == [reason] * n_attempts
        assert (store.counts().n_failed, store.counts().n_failures) == (1, n_attempts)
        assert store.failed_attempts() == {reason: n_attempts}
        assert store.given_up() == {reason: 1}


@pytest.mark.parametrize("reason", [reason for reason, remedy in REMEDIES.items() if remedy.n_attempts != 1])
def test_label_that_comes_at_its_next_attempt_is_a_label(
    reason: FailureReason, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = ScriptedPool(failing(reason, times=1))
    with RunStore.open(tmp_path) as store, caplog.at_level(logging.WARNING):
        desk = desk_of(store, pool, tmp_path)
        desk.send(desk.request(frame(1)))
        (done,) = answered(desk)
        assert isinstance(done.result, Label)
        assert store.failed_attempts() == {reason: 1}
        assert store.given_up() == {}
    assert f"label 1  {reason}, and is asked for again: as it was told" in caplog.text


@pytest.mark.parametrize("reason", [reason for reason in FailureReason if reason.is_infrastructure])
def test_workers_that_fail_labels_in_a_row_stop_the_campaign(reason: FailureReason, tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, ScriptedPool(failing(reason)), tmp_path)
        for md_step in (1, 2, 3):
            desk.send(desk.request(frame(md_step)))
        with pytest.raises(CampaignStopped, match=rf"3 labels in a row .*{reason}: as it was told.*same command"):
            desk.collect(timeout_s=None)
        assert len(list(store.jobs(JobStatus.SUBMITTED))) == 3


def test_labels_that_came_with_the_last_straw_are_not_thrown_away(tmp_path: Path) -> None:
    def answer(job: LabelJob) -> Label | LabelFailure:
        lost = LabelFailure(FailureReason.WORKER_LOST, "gone")
        return labelled(job) if job.label_id == 1 else lost

    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, ScriptedPool(answer), tmp_path)
        for md_step in (1, 2, 3, 4):
            desk.send(desk.request(frame(md_step)))
        (done,) = desk.collect(timeout_s=None)
        desk.record(done)
        with pytest.raises(CampaignStopped, match="3 labels in a row"):
            desk.collect(timeout_s=None)
        assert store.counts().n_received == 1


def test_broken_node_stops_no_campaign_while_labels_are_computed_elsewhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails whatever it is given at once, and so takes one label after the other from the sound ones."""

    def answer(job: LabelJob) -> Label | LabelFailure:
        if job.label_id == 1:  # under way on another node until nothing else is
            (job.folder / "attempt-sound-1-1").mkdir(parents=True)
            return labelled(job)
        return labelled(job) if job.attempt > 4 else LabelFailure(FailureReason.MISSING_EXECUTABLE, "no aims.x")

    pool = ScriptedPool(answer, delay=lambda job: 1000 if job.label_id == 1 else 1)
    with RunStore.open(tmp_path) as store, caplog.at_level(logging.WARNING):
        desk = desk_of(store, pool, tmp_path)
        desk.send(desk.request(frame(1)))
        desk.send(desk.request(frame(2)))
        assert {done.label_id for done in answered(desk)} == {1, 2}
        assert [job.attempt for job in pool.jobs if job.label_id == 2] == [1, 2, 3, 4, 5]
        assert store.counts().n_received == 2
    assert caplog.text.count("is asked for again when another label has come: no aims.x") == 1


def test_pool_that_is_dead_ends_the_campaign_and_blames_no_label(tmp_path: Path) -> None:
    pool = ScriptedPool(
        failing(FailureReason.WORKER_LOST), outlook=PoolOutlook("its interchange has ended", is_dead=True)
    )
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, pool, tmp_path)
        desk.send(desk.request(frame(1)))
        with pytest.raises(PoolDead, match=r"workers are gone: its interchange has ended\. .*same command goes on"):
            desk.collect(timeout_s=None)
        assert store.counts().n_failures == 0
        assert store.counts().n_in_flight == 1
    assert PoolDead("").exit_code == 3


def test_attempts_are_counted_across_interruptions(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        label_id = desk_of(store, ScriptedPool(failing(FailureReason.CRASHED)), tmp_path).request(frame(1))
        with store.transaction():  # killed between this commit and the sending
            store.add_failure(label_id, LabelFailure(FailureReason.CRASHED, "first"))
            store.resubmit(label_id)
    pool = ScriptedPool(failing(FailureReason.CRASHED))
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, pool, tmp_path)
        assert desk.resume() == []
        (done,) = answered(desk)
        assert isinstance(done.result, LabelFailure)
        assert [job.attempt for job in pool.jobs] == [2]


def left_behind(desk: LabelDesk, folder: Path, result: Label | LabelFailure, *, attempt: int) -> None:
    """Request a label, and put the file of an attempt's result into its folder."""
    label_id = desk.request(frame(1))
    calculation = RunFolder(folder, folder / "calculations").label(label_id)
    calculation.mkdir(parents=True)
    write_result(calculation, encode(result, frame(1), attempt=attempt))


def test_failure_that_nobody_heard_of_counts_as_its_own_attempt_and_no_other(tmp_path: Path) -> None:
    crash = LabelFailure(FailureReason.CRASHED, "killed before it was heard")
    pools = [ScriptedPool(failing(FailureReason.CRASHED, times=1)) for _ in range(3)]
    with RunStore.open(tmp_path) as store:
        left_behind(desk_of(store, pools[0], tmp_path), tmp_path, crash, attempt=1)
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, pools[1], tmp_path)
        assert desk.resume() == []  # the table gives it another attempt
        assert store.failures_of(1) == [crash]
    with RunStore.open(tmp_path) as store:  # killed again: the same file is no answer to the second attempt
        desk = desk_of(store, pools[2], tmp_path)
        assert desk.resume() == []
        assert len(store.failures_of(1)) == 1
        assert [job.attempt for pool in pools for job in pool.jobs] == [2, 2]
        (done,) = answered(desk)
        assert isinstance(done.result, Label)


def test_last_failure_that_nobody_heard_of_is_an_answer(tmp_path: Path) -> None:
    unconverged = LabelFailure(FailureReason.NOT_CONVERGED, "250 cycles")
    pool = ScriptedPool(failing(FailureReason.NOT_CONVERGED))
    with RunStore.open(tmp_path) as store:
        left_behind(desk_of(store, pool, tmp_path), tmp_path, unconverged, attempt=1)
        assert desk_of(store, pool, tmp_path).resume() == [LabelDone(1, unconverged)]
        assert pool.jobs == []


def test_label_of_any_attempt_is_an_answer(tmp_path: Path) -> None:
    pool, label = ScriptedPool(failing(FailureReason.CRASHED)), labelled(LabelJob(1, frame(1), tmp_path))
    with RunStore.open(tmp_path) as store:
        left_behind(desk_of(store, pool, tmp_path), tmp_path, label, attempt=7)
        (done,) = desk_of(store, pool, tmp_path).resume()
        assert isinstance(done.result, Label)


@pytest.mark.parametrize(
    ("remedy", "words"),
    [
        (Remedy(1), "the structure is given up"),
        (Remedy(2), "the label is asked for again; after 2 attempts the structure is given up"),
        (
            Remedy(None, 3),
            "the label is asked for again; 3 such answers in a row stop the campaign, if no other label is under way",
        ),
    ],
)
def test_consequences_are_said_in_words(remedy: Remedy, words: str) -> None:
    assert remedy.consequence() == words


def test_documentation_shows_the_table() -> None:
    _, _, after = DOCS.read_text(encoding="utf-8").partition("<!-- faults -->")
    shown, end, _ = after.partition("<!-- end -->")
    assert end
    assert shown.strip() == as_markdown()
