"""How the runs move that finished models are tried with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aims_pax.outcome.conditions import Grounds, common_temperature, conditions_of, heldout_starts, trial_runs
from aims_pax.outcome.heldout.heldout_plan import HeldoutPlan
from aims_pax.sampling import Langevin
from aims_pax.settings import MDSettings, Project, load_project

from ..settings.test_own import BASE, SYSTEMS, written

PLAN = HeldoutPlan(12, by="driver", n_runs=4, temperature_k=None)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Water at 350 K with steps of 0.5 fs, and ammonium at 300 K with 0.25 fs and a friction and a seed of its own."""
    ammonium = {**SYSTEMS["ammonium"], "MD": {"timestep": 0.25, "friction": 0.02, "seed": 7}}
    return load_project(written(tmp_path, {**BASE, "SYSTEMS": {**SYSTEMS, "ammonium": ammonium}}))


def test_each_run_of_a_held_out_set_moves_as_its_system_does(project: Project) -> None:
    starts = heldout_starts(PLAN, project, [system.frame for system in project.systems])
    assert [one.frame.system for one in starts] == ["water", "ammonium", "water", "ammonium"]
    moving = [(one.temperature_k, one.timestep_fs, one.dynamics) for one in (start.program[0] for start in starts)]
    assert moving == [(350, 0.5, Langevin(0.01)), (300, 0.25, Langevin(0.02))] * 2
    assert starts[0].seed - starts[1].seed == 42 - 7
    at_400 = heldout_starts(replace(PLAN, temperature_k=400.0), project, [system.frame for system in project.systems])
    held = [one.program[0] for one in at_400[:2]]
    assert [(one.temperature_k, one.timestep_fs) for one in held] == [(400, 0.5), (400, 0.25)]


def test_a_structure_of_another_name_moves_as_the_system_of_its_atoms(project: Project) -> None:
    water, ammonium = (system.frame for system in project.systems)
    others = [replace(ammonium, system="conformer"), replace(water, system="conformer")]
    starts = heldout_starts(PLAN, project, others)
    assert [one.program[0].timestep_fs for one in starts] == [0.25, 0.5, 0.25, 0.5]


def test_a_temperature_is_common_only_where_all_systems_had_it(project: Project, tmp_path: Path) -> None:
    assert common_temperature(project) is None
    (tmp_path / "alike").mkdir()
    alike = {name: {**one, "MD": {}} for name, one in SYSTEMS.items()}
    assert common_temperature(load_project(written(tmp_path / "alike", {**BASE, "SYSTEMS": alike}))) == 300


def test_each_pair_of_system_and_motion_is_tried_once(project: Project) -> None:
    found = conditions_of(project)
    assert [(name, md.timestep) for name, md in found] == [("water", 0.5), ("ammonium", 0.25)]


@pytest.mark.parametrize(
    ("md", "time_fs"),
    [
        ({"stat_ensemble": "nvt", "friction": 0.01}, 100.0),
        ({"stat_ensemble": "nvt", "thermostat": "bussi", "tdamp": 40.0}, 40.0),
        ({"stat_ensemble": "npt", "tdamp": 70.0}, 70.0),
        ({"stat_ensemble": "nve"}, None),
    ],
)
def test_runs_know_the_time_of_the_thermostat_that_they_have(
    project: Project, md: dict[str, Any], time_fs: float | None
) -> None:
    pairs = [("water", MDSettings.model_validate(md))]
    (run,) = trial_runs(Grounds.of(project.systems, []), pairs, n_runs=1, seed=1)
    assert run.conditions.relaxation_fs == time_fs


def test_finished_models_are_tried_without_the_bias_that_they_learned_by(tmp_path: Path) -> None:
    motions = {0: {"stat_ensemble": "nvt"}, 1: {"stat_ensemble": "nvt", "uncertainty_bias": 2.0}}
    settings = {key: value for key, value in BASE.items() if key != "SYSTEMS"} | {
        "ACTIVE_LEARNING": {"num_trajectories": 2, "max_train_set_size": 20},
        "MD": motions,
        "MISC": {"path_to_geometry": "water.xyz"},
    }
    biased = load_project(written(tmp_path, settings))
    assert [md.uncertainty_bias for _, md in conditions_of(biased)] == [0.0]
