"""Visits: who drives them, when the next one begins, when a workflow holds, and when a stage is over."""

from dataclasses import replace

import pytest

from aims_pax.frame import Split
from aims_pax.learner.state import Budget
from aims_pax.learner.transition import OutOfTurn
from aims_pax.learner.workflows import (
    Advance,
    AllLearned,
    Await,
    Build,
    BuildFailed,
    Built,
    Doing,
    DrivenBy,
    End,
    EpochsDone,
    Finish,
    Holds,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    LearnAll,
    Moved,
    PhaseOver,
    Player,
    PlayRules,
    Train,
    decide,
    driver_of,
    may_begin,
    reopened,
)

from .plays import SURE, UNSURE, Play, phase, rules_of

ONE = (phase(n_windows=1),)
TWO = (phase(n_windows=1), phase("Phase1", n_windows=1))
NO_TIME = BuildFailed(0, "no place is left for the last molecule")


def begun(*programs: tuple[object, ...], has_committee: bool = True, **changes: object) -> Play:
    return Play(rules_of(*(programs or (ONE,)), **changes), has_committee=has_committee)  # type: ignore[arg-type]


def drivers(play: Play) -> list[DrivenBy]:
    """Of the phases of a visit of the only player, as it is driven now."""
    (player,), n_phases = play.state.players, len(play.rules.programs[0])
    return [driver_of(replace(player, phase=number), play.rules, 0) for number in range(n_phases)]


OWN, OTHER = DrivenBy.COMMITTEE, DrivenBy.PRETRAINED


# -- who drives -------------------------------------------------------------------------------------------------


def test_the_committee_drives_where_nothing_is_said() -> None:
    assert drivers(begun(TWO)) == [OWN, OWN]


def test_the_general_model_drives_the_first_visits() -> None:
    play = begun(TWO, pretrained_visits=2)
    seen = [drivers(play)]
    for _ in range(2):
        play.visit(UNSURE)
        seen.append(drivers(play))
    assert seen == [[OTHER, OTHER], [OTHER, OTHER], [OWN, OWN]]


def test_a_phase_has_its_own_driver_in_each_visit() -> None:
    play = begun((phase(driver=OWN), phase("Phase1", driver=OTHER)), pretrained_visits=1)
    assert drivers(play) == [OWN, OTHER]
    play.visit()
    assert drivers(play) == [OWN, OTHER]


def test_phases_are_handed_over_one_by_one_when_models_are_sure_of_them() -> None:
    play = begun(TWO, pretrained_visits=1, hand_over=0.8, max_visits=9)
    play.build()
    play.tell(*[Moved(0, 10, 0.7)] * 10, Built(0), *[Moved(0, 10, 0.9)] * 10)
    assert drivers(play) == [OWN, OTHER]
    play.tell(Built(0), *[Moved(0, 10, 0.5)] * 10, Built(0), *[Moved(0, 10, 0.79)] * 10)
    assert drivers(play) == [OWN, OWN]


def test_a_phase_is_taken_back_after_a_visit_in_which_it_was_unsure_or_exploded() -> None:
    play = begun(TWO, pretrained_visits=1, hand_over=0.8, max_visits=9, n_hold=9)
    play.visit(0.7)
    assert drivers(play) == [OWN, OWN]
    play.answer()
    play.build()
    play.tell(*[Moved(0, 10, 0.7)] * 9, Moved(0, 10, 0.8), Built(0), *[Moved(0, 10, 0.7)] * 10)
    assert drivers(play) == [OTHER, OWN]
    play.build()
    play.tell(*[Moved(0, 10, 0.7)] * 10, Built(0), Moved(0, 10, 0.1), Moved(0, 2, problem="atoms overlap"))
    assert drivers(play) == [OWN, OTHER]


def test_a_phase_that_nobody_judges_is_handed_over_when_it_has_come_to_its_end() -> None:
    play = begun((phase(n_windows=0), phase("Phase1", n_windows=1)), pretrained_visits=1, hand_over=0.8, max_visits=9)
    play.build()
    play.tell(*[Moved(0, 10)] * 10, Built(0), *[Moved(0, 10)] * 10)
    assert drivers(play) == [OWN, OTHER], "of the other one nobody knows how sure models are"


# -- when a workflow holds --------------------------------------------------------------------------------------


def test_a_sure_visit_of_the_committee_holds() -> None:
    play = begun(TWO)
    assert play.to_the_end(SURE) == Finish(End.HOLD)
    assert [(one.visit, one.ends_visit, one.held) for one in play.over] == [(1, False, False), (1, True, True)]


