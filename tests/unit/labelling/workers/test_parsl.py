"""Which answer belongs to which job, without Parsl itself."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.result import encode
from aims_pax.labelling.workers import parsl
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.protocols import LabelJob
from aims_pax.settings.methods.reference import TbliteSettings

FRAME = Frame("hydrogen", 0, 1, 0, np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))
LABEL = Label(-1.0, np.zeros((2, 3)), None, "tblite", 1.0)
FAILURE = LabelFailure(FailureReason.CRASHED, "by chance")


@pytest.fixture
def futures(monkeypatch: pytest.MonkeyPatch) -> "list[Future[bytes]]":
    """What Parsl has promised, in the order of the submits."""
    promised: list[Future[bytes]] = []

    def promise(*_: object) -> "Future[bytes]":
        promised.append(Future())
        return promised[-1]

    def app(function: Callable[..., Any], **_: object) -> Callable[..., Any]:
        return promise

    monkeypatch.setattr(parsl, "python_app", app)
    monkeypatch.setattr(parsl, "ParslKernel", lambda *_, **__: SimpleNamespace(parsl=None))
    return promised


def test_a_job_that_was_withdrawn_and_submitted_anew_is_not_answered_by_its_first_attempt(
    futures: "list[Future[bytes]]", tmp_path: Path
) -> None:
    pool = parsl.ParslPool(TbliteSettings(), local_config(1), want_stress=False, run_dir=tmp_path)
    pool.submit(LabelJob(1, FRAME, tmp_path / "1", attempt=1))
    pool.withdraw(1)  # its failure was found in its folder
    pool.submit(LabelJob(1, FRAME, tmp_path / "1", attempt=2))
    futures[0].set_result(encode(FAILURE, FRAME, attempt=1))
    assert pool.collect(timeout_s=0.0) == []
    assert pool.n_in_flight == 1
    futures[1].set_result(encode(LABEL, FRAME, attempt=2))
    (done,) = pool.collect(timeout_s=0.0)
    assert isinstance(done.result, Label)
    assert pool.n_in_flight == 0


def test_an_answer_for_another_structure_is_none(futures: "list[Future[bytes]]", tmp_path: Path) -> None:
    pool = parsl.ParslPool(TbliteSettings(), local_config(1), want_stress=False, run_dir=tmp_path)
    pool.submit(LabelJob(1, FRAME, tmp_path / "1"))
    other = Frame("hydrogen", 0, 2, 0, FRAME.numbers, FRAME.positions)
    futures[0].set_result(encode(LABEL, other))
    (done,) = pool.collect(timeout_s=0.0)
    assert isinstance(done.result, LabelFailure)
    assert done.result.reason is FailureReason.WORKER_LOST
