"""What every stage of a campaign must do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aims_pax.campaign.course import CAMPAIGN, asked_for, following
from aims_pax.campaign.session import Progress
from aims_pax.errors import Problem
from aims_pax.settings import Project, load_project
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages.stage import Stage

from ..integration.projects import copper_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load_project(copper_project(tmp_path_factory.mktemp("stages")))


@pytest.fixture(params=CAMPAIGN.values(), ids=lambda stage: stage.name)
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.param
    return found


def test_name_is_that_under_which_a_run_notes_its_progress(stage: Stage) -> None:
    assert CAMPAIGN[Progress(stage.name)] is stage


def test_sound_project_has_no_problems_and_facts_are_sentences(stage: Stage, project: Project) -> None:
    assert [problem for problem in stage.problems(project) if isinstance(problem, Problem)] == []
    assert all(fact and not fact.endswith("\n") for fact in stage.facts(project))


def test_looking_twice_says_the_same(stage: Stage, project: Project) -> None:
    first: Iterator[str] = stage.facts(project)
    assert list(first) == list(stage.facts(project))


def test_driver_that_does_not_exist_is_a_problem_of_its_stage(tmp_path: Path) -> None:
    changes = {"INITIAL_DATASET_GENERATION": {"foundational_model": "no_such_package:Calculator"}}
    project = load_project(copper_project(tmp_path, changes=changes))
    (problem,) = CAMPAIGN[Progress.INITIAL].problems(project)
    assert "no_such_package" in str(problem)


def test_stages_follow_each_other_to_the_end(project: Project) -> None:
    order, now = [], Progress.INITIAL
    while now is not None:
        order.append(now)
        now = following(now, project)  # type: ignore[assignment]
    assert order == [Progress.INITIAL, Progress.ACTIVE, Progress.CONVERGENCE]
    assert [stage.name for stage in asked_for((INITIAL, ACTIVE))] == ["initial", "active"]
