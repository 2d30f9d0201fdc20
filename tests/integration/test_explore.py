"""Rounds of MD from a made dataset: frames beyond a tolerance are labelled and learned, whatever interrupts that."""

import json
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.io import read, write
from typer.testing import CliRunner

from aims_pax.campaign import run_campaign
from aims_pax.checking.check import check_project
from aims_pax.cli.program import program
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped, SettingsError
from aims_pax.forecast.amounts import amounts_ahead, outsets_ahead
from aims_pax.forecast.stages.selecting import ExploreForecast
from aims_pax.forecast.standing import read_standing
from aims_pax.frame import Split, Stage
from aims_pax.learner.exploration import End, Exploration
from aims_pax.learner.journal import from_text
from aims_pax.outcome.results import read_summary
from aims_pax.page.charts import figures_of
from aims_pax.page.figure import Figure
from aims_pax.page.material import read_material
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.stages.convergence import ConvergenceState
from aims_pax.stages.exploring.rounds import Rounds
from aims_pax.testing.springs import read_springs

from .engines import WATCHED, Watched
from .projects import COPPER, TINY_MACE, Watcher, copper, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of
from .test_campaign_active import write_dataset

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
    summary = run(project_of(tmp_path, STAGES), observer=watcher)
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
    (said,) = summary["explorations"]
    assert (said["n_rounds"], said["n_frames"], said["n_labelled"]) == (2, 2 * N_FRAMES, 12)
    record = json.loads((tmp_path / "results" / "explore.json").read_text("utf-8"))
    assert [one["n_labelled"] for one in record["rounds"]] == [0, 6, 6]
    assert (tmp_path / "results" / "explore.png").is_file()
    (figure,) = [one for one in figures_of(read_material(tmp_path, name="run")) if one.name == "errors_by_round"]
    assert isinstance(figure, Figure)
    assert [panel.width_in for panel in figure.panels] == [4.0, 4.0], "energy and forces"
    assert figure.table["round"].max() == 2
    (figure,) = [one for one in figures_of(read_material(tmp_path, name="run")) if one.name == "errors_by_deviation"]
    assert isinstance(figure, Figure)
    assert figure.table["round"].tolist() == [1] * 6 + [2] * 6
    points = [one for one in labels_of(tmp_path) if one.stage == "explore"]
    assert len(points) == 12, "the last round's are placed, too"
    assert Counter(one.split for one in points) == {Split.TRAINING: 10, Split.VALIDATION: 1, Split.TEST: 1}
    assert len({(one.frame.trajectory, one.frame.md_step) for one in points}) == 12
    assert len({one.frame.cell.tobytes() for one in points}) == 12, "cells move"
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


def test_frames_at_random_are_labelled_and_test_and_say_what_thresholds_miss(
    engine: type[Watched], tmp_path: Path
) -> None:
    """Also in a round of which nothing is beyond a tolerance: that nothing was is then known."""
    few = {"max_loops": 1, "max_selected_frames": 4, "num_random_frames": 5}
    project_of(tmp_path / "beyond", [COLLECT, CONVERGE, explore(**few)])
    project = load_project(tmp_path / "beyond", stages=ACTIVE)
    (amounts,) = [one for one in amounts_ahead(project, ACTIVE) if one.part == "explore"]
    assert (amounts.labels.low, amounts.labels.high) == (5, 9)
    (outset,) = [one for one in outsets_ahead(project, ACTIVE) if one.plan.name == "explore"]
    foretold = ExploreForecast().after(outset, amounts.labels.high)
    (said,) = run(tmp_path / "beyond")["explorations"]
    last = explored(tmp_path / "beyond").present
    assert (last.n_selected, last.n_random, last.n_labelled) == (9, 5, 9)
    points = [one for one in labels_of(tmp_path / "beyond") if one.stage == "explore"]
    drawn = [one for one in points if one.source == "random share"]
    assert [one.split for one in drawn] == [Split.TEST] * 5
    picked = Counter(one.split for one in points if one.source != "random share")
    assert picked.total() == 4
    assert picked[Split.TRAINING] >= 3
    n_train = Counter(one.split for one in labels_of(tmp_path / "beyond"))[Split.TRAINING]
    assert foretold.of_each == pytest.approx(n_train, abs=1), "of the single ones no whole one validates or tests"
    over = replace(outset, standing=read_standing(project))
    assert ExploreForecast().after(over, 0).of_each == n_train, "what is learned is known"
    assert {one.n_labelled for one in last.missed} == {5}
    assert {one.n_labelled for one in last.truths} == {4}
    assert [one["quantity"] for one in said["missed"]] == ["energy", "forces"]

    calm = {**few, "thr_forces": 50.0, "thr_energy": 50.0}
    run(project_of(tmp_path / "calm", [COLLECT, CONVERGE, explore(**calm)]))
    state = explored(tmp_path / "calm")
    assert (state.ended, state.present.n_above, state.present.n_labelled) == (End.NOTHING_ABOVE, 0, 5)
    assert state.present.n_epochs == 0, "there is nothing new to learn"