def test_a_visit_with_a_frame_above_its_threshold_does_not_hold() -> None:
    play = begun(TWO)
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)
    assert not any(one.held for one in play.over)
    assert play.state.players[0].visit == play.rules.max_visits + 1


def test_a_stable_visit_holds_whatever_its_scores() -> None:
    play = begun(TWO, holds=Holds.STABLE)
    assert play.to_the_end(UNSURE) == Finish(End.HOLD)
    assert play.state.n_received == 2


def test_no_visit_of_a_general_model_holds() -> None:
    play = begun(TWO, pretrained_visits=2, holds=Holds.STABLE)
    assert play.to_the_end(SURE) == Finish(End.HOLD)
    assert [one.held for one in play.over if one.ends_visit] == [False, False, True]


def test_a_phase_that_is_always_the_general_model_s_keeps_no_visit_from_holding() -> None:
    first = phase("Phase0", driver=DrivenBy.PRETRAINED)
    play = begun((first, phase("Phase1")), holds=Holds.STABLE)
    assert play.to_the_end(SURE) == Finish(End.HOLD)
    assert [one.held for one in play.over if one.ends_visit] == [True]


def test_a_visit_that_explodes_does_not_hold() -> None:
    play = begun(holds=Holds.STABLE)
    play.tell(Built(0), Moved(0, 99, problem="atoms overlap"))
    assert play.over[-1].held is False


def test_visits_must_hold_in_a_row() -> None:
    play = begun(n_hold=2, max_visits=9)
    for score in (SURE, UNSURE, SURE):
        play.visit(score)
    assert play.state.players[0].n_held == 1
    play.visit(SURE)
    assert play.to_the_end() == Finish(End.HOLD)
    assert play.state.players[0].visit == 5


def test_who_holds_stands_still_while_others_play() -> None:
    play = begun(ONE, ONE)
    play.build()
    play.tell(*[Moved(0, 10, SURE)] * 10, *[Moved(1, 10, UNSURE)] * 10)
    assert [one.doing for one in play.state.players] == [Doing.OVER, Doing.BUILDING]
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)
    assert play.state.players[0].md_step == 100


# -- visits ahead of labels -------------------------------------------------------------------------------------


def test_a_visit_begins_while_labels_of_the_one_before_are_computed() -> None:
    play = begun(max_visits=9)
    play.visit(UNSURE)
    assert decide(play.state, play.rules) == Build(0)


def test_nobody_is_further_ahead_of_its_labels_than_it_may_be() -> None:
    play = begun(ONE, ONE, max_visits=9)
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 10)
    play.build()
    play.tell(*[Moved(0, 10, SURE)] * 10)
    assert not may_begin(play.state, play.rules, 0)
    assert decide(play.state, play.rules) == Advance((1,), 10, (1,)), "the other one does not care"
    play.tell(*[Moved(1, 10, SURE)] * 10)
    assert decide(play.state, play.rules) == Await()
    play.answer()
    assert may_begin(play.state, play.rules, 0)


def test_with_none_ahead_each_visit_waits_for_its_labels() -> None:
    play = begun(max_visits=9, visits_ahead=0)
    play.visit(UNSURE)
    assert decide(play.state, play.rules) == Await()
    play.answer()
    assert decide(play.state, play.rules) == Build(0)


def test_later_phases_of_a_visit_begin_without_its_labels() -> None:
    play = begun(TWO, visits_ahead=0)
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 10)
    assert play.state.in_flight
    assert decide(play.state, play.rules) == Build(0)


# -- labels are learned -----------------------------------------------------------------------------------------


def test_labels_are_split_by_the_quota() -> None:
    play, splits = begun((phase(n_windows=10),)), []
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 10)
    for pick in play.state.in_flight:
        (kept,) = play.tell(LabelArrived(pick.player, pick.md_step))
        assert isinstance(kept, KeepLabel)
        splits.append(kept.split)
    assert splits[:6] == [Split.TRAINING, Split.VALIDATION, *[Split.TRAINING] * 3, Split.VALIDATION]
    assert (play.state.counts.n_train, play.state.counts.n_valid) == (7, 3)


