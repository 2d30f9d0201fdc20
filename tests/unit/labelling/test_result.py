"""The file that carries a finished label over a crash of the campaign."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.result import RESULT_FILE, decode, discard, encode, fingerprint, read_finished, write_result
from aims_pax.protocols import LabelJob

FRAME = Frame("water", 3, 250, 7, np.array([8, 1, 1]), np.arange(9.0).reshape(3, 3))
LABEL = Label(-1.5, np.full((3, 3), 0.25), np.arange(6.0), "engine 1.0 method", 2.5, {"dipole": np.ones(3)})
FAILURE = LabelFailure(FailureReason.NOT_CONVERGED, "SCF not converged in 250 cycles", "/runs/label-1", 12.0)

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(energy=finite, forces=arrays(np.float64, (3, 3), elements=finite), reference=st.text())
def test_a_label_survives_the_file_bit_for_bit(energy: float, forces: np.ndarray, reference: str) -> None:
    label = replace(LABEL, energy=energy, forces=forces, reference=reference, worker="node7 4242")
    read = decode(encode(label, FRAME), FRAME)
    assert isinstance(read, Label)
    assert (read.energy, read.reference, read.wall_s, read.worker) == (energy, reference, LABEL.wall_s, "node7 4242")
    np.testing.assert_array_equal(read.forces, forces)
    np.testing.assert_array_equal(read.stress, LABEL.stress)
    np.testing.assert_array_equal(read.extras["dipole"], LABEL.extras["dipole"])


def test_a_label_without_stress_comes_back_without_stress() -> None:
    read = decode(encode(replace(LABEL, stress=None, extras={}), FRAME), FRAME)
    assert isinstance(read, Label)
    assert read.stress is None
    assert dict(read.extras) == {}


@pytest.mark.parametrize("reason", FailureReason)
def test_a_failure_survives_the_file(reason: FailureReason) -> None:
    failure = replace(FAILURE, reason=reason, worker="node7 4242")
    read = decode(encode(failure, FRAME), FRAME)
    assert read == failure
    assert isinstance(read, LabelFailure)
    assert read.worker == "node7 4242"


def test_a_label_that_is_kept_out_survives_the_file_with_all_its_numbers_whatever_the_attempt() -> None:
    failure = LabelFailure(FailureReason.KEPT_OUT, "too strong", None, LABEL.wall_s, "node7 4242", LABEL)
    read = decode(encode(failure, FRAME, attempt=1), FRAME, attempt=2)
    assert read == failure
    assert isinstance(read, LabelFailure)
    assert read.label is not None
    np.testing.assert_array_equal(read.label.forces, LABEL.forces)
    np.testing.assert_array_equal(read.label.extras["dipole"], LABEL.extras["dipole"])
    assert (read.label.energy, read.label.reference) == (LABEL.energy, LABEL.reference)


@pytest.mark.parametrize(
    "other",
    [
        replace(FRAME, md_step=251),
        replace(FRAME, trajectory=4),
        replace(FRAME, positions=FRAME.positions + 1e-12),
        replace(FRAME, numbers=np.array([8, 1, 9])),
        replace(FRAME, pbc=np.array([True, True, True])),
        replace(FRAME, charge=1),
        replace(FRAME, spin=3),
    ],
    ids=["step", "trajectory", "positions", "elements", "periodicity", "charge", "spin"],
)
def test_a_result_is_not_given_to_another_frame(other: Frame) -> None:
    assert decode(encode(LABEL, FRAME), other) is None


def test_a_frame_without_charge_or_spin_has_the_fingerprint_that_older_results_carry() -> None:
    assert fingerprint(FRAME) == "0cb19f7c4cb427a4de90a2024c62eadb56ab7a07bd9983f3053e85f6dbf6c9e0"


@given(cut=st.integers(0, 400), noise=st.binary(max_size=40))
def test_damaged_files_are_no_result(cut: int, noise: bytes) -> None:
    content = encode(LABEL, FRAME)
    assert decode(content[: min(cut, len(content) - 1)] + noise, FRAME) is None


def test_no_flipped_bit_changes_a_label() -> None:
    content = encode(LABEL, FRAME)
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        read = decode(bytes(damaged), FRAME)
        if read is not None:
            assert isinstance(read, Label)
            assert encode(read, FRAME) == content, f"bit {bit % 8} of byte {bit // 8}"


def test_a_result_is_found_in_its_folder_until_it_is_discarded(tmp_path: Path) -> None:
    job = LabelJob(1, FRAME, tmp_path / "label-1")
    assert read_finished(job) is None
    job.folder.mkdir()
    assert read_finished(job) is None
    write_result(job.folder, encode(LABEL, FRAME))
    assert isinstance(read_finished(job), Label)
    assert [path.name for path in job.folder.iterdir()] == [RESULT_FILE]
    discard(job.folder)
    assert not job.folder.exists()


def test_discarding_can_keep_the_files_of_the_engine(tmp_path: Path) -> None:
    for name, files in (("with", ["aims.out"]), ("without", [])):
        folder = tmp_path / name
        folder.mkdir()
        write_result(folder, encode(LABEL, FRAME))
        for file in files:
            (folder / file).touch()
        discard(folder, keep_files=True)
    assert [path.name for path in (tmp_path / "with").iterdir()] == ["aims.out"]
    assert not (tmp_path / "without").exists()


def test_a_result_is_not_written_where_its_label_was_discarded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file"):
        write_result(tmp_path / "gone", encode(LABEL, FRAME))
    assert list(tmp_path.iterdir()) == []