def test_dispersion_is_laid_over_the_md_alone(engine: type[Watched], tmp_path: Path) -> None:
    said = {}
    for name, dispersion in (("without", None), ("with", {"method": "d3", "xc": "pbe"})):
        run(project_of(tmp_path / name, [COLLECT, CONVERGE, explore(max_loops=1, dispersion=dispersion)]))
        points = [one for one in labels_of(tmp_path / name) if one.stage == "explore"]
        assert not any("D3" in one.label.reference for one in points)
        said[name] = [one.frame.positions for one in points]
    assert len(said["with"]) == len(said["without"]) == 6
    assert not any(np.array_equal(a, b) for a, b in zip(said["with"], said["without"], strict=True))


def test_models_without_a_frame_beyond_a_tolerance_end_it(engine: type[Watched], tmp_path: Path) -> None:
    summary = run(project_of(tmp_path, [COLLECT, CONVERGE, explore(thr_forces=50.0, thr_energy=50.0)]))
    assert summary["trained_to_the_end"] == ["tiny_1", "tiny_2"], "by the training before it"
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


@pytest.mark.parametrize("step", ["_judge", "_label", "_learn", "_measure"])
def test_a_kill_between_two_steps_of_a_round_comes_to_the_same_bits(
    step: str, whole: Path, engine: type[Watched], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project_of(tmp_path, STAGES)
    with monkeypatch.context() as patch:
        patch.setattr(Rounds, step, lambda _rounds: os.kill(os.getpid(), signal.SIGKILL))
        assert in_child(lambda: run(tmp_path)) == -signal.SIGKILL
    run(tmp_path)
    assert_same(outcome_of(tmp_path), outcome_of(whole))
    assert explored(tmp_path) == explored(whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, springs: object) -> Path:
    """A run that nothing has interrupted."""
    folder = project_of(tmp_path_factory.mktemp("whole"), STAGES)
    run(folder)
    Watched.forget()
    return folder


@pytest.mark.parametrize("moment", [moving, judging])
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


# -- parts that are brought along ---------------------------------------------------------------------------------


def given(folder: Path, **changes: Any) -> dict[str, Any]:
    """An exploration that begins with a labelled dataset of these files."""
    write_dataset(folder / "train.extxyz", n_structures=6, seed=1)
    write_dataset(folder / "valid.extxyz", n_structures=3, seed=2)
    files = {"initial_train_dataset": "train.extxyz", "initial_valid_dataset": "valid.extxyz"}
    return explore(**{"pressure": None, "max_loops": 1} | files | changes)


def cluster_project(folder: Path, stage: dict[str, Any], **mace: Any) -> Path:
    """Four atoms of copper, of which the dataset is."""
    project_of(folder, [stage])
    write(folder / "copper.extxyz", copper())
    if mace:
        write_project(folder, yaml.safe_load((folder / "aims_PAX.yaml").read_text("utf-8")), TINY_MACE | mace)
    return folder


def test_it_begins_with_labelled_structures_that_are_learned_first(engine: type[Watched], tmp_path: Path) -> None:
    cluster_project(tmp_path, given(tmp_path))
    summary = run(tmp_path)
    _, only = explored(tmp_path).rounds
    assert (only.n_trajectories, only.n_labelled) == (4, 6), "two starts at two temperatures: no cell, no pressure"
    points = labels_of(tmp_path)
    assert Counter(one.stage for one in points) == {"initial": 9, "explore": 6}
    assert {one.frame.system for one in points if one.stage == "explore"} == {"copper"}
    assert summary["trained_to_the_end"] == ["tiny_1", "tiny_2"]


@pytest.mark.parametrize("labels", [True, False])
def test_models_are_judged_without_training(labels: bool, engine: type[Watched], tmp_path: Path) -> None:
    stage = given(tmp_path, train=False, label=labels, max_loops=None, max_selected_frames=6 if labels else None)
    summary = run(cluster_project(tmp_path, stage))
    state = explored(tmp_path)
    assert (state.ended, state.present.n_above, state.present.n_selected) == (End.JUDGED, 12, 6 * labels)
    seen = read(tmp_path / "trajectories" / "explore_round_1.extxyz", ":")
    assert len(seen) == 12
    assert all("forces" in one.info["beyond"] and one.info["deviation_forces"] > 0 for one in seen)
    assert len(engine.computed) == 6 * labels
    with RunStore.open_readonly(tmp_path) as store:
        assert len(store.unassigned("explore")) == 6 * labels
        assert store.n_placed() == 9
    assert [one.n_labelled for one in state.present.truths] == [6, 6] * labels
    assert summary["training_ended"].startswith("tiny_1"), "as the training before it has left them"


def test_models_alone_are_judged(whole: Path, engine: type[Watched], tmp_path: Path) -> None:
    project = load_project(judging_project(tmp_path, whole, n_models=2), stages=ACTIVE)
    report = check_project(project, ACTIVE)
    assert report.problems == ()
    assert "are judged as they are" in "\n".join(report.facts)
    summary = run(tmp_path)
    state = explored(tmp_path)
    assert (state.ended, state.present.n_frames, state.present.n_labelled) == (End.JUDGED, 6, 6)
    assert state.present.calibrated_on == "nothing"
    for one in state.present.beyond:
        assert (one.slope, one.threshold) == (None, one.tolerance), "a deviation is taken for an error"
    assert [one.n_labelled for one in state.present.truths] == [6, 6]
    assert all(one.mean_error > 0 for one in state.present.truths)
    assert (summary["labels"]["training"], summary["trained_to_the_end"]) == (0, [])
    with RunStore.open_readonly(tmp_path) as store:
        assert (store.n_placed(), len(store.unassigned("explore")), len(store.epochs())) == (0, 6, 0)
        first = next(store.predicted())
    (wanted,) = read_springs(sorted((tmp_path / "mine").glob("*.model")), device="cpu").predict([first.frame])
    assert first.prediction.energy == pytest.approx(wanted.energies.mean(), abs=1e-9), "said by the given models"
    lines = read_summary(tmp_path / "results").lines()
    assert any("forces of the labelled frames: error" in line for line in lines)
    assert any("as it was brought along: nothing has trained it here" in line for line in lines)
    drawn = judging_project(tmp_path / "drawn", whole, n_models=2, num_random_frames=4, max_selected_frames=1)
    known = run(drawn)
    assert known["labels"]["test"] == known["errors_on_test_set"]["product"]["n_structures"] == 4
    assert explored(drawn).present.n_labelled == 5
    frames = run(judging_project(tmp_path / "again", whole, n_models=2, label=False))["explorations"]
    assert [one["n_labelled"] for one in frames] == [0]


@pytest.mark.parametrize(
    ("n_models", "found"), [(0, "has no *.model, and STAGES.0.explore judges"), (1, "which disagrees with nobody")]
)
def test_a_judgement_without_two_models_is_refused(n_models: int, found: str, whole: Path, tmp_path: Path) -> None:
    project = load_project(judging_project(tmp_path, whole, n_models=n_models), stages=ACTIVE)
    assert found in "\n".join(map(str, check_project(project, ACTIVE).problems))


def judging_project(folder: Path, trained: Path, *, n_models: int, **changes: Any) -> Path:
    """A project that judges the models of a finished run, of which it knows nothing else."""
    mine = folder / "mine"
    mine.mkdir(parents=True)
    for file in sorted((trained / "results" / "committee").glob("*.model"))[:n_models]:
        shutil.copy(file, mine)
    nothing = dict.fromkeys(("max_loops", "max_convergence_epochs", "pressure"))
    stage = explore(
        **{"train": False, "max_selected_frames": 6 if changes.get("label", True) else None} | nothing | changes
    )
    project_of(folder, [stage])
    write_project(
        folder,
        yaml.safe_load((folder / "aims_PAX.yaml").read_text("utf-8")),
        {**TINY_MACE, "GENERAL": {**TINY_MACE["GENERAL"], "model_dir": "mine"}},
    )
    return folder


def test_frames_that_are_brought_along_are_judged_in_the_place_of_md(engine: type[Watched], tmp_path: Path) -> None:
    frames = [copper() for _ in range(5)]
    for number, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=number)
    write(tmp_path / "seen.extxyz", frames)
    stage = given(tmp_path, frames="seen.extxyz", max_loops=2, max_selected_frames=20)
    run(cluster_project(tmp_path, stage))
    _, first, second = explored(tmp_path).rounds
    assert (first.n_trajectories, first.md_steps, first.n_frames, first.n_labelled) == (0, 0, 5, 5)
    assert (second.n_trajectories, second.n_frames) == (4, 12)
    points = [one for one in labels_of(tmp_path) if one.frame.config_type == "explored_seen"]
    assert [one.frame.md_step for one in points] == [1, 2, 3, 4, 5]
    assert all(np.allclose(one.frame.positions, frames[one.frame.md_step - 1].positions) for one in points)


