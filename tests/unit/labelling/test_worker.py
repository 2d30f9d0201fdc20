"""The worker's entry: whatever happens in there reaches the campaign as a value."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from aims_pax.frame import FailureReason, Label, LabelFailure
from aims_pax.labelling.result import decode, discard, encode, read_finished, write_result
from aims_pax.labelling.worker import carry_out, label_on_worker
from aims_pax.protocols import LabelJob
from aims_pax.reference.ase_adapter import frame_of
from aims_pax.reference.registry import build_reference
from aims_pax.settings.reference import AseCalculatorSettings, TbliteSettings

WRITING = """
from pathlib import Path

from ase.calculators.lj import LennardJones


class Writing(LennardJones):
    def calculate(self, *args, **kwargs):
        (Path(self.directory) / "engine.out").write_text("Have a nice day.")
        super().calculate(*args, **kwargs)
"""


@pytest.fixture
def job(tmp_path: Path) -> LabelJob:
    return LabelJob(1, frame_of(molecule("H2O"), system="water"), tmp_path / "label-1")


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AseCalculatorSettings:
    (tmp_path / "writing_engine.py").write_text(WRITING, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return AseCalculatorSettings(calculator="writing_engine:Writing", max_force_ev_per_ang=1000.0)


def test_an_unforeseen_exception_is_a_failure_with_its_traceback(job: LabelJob) -> None:
    no_calculator = build_reference(AseCalculatorSettings(calculator="ase:Atoms"))
    result = carry_out(no_calculator, job, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.CRASHED
    assert result.folder is not None
    assert "Traceback" in (Path(result.folder) / "failure.txt").read_text(encoding="utf-8")


def test_a_calculator_that_is_not_installed_is_a_missing_executable(job: LabelJob) -> None:
    missing = build_reference(AseCalculatorSettings(calculator="no_such_package:Calculator"))
    result = carry_out(missing, job, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.MISSING_EXECUTABLE
    assert result.reason.is_infrastructure


def test_the_task_for_parsl_takes_and_gives_plain_bytes(job: LabelJob) -> None:
    content = label_on_worker(pickle.dumps(TbliteSettings()), pickle.loads(pickle.dumps(job)), False, False)
    label = decode(content, job.frame)
    expected = build_reference(TbliteSettings()).label(job.frame, folder=job.folder / "check", want_stress=False)
    assert isinstance(label, Label)
    assert isinstance(expected, Label)
    np.testing.assert_array_equal(label.forces, expected.forces)


def test_files_of_successful_labels_are_kept_when_they_are_wanted(
    job: LabelJob, writing: AseCalculatorSettings
) -> None:
    assert isinstance(carry_out(build_reference(writing), job, want_stress=False, keep_files=True), Label)
    discard(job.folder, keep_files=True)
    (kept,) = job.folder.rglob("engine.out")
    assert kept.parent.parent == job.folder


def test_files_of_successful_labels_are_removed_otherwise(job: LabelJob, writing: AseCalculatorSettings) -> None:
    assert isinstance(carry_out(build_reference(writing), job, want_stress=False), Label)
    assert list(job.folder.rglob("engine.out")) == []


def test_a_label_that_an_earlier_attempt_finished_is_not_computed_again(job: LabelJob) -> None:
    reference = build_reference(TbliteSettings())
    first = carry_out(reference, job, want_stress=False)
    assert isinstance(first, Label)
    write_result(job.folder, encode(replace(first, wall_s=12345.0), job.frame))
    again = carry_out(reference, job, want_stress=False)
    assert isinstance(again, Label)
    assert again.wall_s == 12345.0


def test_a_label_of_another_method_is_computed_again(job: LabelJob) -> None:
    carry_out(build_reference(TbliteSettings(method="GFN1-xTB")), job, want_stress=False)
    label = carry_out(build_reference(TbliteSettings()), job, want_stress=False)
    assert isinstance(label, Label)
    assert "GFN2-xTB" in label.reference
    assert read_finished(job) is not None
