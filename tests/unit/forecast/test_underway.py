from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from aims_pax.forecast.curves.underway import FACTOR_OF_FEW, FACTOR_OF_MANY, MOST_GROWTH, Course
from aims_pax.protocols import StageSeen, StageState, Status

STATUS = Status(
    stage="active",
    n_running=1,
    n_waiting=0,
    n_training=0,
    n_finished=0,
    n_labels_requested=0,
    n_labels_received=0,
    n_labels_failed=0,
    n_train=50,
    n_valid=1,
    train_goal=100,
    md_steps=0,
    epochs=0,
    threshold=float("inf"),
    last_score=None,
    force_mae_ev_per_ang=None,
    activity="sampling",
)


def at(spent_s: float, n_train: int, **changes: Any) -> Status:
    """Active learning after so many seconds."""
    stages = (StageSeen("active", StageState.PRESENT, spent_s),)
    return replace(STATUS, n_train=n_train, at=spent_s, stages=stages, **changes)


def course_of(times_s: Sequence[float]) -> Course:
    """A structure more at each of these times, from 50 on."""
    course = Course()
    for n, spent_s in enumerate(times_s):
        course = course.after(at(spent_s, 50 + n))
    return course


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_time_to_the_goal_goes_on_as_it_has_come_along(power: float) -> None:
    found = course_of([n**power for n in range(21)]).to_goal(n_before=50)
    assert found is not None
    assert found.likely == pytest.approx(50**power - 20**power)
    assert (found.low, found.high) == pytest.approx((found.likely / FACTOR_OF_FEW, found.likely * FACTOR_OF_FEW))


def test_waiting_makes_it_longer() -> None:
    course = course_of(range(21))
    before, after = course.to_goal(n_before=50), course.after(at(40.0, 70)).to_goal(n_before=50)
    assert before is not None
    assert after is not None
    assert after.likely == pytest.approx(2 * before.likely)


def test_a_session_that_begins_in_the_middle_knows_how_long_it_was_before() -> None:
    course = Course()
    for n in range(10, 21):
        course = course.after(at(n**1.5, 50 + n))
    found = course.to_goal(n_before=50)
    assert found is not None
    assert found.likely == pytest.approx(50**1.5 - 20**1.5)


def test_time_to_the_goal_is_not_guessed_from_little() -> None:
    assert course_of([0.0, 1.0, 2.0]).to_goal(n_before=50) is None


def test_without_a_goal_there_is_no_time_to_it() -> None:
    course = Course()
    for n in range(10):
        course = course.after(at(float(n), 50 + n, train_goal=None))
    assert course.to_goal(n_before=50) is None
    assert course_of(range(60)).to_goal(n_before=50) is None, "it is reached"


def test_few_growths_are_kept_of_many() -> None:
    course = Course()
    for n in range(2000):
        course = course.after(at(float(n), n, train_goal=4000))
    assert len(course.growth) <= MOST_GROWTH
    found = course.to_goal(n_before=0)
    assert found is not None
    assert found.likely == pytest.approx(2000, rel=0.02)
    assert found.high == pytest.approx(FACTOR_OF_MANY * found.likely)


def test_a_new_part_has_a_growth_of_its_own_and_keeps_the_pace_of_epochs() -> None:
    course = Course()
    for step in range(6):
        course = course.after(replace(STATUS, n_train=50 + step, epochs=4 * step, at=float(step)))
    assert len(course.growth) == 6
    assert course.epochs[0] == (1.0, 4 * 50.0)
    other = course.after(replace(STATUS, stage="convergence", n_train=55, epochs=20, at=7.0))
    assert len(other.growth) == 1
    assert other.epochs == course.epochs


def test_pace_of_md_stays_until_another_part_makes_some() -> None:
    course = Course().after(STATUS).after(replace(STATUS, md_steps=40, at=2.0))
    still = course.after(replace(STATUS, stage="convergence", at=3.0))
    assert still.md_steps == ((2.0, 40.0),)
    other = still.after(replace(STATUS, stage="hot", at=4.0)).after(replace(STATUS, stage="hot", md_steps=8, at=5.0))
    assert other.md_steps == ((1.0, 8.0),)


def test_md_is_timed_where_nothing_else_was_done() -> None:
    course = Course().after(STATUS)
    course = course.after(replace(STATUS, md_steps=40, at=2.0))
    course = course.after(replace(STATUS, md_steps=80, n_labels_received=1, at=9.0))
    course = course.after(replace(STATUS, md_steps=80, n_labels_received=1, epochs=2, at=19.0))
    assert course.md_steps == ((2.0, 40.0),), "a label came in between"