def test_md_begins_at_structures_that_are_given(engine: type[Watched], tmp_path: Path) -> None:
    wide = bulk("Cu", cubic=True).repeat((2, 1, 1))
    shifted = wide.copy()
    shifted.positions[0] += 0.1
    write(tmp_path / "mine.extxyz", [wide, shifted])
    project_of(tmp_path, [COLLECT, CONVERGE, explore(lammps_input_structures="mine.extxyz")])  # the tool's own word
    facts = "\n".join(check_project(load_project(tmp_path, stages=ACTIVE), ACTIVE).facts)
    assert "explore: each round 8 trajectories in npt of 0.06 ps, structures of 8 atoms" in facts
    departure = Departure()
    watcher = Watcher(lambda now: departure.ask(Reason.WALLTIME) if moving(now) else None)
    with pytest.raises(Departed, match="walltime"):
        run(tmp_path, observer=watcher, departure=departure)
    write(tmp_path / "mine.extxyz", wide)
    with pytest.raises(CampaignStopped, match=re.escape("files of explore (mine.extxyz) were changed since")):
        run(tmp_path)
    write(tmp_path / "mine.extxyz", [wide, shifted])
    run(tmp_path)
    assert [one.n_trajectories for one in explored(tmp_path).rounds] == [0, 8, 8]
    assert {one.frame.n_atoms for one in labels_of(tmp_path) if one.stage == "explore"} == {8}


