"""The worker's entry: whatever happens in there reaches the campaign as a value."""

import errno
import os
import pickle
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.result import RESULT_FILE, decode, discard, encode, read_finished, write_result
from aims_pax.labelling.worker import carry_out, label_on_worker
from aims_pax.protocols import LabelJob
from aims_pax.reference.calculation import Calculation, EngineFailed, Observables
from aims_pax.reference.embedded.tblite import TbliteReference
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings

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
    class Broken(TbliteReference):
        def label(self, *_: object, **__: object) -> NoReturn:
            raise LookupError("nobody foresaw this")

    result = carry_out(Broken(TbliteSettings()), job, want_stress=False)
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
    assert label.worker == f"{socket.gethostname()} {os.getpid()}"


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


def test_label_that_could_not_finish_in_time_is_not_begun_and_leaves_nothing(job: LabelJob) -> None:
    reference = build_reference(TbliteSettings())
    result = carry_out(reference, replace(job, start_before=time.time() - 1.0), want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.NOT_STARTED
    assert not job.folder.exists()
    assert isinstance(carry_out(reference, replace(job, start_before=time.time() + 60.0), want_stress=False), Label)
    late = carry_out(reference, replace(job, start_before=time.time() - 1.0), want_stress=False)
    assert isinstance(late, Label), "it was finished already"


def test_folder_that_cannot_be_made_is_no_failure_of_the_structure(job: LabelJob, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = carry_out(
        build_reference(TbliteSettings()), replace(job, folder=tmp_path / "file" / "label-1"), want_stress=False
    )
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.SCRATCH
    assert f"can't be made on {socket.gethostname()}: Not a directory" in result.message


class Faulty:
    """A reference that does what a test wants before it fails."""

    name = "faulty"

    def __init__(self, act: Callable[[Path], None]) -> None:
        self._act = act

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        return []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        def compute() -> Observables:
            self._act(folder)
            return Observables(energy=-1.0, forces=np.zeros((frame.n_atoms, 3)))

        return Calculation(frame, folder, self.name, 30.0).outcome(compute)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        return None


def raising(error: Exception) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        raise error

    return act


def removing(folder: Path) -> None:
    shutil.rmtree(folder)
    (folder / "input").write_text("nowhere")


def reading(folder: Path) -> None:
    (folder / "engine.out").read_text()


FAULTS = [
    (raising(OSError(errno.ENOSPC, "No space left on device")), FailureReason.SCRATCH, "No space left on device"),
    (raising(OSError(errno.EROFS, "Read-only file system")), FailureReason.SCRATCH, "Read-only file system"),
    (removing, FailureReason.SCRATCH, f"went away on {socket.gethostname()} meanwhile"),
    (reading, FailureReason.CUT_SHORT, "engine.out"),
    (raising(FileNotFoundError(2, "No such file", "aims.x")), FailureReason.MISSING_EXECUTABLE, "aims.x"),
    (raising(MemoryError("Unable to allocate 64.0 GiB")), FailureReason.OUT_OF_MEMORY, "Unable to allocate 64.0 GiB"),
    (raising(TimeoutError("2 h")), FailureReason.WALLTIME, "2 h"),
    (raising(RuntimeError("no bands")), FailureReason.CRASHED, "RuntimeError: no bands"),
]


@pytest.mark.parametrize(("act", "reason", "words"), FAULTS, ids=[str(reason) for _, reason, _ in FAULTS])
def test_fault_has_its_reason_and_its_words(
    act: Callable[[Path], None], reason: FailureReason, words: str, job: LabelJob
) -> None:
    result = carry_out(Faulty(act), job, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is reason
    assert words in result.message
    assert (job.folder / RESULT_FILE).exists() is not reason.is_infrastructure


def test_failure_never_takes_the_place_of_a_label(job: LabelJob) -> None:
    label = Label(-1.0, np.zeros((3, 3)), None, Faulty.name, 5.0)

    def overtaken(folder: Path) -> None:
        write_result(job.folder, encode(label, job.frame, attempt=1))  # by an attempt that was given up as lost
        raise RuntimeError("crashed")

    result = carry_out(Faulty(overtaken), replace(job, attempt=2), want_stress=False)
    assert isinstance(result, Label)
    assert isinstance(read_finished(job), Label)


def test_failure_is_the_answer_to_its_own_attempt_alone(job: LabelJob) -> None:
    failed = carry_out(Faulty(raising(RuntimeError("crashed"))), replace(job, attempt=2), want_stress=False)
    assert isinstance(failed, LabelFailure)
    assert read_finished(replace(job, attempt=2)) == failed
    assert read_finished(job) is None
    assert read_finished(replace(job, attempt=3)) is None


def test_output_cut_short_by_a_full_disk_is_the_disks_fault(job: LabelJob, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(job.folder.parent)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    silent = EngineFailed(FailureReason.CUT_SHORT, "the output has no last line")
    result = carry_out(Faulty(raising(silent)), job, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.SCRATCH
    assert "the disk is full (the output has no last line)" in result.message
    assert socket.gethostname() in result.message
