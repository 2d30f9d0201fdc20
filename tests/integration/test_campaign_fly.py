"""Trajectories that models drive and checks against the reference correct, as a stage of whole campaigns."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.io import read, write

from aims_pax.campaign import run as campaign_run
from aims_pax.campaign import run_campaign
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.forecast.amounts import amounts_ahead
from aims_pax.frame import Split, Stage
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.state import Phase, State
from aims_pax.outcome.flown import checks_in
from aims_pax.page.charts import figures_of
from aims_pax.page.figure import Figure
from aims_pax.page.material import read_material
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.stages.fly.comparison import Check
from aims_pax.stages.states import recall_state

from .engines import SPRINGS, Watched, emt, reference_section
from .projects import COPPER, Watcher, copper, in_child, jobs_of, labels_of, write_project
from .resuming import assert_same, outcome_of
from .test_campaign_active import write_dataset

pytestmark = pytest.mark.usefixtures("springs")

BOTH = (Stage.INITIAL, Stage.ACTIVE)
N_FIRST, FIRST_EPOCHS, EPOCHS = 4, 6, 3
FEW: dict[str, Any] = {
    "num_trajectories": 2,
    "max_MD_steps": 40,
    "num_initial_steps": N_FIRST,
    "check_interval": 5,
    "adaptive_method_parameters": {"n_min": 3, "n_max": 20, "factor": 1.5},
    "tolerances": {"frmse": 0.6},
    "refit": {"first_epochs": FIRST_EPOCHS, "epochs": EPOCHS},
    "valid_ratio": 0.25,
    "save_trajectories": False,
}
"""Springs never describe this reference to better than half an eV/Å: some checks pass, and some fail."""

INITIAL: dict[str, Any] = {"initial": COPPER["INITIAL_DATASET_GENERATION"]}
CONVERGE: dict[str, Any] = {"converge": {"max_convergence_epochs": 3}}


def fly(**changes: Any) -> dict[str, Any]:
    return {"fly": {key: value for key, value in (FEW | changes).items() if value is not None}}


def project_of(folder: Path, *stages: Any, atoms: Atoms | None = None, **sections: Any) -> Path:
    """Copper by EMT, with one stage that flies where none is given."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.extxyz", copper() if atoms is None else atoms)
    settings = {
        "REFERENCE": reference_section(),
        "STAGES": list(stages) or [fly()],
        "MD": COPPER["MD"],
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.extxyz"},
    }
    write_project(folder, settings | sections)
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=BOTH)
    stages = project.asked(BOTH)
    return run_campaign(project, stages=stages, observer=observer or Watcher(), departure=departure).content


def checks_of(folder: Path, stage: str = "fly") -> list[Check]:
    return checks_in(json.loads((folder / "results" / f"{stage}.json").read_text("utf-8")))


def state_of(folder: Path, stage: str = "fly") -> State:
    with RunStore.open_readonly(folder) as store:
        state = recall_state(store, stage)
    assert state is not None
    return state


def frames_of(folder: Path, trajectory: int) -> list[Atoms]:
    found = read(folder / "trajectories" / f"fly_{trajectory:03d}.extxyz", ":")
    assert isinstance(found, list)
    return found


# -- a campaign of its own --------------------------------------------------------------------------------------


def test_a_flight_alone_begins_by_the_reference_and_ends_with_results(engine: type[Watched], tmp_path: Path) -> None:
    watcher = Watcher()
    summary = run(project_of(tmp_path), observer=watcher)
    first = jobs_of(tmp_path, Stage.INITIAL)
    assert [(job.frame.trajectory, job.frame.md_step) for job in first] == [(0, n + 1) for n in range(N_FIRST)]
    checks = checks_of(tmp_path)
    n_failed = sum(not check.passed for check in checks)
    assert 0 < n_failed < len(checks), "or this project tries nothing"
    points = [one for one in labels_of(tmp_path) if one.stage == "fly"]
    assert [(one.frame.trajectory, one.frame.md_step) for one in points] == [(c.trajectory, c.step) for c in checks]
    assert len(engine.computed) == 1 + N_FIRST + len(checks), "the starting structure, each step, each check"

    labels = summary["labels"]
    assert (labels["received"], labels["failed"]) == (N_FIRST + len(checks), 0)
    assert summary["stopped_because"]["fly"] == "every trajectory has made max_MD_steps or has failed"
    assert {one.phase for one in state_of(tmp_path).trajectories} == {Phase.FINISHED}
    (said,) = summary["flights"]
    assert (said["stage"], said["n_checks"], said["n_failed"]) == ("fly", len(checks), n_failed)
    assert (tmp_path / "results" / "fly.png").is_file()
    (figure,) = [one for one in figures_of(read_material(tmp_path, name="run")) if one.name == "checks"]
    assert isinstance(figure, Figure)
    assert figure.table.n_rows == len(checks)
    assert {now.stage for now in watcher.seen} == {"initial", "fly"}


