"""Time by stage, from speeds that are given."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from aims_pax.campaign.course import Position
from aims_pax.campaign.progress import FINISHED
from aims_pax.forecast.amounts import Span
from aims_pax.forecast.pace import Wishes
from aims_pax.forecast.speed import Measured, Speed
from aims_pax.forecast.standing import Standing
from aims_pax.forecast.timetable import (
    RESULTS_S,
    VERDICT_EFFORT,
    WIDTH,
    Outlook,
    StageForecast,
    forecast_by_stage,
    workers_of,
)
from aims_pax.frame import Stage
from aims_pax.settings import MDSettings
from aims_pax.settings.cluster import LocalCluster, SlurmCluster
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.pretrain import CheapReference, PretrainSettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Part

from ..flights import flight_project, fly
from .test_amounts import project_in

SPEED = Speed(0.02, 0.01, structure_epoch_s=0.5, epoch_overhead_s=1.0, lone_share=0.25, build_s=3.0)
MEASURED = Measured({"copper": (2.0,)}, {"copper": 0.1}, SPEED)
OVER = Standing(Position(FINISHED, ("initial", "active", "convergence")))
CONVERGING = {"max_convergence_epochs": 40, "converge_best": False}


def rows(folder: Path, *, outlook: Outlook | None = None, **changes: Any) -> dict[str, StageForecast]:
    found = forecast_by_stage(project_in(folder, **changes), MEASURED, outlook=outlook or Outlook())
    return {row.part: row for row in found.rows}


def test_each_part_takes_its_amounts_times_what_was_measured(tmp_path: Path) -> None:
    found = rows(tmp_path, active=CONVERGING)
    assert found[Part.STARTING].time_s == Span.exactly(3.0)
    labels_and_md = 16 * (2.0 + 10 * 0.1 + 0.01)
    epochs = 5 * (1.0 + 0.5 * 3) + 5 * (1.0 + 0.5 * 7)
    assert found[Part.INITIAL].time_s.likely == pytest.approx(labels_and_md + epochs)
    n_train = 2 * 7 + round(0.9 * found[Part.ACTIVE].amounts.labels.likely)
    assert found[Part.CONVERGENCE].time_s.likely == pytest.approx(40 * (1.0 + 0.5 * n_train))
    assert found[Part.RESULTS].time_s == Span.exactly(RESULTS_S)


def test_labels_of_a_flight_are_computed_by_as_many_as_it_has_trajectories(tmp_path: Path) -> None:
    project = flight_project(tmp_path, fly(num_trajectories=2))
    took_s = {}
    for n_workers in (1, 2, 8):
        found = forecast_by_stage(project, MEASURED, outlook=Outlook(n_workers=n_workers)).rows
        (row,) = (row for row in found if row.part == "fly")
        took_s[n_workers] = row.time_s.likely
    n_labels, n_steps = 10 + 20, 10 + 200
    n_train = 14  # half of the 27 that train in the end
    learning = row.amounts.epochs.likely * (1.0 + 0.5 * n_train)
    moving = n_steps * (0.02 / 2 + 0.01)
    expected = {1: n_labels * 2.0, 2: n_labels * 1.0, 8: n_labels * 1.0}
    for n_workers, labelling in expected.items():
        assert took_s[n_workers] == pytest.approx(labelling + moving + learning)


@pytest.mark.parametrize(("sampling", "is_shared"), [("aimd", True), ("foundational", False)])
def test_steps_of_aimd_are_shared_by_the_workers_and_those_of_a_driver_here_are_not(
    sampling: str, is_shared: bool, tmp_path: Path
) -> None:
    project = project_in(tmp_path, systems=4, initial={"initial_sampling": sampling}, active={"num_trajectories": 4})
    names = [system.name for system in project.systems]
    slowest = dict.fromkeys(names, 2.0) | {names[0]: 3.0}
    measured = Measured(dict.fromkeys(names, (0.0,)), slowest, SPEED)
    initial_s = {}
    for n_workers in (1, 2, 4, 8):
        found = forecast_by_stage(project, measured, outlook=Outlook(n_workers=n_workers)).rows
        (initial,) = (row for row in found if row.part == Part.INITIAL)
        initial_s[n_workers] = initial.time_s.likely
    n_steps = initial.amounts.md_steps.likely / 4
    expected = {1: 9.0, 2: 4.5, 4: 3.0, 8: 3.0} if is_shared else dict.fromkeys((1, 2, 4, 8), 9.0)
    for n_workers, step_s in expected.items():
        assert initial_s[n_workers] - initial_s[1] == pytest.approx(n_steps * (step_s - 9.0))


def test_best_member_alone_converges_in_its_own_time(tmp_path: Path) -> None:
    alone, every = (
        rows(tmp_path, active=CONVERGING | {"converge_best": best})[Part.CONVERGENCE].time_s.likely
        for best in (True, False)
    )
    assert alone == pytest.approx(0.25 * every, rel=0.05)


def test_range_of_active_learning_comes_from_how_often_it_asks(tmp_path: Path) -> None:
    time_s = rows(tmp_path)[Part.ACTIVE].time_s
    assert time_s.low < time_s.likely < time_s.high
    known = rows(tmp_path, outlook=Outlook(wishes=Wishes(pick_rate=0.1)))[Part.ACTIVE].time_s
    assert known.low == known.likely == known.high


def test_error_that_ends_it_early_leaves_the_lower_bound_open(tmp_path: Path) -> None:
    time_s = rows(tmp_path, active={"desired_acc": 0.01})[Part.ACTIVE].time_s
    assert time_s.low == 0 < time_s.likely
    alone = rows(tmp_path, active={"desired_acc": 0.01, "max_train_set_size": None})[Part.ACTIVE].time_s
    assert alone.high == float("inf")


def test_dataset_that_is_brought_along_is_converged_on_first(tmp_path: Path) -> None:
    labelled = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]], info={"REF_energy": -1.0})
    labelled.arrays["REF_forces"] = np.zeros((2, 3))
    write(tmp_path / "given.extxyz", [labelled] * 7)
    given = {"initial_train_dataset": "given.extxyz", "initial_valid_dataset": "given.extxyz"}
    outlook = Outlook(stages=(Stage.ACTIVE,))
    found = rows(tmp_path, outlook=outlook, initial={"max_convergence_epochs": 60}, active=given)
    assert found[Part.INITIAL_CONVERGENCE].time_s.high == pytest.approx(60 * (1.0 + 0.5 * 7))


def test_what_is_learned_first_takes_its_steps_labels_and_epochs_and_holds_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "n_cores", lambda: 4)
    plain = project_in(tmp_path)
    cheap = PretrainSettings(REFERENCE=CheapReference(type="tblite"), n=100, skip_step=20, epochs=30)
    stages = (StagePlan("pretrain", "pretrain", cheap), *plain.settings.stages)
    project = replace(plain, settings=replace(plain.settings, stages=stages))
    outlook = Outlook(wishes=Wishes(driver_step_s=0.1, pick_rate=0.1), n_workers=2)
    found, without = (forecast_by_stage(one, MEASURED, outlook=outlook) for one in (project, plain))
    (row,) = [row for row in found.rows if row.part == "pretrain"]
    assert row.amounts.labels.likely == 0
    assert row.time_s.likely == pytest.approx((2000 / 4 + 100) * 0.1 + 30 * (1.0 + 0.5 * 95))
    assert found.node_hours == without.node_hours


def test_what_is_behind_a_run_takes_no_time(tmp_path: Path) -> None:
    standing = Standing(Position("convergence", ("initial", "active")), epochs={"convergence.active": 30})
    found = rows(tmp_path, outlook=Outlook(standing=standing), active=CONVERGING)
    assert list(found) == [Part.STARTING, Part.CONVERGENCE, Part.VERDICT, Part.RESULTS]
    assert found[Part.CONVERGENCE].amounts.epochs == Span.exactly(10)


TIMESTEP_FS = MDSettings(stat_ensemble="nvt").timestep


def test_verdict_takes_a_tenth_of_what_was_before_it_within_the_bounds_of_its_length(tmp_path: Path) -> None:
    found = rows(tmp_path, misc={"verdict_runs": 4})
    step_s = VERDICT_EFFORT * (0.02 / 4 + 0.01)
    before = sum(row.time_s.likely for part, row in found.items() if part not in (Part.VERDICT, Part.RESULTS))
    steps = found[Part.VERDICT].amounts.md_steps
    assert found[Part.VERDICT].time_s.likely == pytest.approx(max(0.1 * before, 4000 / TIMESTEP_FS * step_s))
    assert steps.likely == pytest.approx(found[Part.VERDICT].time_s.likely / step_s)
    given = rows(tmp_path, misc={"verdict_ps": 0.5, "verdict_runs": 4})[Part.VERDICT]
    assert given.time_s == Span.exactly(pytest.approx(4 * 500 / TIMESTEP_FS * step_s))


def test_workers_are_those_of_the_cluster(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    assert workers_of(project) == 0
    assert workers_of(project.on_cluster(LocalCluster(max_workers=3))) == 3
    slurm = {"slurm_str": "#SBATCH --time=1:00:00", "tasks_per_node": 4, "parsl_options": {"max_blocks": 5}}
    on_slurm = project.on_cluster(SlurmCluster.model_validate(slurm))
    assert workers_of(on_slurm) == 20
    assert forecast_by_stage(on_slurm, MEASURED).n_nodes == 5


def test_workers_of_this_machine_share_its_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_pax.stages.assembly.n_cores", lambda: 1)
    project = project_in(tmp_path, active={"num_trajectories": 8})
    crowded = forecast_by_stage(project.on_cluster(LocalCluster(max_workers=4)), MEASURED)
    elsewhere = forecast_by_stage(project, MEASURED, outlook=Outlook(n_workers=4))
    of = {
        one: {row.part: row.time_s.likely for row in found.rows}
        for one, found in (("here", crowded), ("far", elsewhere))
    }
    assert of["here"][Part.ACTIVE] > of["far"][Part.ACTIVE]


def test_table_fits_a_terminal_and_adds_up(tmp_path: Path) -> None:
    slow = replace(MEASURED, label_s={"copper": (30_000.0,)})
    found = forecast_by_stage(project_in(tmp_path), slow, outlook=Outlook(n_workers=16))
    lines = found.lines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].split() == ["stage", "labels", "MD", "steps", "epochs", "time", "range"]
    assert lines[-1].startswith("node-hours: ")
    assert lines[-1].endswith("; 16 nodes, until active learning is over")
    assert found.time_s.likely == pytest.approx(sum(row.time_s.likely for row in found.rows))


def test_table_of_a_finished_run_says_so(tmp_path: Path) -> None:
    found = forecast_by_stage(
        project_in(tmp_path),
        MEASURED,
        outlook=Outlook(standing=Standing(Position(FINISHED, ("initial", "active", "convergence")))),
    )
    assert found.lines() == ["nothing is left to do: the run is finished"]


def test_record_has_the_stages_of_the_summary_and_no_infinity(tmp_path: Path) -> None:
    project = project_in(tmp_path, active={"desired_acc": 0.01, "max_train_set_size": None})
    record = json.loads(json.dumps(forecast_by_stage(project, MEASURED).record(), allow_nan=False))
    assert set(record["stages"]) <= {str(part) for part in Part}
    assert record["stages"]["active"]["time_s"]["high"] is None
    assert record["stages"]["initial"]["labels"] == {"low": 16, "likely": 16, "high": 16}
