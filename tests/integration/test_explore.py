"""Rounds of MD from a made dataset: frames beyond a tolerance are labelled and learned, whatever interrupts that."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.io import write

from aims_pax.campaign import run_campaign
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.frame import Split, Stage
from aims_pax.learner.exploration import End, Exploration
from aims_pax.learner.journal import from_text
from aims_pax.protocols import Status
from aims_pax.settings import load_project

from .engines import WATCHED, Watched
from .projects import COPPER, Watcher, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of

pytestmark = pytest.mark.usefixtures("springs")

BOTH = (Stage.INITIAL, Stage.ACTIVE)
ACTIVE = (Stage.ACTIVE,)
COLLECT: dict[str, Any] = {
    "collect": {
        "augment": {
            "inputs": True,
            "distort": {"n": 20, "strain": [-0.05, 0.05], "displacement": 0.1, "vacancies": 0},
        }
    }
}
CONVERGE: dict[str, Any] = {"converge": {"max_convergence_epochs": 3}}
FEW: dict[str, Any] = {
    "temperature": [300, 900],
    "pressure": [0, 1e9],
    "num_random_structures": 2,
    "length": 0.06,
    "sampling_time": 0.02,
    "max_selected_frames": 6,
    "max_loops": 2,
    "max_convergence_epochs": 3,
    "ensemble_size": 2,
    "thr_forces": 0.001,
    "thr_energy": 0.0001,
}
N_TRAJECTORIES = 8
N_FRAMES = 24
MD = {"stat_ensemble": "nvt", "temperature": 300, "timestep": 2.0, "friction": 0.02}


def explore(**changes: Any) -> dict[str, Any]:
    return {"explore": {key: value for key, value in (FEW | changes).items() if value is not None}}


STAGES = [COLLECT, CONVERGE, explore()]


def project_of(folder: Path, stages: list[Any], md: Mapping[str, Any] = MD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.extxyz", bulk("Cu", cubic=True))
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": WATCHED, "max_force_ev_per_ang": 100.0},
        "STAGES": stages,
        "MD": dict(md),
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.extxyz"},
    }
    write_project(folder, settings)
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=ACTIVE)
    return run_campaign(project, stages=ACTIVE, observer=observer or Watcher(), departure=departure).content


def explored(folder: Path) -> Exploration:
    with RunStore.open_readonly(folder) as store:
        stored = store.load_state("exploration.explore")
    assert stored is not None
    return from_text(Exploration, stored.decode())


def test_what_is_beyond_a_tolerance_is_labelled_split_and_learned(engine: type[Watched], tmp_path: Path) -> None:
    watcher = Watcher()
    run(project_of(tmp_path, STAGES), observer=watcher)
    state = explored(tmp_path)
    assert state.ended is End.LOOPS
    before, *rounds = state.rounds
    assert [one.n_trajectories for one in rounds] == [N_TRAJECTORIES, N_TRAJECTORIES]
    assert [(one.n_frames, one.n_above, one.n_selected) for one in rounds] == [(N_FRAMES, N_FRAMES, 6)] * 2
    assert [one.n_labelled for one in rounds] == [6, 6]
    assert rounds[0].calibrated_on == "4 structures for validation and test"
    assert rounds[1].calibrated_on.startswith("6 labels that were predicted before they were learned")
    assert before.errors
    assert {one.member for one in rounds[1].errors} == {"tiny_1", "tiny_2", ""}
    points = [one for one in labels_of(tmp_path) if one.stage == "explore"]
    assert len(points) == 12, "the last round's are placed, too"
    assert Counter(one.split for one in points) == {Split.TRAINING: 10, Split.VALIDATION: 1, Split.TEST: 1}
    assert len({(one.frame.trajectory, one.frame.md_step) for one in points}) == 12
    assert {one.frame.md_step for one in points} <= {10, 20, 30}
    assert all(one.frame.config_type.startswith("explored_") for one in points)
    assert all("beyond tolerance" in one.source for one in points)
    with RunStore.open_readonly(tmp_path) as store:
        assert {job.status for job in store.jobs()} == {JobStatus.DONE}, "nothing selected is left unlabelled"
        said = [store.prediction_of(one.label_id) for one in points]
        assert store.state_names("motion.") == []
    assert all(
        one is not None and one.generation == point.frame.generation for one, point in zip(said, points, strict=True)
    )
    assert {now.activity.partition(",")[0] for now in watcher.seen if now.stage == "explore"} == {"round 1", "round 2"}


def test_cells_move_along_periodic_directions_and_frames_keep_their_atoms(
    engine: type[Watched], tmp_path: Path
) -> None:
    run(project_of(tmp_path, STAGES))
    cells = [one.frame.cell for one in labels_of(tmp_path) if one.stage == "explore"]
    assert len({cell.tobytes() for cell in cells}) == len(cells)
    assert {one.frame.n_atoms for one in labels_of(tmp_path)} == {4}


def test_models_without_a_frame_beyond_a_tolerance_end_it(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path, [COLLECT, CONVERGE, explore(thr_forces=50.0, thr_energy=50.0)]))
    state = explored(tmp_path)
    assert (state.ended, state.present.number, state.present.n_selected) == (End.NOTHING_ABOVE, 1, 0)
    assert not [one for one in labels_of(tmp_path) if one.stage == "explore"]


def moving(now: Status) -> bool:
    return now.stage == "explore" and now.activity == "round 2, MD, frame 2 of 3"


def judging(now: Status) -> bool:
    return now.stage == "explore" and now.activity.startswith("round 1, judging")


def labelling(now: Status) -> bool:
    return now.stage == "explore" and "round 2, labelling, 2 of 6" in now.activity


def learning(now: Status) -> bool:
    return now.stage == "explore" and now.activity.startswith("round 1, converging, epoch 2")


@pytest.mark.parametrize("moment", [moving, judging, labelling, learning])
def test_a_kill_at_any_moment_comes_to_the_same_bits(
    moment: Callable[[Status], bool], whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    engine.log = tmp_path / "computed"
    n_needed = len(labels_of(whole))

    def kill(now: Status) -> None:
        if moment(now):
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(tmp_path / "killed", STAGES)
    assert in_child(lambda: run(tmp_path / "killed", observer=Watcher(kill))) == -signal.SIGKILL
    run(tmp_path / "killed")
    assert_same(outcome_of(tmp_path / "killed"), outcome_of(whole))
    assert explored(tmp_path / "killed") == explored(whole)
    assert len(engine.log.read_text(encoding="utf-8").split()) == n_needed, "none is computed twice"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, springs: object) -> Path:
    """A run that nothing has interrupted."""
    folder = project_of(tmp_path_factory.mktemp("whole"), STAGES)
    run(folder)
    Watched.forget()
    return folder


@pytest.mark.parametrize("moment", [moving, judging, labelling, learning])
def test_a_campaign_that_is_asked_to_leave_goes_on_to_the_same_bits(
    moment: Callable[[Status], bool], whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    departure = Departure()

    def leave(now: Status) -> None:
        if moment(now):
            departure.ask(Reason.WALLTIME)

    project_of(tmp_path, STAGES)
    with pytest.raises(Departed, match="walltime"):
        run(tmp_path, observer=Watcher(leave), departure=departure)
    run(tmp_path)
    assert_same(outcome_of(tmp_path), outcome_of(whole))
    assert explored(tmp_path) == explored(whole)