def test_what_breaks_a_tolerance_trains_and_what_holds_keeps_the_quota(engine: type[Watched], tmp_path: Path) -> None:
    summary = run(project_of(tmp_path))
    points = {(one.frame.trajectory, one.frame.md_step): one for one in labels_of(tmp_path) if one.stage == "fly"}
    checks = checks_of(tmp_path)
    for check in checks:
        point = points[check.trajectory, check.step]
        assert check.passed or point.split is Split.TRAINING
        assert check.learned is not check.passed
    assert Counter(one.split for one in points.values())[Split.VALIDATION] >= 1
    trained = {epoch for epoch in _epochs(tmp_path) if epoch > FIRST_EPOCHS}
    n_trainings, rest = divmod(len(trained), EPOCHS)
    assert rest == 0
    assert 1 <= n_trainings <= sum(not check.passed for check in checks), "one may serve both trajectories"
    assert summary["epochs"]["of_each_member"] == [FIRST_EPOCHS + n_trainings * EPOCHS] * 2


def _epochs(folder: Path) -> list[int]:
    with RunStore.open_readonly(folder) as store:
        return [int(epoch) for epoch in store.epochs()["epoch"]]


def test_intervals_are_those_of_its_trajectories(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path))
    checks, memory = checks_of(tmp_path), state_of(tmp_path).memory_of(CheckIntervals.NAME)
    for trajectory in (0, 1):
        own = [check for check in checks if check.trajectory == trajectory]
        steps = [0, *(check.step for check in own)]
        intervals = [FEW["check_interval"], *(check.interval for check in own)]
        assert [after - before for before, after in pairwise(steps)] == intervals[:-1]
        assert memory.intervals[trajectory] == intervals[-1]
        assert steps[-1] + intervals[-1] > FEW["max_MD_steps"], "none that was due is missing"


def test_what_the_models_had_said_is_kept_and_was_said_before_they_learned(
    engine: type[Watched], tmp_path: Path
) -> None:
    run(project_of(tmp_path))
    with RunStore.open_readonly(tmp_path) as store:
        predicted = [one for one in store.predicted() if one.stage == "fly"]
    checks = checks_of(tmp_path)
    assert len(predicted) == len(checks)
    for one, check in zip(predicted, checks, strict=True):
        assert one.prediction.generation == one.frame.generation
        energy, forces = emt(one.frame.positions, "Cu4")
        assert check.differences.ediff == pytest.approx(abs(one.prediction.energy - energy) / 4)
        assert check.differences.frmse == pytest.approx(np.sqrt(np.square(one.prediction.forces - forces).mean()))


def test_trajectories_begin_where_the_reference_has_come_to(engine: type[Watched], tmp_path: Path) -> None:
    """The first goes on with its velocities; the other begins at the same place with its own."""
    run(project_of(tmp_path, fly(save_trajectories=True, save_trajectories_interval=1, max_MD_steps=2)))
    *_, before, last = (job.frame.positions for job in jobs_of(tmp_path, Stage.INITIAL))
    moved = [frames_of(tmp_path, trajectory)[0].positions - last for trajectory in (0, 1)]
    step = last - before
    assert np.abs(moved[0] - step).max() < 0.3 * np.abs(step).max(), "in a femtosecond velocities hardly change"
    assert 0 < np.abs(moved[1]).max() < 0.1
    assert np.abs(moved[1] - step).max() > 0.3 * np.abs(step).max()