def test_training_and_md_take_turns_and_labels_that_come_together_are_learned_together() -> None:
    play = begun((phase(n_windows=10),))
    play.build()
    play.tell(Moved(0, 10, UNSURE), Moved(0, 10, UNSURE))
    play.answer()
    assert decide(play.state, play.rules) == Train(2)
    play.tell(EpochsDone(2, 0.05))
    assert (play.state.epochs_due, play.state.force_mae) == (2, 0.05)
    assert decide(play.state, play.rules) == Advance((0,), 10, (0,))
    play.tell(Moved(0, 10, SURE))
    assert decide(play.state, play.rules) == Train(2)
    play.tell(EpochsDone(2, None))
    assert (play.state.epochs_due, play.state.n_epochs, play.state.force_mae) == (0, 4, 0.05)
    assert decide(play.state, play.rules) == Advance((0,), 10, (0,))


def test_what_is_due_is_trained_before_a_stage_is_over() -> None:
    play = begun(max_visits=1)
    play.visit(UNSURE)
    assert decide(play.state, play.rules) == Await()
    play.answer()
    seen = []
    while not isinstance(command := decide(play.state, play.rules), Finish):
        seen.append(command)
        play.tell(EpochsDone(2, None))
    assert seen == [Train(2), Train(2)]
    assert command == Finish(End.VISITS)


# -- from scratch, and without models ---------------------------------------------------------------------------


def test_from_scratch_all_wait_for_one_another_and_for_labels() -> None:
    play = begun(ONE, (phase(n_steps=200, n_windows=1),), from_scratch=True)
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 10, *[Moved(1, 10, UNSURE)] * 10)
    assert play.state.players[0].doing is Doing.WAITING
    assert decide(play.state, play.rules) == Advance((1,), 10, (1,))
    play.tell(*[Moved(1, 10, UNSURE)] * 10)
    assert decide(play.state, play.rules) == Await()
    play.answer()
    assert play.state.epochs_due == 0, "nothing is trained on the way"
    assert decide(play.state, play.rules) == LearnAll()
    play.tell(AllLearned(30))
    assert play.state.doing(Doing.BUILDING) == (0, 1)
    assert (play.state.n_epochs, play.state.n_unlearned) == (30, 0)


def test_from_scratch_who_holds_is_over_when_models_have_learned_from_all() -> None:
    play = begun(ONE, ONE, from_scratch=True)
    play.build()
    play.tell(*[Moved(0, 10, SURE)] * 10, *[Moved(1, 10, UNSURE)] * 10)
    play.answer()
    play.tell(AllLearned(30))
    assert [one.doing for one in play.state.players] == [Doing.OVER, Doing.BUILDING]
    assert play.to_the_end(SURE) == Finish(End.HOLD)


def test_a_first_visit_without_models_ends_in_a_training_and_later_ones_learn_as_labels_come() -> None:
    play = begun(ONE, ONE, has_committee=False, pretrained_visits=1)
    play.visit(None)
    assert decide(play.state, play.rules) == Await()
    play.answer()
    assert play.state.epochs_due == 0
    assert decide(play.state, play.rules) == LearnAll()
    play.tell(AllLearned(9))
    assert play.state.has_committee
    play.visit(UNSURE)
    assert play.state.doing(Doing.WAITING) == ()
    play.answer()
    assert isinstance(decide(play.state, play.rules), Build | Train)
    assert play.state.epochs_due == play.rules.epochs_per_label


def test_without_models_and_without_labels_nothing_can_follow_until_it_is_mended() -> None:
    play = begun(has_committee=False, pretrained_visits=1)
    play.visit(None)
    play.answer(fails=True, is_of_structure=True)
    assert decide(play.state, play.rules) == LearnAll()
    play.tell(AllLearned(0))
    assert decide(play.state, play.rules) == Finish(End.NOTHING)
    play.state = reopened(play.state, play.rules)
    assert decide(play.state, play.rules) == Build(0)
    assert drivers(play) == [OTHER], "there are still no models that could drive"
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)
    assert play.state.players[0].md_step == 100 * (1 + play.rules.max_visits)


def test_first_visits_whose_labels_have_all_failed_are_made_again_when_that_was_mended() -> None:
    play = begun((phase(n_windows=5),), has_committee=False, pretrained_visits=1, max_failures=3)
    play.visit(None)
    play.answer(fails=True)
    assert decide(play.state, play.rules) == Finish(End.FAILURES)
    play.state = reopened(play.state, play.rules)
    assert decide(play.state, play.rules) == Build(0)
    assert drivers(play) == [OTHER]
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)


# -- budgets ----------------------------------------------------------------------------------------------------


