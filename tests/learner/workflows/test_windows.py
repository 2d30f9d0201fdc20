"""Which frames of a phase are labelled: the best one of each of equal windows, or frames at equal times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner.transition import OutOfTurn
from aims_pax.learner.workflows import (
    Advance,
    Built,
    Doing,
    DrivenBy,
    HoldFrame,
    Moved,
    PhaseOver,
    PhaseRule,
    Pick,
    Submit,
    decide,
)

from .plays import SURE, THRESHOLD, UNSURE, Play, phase, rules_of


def ends_of(rule: PhaseRule) -> list[int]:
    ends = [0]
    while ends[-1] < rule.n_steps:
        ends.append(rule.window_end(ends[-1]))
    return ends[1:]


def moving(*phases: PhaseRule, **changes: object) -> Play:
    """A player that has begun its first phase."""
    play = Play(rules_of(phases or (phase(),), **changes))
    play.tell(Built(0))
    return play


# -- windows ----------------------------------------------------------------------------------------------------


def test_windows_are_equal_where_steps_are_a_multiple() -> None:
    assert ends_of(phase(n_steps=100, n_windows=5)) == [20, 40, 60, 80, 100]


def test_windows_differ_by_a_step_at_most_where_they_are_not() -> None:
    assert ends_of(phase(n_steps=100, n_windows=3)) == [34, 67, 100]
    assert ends_of(phase(n_steps=7, n_windows=5)) == [2, 3, 5, 6, 7]


def test_a_phase_that_is_not_sampled_is_one_piece() -> None:
    assert ends_of(phase(n_steps=100, n_windows=0)) == [100]


@given(st.integers(1, 500), st.data())
def test_any_phase_has_its_number_of_windows_which_are_as_long_as_each_other(n_steps: int, data: st.DataObject) -> None:
    n_windows = data.draw(st.integers(1, n_steps))
    ends = ends_of(phase(n_steps=n_steps, n_windows=n_windows))
    lengths = [after - before for before, after in pairwise([0, *ends])]
    assert len(ends) == n_windows
    assert ends[-1] == n_steps
    assert max(lengths) - min(lengths) <= 1


@given(st.integers(1, 300), st.integers(1, 50), st.data())
def test_structures_are_judged_at_even_steps_and_where_windows_end(
    n_steps: int, skip: int, data: st.DataObject
) -> None:
    rule = phase(n_steps=n_steps, n_windows=data.draw(st.integers(1, n_steps)))
    play, judged = moving(rule, skip_steps=skip, max_visits=1), []
    while isinstance(command := decide(play.state, play.rules), Advance):
        assert command.judged == (0,), "nobody is stopped where nothing is due"
        play.tell(Moved(0, command.n_steps, SURE))
        judged.append(play.state.players[0].md_step)
    assert judged == sorted({*range(skip, n_steps + 1, skip), *ends_of(rule)})


# -- the best frame ---------------------------------------------------------------------------------------------


def scored(play: Play, *scores: float) -> list[tuple[int, float | None]]:
    """Let a player move by ten steps for each score; what was asked for."""
    n_before = len(play.asked)
    for score in scores:
        play.tell(Moved(0, 10, score))
    return [(one.md_step, one.score) for one in play.asked[n_before:]]


def test_the_frame_of_the_highest_score_of_each_window_is_labelled() -> None:
    play = moving()
    assert scored(play, 1.5, 3.0, 2.0, 1.2, 1.4) == [(20, 3.0)]
    assert scored(play, 1.1, 1.2, 1.3, 1.2, 1.6) == [(100, 1.6)]
    assert play.state.in_flight == (Pick(0, 20, 1), Pick(0, 100, 1))
    assert play.state.players[0].n_labels == 2


def test_of_equal_scores_the_first_is_labelled() -> None:
    assert scored(moving(), 1.5, 1.5, 1.5, 1.5, 1.5) == [(10, 1.5)]


def test_a_frame_is_held_as_soon_as_it_is_the_best_and_asked_for_when_its_window_ends() -> None:
    play = moving()
    assert play.tell(Moved(0, 10, 0.1)) == (HoldFrame(0),)
    assert play.tell(Moved(0, 10, 0.05)) == ()
    assert play.tell(Moved(0, 10, 1.2)) == (HoldFrame(0),)
    assert play.tell(Moved(0, 10, 0.3)) == ()
    assert play.tell(Moved(0, 10, 0.4)) == (Submit(0, 30, 1.2, THRESHOLD),)


def test_a_window_without_a_frame_above_the_threshold_asks_for_nothing() -> None:
    assert scored(moving(), *[SURE] * 5, *[SURE] * 4, THRESHOLD) == [(100, THRESHOLD)]


def test_the_best_frame_of_one_window_is_not_that_of_the_next() -> None:
    assert scored(moving(), 9.0, *[SURE] * 4, *[SURE] * 5) == [(10, 9.0)]


def test_each_phase_has_a_threshold_of_its_own() -> None:
    play = moving(phase(threshold=3.0, n_windows=1), phase("Phase1", threshold=0.1, n_windows=1))
    assert scored(play, *[UNSURE] * 10) == []
    play.tell(Built(0))
    assert scored(play, *[SURE] * 10) == [(110, SURE)]


def test_a_phase_that_is_not_sampled_is_not_judged() -> None:
    play = moving(phase(n_windows=0))
    assert decide(play.state, play.rules) == Advance((0,), 10, ())
    assert scored(play, *[9.0] * 10) == []
    assert play.over[-1].largest is None


def test_the_largest_score_of_a_phase_is_told_at_its_end() -> None:
    play = moving(phase(), phase("Phase1"))
    scored(play, 0.1, 0.7, *[0.2] * 8)
    play.tell(Built(0))
    scored(play, *[0.3] * 10)
    assert [(one.phase, one.largest) for one in play.over] == [(0, 0.7), (1, 0.3)]


# -- what a general model drives --------------------------------------------------------------------------------


def test_frames_of_a_general_model_are_uniform_in_time_whatever_their_score() -> None:
    play = moving(pretrained_visits=1)
    assert scored(play, 9.0, 0.1, 0.1, 0.1, 0.2) == [(50, 0.2)]
    assert scored(play, 9.0, 0.1, 0.1, 0.1, 0.1) == [(100, 0.1)]
    assert {one.threshold for one in play.asked} == {0.0}


def test_they_are_labelled_where_there_are_no_models_to_judge_them() -> None:
    play = Play(rules_of(pretrained_visits=1), has_committee=False)
    play.tell(Built(0), *[Moved(0, 10)] * 10)
    assert [(one.md_step, one.score) for one in play.asked] == [(50, None), (100, None)]
    assert play.state.n_scores == 0


def test_a_general_model_that_explodes_leaves_what_was_at_the_ends_of_windows() -> None:
    play = moving(pretrained_visits=1)
    scored(play, *[UNSURE] * 7)
    play.tell(Moved(0, 3, problem="atoms overlap"))
    assert [one.md_step for one in play.asked] == [50]


# -- ends that come early ---------------------------------------------------------------------------------------


def test_an_explosion_asks_for_the_best_of_its_window_and_ends_the_visit() -> None:
    play = moving(phase(), phase("Phase1"))
    scored(play, SURE, UNSURE, SURE)
    asked, over = play.tell(Moved(0, 4, problem="atoms overlap"))
    assert asked == Submit(0, 20, UNSURE, THRESHOLD)
    assert over == PhaseOver(0, 1, 0, 34, UNSURE, "atoms overlap", ends_visit=True)
    (player,) = play.state.players
    assert (player.doing, player.visit, player.phase, player.md_step) == (Doing.BUILDING, 2, 0, 34)


def test_an_explosion_before_anything_was_judged_asks_for_nothing() -> None:
    play = moving()
    (over,) = play.tell(Moved(0, 0, problem="atoms overlap"))
    assert over == PhaseOver(0, 1, 0, 0, None, "atoms overlap", ends_visit=True)
    assert play.state.players[0].md_step == 0


def test_a_relaxation_at_rest_ends_its_phase_before_its_steps_and_its_last_frame_counts() -> None:
    play = moving(phase(), phase("Phase1"))
    scored(play, SURE, SURE)
    held, asked, over = play.tell(Moved(0, 7, UNSURE, is_at_rest=True))
    assert held == HoldFrame(0)
    assert asked == Submit(0, 27, UNSURE, THRESHOLD)
    assert over == PhaseOver(0, 1, 0, 27, UNSURE)
    assert (play.state.players[0].phase, play.state.players[0].doing) == (1, Doing.BUILDING)


def test_a_relaxation_at_rest_where_nobody_judges_gives_its_last_frame() -> None:
    play = Play(rules_of((phase(n_windows=1),), pretrained_visits=1), has_committee=False)
    play.tell(Built(0), Moved(0, 10), Moved(0, 3, is_at_rest=True))
    assert [(one.md_step, one.score) for one in play.asked] == [(13, None)]


# -- many players -----------------------------------------------------------------------------------------------


def test_all_move_together_up_to_the_first_structure_that_is_due() -> None:
    long, short = (phase(n_steps=1000, n_windows=1),), (phase(n_steps=35, n_windows=2),)
    play = Play(rules_of(long, short, skip_steps=20))
    play.build()
    assert decide(play.state, play.rules) == Advance((0, 1), 18, (1,))
    play.tell(Moved(0, 18), Moved(1, 18, SURE))
    assert decide(play.state, play.rules) == Advance((0, 1), 2, (0, 1))
    play.tell(Moved(0, 2, SURE), Moved(1, 2, SURE))
    assert decide(play.state, play.rules) == Advance((0, 1), 15, (1,))


def test_a_player_that_is_being_built_can_not_move() -> None:
    play = Play(rules_of())
    with pytest.raises(OutOfTurn, match="player 0 is building, and not moving"):
        play.tell(Moved(0, 10))


def test_the_phase_of_a_moving_player_is_not_built_again() -> None:
    with pytest.raises(OutOfTurn, match="player 0 is moving, and not building"):
        moving().tell(Built(0))


def test_drivers_are_told_apart_within_one_visit() -> None:
    play = moving(phase(n_windows=1), phase("Phase1", n_windows=1, driver=DrivenBy.PRETRAINED))
    assert scored(play, *[SURE] * 10) == []
    play.tell(Built(0))
    assert scored(play, *[SURE] * 10) == [(200, SURE)], "uniform in time"
