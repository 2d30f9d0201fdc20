"""Where a run stands in its list of stages, also one that an earlier version has left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aims_pax.campaign.course import Position, ahead, ahead_of, course_problems
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.settings import Project, load_project
from aims_pax.settings.stage import ACTIVE as ACTIVE_HALF
from aims_pax.settings.stage import INITIAL as INITIAL_HALF
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import convergence_key

WATER = "3\n\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
INITIAL = "INITIAL_DATASET_GENERATION: {n_points_per_sampling_step_idg: 2, max_initial_set_size: 3}\n"
ACTIVE = "ACTIVE_LEARNING: {num_trajectories: 2, max_train_set_size: 20%s}\n"
BROUGHT = ", initial_train_dataset: water.xyz, initial_valid_dataset: water.xyz"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "run") as opened:
        yield opened


def project_of(folder: Path, text: str) -> Project:
    (folder / "water.xyz").write_text(WATER, encoding="utf-8")
    settings = f"{text}MD: {{stat_ensemble: nvt}}\nMISC: {{path_to_geometry: water.xyz}}\n"
    (folder / "aims_PAX.yaml").write_text(settings, encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: a, seed: 1}\n", encoding="utf-8")
    return load_project(folder, stages=())


def left(store: RunStore, progress: str, *states: str) -> Position:
    """A run as it was left before campaigns were lists."""
    memory = Memory(store, RunFolder(Path(), Path()))
    with store.transaction():
        memory.keep_json("progress", progress)
        for key in states:
            memory.keep_json(key, {})
    return Position.of(store, memory)


def names_ahead(project: Project, position: Position) -> list[str]:
    assert list(course_problems(project, position)) == []
    return [plan.name for plan in ahead(project, position)]


def test_earlier_run_goes_on_from_where_it_was(store: RunStore, tmp_path: Path) -> None:
    project = project_of(tmp_path, INITIAL + ACTIVE % "")
    position = left(store, "active", "learner.initial", "learner.active")
    assert position == Position("active", ("initial",), is_under_way=True)
    assert names_ahead(project, position) == ["active", "convergence"]


@pytest.mark.parametrize("sections", [ACTIVE, INITIAL + ACTIVE], ids=["alone", "beside a section that it did not use"])
def test_earlier_run_from_a_dataset_that_was_brought_along_goes_on(
    sections: str, store: RunStore, tmp_path: Path
) -> None:
    project = project_of(tmp_path, sections % BROUGHT)
    position = left(store, "active", "convergence.initial", "learner.active")
    assert position.over == ("initial convergence",)
    assert names_ahead(project, position) == ["active", "convergence"]


def test_any_command_goes_on_with_the_training_on_a_dataset_that_was_brought_along(
    store: RunStore, tmp_path: Path
) -> None:
    project = project_of(tmp_path, INITIAL + ACTIVE % BROUGHT)
    position = left(store, "initial convergence", "convergence.initial")
    for stages in ((ACTIVE_HALF,), (INITIAL_HALF, ACTIVE_HALF)):
        names = [plan.name for plan in ahead_of(project, position, stages)]
        assert names == ["initial convergence", "active", "convergence"]
    assert ahead_of(project, position, (INITIAL_HALF,)) == ()


def test_earlier_run_whose_initial_dataset_alone_was_made_goes_on(store: RunStore, tmp_path: Path) -> None:
    position = left(store, "active", "learner.initial")
    assert names_ahead(project_of(tmp_path, INITIAL), position) == []
    assert names_ahead(project_of(tmp_path, INITIAL + ACTIVE % ""), position) == ["active", "convergence"]


def test_earlier_run_that_has_ended_is_over(store: RunStore, tmp_path: Path) -> None:
    position = left(store, "finished", "learner.initial", "learner.active", "convergence.active")
    assert names_ahead(project_of(tmp_path, INITIAL + ACTIVE % ""), position) == []


def test_states_of_convergences_lie_where_stores_have_always_had_them() -> None:
    keys = {"initial convergence": "initial", "convergence": "active", "learn-2 convergence": "learn-2"}
    assert {name: convergence_key(name) for name in keys} == {name: f"convergence.{key}" for name, key in keys.items()}
    assert convergence_key("initial") not in map(convergence_key, keys)
    assert convergence_key("final") == "convergence.named.final"