def test_who_may_ask_for_no_more_labels_begins_no_other_visit() -> None:
    play = begun(max_visits=9, budgets=(Budget(frozenset({0}), 2),))
    assert play.to_the_end(UNSURE) == Finish(End.BUDGETS)
    assert (play.state.n_received, play.state.players[0].visit) == (2, 3)


def test_players_of_one_system_share_its_budget_and_those_of_others_have_their_own() -> None:
    budgets = (Budget(frozenset({0, 1}), 3), Budget(frozenset({2}), 1))
    play = begun(ONE, ONE, ONE, ONE, max_visits=4, budgets=budgets)
    assert play.to_the_end(UNSURE) == Finish(End.BUDGETS)
    n_labels = [one.n_labels for one in play.state.players]
    assert n_labels[0] + n_labels[1] == 3
    assert n_labels[2:] == [1, 4]


def test_beyond_its_budget_nobody_asks_within_a_visit() -> None:
    play = begun((phase(n_windows=10),), budgets=(Budget(frozenset({0}), 4),))
    play.visit(UNSURE)
    assert [one.md_step for one in play.asked] == [10, 20, 30, 40]
    assert len(play.state.in_flight) == 4


def test_a_budget_that_the_last_frame_of_a_visit_has_used_up_lets_no_other_visit_begin() -> None:
    play = begun(max_visits=9, budgets=(Budget(frozenset({0}), 1),))
    play.visit(UNSURE)
    assert play.state.players[0].doing is Doing.OVER


def test_a_label_that_fails_gives_its_place_back_and_the_player_goes_on() -> None:
    play = begun(max_visits=9, budgets=(Budget(frozenset({0}), 1),))
    play.visit(UNSURE)
    play.answer(fails=True)
    assert decide(play.state, play.rules) == Build(0)
    assert play.to_the_end(UNSURE) == Finish(End.BUDGETS)
    assert play.state.n_received == 1


# -- what fails -------------------------------------------------------------------------------------------------


def test_labels_that_fail_in_a_row_end_a_stage_and_those_that_come_end_the_row() -> None:
    play = begun((phase(n_windows=10),))
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 6)
    first, second, third, *others = play.state.in_flight
    for pick in (first, second):
        play.tell(LabelFailed(pick.player, pick.md_step, False))
    play.tell(LabelArrived(third.player, third.md_step))
    assert play.state.n_failed_in_row == 0
    for pick in others:
        assert play.state.stopping is None
        play.tell(LabelFailed(pick.player, pick.md_step, False))
    assert decide(play.state, play.rules) == Finish(End.FAILURES)
    assert (play.state.n_received, play.state.n_failed, play.state.in_flight) == (1, 5, ())


def test_structures_that_are_to_blame_do_not_count_and_do_not_end_the_row() -> None:
    play = begun((phase(n_windows=10),))
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 8)
    blamed = [True, True, True, False, True, False, True]
    for pick, is_of_structure in zip(play.state.in_flight, blamed, strict=False):
        play.tell(LabelFailed(pick.player, pick.md_step, is_of_structure))
    assert (play.state.n_failed, play.state.n_failed_in_row, play.state.stopping) == (7, 2, None)


def test_a_stage_that_failures_ended_goes_on_from_where_it_was() -> None:
    play = begun((phase(n_windows=10),))
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 3)
    play.answer(fails=True)
    assert decide(play.state, play.rules) == Finish(End.FAILURES)
    play.state = reopened(play.state, play.rules)
    assert decide(play.state, play.rules) == Advance((0,), 10, (0,))
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)


def test_a_structure_that_can_not_be_built_ends_its_visit_with_its_words() -> None:
    play = begun(TWO, max_visits=9)
    play.build()
    play.tell(*[Moved(0, 10, SURE)] * 10)
    (over,) = play.tell(NO_TIME)
    assert over == PhaseOver(0, 1, 1, 0, None, NO_TIME.words, ends_visit=True)
    assert decide(play.state, play.rules) == Build(0)
    (player,) = play.state.players
    assert (player.visit, player.phase, player.n_broken, player.n_held) == (2, 0, 1, 0)


def test_structures_that_can_not_be_built_visit_after_visit_end_a_stage_though_phases_before_them_can() -> None:
    play = begun(TWO, max_visits=9)
    for _ in range(play.rules.max_failures):
        assert play.state.stopping is None
        play.tell(Built(0), *[Moved(0, 10, SURE)] * 10, NO_TIME)
    assert decide(play.state, play.rules) == Finish(End.BROKEN)


