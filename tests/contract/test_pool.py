"""What every pool owes to a campaign, wherever its references run."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.inline import InlinePool
from aims_pax.labelling.result import discard, read_finished
from aims_pax.protocols import LabelDone, LabelJob, Pool
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import TbliteSettings

GENEROUS_S = 60.0


def parsl_pool(folder: Path) -> Pool:
    from aims_pax.labelling.workers.configuration import local_config
    from aims_pax.labelling.workers.parsl import ParslPool

    return ParslPool(TbliteSettings(), local_config(2), want_stress=True, run_dir=folder / "parsl")


def inline_pool(folder: Path) -> Pool:
    return InlinePool(build_reference(TbliteSettings()), want_stress=True)


@pytest.fixture(scope="module", params=[inline_pool, parsl_pool], ids=["inline", "parsl"])
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    pool: Pool = request.param(tmp_path_factory.mktemp("pool"))
    yield pool
    pool.close()
    pool.close()
    assert pool.n_in_flight == 0
    assert pool.collect(timeout_s=None) == []


def water(seed: int) -> Frame:
    atoms = molecule("H2O")
    atoms.rattle(0.02, seed=seed)
    return frame_of(atoms, system="water", trajectory=seed)


FUSED = frame_of(Atoms("H2", positions=np.zeros((2, 3))), system="fused")
"""Two atoms at one place: tblite refuses them."""


def collected(pool: Pool) -> list[LabelDone]:
    """Everything in flight, waited for."""
    done: list[LabelDone] = []
    deadline = time.monotonic() + GENEROUS_S
    while pool.n_in_flight and time.monotonic() < deadline:
        done += pool.collect(timeout_s=GENEROUS_S)
    return done


def test_every_job_is_answered_exactly_once_with_its_own_label(pool: Pool, tmp_path: Path) -> None:
    jobs = [LabelJob(number, water(number), tmp_path / f"label-{number}") for number in range(12)]
    for job in jobs:
        pool.submit(job)
    assert pool.n_in_flight == len(jobs)
    arrived = collected(pool)
    answers = {done.label_id: done.result for done in arrived}
    assert len(arrived) == len(answers) == len(jobs)
    for job in jobs:
        expected = build_reference(TbliteSettings()).label(job.frame, folder=tmp_path / "check", want_stress=True)
        answer = answers[job.label_id]
        assert isinstance(answer, Label)
        assert isinstance(expected, Label)
        # Another process of the same machine; threads may change the order of sums.
        np.testing.assert_allclose(answer.forces, expected.forces, atol=1e-6)


def test_failures_are_values_with_the_folder_of_their_files(pool: Pool, tmp_path: Path) -> None:
    pool.submit(LabelJob(1, FUSED, tmp_path / "label-1"))
    pool.submit(LabelJob(2, water(2), tmp_path / "label-2"))
    answers = {done.label_id: done.result for done in collected(pool)}
    failure = answers[1]
    assert isinstance(failure, LabelFailure)
    assert failure.reason is FailureReason.CRASHED
    assert failure.folder is not None
    assert (Path(failure.folder) / "failure.txt").is_file()
    assert (Path(failure.folder) / "structure.extxyz").is_file()
    assert isinstance(answers[2], Label)


def test_stress_is_computed_for_crystals_when_it_is_wanted(pool: Pool, tmp_path: Path) -> None:
    from ase.build import bulk

    pool.submit(LabelJob(1, frame_of(bulk("C", cubic=True), system="diamond"), tmp_path / "label-1"))
    (done,) = collected(pool)
    assert isinstance(done.result, Label)
    assert done.result.stress is not None
    assert done.result.stress.shape == (6,)


def test_collecting_from_an_idle_pool_returns_at_once(pool: Pool) -> None:
    started = time.monotonic()
    assert pool.collect(timeout_s=None) == []
    assert pool.collect(timeout_s=GENEROUS_S) == []
    assert time.monotonic() - started < 1.0


def test_a_finished_result_stands_in_its_folder_until_it_is_discarded(pool: Pool, tmp_path: Path) -> None:
    job = LabelJob(1, water(1), tmp_path / "label-1")
    pool.submit(job)
    (done,) = collected(pool)
    found = read_finished(job)
    assert isinstance(found, Label)
    assert isinstance(done.result, Label)
    assert found.energy == done.result.energy
    np.testing.assert_array_equal(found.forces, done.result.forces)
    assert len(list(job.folder.iterdir())) == 1, "the attempt's own folder should be gone"
    assert read_finished(LabelJob(1, water(2), job.folder)) is None
    discard(job.folder)
    assert not job.folder.exists()


def test_a_finished_failure_is_found_again_as_well(pool: Pool, tmp_path: Path) -> None:
    job = LabelJob(1, FUSED, tmp_path / "label-1")
    pool.submit(job)
    (done,) = collected(pool)
    assert read_finished(job) == done.result


def test_a_folder_that_cannot_be_written_still_gives_an_answer(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pool.submit(LabelJob(1, water(1), tmp_path / "file" / "label-1"))
    (done,) = collected(pool)
    assert isinstance(done.result, LabelFailure)
    assert done.result.folder is None
