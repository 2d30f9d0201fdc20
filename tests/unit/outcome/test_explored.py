"""What explorations have found, as a record, a line and a figure."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from aims_pax.learner.exploration import End, Exploration, Missed, Round, SetErrors
from aims_pax.outcome.explored import courses_of, lines_of, record_of
from aims_pax.report.exploration import draw_rounds


def errors(scale: float, *, split: str = "test", stress: float | None = 0.002) -> tuple[SetErrors, ...]:
    return tuple(
        SetErrors(split, is_first, member, 5, 0.01 * scale * k, 0.1 * scale * k, stress)
        for is_first in (False, True)
        for member, k in (("a", 1.2), ("b", 1.0), ("", 0.9))
    )


def state(split: str = "test", stress: float | None = 0.002) -> Exploration:
    over = (
        Round(0, errors=errors(4, split=split, stress=stress)),
        Round(1, n_frames=20, n_above=8, n_labelled=6, md_steps=100, errors=errors(2, split=split, stress=stress)),
    )
    last = Round(2, n_frames=20, n_above=0, md_steps=100, errors=errors(1, split=split, stress=stress))
    return Exploration(last, over=over, ended=End.NOTHING_ABOVE)


def test_errors_run_by_round_for_each_member_and_the_mean() -> None:
    found = courses_of(state())
    assert list(found) == ["energy", "forces", "stress"]
    every, same = found["forces"]
    assert (every.label, every.is_first, same.is_first) == ("all test structures", False, True)
    assert every.rounds.tolist() == [0, 1, 2]
    assert np.allclose(every.mean, [360, 180, 90])
    assert every.members.shape == (3, 2)


def test_training_structures_have_a_course_where_they_were_measured() -> None:
    old, new = state(), errors(3, split="training")[:3]
    found = courses_of(replace(old, present=replace(old.present, errors=(*old.present.errors, *new))))
    *_, last = found["energy"]
    assert (last.label, last.is_training, last.rounds.tolist()) == ("training structures", True, [2])
    assert [one.is_training for one in courses_of(old)["energy"]] == [False, False], "of an older program"


def test_validation_structures_stand_in_where_none_test_and_no_stress_gives_no_panel() -> None:
    found = courses_of(state(split="validation", stress=None))
    assert list(found) == ["energy", "forces"]
    assert found["energy"][0].label == "all validation structures"
    assert courses_of(Exploration(Round(1), over=(Round(0),))) == {}


def test_the_end_is_told_with_numbers() -> None:
    record = record_of("explore", state())
    assert (record["n_rounds"], record["n_frames"], record["md_steps"]) == (2, 40, 200)
    (line,) = lines_of([record])
    assert line == (
        "explore: 2 rounds, 40 frames judged, 6 labelled; 0 beyond a tolerance in the last; "
        "no frame was beyond a tolerance"
    )


def test_what_thresholds_missed_is_told_of_all_rounds_together() -> None:
    rounds = [Round(k, missed=(Missed("forces", 8, 3, 3, 2), Missed("energy", 8, 0, k, 0))) for k in (1, 2)]
    _, *lines = lines_of([record_of("explore", Exploration(rounds[1], over=(Round(0), rounds[0]), ended=End.LOOPS))])
    assert lines == [
        "  forces of 16 random frames: 6 truly beyond the tolerance, 4 of them found; 2 false alarms",
        "  energy of 16 random frames: 0 truly beyond the tolerance; 3 false alarms",
    ]


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    draw_rounds(courses_of(state()), tmp_path / "explore.png", title="errors by round")
    assert (tmp_path / "explore.png").stat().st_size > 10_000