def test_what_is_foretold_is_what_comes(engine: type[Watched], tmp_path: Path) -> None:
    folder = project_of(tmp_path, fly(adaptive_method_parameters=None))
    project = load_project(folder, stages=BOTH)
    (amounts,) = [one for one in amounts_ahead(project, project.stages) if one.part == "fly"]
    summary = run(folder)
    assert amounts.labels.is_known
    assert amounts.labels.likely == summary["labels"]["received"] == N_FIRST + 2 * 8
    n_steps = sum(state_of(folder, stage).md_steps for stage in (Stage.INITIAL, "fly"))
    assert amounts.md_steps.likely == n_steps


def test_a_probe_comes_before_the_first_steps(engine: type[Watched], tmp_path: Path) -> None:
    misc = {**COPPER["MISC"], "path_to_geometry": "copper.extxyz", "probe": True}
    summary = run(project_of(tmp_path, fly(max_MD_steps=5), MISC=misc))
    assert summary["labels"]["received"] == 2 + N_FIRST + 2


# -- what it is told to do --------------------------------------------------------------------------------------


def test_models_that_can_learn_the_reference_are_checked_less_and_less(tmp_path: Path) -> None:
    folder = project_of(tmp_path, fly(tolerances={"frmse": 0.012}), REFERENCE=reference_section(SPRINGS))
    run(folder)
    checks = checks_of(folder)
    assert not checks[0].passed
    assert all(check.passed for check in checks[-2:])
    assert checks[-1].interval > FEW["check_interval"]


def test_a_trajectory_goes_back_to_its_last_passed_check(tmp_path: Path) -> None:
    saved = {"save_trajectories": True, "save_trajectories_interval": 1}
    stage = fly(**saved, num_trajectories=1, adaptive_method_parameters=None, go_back=True, tolerances={"frmse": 0.012})
    run(project_of(tmp_path, stage, REFERENCE=reference_section(SPRINGS)))
    at = {int(one.info["md_step"]): one.positions for one in frames_of(tmp_path, 0)}
    at[0] = jobs_of(tmp_path, Stage.INITIAL)[-1].frame.positions
    *checks, _ = checks_of(tmp_path)
    assert [check.passed for check in checks] == [False] * 2 + [True] * 5
    place = 0
    for check in checks:
        place = check.step if check.passed else place
        moved = {step: np.abs(at[check.step + 1] - at[step]).max() for step in {place, check.step}}
        assert min(moved, key=lambda step: moved[step]) == place
        assert moved[place] < 0.01, "as far as atoms go in a femtosecond"


def test_a_deviation_calls_checks(engine: type[Watched], tmp_path: Path) -> None:
    """One that is always above its limit calls one at each look, every ten steps, where intervals are longer."""
    stage = fly(early_check=1e-9, check_interval=15, adaptive_method_parameters=None, max_MD_steps=30)
    summary = run(project_of(tmp_path, stage))
    checks = checks_of(tmp_path)
    assert [(one.step, one.is_early) for one in checks if one.trajectory == 0] == [(10, True), (20, True), (30, True)]
    assert summary["flights"][0]["n_early"] == 6
    assert summary["flights"][0]["observed"] == {}, "they are made where models are worst"
    with RunStore.open_readonly(tmp_path) as store:
        scores = store.scores()
    assert scores["threshold"].tolist() == [1e-9] * len(scores)
    assert scores["md_step"].tolist() == [10, 10, 20, 20, 30, 30]


def test_models_that_may_not_learn_stay_as_the_first_steps_have_made_them(
    engine: type[Watched], tmp_path: Path
) -> None:
    summary = run(project_of(tmp_path, fly(can_update=False)))
    assert summary["epochs"]["of_each_member"] == [FIRST_EPOCHS] * 2
    assert len({one.frame.generation for one in labels_of(tmp_path) if one.stage == "fly"}) == 1
    assert not any(check.learned for check in checks_of(tmp_path))
    assert any(not check.passed for check in checks_of(tmp_path))