def test_a_gap_that_opens_becomes_vacuum(engine: type[Watched], tmp_path: Path) -> None:
    layer = bulk("Cu", cubic=True)
    layer.cell[2, 2] = 12.0
    write(tmp_path / "seen.extxyz", [layer])
    stage = explore(frames="seen.extxyz", max_loops=1, vacuum=20)
    for key in ("temperature", "pressure", "num_random_structures", "length", "sampling_time"):
        del stage["explore"][key]
    run(project_of(tmp_path, [COLLECT, CONVERGE, stage]))
    assert explored(tmp_path).present.n_opened == 1
    (point,) = [one for one in labels_of(tmp_path) if one.stage == "explore"]
    assert point.frame.pbc.tolist() == [True, True, False]
    assert point.frame.cell[2, 2] == pytest.approx(20 + np.ptp(layer.positions[:, 2]))


def test_other_stages_come_before_and_after_it(engine: type[Watched], tmp_path: Path) -> None:
    learn = {key: value for key, value in COPPER["ACTIVE_LEARNING"].items() if key != "converge_al"}
    summary = run(
        project_of(
            tmp_path, [COLLECT, CONVERGE, explore(max_loops=1), {"learn": learn | {"max_train_set_size": 24}}, CONVERGE]
        )
    )
    assert Counter(one.stage for one in labels_of(tmp_path))["explore"] == 6
    assert summary["trained_to_the_end"] == [summary["product"]["member"]]


