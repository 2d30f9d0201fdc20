"""Campaigns that are killed or interrupted, and go on by the same command as if nothing had happened."""

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import NoReturn

import pytest

from aims_pax.campaign import run as campaign_run
from aims_pax.campaign import run_campaign
from aims_pax.dataset.records import JobStatus
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Split, Stage
from aims_pax.protocols import LabelDone, Status
from aims_pax.settings import load_project
from aims_pax.stages.loop.requests import Requests

from .engines import Watched
from .projects import Watcher, copper_project, in_child, jobs_of, run, water_project
from .resuming import (
    CHANGES,
    IN_ACTIVE,
    IN_INITIAL,
    N_INITIAL,
    Moment,
    Outcome,
    assert_labels_conserved,
    assert_same,
    killing,
    outcome_of,
)

pytestmark = pytest.mark.usefixtures("springs")


@pytest.fixture(scope="module")
def initial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose initial dataset is complete, made without interruption."""
    Watched.forget()
    Watched.log = tmp_path_factory.mktemp("log") / "calculated"
    folder = copper_project(tmp_path_factory.mktemp("initial"), changes=CHANGES)
    run(folder, stages=(Stage.INITIAL,))
    shutil.copy(Watched.log, folder / "calculated")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(initial: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The run that all others must be equal to."""
    Watched.forget()
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(initial, folder, dirs_exist_ok=True)
    run(folder, stages=(Stage.ACTIVE,))
    outcome = outcome_of(folder)
    assert len(outcome.labels) > N_INITIAL + 4
    return outcome


@pytest.fixture
def calculated(tmp_path: Path, engine: type[Watched]) -> Path:
    """Takes note of the structures of all finished reference calculations, those of killed processes included."""
    engine.log = tmp_path / "calculated"
    return engine.log


@pytest.mark.parametrize("moment", IN_INITIAL)
def test_run_killed_in_its_initial_stage_goes_on_as_if_it_had_not_been(
    moment: str, initial: Path, calculated: Path, tmp_path: Path
) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)
    killed = in_child(lambda: run(folder, stages=(Stage.INITIAL,), observer=killing(IN_INITIAL[moment])))
    assert killed == -signal.SIGKILL
    run(folder, stages=(Stage.INITIAL,))
    assert_same(outcome_of(folder), outcome_of(initial))
    assert_labels_conserved(folder, calculated)


AIMD = {
    "initial_sampling": "aimd",
    "foundational_model": None,
    "skip_step_initial": 3,
    "equilibration_steps": 7,
    "intermediate_epochs_idg": 1,
}


