"""Scores against time, visit after visit."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from aims_pax.report.style import MOST_SPANNED, sheet
from aims_pax.report.workflows.visits import (
    MOST_POINTS,
    MOST_ROWS,
    Stretch,
    Visit,
    draw_rows,
    draw_visits,
    left_out,
    limits_of,
    shown_of,
    slots_of,
    thinned,
)
from aims_pax.settings.stages.uncertainty import kind_named

KIND = kind_named("component_relative_sd")
OVERLAP = "atoms 4 (Cu) and 7 (Cu) are 1.28 Å apart; at least 1.32 Å is sound"


def stretch(phase: str, n_steps: int = 100, *, scores: Any = (), **changes: Any) -> Stretch:
    """A phase whose structures are judged every ten steps."""
    found: dict[str, Any] = {
        "driven_by_committee": True,
        "planned_steps": 100,
        "timestep_fs": 2.0,
        "temperatures_k": (300.0, 600.0),
        "words": "",
        "threshold": 1.0 if len(scores) else np.nan,
        "picked": np.zeros(0, dtype=np.int64),
    }
    judged = 10 * np.arange(1, 1 + len(scores))
    return Stretch(phase, n_steps=n_steps, judged=judged, scores=np.array(scores, dtype=float), **(found | changes))


def visit(number: int, *stretches: Stretch, held: bool | None = False) -> Visit:
    return Visit(number, stretches or (stretch("Phase1", scores=[0.2, 0.4]),), held)


def texts_of(visits: list[Visit]) -> list[str]:
    """All words above rows."""
    with sheet(9.0, 6.0) as figure:
        axes = figure.add_subplot()
        draw_rows(axes, visits=visits, title="explore: dlc", kind=KIND)
        rows = [one for one in axes.child_axes[1:] if isinstance(one, Axes)]
        return [row.get_title(place) for row in rows for place in ("left", "right")]


def test_of_many_visits_the_first_and_the_last_are_drawn_and_it_is_said() -> None:
    visits = [visit(number) for number in range(1, 11)]
    assert [one.number for one in shown_of(visits)] == [1, 6, 7, 8, 9, 10]
    assert left_out(visits) == "visits 2 to 5 left out"
    assert left_out(visits[:7]) == "visit 2 left out"
    assert left_out(visits[:MOST_ROWS]) == ""
    assert texts_of(visits)[2].endswith("(visits 2 to 5 left out)")


def test_phases_lie_side_by_side_as_long_as_they_were_to_be() -> None:
    ended = visit(1, stretch("Phase1", 40, scores=[0.3]), stretch("Phase10", 5, planned_steps=5, scores=[0.1, 0.2]))
    longer = visit(2, stretch("Phase2", 150, scores=[0.1, 0.2]), stretch("Phase1", scores=[0.1, 0.2]))
    slots = slots_of([ended, longer])
    assert [(one.phase, one.begin_fs, one.length_fs) for one in slots] == [
        ("Phase1", 0.0, 200.0),
        ("Phase2", 200.0, 300.0),
        ("Phase10", 500.0, 10.0),
    ]


def test_phases_without_frames_take_no_room_unless_there_are_no_others() -> None:
    relaxed = stretch("Phase0", scores=[1e-7])
    assert [one.phase for one in slots_of([visit(1, relaxed, stretch("Phase1", scores=[0.1, 0.2]))])] == ["Phase1"]
    assert [one.phase for one in slots_of([visit(1, relaxed, stretch("Phase1"))])] == ["Phase0", "Phase1"]


def test_rows_say_who_drove_and_how_it_ended() -> None:
    picked = np.array([20])
    by_other = stretch("Phase1", picked=picked, driven_by_committee=False)
    visits = [
        visit(1, by_other),
        visit(2, by_other, stretch("Phase2", 30, scores=[0.5, 0.6, 2.0], words=OVERLAP)),
        visit(3, stretch("Phase1", scores=[0.5, 2.0], picked=picked)),
        visit(4, held=True),
        visit(5, held=None),
    ]
    assert texts_of(visits) == [
        *("visit 1, by the pretrained model, 1 label", ""),
        *("visit 2, by both kinds of models, 1 label", "Phase2 ends early: atoms 4 (Cu) and 7 (Cu) are 1.28 Å apart"),
        *("visit 3, 1 label", "does not hold: 1 above the threshold"),
        *("visit 4, 0 labels", "holds"),
        *("visit 5, 0 labels", "under way"),
    ]


def test_long_words_are_cut() -> None:
    left, right = texts_of([visit(1, stretch("Phase1", 3, scores=[0.1], words="no forces: " + 80 * "because "))])
    assert len(left) + len(right) <= 116
    assert right.endswith(" …")


def test_limits_hold_scores_and_threshold_and_no_perfect_crystal() -> None:
    """Where the pretrained model drives, no threshold is in use."""
    assert limits_of([stretch("Phase1", scores=[0.2, 0.5])]) == pytest.approx([0.2, 1.0])
    alone = stretch("Phase1", scores=[0.2, 0.5, np.inf], driven_by_committee=False)
    assert limits_of([alone]) == pytest.approx([0.2, 0.5])
    assert limits_of([stretch("Phase1", scores=[1e-9, 4.0])]) == pytest.approx([4.0 / MOST_SPANNED, 4.0])
    assert len(limits_of([stretch("Phase1")])) == 0


def test_a_line_of_many_scores_keeps_its_extremes() -> None:
    values = np.random.default_rng(1).random(50_000)
    values[31_415], values[27_182] = 9.0, -9.0
    drawn = thinned(values)
    assert len(drawn) <= MOST_POINTS
    assert {27_182, 31_415} <= set(drawn.tolist())
    assert (np.diff(drawn) > 0).all()
    assert len(thinned(values[:100])) == 100


@pytest.mark.parametrize(
    "visits",
    [
        [visit(1, stretch("Phase1", picked=np.array([50, 100]), temperatures_k=None, driven_by_committee=False))],
        [visit(1, stretch("Phase0", 0, planned_steps=0, words="Water has no room. Lower Density."))],
        [visit(1, stretch("Phase1", scores=[0.2, 0.21], threshold=0.22))],
        [visit(1, stretch("Phase1", scores=[0.0, 0.0], threshold=0.0))],
    ],
    ids=["no scores", "not built", "linear", "all zero"],
)
def test_a_figure_is_drawn_whatever_there_is(visits: list[Visit], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_visits(tmp_path / "visits.png", visits, title=60 * "long ", kind=KIND)
    picture = imread(tmp_path / "visits.png")
    assert picture.shape[1] == 1440, "nine inches"