# -- what goes wrong ----------------------------------------------------------------------------------------------


def test_frame_that_fails_is_left_out(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {24: "unconverged"}
    summary = run(project_of(tmp_path, [COLLECT, CONVERGE, explore(max_loops=1)]))
    assert summary["labels"]["failed"] == 1
    assert (explored(tmp_path).present.n_labelled, explored(tmp_path).present.n_failed) == (5, 1)


def test_a_reference_that_fails_again_and_again_stops_it_and_is_asked_again(
    engine: type[Watched], tmp_path: Path
) -> None:
    stages = [COLLECT, CONVERGE, explore(max_loops=1, max_consecutive_failures=3)]
    engine.manners = dict.fromkeys(range(23, 60), "unconverged")
    with pytest.raises(CampaignStopped, match=r"the reference of explore failed for 3 structures in a row"):
        run(project_of(tmp_path, stages))
    engine.manners = {}
    assert run(tmp_path)["labels"]["failed"] == 0
    assert explored(tmp_path).present.n_labelled == 6


@pytest.mark.parametrize("ends_with", [[], ["converge"]], ids=["explore", "explore, converge"])
def test_an_ended_campaign_that_may_make_more_rounds_goes_on_as_if_it_always_might(
    engine: type[Watched], tmp_path: Path, ends_with: list[Any]
) -> None:
    def stages(max_loops: int) -> list[Any]:
        return [COLLECT, CONVERGE, explore(max_loops=max_loops), *ends_with]

    run(project_of(tmp_path / "at once", stages(2)))
    folder = project_of(tmp_path / "raised", stages(1))
    run(folder)
    said = CliRunner().invoke(program, ["check", str(folder)])
    assert "raise STAGES.2.explore.max_loops" in said.output
    run(project_of(folder, stages(2)))
    assert len(explored(folder).rounds) == 3, "the first is the beginning"
    assert_same(outcome_of(folder), outcome_of(tmp_path / "at once"))
    assert (folder / "results.1" / "summary.json").is_file()


def test_an_exploration_that_is_added_to_an_ended_campaign_is_gone_through(
    engine: type[Watched], tmp_path: Path
) -> None:
    stages = [{"collect": {**COLLECT["collect"], "ensemble_size": 2}}, CONVERGE, explore(max_loops=1)]
    run(project_of(tmp_path, stages[:2]))
    said = CliRunner().invoke(program, ["check", str(project_of(tmp_path, stages))])
    assert "goes on with stages that were added to the campaign: explore" in " ".join(said.output.split())
    run(tmp_path)
    state = explored(tmp_path)
    assert state.ended is End.LOOPS
    assert {one.member for one in state.rounds[0].errors} == {"tiny_1", "tiny_2", ""}, "all members were trained"
    before = [one.label_id for one in labels_of(tmp_path)]
    assert len([one for one in labels_of(tmp_path) if one.stage == "explore"]) == FEW["max_selected_frames"]
    run(tmp_path)
    assert [one.label_id for one in labels_of(tmp_path)] == before, "it has ended again"


def test_a_stage_that_is_added_can_not_ask_for_another_number_of_models(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path, [COLLECT, CONVERGE]))
    project = load_project(project_of(tmp_path, [COLLECT, CONVERGE, explore(max_loops=1)]), stages=ACTIVE)
    told = [problem.found for problem in check_project(project, ACTIVE).problems]
    assert any("The number of models in the committee (ensemble_size) is 2, and the run" in found for found in told)
    with pytest.raises(SettingsError, match=r"\(ensemble_size\) is 2, and the run .* was started with 4"):
        run(tmp_path)


def test_more_epochs_converge_models_again_where_nothing_was_learned_actively(
    engine: type[Watched], tmp_path: Path
) -> None:
    def epochs(n: int) -> int:
        run(project_of(tmp_path, [COLLECT, {"converge": {"max_convergence_epochs": n, "margin": 0.0}}]))
        with RunStore.open_readonly(tmp_path) as store:
            return len(store.epochs())

    assert epochs(3) < epochs(6) == epochs(6)
    project = load_project(project_of(tmp_path, [COLLECT, {"converge": {"max_convergence_epochs": 2}}]), stages=ACTIVE)
    assert any("asks for no more" in problem.found for problem in check_project(project, ACTIVE).problems)


