"""What a pool computes by the way is paid for once, whatever happens to the campaign."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.errands import Errands, errands_in
from aims_pax.protocols import LabelJob
from aims_pax.testing.pools import ScriptedPool, failing, labelled

Open = Callable[..., AbstractContextManager[Errands]]


@pytest.fixture
def books(tmp_path: Path) -> Open:
    """Errands in one folder, session after session."""

    places = RunFolder(tmp_path / "books", tmp_path / "calculations")

    def opened(pool: ScriptedPool, departure: Departure | None = None) -> AbstractContextManager[Errands]:
        whose = departure or Departure()
        return errands_in(places, pool, whose, keeps_folders=False, no_progress_s=60.0, called="AIMD step")

    return opened


def structure(number: int, *, trajectory: int = 0) -> Frame:
    """As a driver has it, which knows no MD step."""
    return Frame("hydrogen", trajectory, 0, 0, np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.7 + number]]))


def answered(errands: Errands, frame: Frame) -> Label | LabelFailure:
    errands.ask(frame)
    while (answer := errands.answer(frame)) is None:
        errands.wait()
    return answer


class Killed(BaseException):
    """The campaign ends here."""


def killed(books: Open, pool: ScriptedPool, frames: list[Frame], *, when: Callable[[Errands, Frame], object]) -> None:
    """A session that is killed when it has done something with each of these structures."""
    with suppress(Killed), books(pool) as errands:
        for frame in frames:
            when(errands, frame)
        raise Killed


def test_structure_is_computed_once_whatever_step_it_is_said_to_be(books: Open) -> None:
    pool = ScriptedPool()
    with books(pool) as errands:
        first = answered(errands, structure(1))
        assert isinstance(first, Label)
        again = answered(errands, replace(structure(1), md_step=17, generation=3))
        assert isinstance(again, Label)
        assert again.energy == first.energy
        assert errands.answer(structure(1, trajectory=1)) is None
        assert errands.answer(structure(2)) is None
    assert len(pool.jobs) == 1


def test_what_was_computed_before_a_kill_is_not_computed_again(books: Open) -> None:
    killed(books, first := ScriptedPool(), [structure(number) for number in (1, 2, 3)], when=answered)
    with books(second := ScriptedPool()) as errands:
        for number in (1, 2, 3, 4):
            assert isinstance(answered(errands, structure(number)), Label)
    assert (len(first.jobs), len(second.jobs)) == (3, 1)


def test_what_was_under_way_at_a_kill_is_asked_for_at_once_when_the_run_goes_on(books: Open) -> None:
    idle = ScriptedPool(delay=lambda job: None)
    killed(books, idle, [structure(1), structure(1, trajectory=1)], when=Errands.ask)
    with books(pool := ScriptedPool()) as errands:
        assert len(pool.jobs) == 2
        assert isinstance(answered(errands, structure(1, trajectory=1)), Label)
        assert isinstance(answered(errands, structure(1)), Label)
    assert len(pool.jobs) == 2


def test_failure_is_an_answer_and_the_structure_is_tried_anew_when_it_is_asked_for_again(books: Open) -> None:
    pool = ScriptedPool(failing(FailureReason.NOT_CONVERGED))
    with books(pool) as errands:
        for n_tried in (1, 2):
            failure = answered(errands, structure(1))
            assert isinstance(failure, LabelFailure)
            assert failure.reason is FailureReason.NOT_CONVERGED
            assert len(pool.jobs) == n_tried
    with books(ScriptedPool()) as errands:
        assert isinstance(answered(errands, structure(1)), Label)


def test_structure_whose_worker_is_lost_is_computed_by_another(books: Open, caplog: pytest.LogCaptureFixture) -> None:
    pool = ScriptedPool(failing(FailureReason.WORKER_LOST, times=1))
    with books(pool) as errands:
        assert isinstance(answered(errands, structure(1)), Label)
    assert [job.attempt for job in pool.jobs] == [1, 2]
    assert caplog.messages == ["AIMD step 1  worker lost, and is asked for again: as it was told"]


def test_a_place_where_nothing_can_be_computed_stops_the_campaign(books: Open) -> None:
    pool = ScriptedPool(failing(FailureReason.MISSING_EXECUTABLE))
    with pytest.raises(CampaignStopped, match="3 labels in a row"), books(pool) as errands:
        answered(errands, structure(1))


def test_campaign_that_is_asked_to_leave_does_not_wait_for_a_step(books: Open) -> None:
    departure = Departure()

    def begun(job: LabelJob) -> Label:
        departure.ask(Reason.TERMINATED)
        return labelled(job)

    pool = ScriptedPool(begun, delay=lambda job: None)
    with pytest.raises(Departed, match="SIGTERM"), books(pool, departure) as errands:
        answered(errands, structure(1))
    with books(again := ScriptedPool()) as errands:
        assert isinstance(answered(errands, structure(1)), Label)
    assert len(again.jobs) == 1


def test_step_that_could_not_end_before_the_walltime_waits_for_the_next_session(books: Open) -> None:
    def slow(job: LabelJob) -> Label:
        return replace(labelled(job), wall_s=3600.0)

    departure, pool = Departure(), ScriptedPool(slow)
    departure.ends_at = time.time() + 1800.0
    with pytest.raises(Departed, match="walltime"), books(pool, departure) as errands:
        # Nobody knows how long the first takes.
        [answered(errands, structure(number)) for number in (1, 2)]
    assert len(pool.jobs) == 1
    with books(again := ScriptedPool()) as errands:
        assert isinstance(answered(errands, structure(2)), Label)
    assert len(again.jobs) == 1


def test_books_go_when_all_is_done_and_the_folder_of_a_failure_stays(books: Open, tmp_path: Path) -> None:
    def computed(job: LabelJob) -> Label | LabelFailure:
        (job.folder / "attempt").mkdir(parents=True)
        if job.frame.trajectory:
            return LabelFailure(FailureReason.NOT_CONVERGED, "as it was told", str(job.folder / "attempt"))
        return labelled(job)

    with books(ScriptedPool(computed)) as errands:
        answered(errands, structure(1))
        assert (tmp_path / "books" / "run.db").is_file()
    assert not list(tmp_path.iterdir())
    with books(ScriptedPool(computed)) as errands:
        answered(errands, structure(1))
        failure = answered(errands, structure(1, trajectory=1))
    assert isinstance(failure, LabelFailure)
    assert failure.folder is not None
    assert Path(failure.folder).is_dir()
    assert not (tmp_path / "books").exists()


def test_each_label_is_heard_of_and_each_failed_attempt_is_counted(books: Open) -> None:
    heard: list[int] = []
    pool = ScriptedPool(lambda job: failing(FailureReason.NOT_CONVERGED)(job) if job.label_id == 2 else labelled(job))
    with books(pool) as errands:
        errands.listeners.append(lambda: heard.append(errands.n_labels))
        for number in (1, 2, 3):
            answered(errands, structure(number))
        assert errands.failed_attempts == {FailureReason.NOT_CONVERGED: 1}
    assert heard == [1, 2]