def test_trainings_from_scratch_are_long_ones_of_new_models(engine: type[Watched], tmp_path: Path) -> None:
    refit = {"first_epochs": FIRST_EPOCHS, "from_scratch": True}
    summary = run(project_of(tmp_path, fly(refit=refit)))
    epochs = summary["epochs"]["of_each_member"]
    assert epochs[0] % FIRST_EPOCHS == 0
    assert epochs[0] > FIRST_EPOCHS
    assert sorted(set(_epochs(tmp_path))) == list(range(1, epochs[0] + 1)), "they are counted on"
    generations = [one.frame.generation for one in labels_of(tmp_path) if one.stage == "fly"]
    assert generations == sorted(generations)


def test_models_may_learn_at_each_check(engine: type[Watched], tmp_path: Path) -> None:
    refit = {"first_epochs": FIRST_EPOCHS, "epochs": EPOCHS, "at_each_check": True}
    summary = run(project_of(tmp_path, fly(num_trajectories=1, refit=refit)))
    n_checks = len(checks_of(tmp_path))
    assert summary["epochs"]["of_each_member"] == [FIRST_EPOCHS + EPOCHS * n_checks] * 2


# -- among other stages -----------------------------------------------------------------------------------------


def test_it_flies_the_models_of_the_stages_before_it(engine: type[Watched], tmp_path: Path) -> None:
    folder = project_of(tmp_path, INITIAL, CONVERGE, fly(num_initial_steps=None), CONVERGE)
    summary = run(folder)
    by_stage = Counter(one.stage for one in labels_of(folder))
    assert by_stage == {"initial": 8, "fly": len(checks_of(folder))}
    assert summary["trained_to_the_end"] == [summary["product"]["member"]]
    labels = summary["labels"]
    assert summary["product"]["training_structures"] == labels["training"]
    assert list(summary["stopped_because"]) == ["initial", "active", "fly"]


def test_it_begins_with_labelled_structures_that_are_learned_first(engine: type[Watched], tmp_path: Path) -> None:
    write_dataset(tmp_path / "train.extxyz", n_structures=6, seed=1)
    write_dataset(tmp_path / "valid.extxyz", n_structures=3, seed=2)
    files = {"initial_train_dataset": "train.extxyz", "initial_valid_dataset": "valid.extxyz"}
    summary = run(project_of(tmp_path, fly(**files, num_initial_steps=None)))
    points = labels_of(tmp_path)
    assert Counter(one.stage for one in points) == {"initial": 9, "fly": len(checks_of(tmp_path))}
    assert len(engine.computed) == len(checks_of(tmp_path)), "MD begins at the starting structure, by the models"
    assert summary["labels"]["training"] >= 6


def test_one_flight_follows_another(engine: type[Watched], tmp_path: Path) -> None:
    further = fly(num_initial_steps=None, max_MD_steps=10, tolerances={"ediff": 1e-6})
    summary = run(project_of(tmp_path, fly(max_MD_steps=10), further, CONVERGE))
    first, second = (one["stage"] for one in summary["flights"])
    assert first == "fly"
    assert all(check.passed is False for check in checks_of(tmp_path, second))
    generations = {
        name: [one.frame.generation for one in labels_of(tmp_path) if one.stage == name] for name in (first, second)
    }
    assert min(generations[second]) >= max(generations[first])


def test_active_learning_goes_on_from_it(engine: type[Watched], tmp_path: Path) -> None:
    learn = {key: value for key, value in COPPER["ACTIVE_LEARNING"].items() if key != "converge_al"}
    folder = project_of(tmp_path, fly(max_MD_steps=10), CONVERGE, {"learn": learn | {"max_train_set_size": 12}})
    summary = run(folder)
    assert summary["labels"]["training"] >= 12
    by_stage = Counter(one.stage for one in labels_of(folder))
    assert (by_stage["initial"], by_stage["fly"]) == (N_FIRST, len(checks_of(folder)))
    assert by_stage["active"] >= 1
    assert summary["stopped_because"]["active"].startswith("the training set has reached")


