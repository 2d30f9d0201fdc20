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
