"""Who has a label that may be taken back."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.claims import begins, is_begun, offer, withdraws
from aims_pax.labelling.result import discard
from aims_pax.labelling.worker import carry_out
from aims_pax.protocols import LabelJob
from aims_pax.testing.references import SpringReference

FRAME = Frame("hydrogen", 0, 1, 0, np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))


def job_in(folder: Path, attempt: int = 1) -> LabelJob:
    return LabelJob(1, FRAME, folder / "label", attempt, is_revocable=True)


def test_the_first_who_comes_has_it(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    assert begins(job)
    assert is_begun(job)
    assert not withdraws(job)
    assert begins(job), "the same worker's attempt, which Parsl begins again"
    other = job_in(tmp_path, attempt=2)
    assert not is_begun(other)
    assert withdraws(other)
    assert withdraws(other)
    assert not begins(other)


def test_what_was_withdrawn_in_vain_is_offered_again(tmp_path: Path) -> None:
    """A campaign that is killed between the withdrawal and its commit still wants the label."""
    job = job_in(tmp_path)
    assert withdraws(job)
    offer(job)
    assert begins(job)
    offer(job)
    assert is_begun(job), "what a worker has begun stays begun: it may be computing still"


def test_a_worker_does_not_begin_what_was_withdrawn(tmp_path: Path) -> None:
    job, reference = job_in(tmp_path), SpringReference()
    assert withdraws(job)
    result = carry_out(reference, job, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.NOT_STARTED
    assert [path.name for path in job.folder.iterdir()] == ["claim-1"], "nothing was computed"


def test_a_worker_that_has_begun_keeps_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    assert isinstance(carry_out(SpringReference(), job, want_stress=False), Label)
    assert not withdraws(job)
    discard(job.folder, keep_files=True)
    assert not job.folder.exists()


def test_labels_that_nobody_withdraws_are_not_claimed(tmp_path: Path) -> None:
    job = replace(job_in(tmp_path), is_revocable=False)
    assert begins(job)
    assert not job.folder.exists()
    assert not is_begun(job)


def test_where_nothing_can_be_written_workers_begin_and_campaigns_keep(tmp_path: Path) -> None:
    (tmp_path / "label").write_text("a file where the folder would be", encoding="utf-8")
    job = job_in(tmp_path)
    assert not withdraws(job)
    assert begins(job)