def test_each_structure_is_flown_by_trajectories_of_its_own(engine: type[Watched], tmp_path: Path) -> None:
    for name, scale in (("small", 0.97), ("large", 1.05)):
        atoms = copper()
        atoms.positions *= scale
        tmp_path.mkdir(exist_ok=True)
        write(tmp_path / f"{name}.xyz", atoms)
    misc = {**COPPER["MISC"], "path_to_geometry": {0: "large.xyz", 1: "small.xyz"}}
    run(project_of(tmp_path, fly(num_trajectories=3, max_MD_steps=15), MISC=misc))
    first = [(job.frame.system, job.frame.md_step) for job in jobs_of(tmp_path, Stage.INITIAL)]
    assert Counter(first) == {(name, n + 1): 1 for name in ("large", "small") for n in range(N_FIRST)}
    points = [one for one in labels_of(tmp_path) if one.stage == "fly"]
    assert {one.frame.trajectory: one.frame.system for one in points} == {0: "large", 1: "small", 2: "large"}
    assert {one.md_step for one in state_of(tmp_path).trajectories} == {15}


def test_systems_have_trajectories_and_md_of_their_own(engine: type[Watched], tmp_path: Path) -> None:
    write(tmp_path / "four.xyz", copper())
    write(tmp_path / "two.xyz", Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]))
    systems = {
        "four": {"geometry": "four.xyz", "num_trajectories": 1},
        "pair": {"geometry": "two.xyz", "num_trajectories": 2, "MD": {"timestep": 0.01}},
    }
    saved = {"save_trajectories": True, "save_trajectories_interval": 15}
    run(
        project_of(tmp_path, fly(**saved, num_trajectories=None, max_MD_steps=15), SYSTEMS=systems, MISC=COPPER["MISC"])
    )
    points = [one for one in labels_of(tmp_path) if one.stage == "fly"]
    assert {one.frame.trajectory: one.frame.system for one in points} == {0: "four", 1: "pair", 2: "pair"}
    moved = {}
    for index, name in ((0, "four"), (1, "pair")):
        *_, begun = (job.frame.positions for job in jobs_of(tmp_path, Stage.INITIAL) if job.frame.system == name)
        moved[name] = np.abs(frames_of(tmp_path, index)[-1].positions - begun).max()
    assert moved["four"] > 20 * moved["pair"] > 0


def test_a_system_ends_with_its_budget_of_labels(engine: type[Watched], tmp_path: Path) -> None:
    write(tmp_path / "four.xyz", copper())
    write(tmp_path / "other.xyz", copper())
    systems = {
        "four": {"geometry": "four.xyz", "num_trajectories": 1},
        "other": {"geometry": "other.xyz", "num_trajectories": 1, "max_labels": 2},
    }
    run(project_of(tmp_path, fly(num_trajectories=None), SYSTEMS=systems, MISC=COPPER["MISC"]))
    asked = Counter(job.frame.system for job in jobs_of(tmp_path, "fly"))
    assert asked["other"] == 2 < asked["four"]
    first, second = state_of(tmp_path).trajectories
    assert first.md_step == FEW["max_MD_steps"] > second.md_step


def test_cells_move_and_virials_are_compared(engine: type[Watched], tmp_path: Path) -> None:
    md = {"stat_ensemble": "npt", "temperature": 300, "timestep": 1.0}
    stage = fly(max_MD_steps=12, num_trajectories=1, tolerances={"vmax": 0.5})
    folder = project_of(tmp_path, stage, atoms=bulk("Cu", cubic=True), MD=md)
    mace = (folder / "mace.yaml").read_text("utf-8")
    (folder / "mace.yaml").write_text(mace.replace("GENERAL:", "GENERAL:\n  compute_stress: true"), encoding="utf-8")
    run(folder)
    points = labels_of(folder)
    assert len({one.frame.cell.tobytes() for one in points}) == len(points)
    assert all(check.differences.vmax is not None and check.differences.vmax > 0 for check in checks_of(folder))


# -- interruptions ----------------------------------------------------------------------------------------------

EVERYTHING = fly(
    go_back=True,
    early_check=0.06,
    refit={"first_epochs": FIRST_EPOCHS, "from_scratch": True},
    tolerances={"ediff": 0.02},
)
PLANS = {"plain": [fly()], "everything": [EVERYTHING]}


