"""What every pool owes to a campaign, wherever its references run."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.labelling.result import discard, read_finished
from aims_pax.protocols import LabelDone, LabelJob, Pool, Reference
from aims_pax.testing.contracts.structures import cluster, crystal, fused, rattled
from aims_pax.testing.references import SpringReference

GENEROUS_S = 60.0


class PoolContract:
    """Derive from it, and give :meth:`make`; :meth:`reference` where the pool labels by another.

    One pool serves all tests of a class, because workers take seconds to start.
    """

    def make(self, folder: Path) -> Pool:
        """A pool whose labels are those of :meth:`reference`, with stress where it is defined."""
        raise NotImplementedError("say how a pool is made")

    def reference(self) -> Reference:
        """What the pool labels by, computed here."""
        return SpringReference()

    def sound(self, number: int) -> Frame:
        """A structure that the reference can do, another for each number."""
        return rattled(cluster(), number)

    def periodic(self) -> Frame:
        """A crystal that the reference can do."""
        return rattled(crystal(), 1)

    def broken(self) -> Frame:
        """A structure that the reference fails for."""
        return fused()

    @pytest.fixture(scope="class")
    @classmethod
    def pool(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
        """A pool; in the end it is closed twice, and nothing is left of it."""
        pool = cls().make(tmp_path_factory.mktemp("pool"))
        yield pool
        pool.close()
        pool.close()
        assert pool.n_in_flight == 0
        assert pool.collect(timeout_s=None) == []

    def test_every_job_is_answered_exactly_once_with_its_own_label(self, pool: Pool, tmp_path: Path) -> None:
        """In whatever order."""
        jobs = [LabelJob(number, self.sound(number), tmp_path / f"label-{number}") for number in range(12)]
        for job in jobs:
            pool.submit(job)
        assert pool.n_in_flight == len(jobs)
        arrived = collected(pool)
        answers = {done.label_id: done.result for done in arrived}
        assert len(arrived) == len(answers) == len(jobs)
        for job in jobs:
            expected = self.reference().label(job.frame, folder=tmp_path / "check", want_stress=True)
            answer = answers[job.label_id]
            assert isinstance(answer, Label)
            assert isinstance(expected, Label)
            # Another process of the same machine; threads may change the order of sums.
            np.testing.assert_allclose(answer.forces, expected.forces, atol=1e-6)

    def test_failures_are_values_with_the_folder_of_their_files(self, pool: Pool, tmp_path: Path) -> None:
        """And no harm to the label beside them."""
        pool.submit(LabelJob(1, self.broken(), tmp_path / "label-1"))
        pool.submit(LabelJob(2, self.sound(2), tmp_path / "label-2"))
        answers = {done.label_id: done.result for done in collected(pool)}
        failure = answers[1]
        assert isinstance(failure, LabelFailure)
        assert not failure.reason.is_infrastructure
        assert failure.folder is not None
        assert (Path(failure.folder) / "failure.txt").is_file()
        assert (Path(failure.folder) / "structure.extxyz").is_file()
        assert isinstance(answers[2], Label)

    def test_stress_is_computed_for_crystals_when_it_is_wanted(self, pool: Pool, tmp_path: Path) -> None:
        """Molecules have none."""
        pool.submit(LabelJob(1, self.periodic(), tmp_path / "label-1"))
        pool.submit(LabelJob(2, self.sound(2), tmp_path / "label-2"))
        answers = {done.label_id: done.result for done in collected(pool)}
        for label_id, shape in ((1, (6,)), (2, None)):
            answer = answers[label_id]
            assert isinstance(answer, Label)
            assert (None if answer.stress is None else answer.stress.shape) == shape

    def test_collecting_from_an_idle_pool_returns_at_once(self, pool: Pool) -> None:
        """However long it might wait."""
        started = time.monotonic()
        assert pool.collect(timeout_s=None) == []
        assert pool.collect(timeout_s=GENEROUS_S) == []
        assert time.monotonic() - started < 1.0

    def test_a_label_that_is_withdrawn_is_not_waited_for(self, pool: Pool, tmp_path: Path) -> None:
        """Its answer, should it come, is nobody's."""
        pool.submit(LabelJob(1, self.sound(1), tmp_path / "label-1"))
        pool.withdraw(1)
        assert pool.n_in_flight == 0
        assert pool.collect(timeout_s=None) == []
        pool.submit(LabelJob(2, self.sound(2), tmp_path / "label-2"))
        assert [done.label_id for done in collected(pool)] == [2]

    def test_what_may_be_hoped_for_is_said_in_one_line(self, pool: Pool) -> None:
        """As long as there are workers there is hope."""
        outlook = pool.outlook()
        assert outlook.words
        assert "\n" not in outlook.words
        assert not outlook.is_dead
        assert pool.n_lost == 0

    def test_a_finished_result_stands_in_its_folder_until_it_is_discarded(self, pool: Pool, tmp_path: Path) -> None:
        """For the campaign that is killed before it hears of it; and it is of this structure alone."""
        job = LabelJob(1, self.sound(1), tmp_path / "label-1")
        pool.submit(job)
        (done,) = collected(pool)
        found = read_finished(job)
        assert isinstance(found, Label)
        assert isinstance(done.result, Label)
        assert found.energy == done.result.energy
        np.testing.assert_array_equal(found.forces, done.result.forces)
        assert len(list(job.folder.iterdir())) == 1, "the attempt's own folder should be gone"
        assert read_finished(LabelJob(1, self.sound(2), job.folder)) is None
        discard(job.folder)
        assert not job.folder.exists()

    def test_a_finished_failure_is_found_again_as_well(self, pool: Pool, tmp_path: Path) -> None:
        """So that it is not computed again."""
        job = LabelJob(1, self.broken(), tmp_path / "label-1")
        pool.submit(job)
        (done,) = collected(pool)
        assert read_finished(job) == done.result

    def test_a_folder_that_cannot_be_written_still_gives_an_answer(self, pool: Pool, tmp_path: Path) -> None:
        """A failure of the place, without a folder."""
        (tmp_path / "file").touch()
        pool.submit(LabelJob(1, self.sound(1), tmp_path / "file" / "label-1"))
        (done,) = collected(pool)
        assert isinstance(done.result, LabelFailure)
        assert done.result.reason.is_infrastructure
        assert done.result.folder is None


def collected(pool: Pool) -> list[LabelDone]:
    """Everything in flight, waited for."""
    done: list[LabelDone] = []
    deadline = time.monotonic() + GENEROUS_S
    while pool.n_in_flight and time.monotonic() < deadline:
        done += pool.collect(timeout_s=GENEROUS_S)
    return done
