"""Labels that are lost with their workers are not the structures' fault."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped, Problem, ReferenceUnavailable
from aims_pax.frame import Frame, Label, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.inline import InlinePool
from aims_pax.protocols import LabelJob
from aims_pax.reference.force_limit import ForceLimit
from aims_pax.testing.pools import ScriptedPool, computing
from aims_pax.testing.references import SpringReference


def sometimes_installed(missing_at: Sequence[int]) -> SpringReference:
    """A reference whose executable is missing at some of its calls."""
    missing = ReferenceUnavailable(Problem("", "the executable is missing on this node"))
    return SpringReference(failures=dict.fromkeys(missing_at, missing))


def frame(md_step: int) -> Frame:
    return Frame("hydrogen", 0, md_step, 0, np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))


def desk_of(store: RunStore, folder: Path, reference: SpringReference) -> LabelDesk:
    pool = InlinePool(reference, want_stress=False)
    run = RunFolder(folder, folder / "calculations")
    return LabelDesk(store, pool, run, Stage.ACTIVE, keeps_folders=False, departure=Departure())


def test_lost_label_is_asked_for_again(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, tmp_path, sometimes_installed(missing_at=[1]))
        label_id = desk.request(frame(1))
        desk.send(label_id)
        assert desk.collect(timeout_s=0.0) == []
        (done,) = desk.collect(timeout_s=0.0)
        assert isinstance(done.result, Label)
        desk.record(done)
        assert store.counts().n_received == 1


def test_many_losses_in_a_row_stop_the_campaign_and_leave_the_labels_in_the_books(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, tmp_path, sometimes_installed(missing_at=range(1, 10)))
        for md_step in (1, 2, 3):
            desk.send(desk.request(frame(md_step)))
        with pytest.raises(CampaignStopped, match=r"\d labels in a row .*missing executable.* same command goes on"):
            desk.collect(timeout_s=None)
        assert len(list(store.jobs(JobStatus.SUBMITTED))) == 3


def test_labels_lost_before_an_interruption_are_computed_when_the_run_goes_on(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, tmp_path, sometimes_installed(missing_at=range(1, 10)))
        for md_step in (1, 2, 3):
            desk.send(desk.request(frame(md_step)))
        with pytest.raises(CampaignStopped, match="No structure is to blame"):
            desk.collect(timeout_s=None)
    mended = sometimes_installed(missing_at=[])
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, tmp_path, mended)
        assert desk.resume() == []
        for done in desk.collect(timeout_s=0.0):
            desk.record(done)
        assert len(mended.asked) == 3
        assert store.counts().n_received == 3


def test_result_that_no_worker_reports_is_found_in_its_folder(tmp_path: Path) -> None:
    reference = sometimes_installed(missing_at=[])
    with RunStore.open(tmp_path) as store:
        # Its worker is lost between leaving a result and reporting it.
        pool = ScriptedPool(computing(reference), delay=lambda job: None)
        run = RunFolder(tmp_path, tmp_path / "calculations")
        desk = LabelDesk(store, pool, run, Stage.ACTIVE, keeps_folders=False, departure=Departure(), no_progress_s=0.01)
        desk.send(desk.request(frame(1)))
        (done,) = desk.collect(timeout_s=5.0)
        answer = desk.record(done)
        assert (desk.n_in_flight, pool.n_in_flight, len(reference.asked)) == (0, 0, 1)
        assert store.counts().n_received == 1
        job = LabelJob(done.label_id, answer.frame, run.label(done.label_id))
        desk.tidy(answer)
        InlinePool(reference, want_stress=False).submit(job)  # as Parsl does when it has noticed the loss
        assert len(reference.asked) == 1


def revocable_desk(store: RunStore, folder: Path, pool: ScriptedPool, *, is_revocable: bool = True) -> LabelDesk:
    run, departure = RunFolder(folder, folder / "calculations"), Departure()
    return LabelDesk(
        store, pool, run, Stage.ACTIVE, keeps_folders=False, departure=departure, is_revocable=is_revocable
    )


def test_a_request_that_no_worker_has_begun_is_withdrawn(tmp_path: Path) -> None:
    pool = ScriptedPool()
    with RunStore.open(tmp_path) as store:
        desk = revocable_desk(store, tmp_path, pool)
        label_id, other = desk.request(frame(1)), desk.request(frame(2))
        desk.send(label_id)
        desk.send(other)
        assert desk.is_waiting(frame(1))
        assert desk.withdraw(frame(1)) == label_id
        assert not desk.is_waiting(frame(1))
        assert desk.withdraw(frame(1)) is None, "it is not in the books any more"
        assert (pool.withdrawn, desk.n_in_flight) == ([label_id], 1)
        counts = store.counts()
        assert (counts.n_requested, counts.n_in_flight, counts.n_withdrawn) == (1, 1, 1)
        (done,) = desk.collect(timeout_s=0.0)
        assert done.label_id == other
        desk.record(done)
        assert [job.status for job in store.jobs()] == [JobStatus.WITHDRAWN, JobStatus.DONE]
    with RunStore.open(tmp_path) as store:
        assert revocable_desk(store, tmp_path, ScriptedPool()).resume() == [], "it is not asked for again"


def test_a_request_that_a_worker_has_begun_is_kept(tmp_path: Path) -> None:
    pool = ScriptedPool(computing(SpringReference()), delay=lambda _: 3)
    with RunStore.open(tmp_path) as store:
        desk = revocable_desk(store, tmp_path, pool)
        label_id = desk.request(frame(1))
        desk.send(label_id)
        assert not desk.is_waiting(frame(1))
        assert desk.withdraw(frame(1)) is None
        (done,) = desk.collect(timeout_s=None)
        assert isinstance(done.result, Label)
        desk.record(done)
        assert (store.counts().n_received, store.counts().n_withdrawn) == (1, 0)


def test_requests_of_an_ordinary_desk_are_never_withdrawn(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        desk = revocable_desk(store, tmp_path, ScriptedPool(), is_revocable=False)
        desk.send(desk.request(frame(1)))
        assert not desk.is_waiting(frame(1))
        assert desk.withdraw(frame(1)) is None


@pytest.mark.parametrize(("limit", "is_learned"), [(1e-6, False), (1e6, True)])
def test_limit_of_the_desk_stands_above_that_of_the_reference(limit: float, is_learned: bool, tmp_path: Path) -> None:
    own = 1e6 if limit < 1 else 1e-6
    reference, run = SpringReference(max_force_ev_per_ang=own), RunFolder(tmp_path, tmp_path / "calculations")
    with RunStore.open(tmp_path) as store:
        desk = LabelDesk(
            *(store, InlinePool(reference, want_stress=False), run, Stage.ACTIVE),
            keeps_folders=False,
            departure=Departure(),
            limit=lambda frame: ForceLimit(limit, "collect.max_force_ev_per_ang"),
        )
        desk.send(desk.request(frame(1)))
        (done,) = desk.collect(timeout_s=0.0)
        desk.record(done)
        counts = store.counts()
        assert (counts.n_received, counts.n_kept_out) == ((1, 0) if is_learned else (0, 1))
        assert len(reference.asked) == 1
        if not is_learned:
            (failure,) = store.failures_of(done.label_id)
            assert "beyond collect.max_force_ev_per_ang = 1e-06 eV/Å" in failure.message


def test_label_that_was_kept_out_before_an_interruption_is_let_in_by_a_higher_limit(tmp_path: Path) -> None:
    reference, run = SpringReference(max_force_ev_per_ang=1e-6), RunFolder(tmp_path, tmp_path / "calculations")
    pool = ScriptedPool(computing(reference), delay=lambda job: None)  # it never reports
    with RunStore.open(tmp_path) as store:
        desk = LabelDesk(store, pool, run, Stage.ACTIVE, keeps_folders=False, departure=Departure())
        desk.send(desk.request(frame(1)))
    with RunStore.open(tmp_path) as store:
        desk = LabelDesk(
            *(store, pool, run, Stage.ACTIVE),
            keeps_folders=False,
            departure=Departure(),
            limit=lambda frame: ForceLimit(1e6),
        )
        (done,) = desk.resume()
        assert isinstance(done.result, Label)
        assert len(reference.asked) == 1