def at_first_steps(now: Status) -> bool:
    return now.stage == "initial" and now.n_labels_received == 2


def at_first_training(now: Status) -> bool:
    return now.stage == "initial" and now.activity == "training"


def at_the_end_of_first_steps(now: Status) -> bool:
    return now.stage == "initial" and now.activity == "finished"


def at_takeoff(now: Status) -> bool:
    return now.stage == "fly" and now.activity == "sampling"


def at_training(now: Status) -> bool:
    return now.stage == "fly" and now.activity == "training" and now.n_labels_received >= N_FIRST + 4


def on_the_way(now: Status) -> bool:
    return now.stage == "fly" and now.activity == "sampling" and now.n_labels_received >= N_FIRST + 5


def at_the_end(now: Status) -> bool:
    return now.stage == "fly" and now.activity == "finished"


MOMENTS = (
    at_first_steps,
    at_first_training,
    at_the_end_of_first_steps,
    at_takeoff,
    at_training,
    on_the_way,
    at_the_end,
)


@pytest.fixture(scope="module", params=PLANS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, springs: object) -> Path:
    """A run that nothing has interrupted."""
    Watched.forget()
    folder = project_of(tmp_path_factory.mktemp("whole"), *PLANS[request.param])
    (folder / "plan").write_text(request.param, encoding="utf-8")
    run(folder)
    checks = checks_of(folder)
    assert {check.passed for check in checks} == {True, False}
    assert any(check.is_early for check in checks) is (request.param == "everything")
    return folder


def like(whole: Path, folder: Path) -> Path:
    """The same project, of which nothing was run."""
    return project_of(folder, *PLANS[(whole / "plan").read_text("utf-8")])


def assert_same_flight(folder: Path, whole: Path) -> None:
    assert_same(outcome_of(folder, stage="fly"), outcome_of(whole, stage="fly"))
    assert checks_of(folder) == checks_of(whole)