@pytest.fixture(scope="module")
def by_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of AIMD without interruption."""
    Watched.forget()
    folder = copper_project(tmp_path_factory.mktemp("aimd"), changes={"INITIAL_DATASET_GENERATION": AIMD})
    run(folder, stages=(Stage.INITIAL,))
    return folder


def assert_steps_conserved(folder: Path, uninterrupted: Path, calculated: Path) -> None:
    """The same structures were computed as without interruption, none of them twice, and the books are closed."""
    assert_same(outcome_of(folder), outcome_of(uninterrupted))
    computed = calculated.read_text(encoding="utf-8").split()
    assert len(computed) == len(set(computed)) == 1 + 7 + 3 * N_INITIAL
    assert not list(folder.rglob("aimd*"))


@pytest.mark.parametrize("call", [1, 3, 10, 16], ids=lambda call: f"step {call}")
def test_aimd_killed_in_the_middle_of_a_step_computes_no_step_twice(
    call: int, by_reference: Path, calculated: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = copper_project(tmp_path / "project", changes={"INITIAL_DATASET_GENERATION": AIMD})
    engine.manners = {call: "die"}
    assert in_child(lambda: run(folder, stages=(Stage.INITIAL,))) == -signal.SIGKILL
    engine.manners = {}
    run(folder, stages=(Stage.INITIAL,))
    assert_steps_conserved(folder, by_reference, calculated)


def test_aimd_killed_before_a_step_that_was_picked_is_a_label_computes_it_once(
    by_reference: Path, calculated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copper_project(tmp_path / "project", changes={"INITIAL_DATASET_GENERATION": AIMD})

    def committed(requests: Requests) -> NoReturn:
        assert [job.status for job in jobs_of(folder, Stage.INITIAL)] == [JobStatus.SUBMITTED]
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it goes on")

    def killed() -> None:
        send = Requests.send

        def sending(requests: Requests) -> list[LabelDone]:
            return committed(requests) if jobs_of(folder, Stage.INITIAL) else send(requests)

        monkeypatch.setattr(Requests, "send", sending)
        run(folder, stages=(Stage.INITIAL,))

    assert in_child(killed) == -signal.SIGKILL
    run(folder, stages=(Stage.INITIAL,))
    assert_steps_conserved(folder, by_reference, calculated)


def test_aimd_whose_reference_is_mended_goes_on(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path / "project", changes={"INITIAL_DATASET_GENERATION": AIMD})
    engine.manners = dict.fromkeys(range(9, 1000), "unconverged")
    with pytest.raises(CampaignStopped, match=r"last time: no forces: not converged: .* its files are in .*Mend it"):
        run(folder, stages=(Stage.INITIAL,))
    engine.forget()
    run(folder, stages=(Stage.INITIAL,))
    assert len(jobs_of(folder, Stage.INITIAL)) == N_INITIAL


EQUILIBRATION = {**CHANGES, "INITIAL_DATASET_GENERATION": {"intermediate_epochs_idg": 3, "equilibration_steps": 23}}


def equilibrating(n_made: int) -> Moment:
    return lambda now: now.activity == f"equilibrating, step {n_made} of 23"


@pytest.mark.parametrize("n_made", [0, 10, 20])
def test_run_killed_while_it_equilibrates_goes_on_as_if_it_had_not_been(
    n_made: int, calculated: Path, tmp_path: Path
) -> None:
    whole, folder = (copper_project(tmp_path / name, changes=EQUILIBRATION) for name in ("whole", "killed"))
    run(whole, stages=(Stage.INITIAL,))
    calculated.unlink()
    killed = in_child(lambda: run(folder, stages=(Stage.INITIAL,), observer=killing(equilibrating(n_made))))
    assert killed == -signal.SIGKILL
    assert not calculated.exists(), "nothing is labelled before the equilibration is over"
    run(folder, stages=(Stage.INITIAL,))
    assert_same(outcome_of(folder), outcome_of(whole))
    assert_labels_conserved(folder, calculated)


def test_run_that_leaves_while_it_equilibrates_loses_no_step(engine: type[Watched], tmp_path: Path) -> None:
    whole, folder = (copper_project(tmp_path / name, changes=EQUILIBRATION) for name in ("whole", "left"))
    run(whole, stages=(Stage.INITIAL,))
    departure = Departure()

    def leave(now: Status) -> None:
        if equilibrating(10)(now):
            departure.ask(Reason.INTERRUPTED)

    project = load_project(folder, stages=(Stage.INITIAL,))
    with pytest.raises(Departed, match=str(Reason.INTERRUPTED)):
        run_campaign(project, stages=(Stage.INITIAL,), observer=Watcher(leave), departure=departure)
    seen = Watcher()
    run(folder, stages=(Stage.INITIAL,), observer=seen)
    assert seen.seen[0].activity == "equilibrating, step 15 of 23"
    assert_same(outcome_of(folder), outcome_of(whole))


@pytest.mark.parametrize("moment", IN_ACTIVE)
def test_run_killed_in_active_learning_goes_on_as_if_it_had_not_been(
    moment: str, initial: Path, uninterrupted: Outcome, calculated: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(initial, folder)
    shutil.copy(initial / "calculated", calculated)
    killed = in_child(lambda: run(folder, stages=(Stage.ACTIVE,), observer=killing(IN_ACTIVE[moment])))
    assert killed == -signal.SIGKILL
    run(folder, stages=(Stage.ACTIVE,))
    assert_same(outcome_of(folder), uninterrupted)
    assert_labels_conserved(folder, calculated)


def test_run_killed_while_its_results_are_written_goes_on_without_a_word_of_what_it_does_not_know(
    initial: Path,
    uninterrupted: Outcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(initial, folder)

    def killed() -> None:
        monkeypatch.setattr(campaign_run, "write_results", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        run(folder, stages=(Stage.ACTIVE,))

    assert in_child(killed) == -signal.SIGKILL
    with caplog.at_level("INFO"):
        run(folder, stages=(Stage.ACTIVE,))
    assert_same(outcome_of(folder), uninterrupted)
    assert any("stopped at the cap of 4 epochs" in message for message in caplog.messages)


@pytest.mark.parametrize("call", [7, N_INITIAL + 3])
def test_run_killed_within_a_label_computes_it_again_and_goes_on(
    call: int, uninterrupted: Outcome, calculated: Path, tmp_path: Path
) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)

    def killed() -> None:
        Watched.manners[call] = "die"
        run(folder)

    assert in_child(killed) == -signal.SIGKILL
    asked = [job for stage in Stage for job in jobs_of(folder, stage)]
    assert any(job.status is JobStatus.SUBMITTED for job in asked), "a label was in flight"
    run(folder)
    assert_same(outcome_of(folder), uninterrupted)
    assert_labels_conserved(folder, calculated)


def test_run_interrupted_again_and_again_is_the_run_that_was_not(
    uninterrupted: Outcome, calculated: Path, tmp_path: Path
) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)

    def interrupt(now: Status) -> None:
        if now.n_labels_received >= watcher.seen[0].n_labels_received + 3:
            raise KeyboardInterrupt

    n_interruptions = 0
    while n_interruptions < 20:
        watcher = Watcher(interrupt)
        with contextlib.suppress(KeyboardInterrupt):
            run(folder, observer=watcher)
            break
        n_interruptions += 1
    assert 3 <= n_interruptions < 20
    assert_same(outcome_of(folder), uninterrupted)
    assert_labels_conserved(folder, calculated)


def test_interrupted_sampling_by_tight_binding_gives_the_same_structures(tmp_path: Path) -> None:
    """The embedded driver starts its self-consistency from the last step, which an interruption makes it forget."""
    changes = {"ACTIVE_LEARNING": None, "INITIAL_DATASET_GENERATION": {"max_initial_set_size": 1}}
    for name in ("uninterrupted", "interrupted"):
        water_project(tmp_path / name, changes)

    def interrupt(now: Status) -> None:
        if now.n_labels_received == 2:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        run(tmp_path / "interrupted", observer=Watcher(interrupt))
    assert not (tmp_path / "interrupted" / "results").exists()
    for name in ("interrupted", "uninterrupted"):
        run(tmp_path / name)
    assert_same(outcome_of(tmp_path / "interrupted"), outcome_of(tmp_path / "uninterrupted"))


def test_split_of_a_resumed_run_keeps_its_quota(uninterrupted: Outcome) -> None:
    for owner in (None, 0, 1):
        splits = [split for _, split, member, *_ in uninterrupted.labels if member == owner]
        for n in range(1, len(splits) + 1):
            assert abs(splits[:n].count(Split.VALIDATION) - 0.4 * n) <= 1