def test_a_convergence_after_an_exploration_has_epochs_of_its_own_and_may_get_more(
    engine: type[Watched], tmp_path: Path
) -> None:
    def stages(n: int, *, of_rounds: int = 2) -> list[Any]:
        end = {"converge": {"max_convergence_epochs": n, "margin": 0.0}}
        return [COLLECT, CONVERGE, explore(max_loops=1, max_convergence_epochs=of_rounds), end]

    def epochs(n: int) -> tuple[int, int]:
        """Of the round, and of the convergence after it."""
        run(project_of(tmp_path, stages(n)))
        with RunStore.open_readonly(tmp_path) as store:
            stored = store.load_state("convergence.explore")
        assert stored is not None
        return explored(tmp_path).present.n_epochs, from_text(ConvergenceState, stored.decode()).n_epochs

    assert epochs(4) == (2, 4)
    assert epochs(6) == (2, 6), "it was converged again"
    project = load_project(project_of(tmp_path, stages(6, of_rounds=3)), stages=ACTIVE)
    (problem,) = check_project(project, ACTIVE).problems
    assert "STAGES.2.explore.max_convergence_epochs is 3, which asks for no more" in problem.found


def test_rounds_that_would_find_nothing_more_are_refused_after_the_end(engine: type[Watched], tmp_path: Path) -> None:
    satisfied = {"thr_forces": 1e3, "thr_energy": 1e3}
    run(project_of(tmp_path, [COLLECT, CONVERGE, explore(max_loops=1, **satisfied)]))
    folder = project_of(tmp_path, [COLLECT, CONVERGE, explore(max_loops=3, **satisfied)])
    (problem,) = check_project(load_project(folder, stages=ACTIVE), ACTIVE).problems
    assert re.search(r"max_loops is 3, which asks for no more than the run .* ended with 1", problem.found)


def test_rounds_that_later_stages_have_built_on_stay_as_they_are(engine: type[Watched], tmp_path: Path) -> None:
    learn = {"learn": {"num_trajectories": 2, "max_train_set_size": 30, "max_MD_steps": 30}}

    def stages(max_loops: int) -> list[Any]:
        return [COLLECT, CONVERGE, explore(max_loops=max_loops), learn]

    run(project_of(tmp_path, stages(1)))
    folder = project_of(tmp_path, stages(2))
    (problem,) = check_project(load_project(folder, stages=ACTIVE), ACTIVE).problems
    assert re.search(r"STAGES.2.explore.max_loops is 2.*has learned from it since", problem.found)


def test_md_that_comes_to_no_frame_stops_it_and_says_why(engine: type[Watched], tmp_path: Path) -> None:
    md = {**MD, "timestep": 10.0}
    stages = [COLLECT, CONVERGE, explore(temperature=[90000], pressure=None, length=2, sampling_time=1)]
    with pytest.raises(
        CampaignStopped, match=r"no trajectory of explore came to its first frame, the first of them so"
    ):
        run(project_of(tmp_path, stages, md))


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ([explore()], "STAGES.0.explore has no models to explore with"),
        ([explore(train=False, max_loops=None), CONVERGE], "without a dataset, and explore convergence would learn"),
        ([explore(), COLLECT, CONVERGE], "comes after another stage"),
        ([COLLECT, explore()], "is not followed by converge, which learns its labels"),
        ([COLLECT, CONVERGE, explore(label=False)], "there would be nothing to learn"),
        ([COLLECT, CONVERGE, explore(train=False)], "max_loops is given, and with train: false there is one round"),
        ([COLLECT, CONVERGE, explore(length=0.01)], "there is no frame"),
        ([COLLECT, CONVERGE, explore(train=False, max_loops=None, test_ratio=0.2)], "train: false nothing comes of it"),
        ([COLLECT, CONVERGE, explore(open_gaps=False, vacuum=20)], "vacuum is what gaps become"),
        ([COLLECT, CONVERGE, explore(temperature=[300, 300])], "temperature names a value twice"),
        ([COLLECT, CONVERGE, explore(temperature=[0])], "STAGES.2.explore.temperature"),
        ([COLLECT, CONVERGE, explore(dispersion="d2")], "STAGES.2.explore.dispersion"),
        ([COLLECT, CONVERGE, explore(valid_ratio=0.6, test_ratio=0.5)], "leave nothing to train on"),
        ([COLLECT, CONVERGE, explore(thr_force=0.1)], "Did you mean thr_forces"),
        ([COLLECT, CONVERGE, explore(initial_train_dataset="copper.extxyz")], "without initial_valid_dataset"),
        (
            [
                COLLECT,
                CONVERGE,
                explore(initial_train_dataset="copper.extxyz", initial_valid_dataset="copper.extxyz"),
            ],
            "and the committee has begun with an earlier stage",
        ),
        ([COLLECT, CONVERGE, explore(frames="copper.extxyz", max_loops=1)], "the only round judges frames"),
    ],
)
def test_lists_that_can_not_be_are_refused(stages: list[Any], found: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(found)):
        load_project(project_of(tmp_path, stages), stages=ACTIVE)