def n_computed(log: Path) -> int:
    computed = log.read_text(encoding="utf-8").split()
    assert len(computed) == len(set(computed)), "none is computed twice"
    return len(computed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_comes_to_the_same_bits(
    moment: Callable[[Status], bool], whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    engine.log = tmp_path / "computed"

    def kill(now: Status) -> None:
        if moment(now):
            os.kill(os.getpid(), signal.SIGKILL)

    folder = like(whole, tmp_path / "killed")
    assert in_child(lambda: run(folder, observer=Watcher(kill))) == -signal.SIGKILL
    run(folder)
    assert_same_flight(folder, whole)
    assert n_computed(engine.log) == 1 + len(labels_of(whole))


@pytest.mark.parametrize("moment", [at_first_steps, on_the_way])
def test_a_flight_that_is_asked_to_leave_goes_on_to_the_same_bits(
    moment: Callable[[Status], bool], whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    departure = Departure()

    def leave(now: Status) -> None:
        if moment(now):
            departure.ask(Reason.WALLTIME)

    folder = like(whole, tmp_path)
    with pytest.raises(Departed, match="walltime"):
        run(folder, observer=Watcher(leave), departure=departure)
    run(folder)
    assert_same_flight(folder, whole)


@pytest.mark.parametrize("call", [3, 1 + N_FIRST + 1, 1 + N_FIRST + 4], ids=lambda call: f"calculation {call}")
def test_a_kill_within_a_label_comes_to_the_same_bits(
    call: int, whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    engine.log, engine.manners = tmp_path / "computed", {call: "die"}
    folder = like(whole, tmp_path / "killed")
    assert in_child(lambda: run(folder)) == -signal.SIGKILL
    engine.manners = {}
    run(folder)
    assert_same_flight(folder, whole)
    assert n_computed(engine.log) == 1 + len(labels_of(whole))


def test_a_flight_that_is_interrupted_again_and_again_is_one_that_was_not(
    whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder, n_interruptions = like(whole, tmp_path), 0

    def interrupt(now: Status) -> None:
        if now.n_labels_received >= watcher.seen[0].n_labels_received + 3:
            raise KeyboardInterrupt

    while n_interruptions < 20:
        watcher = Watcher(interrupt)
        try:
            run(folder, observer=watcher)
            break
        except KeyboardInterrupt:
            n_interruptions += 1
    assert 3 <= n_interruptions < 20
    assert_same_flight(folder, whole)


def test_a_kill_while_results_are_written_comes_to_the_same(
    whole: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = like(whole, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(campaign_run, "write_results", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert in_child(lambda: run(folder)) == -signal.SIGKILL
    run(folder)
    assert_same_flight(folder, whole)


def test_a_flight_that_is_over_goes_on_where_more_steps_are_allowed(
    whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    (stage,) = PLANS[(whole / "plan").read_text("utf-8")]
    folder = project_of(tmp_path, {"fly": stage["fly"] | {"max_MD_steps": 22}})
    run(folder)
    n_before = len(checks_of(folder))
    project_of(folder, stage)
    run(folder)
    assert len(checks_of(folder)) > n_before
    assert {one.md_step for one in state_of(folder).trajectories} == {FEW["max_MD_steps"]}
    found, expected = (outcome_of(one, stage="fly") for one in (folder, whole))
    assert found.labels == expected.labels
    assert found.weights == expected.weights


# -- what goes wrong --------------------------------------------------------------------------------------------


def test_a_check_for_which_the_reference_fails_is_left_out(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {1 + N_FIRST + 3: "unconverged"}
    summary = run(project_of(tmp_path, fly(num_trajectories=1, adaptive_method_parameters=None)))
    assert (summary["labels"]["failed"], summary["labels"]["received"]) == (1, N_FIRST + 7)
    assert [check.step for check in checks_of(tmp_path)] == [5, 10, *range(20, 41, 5)]
    assert [job.status for job in jobs_of(tmp_path, "fly")].count(JobStatus.FAILED) == 1


def test_a_reference_that_fails_at_every_check_stops_it_and_is_tried_again(
    engine: type[Watched], tmp_path: Path
) -> None:
    folder = project_of(tmp_path, fly(max_consecutive_failures=2, max_MD_steps=10))
    engine.manners = dict.fromkeys(range(2 + N_FIRST, 100), "unconverged")
    with pytest.raises(CampaignStopped, match=r"every trajectory of fly has failed 2 times in a row"):
        run(folder)
    engine.forget()
    summary = run(folder)
    assert summary["labels"]["failed"] == 4
    assert {one.phase for one in state_of(folder).trajectories} == {Phase.FINISHED}


def test_a_reference_that_fails_at_the_first_steps_stops_it_and_is_tried_again(
    engine: type[Watched], tmp_path: Path
) -> None:
    folder = project_of(tmp_path, fly(max_MD_steps=10))
    engine.manners = dict.fromkeys(range(3, 100), "unconverged")
    with pytest.raises(CampaignStopped, match=r"the steps by the reference have failed.*not converged.*Mend it"):
        run(folder)
    engine.forget()
    run(folder)
    assert len(jobs_of(folder, Stage.INITIAL)) == N_FIRST
    assert checks_of(folder)


def limited(folder: Path, limit: float) -> None:
    """The same project with another largest force."""
    path = folder / "aims_PAX.yaml"
    reference = {**reference_section(), "max_force_ev_per_ang": limit}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")) | {"REFERENCE": reference}), "utf-8")


def test_a_check_that_was_kept_out_is_learned_when_the_limit_is_raised(engine: type[Watched], tmp_path: Path) -> None:
    folder = project_of(tmp_path, fly(num_trajectories=1), CONVERGE)
    engine.manners = {1 + N_FIRST + 2: "strong"}
    summary = run(folder)
    assert (summary["labels"]["kept_out"], summary["labels"]["failed"]) == (1, 1)
    n_before, checks = len(labels_of(folder)), checks_of(folder)
    limited(folder, 200.0)
    summary = run(folder)
    assert (summary["labels"]["kept_out"], summary["labels"]["failed"]) == (0, 0)
    assert len(labels_of(folder)) == n_before + 1
    assert checks_of(folder) == checks, "its trajectory had gone back, and the check was made again"
    assert summary["product"]["training_structures"] == summary["labels"]["training"]
    assert state_of(folder).n_failed == 0