def test_a_visit_that_ends_otherwise_ends_their_row() -> None:
    play = begun(max_visits=9)
    play.tell(NO_TIME, NO_TIME, Built(0), Moved(0, 3, problem="atoms overlap"), NO_TIME, NO_TIME)
    assert play.state.stopping is None
    assert play.state.players[0].n_broken == 2


def test_a_workflow_of_which_no_visit_could_be_built_ends_a_stage_however_few_there_may_be() -> None:
    play = begun(ONE, ONE, max_visits=2)
    play.tell(NO_TIME, NO_TIME)
    assert decide(play.state, play.rules) == Finish(End.BROKEN)


def test_visits_that_could_not_be_built_are_made_when_they_can() -> None:
    play = begun(ONE, ONE, max_visits=3)
    play.tell(Built(1), Moved(1, 10, SURE))
    play.tell(Built(0), *[Moved(0, 10, UNSURE)] * 10, NO_TIME, NO_TIME)
    assert play.state.stopping is None
    play.state = replace(play.state, stopping=End.BROKEN)
    play.state = reopened(play.state, play.rules)
    assert (play.state.players[0].visit, play.state.players[0].n_broken) == (2, 0)
    assert play.state.players[1].doing is Doing.MOVING
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)
    assert {one.visit for one in play.state.players} == {4}


def test_an_answer_to_what_nobody_has_asked_is_refused() -> None:
    play = begun()
    with pytest.raises(OutOfTurn, match="a label of player 0, step 10, arrived that was not in flight"):
        play.tell(LabelArrived(0, 10))


# -- rules that change ------------------------------------------------------------------------------------------


def ended(rules: PlayRules) -> Play:
    play = Play(rules)
    assert isinstance(play.to_the_end(UNSURE), Finish)
    return play


def with_rules(play: Play, **changes: object) -> Play:
    play.rules = replace(play.rules, **changes)  # type: ignore[arg-type]
    play.state = reopened(play.state, play.rules)
    return play


def test_a_stage_that_was_over_goes_on_when_it_may_make_more_visits() -> None:
    play = ended(rules_of())
    play.state = replace(play.state, stopping=End.VISITS)
    assert decide(with_rules(play).state, play.rules) == Finish(End.VISITS), "as many as before"
    assert decide(with_rules(play, max_visits=5).state, play.rules) == Build(0)
    assert play.to_the_end(UNSURE) == Finish(End.VISITS)
    assert play.state.players[0].visit == 6


def test_who_has_made_its_visits_goes_on_while_others_still_play() -> None:
    play = begun(ONE, (phase(n_steps=1000, n_windows=1),), max_visits=1)
    play.build()
    play.tell(*[Moved(0, 10, UNSURE)] * 10)
    assert play.state.players[0].doing is Doing.OVER
    assert decide(with_rules(play, max_visits=2).state, play.rules) == Build(0)


def test_who_holds_is_not_played_again_when_there_may_be_more_visits() -> None:
    play = begun(ONE, ONE, max_visits=1)
    play.build()
    play.tell(*[Moved(0, 10, SURE)] * 10, *[Moved(1, 10, UNSURE)] * 10)
    assert play.to_the_end() == Finish(End.VISITS)
    play.state = replace(play.state, stopping=End.VISITS)
    with_rules(play, max_visits=4)
    assert [one.doing for one in play.state.players] == [Doing.OVER, Doing.BUILDING]


def test_who_had_all_the_labels_that_it_may_ask_for_goes_on_when_it_may_ask_for_more() -> None:
    play = ended(rules_of(max_visits=9, budgets=(Budget(frozenset({0}), 2),)))
    play.state = replace(play.state, stopping=End.BUDGETS)
    assert decide(with_rules(play, budgets=(Budget(frozenset({0}), 4),)).state, play.rules) == Build(0)
    assert play.to_the_end(UNSURE) == Finish(End.BUDGETS)
    assert play.state.n_received == 4


def test_a_stage_in_which_every_workflow_holds_stays_over() -> None:
    play = begun()
    assert play.to_the_end(SURE) == Finish(End.HOLD)
    play.state = replace(play.state, stopping=End.HOLD)
    assert decide(with_rules(play, max_visits=99).state, play.rules) == Finish(End.HOLD)


def test_nothing_is_reopened_where_nothing_has_changed() -> None:
    play = begun(ONE, TWO, budgets=(Budget(frozenset({0}), 2),))
    for _ in range(4):
        assert reopened(play.state, play.rules) == play.state
        play.visit(UNSURE)
        play.answer()
    assert play.state.players[0] != Player()