@pytest.mark.parametrize(
    ("changes", "md", "found"),
    [
        ({}, {"program": [{"stat_ensemble": "nvt", "steps": 5}, {"stat_ensemble": "nvt"}]}, "and MD.program is about"),
        ({"sampling_time": 0.001}, {}, "less than an MD step"),
        ({"thr_stress": 0.001}, {}, "no stress is judged"),
        ({}, {"propagate_with": "mean"}, "MD.propagate_with says how a committee drives in learn"),
        ({"dispersion": {"method": "d3", "xc": "nothing"}}, {}, "dispersion"),
    ],
)
def test_what_can_not_be_explored_is_told_by_check(
    changes: dict[str, Any], md: dict[str, Any], found: str, tmp_path: Path
) -> None:
    project = load_project(project_of(tmp_path, [COLLECT, CONVERGE, explore(**changes)], {**MD, **md}), stages=ACTIVE)
    assert found in "\n".join(map(str, check_project(project, ACTIVE).problems))


def test_check_says_what_is_done_and_the_forecast_counts_it(tmp_path: Path) -> None:
    project_of(tmp_path, STAGES)
    settings = yaml.safe_load((tmp_path / "aims_PAX.yaml").read_text("utf-8"))
    del settings["MISC"]["verdict_ps"]
    write_project(tmp_path, settings)
    project = load_project(tmp_path, stages=ACTIVE)
    report = check_project(project, ACTIVE)
    assert report.problems == ()
    facts = "\n".join(report.facts)
    assert f"explore: each round {N_TRAJECTORIES} trajectories in npt of 0.06 ps, structures of 4 atoms" in facts
    assert f"240 MD steps together, at most {N_FRAMES} frames" in facts
    (amounts,) = [one for one in amounts_ahead(project, ACTIVE) if one.part == "explore"]
    assert (amounts.labels.low, amounts.labels.high) == (0, 12)
    assert (amounts.md_steps.low, amounts.md_steps.high) == (240, 480)


def test_a_pressure_in_another_unit_is_doubted(tmp_path: Path) -> None:
    project = load_project(project_of(tmp_path, [COLLECT, CONVERGE, explore(pressure=[0, 5])]), stages=ACTIVE)
    doubts = check_project(project, ACTIVE).doubts
    assert any("moves cells, and the models learn no stress" in one.found for one in doubts)
    (doubt,) = [one for one in doubts if "pressure" in one.found]
    assert "STAGES.2.explore.pressure holds 5 Pa" in doubt.found
    assert "1 kbar is 1e8" in doubt.advice


def test_it_explores_from_an_initial_dataset_of_md(engine: type[Watched], tmp_path: Path) -> None:
    initial = {"initial": COPPER["INITIAL_DATASET_GENERATION"] | {"max_initial_set_size": 4}}
    project_of(tmp_path, [initial, CONVERGE, explore(max_loops=1, pressure=None)])
    project = load_project(tmp_path, stages=BOTH)
    assert check_project(project, BOTH).problems == ()
    summary = run_campaign(project, stages=BOTH, observer=Watcher()).content
    assert Counter(one.stage for one in labels_of(tmp_path))["explore"] == 6
    assert summary["trained_to_the_end"] == ["tiny_1", "tiny_2"]
