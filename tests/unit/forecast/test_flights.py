"""What stages that fly have still to do: their MD is known, and how many of their checks fail is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.campaign.course import Position
from aims_pax.forecast.amounts import (
    Amounts,
    Outset,
    Sizes,
    Span,
    amount_facts,
    amounts_ahead,
    forecaster_of,
    outsets_ahead,
)
from aims_pax.forecast.standing import Standing
from aims_pax.learner.state import Phase, State, Trajectory
from aims_pax.learner.transition import begin
from aims_pax.settings import Project
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.stages.fly.rules import first_rules, fly_rules

from ..flights import ADAPTIVE, CONVERGE, INITIAL, flight_project, fly, flying

FLYING = Position("fly", ())


def ahead(project: Project, standing: Standing | None = None) -> Amounts:
    """Of the stage that flies."""
    (found,) = [one for one in amounts_ahead(project, project.stages, standing=standing) if one.part == "fly"]
    return found


def begun(project: Project, *trajectories: Trajectory, n_first: int = 10) -> Standing:
    """A run whose steps by the reference have come so far, and that flies if any trajectory does."""
    rules = first_rules(project, flying(project).read_as(FlyStageSettings))
    initial = begin(rules, n_trajectories=1)
    states: dict[str, State] = {"initial": replace(initial, n_received=n_first)}
    if trajectories:
        flown = begin(fly_rules(project, flying(project)), n_trajectories=len(trajectories))
        states["fly"] = replace(flown, trajectories=trajectories)
    return Standing(FLYING, states)


def test_fixed_intervals_make_labels_that_are_known(tmp_path: Path) -> None:
    project = flight_project(tmp_path, fly(num_trajectories=2, num_initial_steps=6, max_MD_steps=95), n_systems=2)
    found = ahead(project)
    assert found.labels == Span.exactly(2 * 6 + 2 * 9), "the last check is at step 90"
    assert found.md_steps == Span.exactly(2 * 6 + 2 * 95)
    assert (found.epochs.low, found.epochs.high) == (200, 200 + 18 * 40)
    assert found.epochs.low < found.epochs.likely < found.epochs.high


def test_adaptive_intervals_make_fewer_labels_where_checks_pass(tmp_path: Path) -> None:
    found = ahead(flight_project(tmp_path, fly(adaptive_method_parameters=ADAPTIVE)))
    # None fails: 10, 30, 70; all fail: 10, 15, 20, ..., 100.
    assert (found.labels.low, found.labels.high) == (10 + 3, 10 + 19)
    assert found.labels.low <= found.labels.likely <= found.labels.high


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"can_update": False}, Span.exactly(200)),
        ({"refit": {"from_scratch": True, "first_epochs": 50}}, Span(50, 50 + 50 * 10 / 7, 50 + 10 * 50)),
        ({"refit": {"at_each_check": True, "epochs": 3}}, Span(230, 230, 230)),
        ({"refit": {"function_name": "shutil:copy"}}, Span(1, 1 + 10 / 7, 11)),
    ],
)
def test_epochs_are_those_of_refits(changes: dict[str, Any], epochs: Span, tmp_path: Path) -> None:
    found = ahead(flight_project(tmp_path, fly(**changes))).epochs
    assert (found.low, found.likely, found.high) == pytest.approx((epochs.low, epochs.likely, epochs.high))


def test_models_of_a_stage_before_need_no_steps_by_the_reference(tmp_path: Path) -> None:
    project = flight_project(tmp_path, INITIAL, CONVERGE, fly())
    found = ahead(project)
    assert (found.labels, found.md_steps) == (Span.exactly(10), Span.exactly(100))
    assert (found.epochs.low, found.epochs.high) == (0, 400)


def test_labels_train_what_comes_after(tmp_path: Path) -> None:
    project = flight_project(tmp_path, fly(valid_ratio=0.25), CONVERGE)
    fly_outset, convergence = outsets_ahead(project, project.stages)
    assert (fly_outset.sizes.of_each, convergence.sizes.of_each) == (0, 15), "three in four of 10 + 10"


def test_a_run_at_its_first_steps_has_the_rest_of_them(tmp_path: Path) -> None:
    project = flight_project(tmp_path)
    found = ahead(project, begun(project, n_first=4))
    assert found.labels == Span.exactly(6 + 10)
    assert found.md_steps == Span.exactly(6 + 100)
    assert found.epochs.low == 200


def test_a_flight_on_its_way_has_what_its_trajectories_have_left(tmp_path: Path) -> None:
    project = flight_project(tmp_path, fly(num_trajectories=3))
    on = (Trajectory(md_step=60), Trajectory(Phase.FINISHED, 100), Trajectory(Phase.FAILED, 30))
    found = ahead(project, begun(project, *on))
    assert found.labels == Span.exactly(4)
    assert found.md_steps == Span.exactly(40)
    assert (found.epochs.low, found.epochs.high) == (0, 4 * 40)


def test_a_check_that_is_near_is_counted(tmp_path: Path) -> None:
    """A trajectory nine steps after its last check is checked in the next one, and ten later."""
    project = flight_project(tmp_path)
    found = ahead(project, begun(project, Trajectory(md_step=89, quiet_steps=9)))
    assert found.labels == Span.exactly(2)


def test_a_grown_interval_is_counted_with(tmp_path: Path) -> None:
    """Of a flight whose checks come every 40 steps by now, and whose 100 last steps are ahead."""
    project = flight_project(tmp_path, fly(max_MD_steps=1000, adaptive_method_parameters=ADAPTIVE))
    standing = begun(project, Trajectory(md_step=900))
    flown = standing.states["fly"]
    grown = flown.remembering(replace(flown.memory_of("check"), intervals=(40,)))
    found = ahead(project, replace(standing, states={**standing.states, "fly": grown}))
    assert found.labels.low == 2


def test_amounts_are_said_in_words(tmp_path: Path) -> None:
    project = flight_project(tmp_path, fly(adaptive_method_parameters=ADAPTIVE))
    said = dict(amount_facts(project, project.stages))
    assert said["fly"] == "fly: 13 to 29 labels, 110 MD steps, 200 to 960 epochs"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return flight_project(tmp_path_factory.mktemp("project"))


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 100), st.floats(1.01, 3.0), st.integers(1, 400))
def test_what_is_likely_lies_between_the_bounds(
    project: Project, interval: int, n_min: int, further: int, factor: float, n_steps: int
) -> None:
    """Also where the first interval is shorter than the least one after a failure, and grows because of one."""
    adaptive = {"n_min": n_min, "n_max": n_min + further, "factor": factor}
    stage = fly(check_interval=interval, adaptive_method_parameters=adaptive, max_MD_steps=n_steps)["fly"]
    plan = replace(flying(project), settings=FlyStageSettings.model_validate(stage))
    found = forecaster_of(plan).amounts(Outset(project, plan, None, Sizes(0, 0)))
    for span in (found.labels, found.md_steps, found.epochs):
        assert 0 <= span.low <= span.likely <= span.high
