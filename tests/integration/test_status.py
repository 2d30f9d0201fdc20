"""Runs that are looked at from outside: under way, left, killed, finished; the models are springs, the labels EMT's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aims_pax.campaign import run_campaign
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import StoreError
from aims_pax.face.status import KILLED, RunStatus, read_status
from aims_pax.forecast.curves.underway import Underway
from aims_pax.frame import Stage
from aims_pax.protocols import StageState, Status

from .engines import Watched
from .projects import Watcher, copper_project, in_child, loaded

pytestmark = pytest.mark.usefixtures("springs")

STAGES = (Stage.INITIAL, Stage.ACTIVE)

CHANGES = {"ACTIVE_LEARNING": {"max_train_set_size": 8, "converge_al": True, "max_convergence_epochs": 4}}


def project_in(folder: Path) -> Path:
    Watched.forget()
    return copper_project(folder, changes=CHANGES)


def run_watched(folder: Path, act: Callable[[Status, Departure], None]) -> None:
    """Run a project as its command does; act at each status."""
    project, departure = loaded(folder), Departure()
    run_campaign(
        project,
        stages=STAGES,
        observer=Watcher(lambda now: act(now, departure)),
        departure=departure,
        outlook=Underway(project, STAGES),
        command="aims-pax run copper",
    )


def states_of(status: RunStatus) -> dict[str, StageState]:
    assert status.seen is not None
    return {one.name: one.state for one in status.seen.stages}


def test_a_run_is_followed_from_outside_to_its_end(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")
    looks: list[RunStatus] = []

    def look(_now: Status, _departure: Departure) -> None:
        if (folder / "run.db").is_file():
            looks.append(read_status(folder))

    run_watched(folder, look)
    told = [one for one in looks if one.seen is not None]
    assert {one.state for one in told} == {"running"}
    assert f"process {os.getpid()}" in told[0].owner
    assert {one.seen.activity for one in told if one.seen} >= {"sampling", "training"}
    active = [one for one in told if one.seen is not None and one.seen.present == "active"]
    assert states_of(active[0]) == {
        "initial": StageState.OVER,
        "active": StageState.PRESENT,
        "convergence": StageState.AHEAD,
        "results": StageState.AHEAD,
    }
    assert {letter for one in active if one.seen for letter in one.seen.phases} >= {"r", "t"}
    assert any(one.seen.last_score is not None and one.seen.scores for one in active if one.seen)
    converging = [one for one in told if one.seen is not None and one.seen.present == "convergence"]
    assert any(stage.left_s for one in converging if one.seen for stage in one.seen.stages), "its epochs are timed"
    finished = read_status(folder)
    assert (finished.state, finished.command()) == ("finished", "")
    assert set(states_of(finished).values()) == {StageState.OVER}
    assert finished.counts.n_in_flight == 0
    json.dumps(finished.record(), allow_nan=False)


def test_a_run_that_was_left_tells_why_and_what_goes_on(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")

    def leave(now: Status, departure: Departure) -> None:
        if now.stage == Stage.ACTIVE and now.n_labels_received > 9:
            departure.ask(Reason.WALLTIME)

    with pytest.raises(Departed, match="walltime"):
        run_watched(folder, leave)
    left = read_status(folder)
    assert left.state == "left"
    assert "left because of the end of the walltime" in " ".join(str(left).split())
    assert left.command(here=os.getcwd()) == "aims-pax run copper"
    assert states_of(left)["active"] is StageState.PRESENT
    run_watched(folder, lambda _now, _departure: None)
    assert read_status(folder).state == "finished"
    assert read_status(folder).ended is not None, "the last session has come to its end"


def test_a_run_that_was_killed_is_known_by_saying_nothing(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")

    def die(now: Status, _departure: Departure) -> None:
        if now.stage == Stage.ACTIVE and now.n_labels_received > 9:
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run_watched(folder, die)) == -signal.SIGKILL
    killed = read_status(folder)
    assert (killed.state, killed.owner) == ("stopped", "")
    assert KILLED in " ".join(str(killed).replace("│", " ").split())
    assert killed.seen is not None
    assert killed.seen.phases


def test_a_run_that_can_not_go_on_tells_the_message(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")

    def fail(now: Status, _departure: Departure) -> None:
        if now.stage == Stage.ACTIVE:
            raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="full"):
        run_watched(folder, fail)
    assert read_status(folder).state == "stopped"
    assert "nobody works on it: the disk is full" in str(read_status(folder))


def test_the_half_of_a_campaign_that_was_asked_for_is_done(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")
    project = loaded(folder)
    run_campaign(project, stages=(Stage.INITIAL,), observer=Watcher(), command="aims-pax idg copper")
    done = read_status(folder)
    assert done.state == "part done"
    assert "what was asked for is done" in str(done)
    assert done.command(here=tmp_path) == "aims-pax al copper"
    assert set(states_of(done)) == {"initial", "results"}


IMPORTED = """
import sys
from aims_pax.cli.program import program
program(["status", sys.argv[1]], standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""


def test_command_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")
    run_watched(folder, lambda _now, _departure: None)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(folder)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "finished" in done.stdout
    heavy = {"torch", "mace", "e3nn", "parsl", "scipy", "ase", "matplotlib", "aims_pax.settings.project"}
    assert heavy.isdisjoint(done.stderr.split())


def test_what_is_kept_is_small_and_little_is_written_for_it(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "copper")
    run_watched(folder, lambda _now, _departure: None)
    with RunStore.open_readonly(folder) as store:
        kept = store.load_state("shown")
    assert kept is not None
    assert len(kept) < 4000
