"""Random plays: whatever fails, explodes or comes late, every promise is kept, and a stage ends."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.quota import Quota
from aims_pax.learner.state import Budget
from aims_pax.learner.workflows import (
    Advance,
    AllLearned,
    Await,
    Build,
    BuildFailed,
    Built,
    Consequence,
    Doing,
    DrivenBy,
    End,
    EpochsDone,
    Event,
    Finish,
    HoldFrame,
    Holds,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    LearnAll,
    Moved,
    PhaseOver,
    PhaseRule,
    PlayRules,
    PlayState,
    Submit,
    Train,
    begin,
    decide,
    driver_of,
    reopened,
    transition,
)

from ...profiles import times

MENDED = (End.FAILURES, End.BROKEN, End.NOTHING)
"""What stops a campaign until somebody has mended something."""


@st.composite
def phases(draw: st.DrawFn, drivers: tuple[DrivenBy | None, ...]) -> PhaseRule:
    n_steps = draw(st.integers(1, 60))
    return PhaseRule(
        "Phase",
        n_steps,
        draw(st.integers(0, min(n_steps, 5))),
        draw(st.floats(0.0, 1.0)),
        draw(st.sampled_from(drivers)),
    )


@st.composite
def plays(draw: st.DrawFn) -> tuple[PlayRules, bool]:
    """Rules, and whether there are models at the beginning."""
    n_players, has_committee = draw(st.integers(1, 5)), draw(st.booleans())
    has_pretrained = not has_committee or draw(st.booleans())
    drivers: tuple[DrivenBy | None, ...] = (None,)
    drivers += (DrivenBy.PRETRAINED,) if has_pretrained else ()
    drivers += (DrivenBy.COMMITTEE,) if has_committee else ()
    programs = st.lists(phases(drivers), min_size=1, max_size=3).map(tuple)
    several = tuple(draw(programs) for _ in range(n_players))
    shared = Budget(frozenset(range(0, n_players, 2)), draw(st.integers(1, 12)))
    epochs = draw(st.integers(1, 6))
    rules = PlayRules(
        programs=several,
        skip_steps=draw(st.integers(1, 25)),
        quota=Quota(draw(st.floats(0.05, 0.6))),
        epochs_per_label=epochs,
        epochs_per_slice=draw(st.integers(1, epochs)),
        max_visits=draw(st.integers(1, 5)),
        holds=draw(st.sampled_from(Holds)),
        n_hold=draw(st.integers(1, 2)),
        from_scratch=draw(st.booleans()),
        pretrained_visits=draw(st.integers(0 if has_committee else 1, 2)) if has_pretrained else 0,
        hand_over=draw(st.sampled_from([None, 0.5])) if has_pretrained else None,
        visits_ahead=draw(st.integers(0, 2)),
        max_failures=draw(st.integers(1, 4)),
        budgets=(shared,) if draw(st.booleans()) else (),
    )
    return rules, has_committee


class RandomPlay:
    """A shell without MD, labels or models: what happens next is drawn, and every promise is looked at.

    Parameters
    ----------
    frailty : float
        How often structures can't be built, MD explodes, and labels fail.
    """

    def __init__(self, rules: PlayRules, *, has_committee: bool, frailty: float, seed: int) -> None:
        self.rules, self.random, self.frailty = rules, Random(seed), frailty
        self.state = begin(rules, has_committee=has_committee)
        n = len(rules.programs)
        self.asked: dict[tuple[int, int], int] = {}
        self.answered: Counter[tuple[int, int]] = Counter()
        self.n_kept = self.n_failed = self.n_steps = 0
        self.begun_at = [0] * n
        self.held: dict[int, int] = {}
        self.seen: list[list[tuple[int, float | None]]] = [[] for _ in range(n)]
        self.windows: set[tuple[int, int, int]] = set()
        self.ends: list[list[PhaseOver]] = [[] for _ in range(n)]

    def run(self) -> End:
        """Play on to an end; the state goes through text, and through an interruption, at any moment."""
        for _ in range(50_000):
            if self.random.random() < 0.03:
                copy = from_text(PlayState, to_text(self.state))
                assert copy == self.state
                self.state = copy
            assert self.state.stopping is not None or reopened(self.state, self.rules) == self.state
            while self.state.in_flight and self.random.random() < 0.2 and self.state.stopping is None:
                self._answer()
            match decide(self.state, self.rules):
                case Build(index):
                    self._build(index)
                case Advance() as command:
                    self._advance(command)
                case Train(n_epochs):
                    assert 1 <= n_epochs <= self.rules.epochs_per_slice
                    assert self.state.has_committee
                    assert not self.rules.from_scratch
                    self._feed(EpochsDone(n_epochs, self.random.random()))
                case LearnAll():
                    self._learn_all()
                case Await():
                    assert self.state.in_flight, "or it waits for ever"
                    self._answer()
                case Finish(end):
                    self.state = replace(self.state, stopping=end)
                    return end
        pytest.fail("the play did not end")

    def _fails(self) -> bool:
        return self.random.random() < self.frailty

    def _build(self, index: int) -> None:
        state, player = self.state, self.state.players[index]
        assert player.doing is Doing.BUILDING
        own = [pick for pick in state.in_flight if pick.player == index]
        assert player.phase or all(pick.visit >= player.visit - self.rules.visits_ahead for pick in own)
        if self._fails():
            self._feed(BuildFailed(index, "no place is left"))
            return
        driver = driver_of(player, self.rules, index)
        assert state.has_committee or driver is DrivenBy.PRETRAINED, "no models drive that are not there"
        self.begun_at[index], self.seen[index] = player.md_step, []
        self._feed(Built(index))

    def _advance(self, command: Advance) -> None:
        assert command.players == self.state.doing(Doing.MOVING), "all move together"
        assert 1 <= command.n_steps <= self.rules.skip_steps
        for index in command.players:
            player = self.state.players[index]
            rule = self.rules.phase(index, player.phase)
            assert player.phase_step + command.n_steps <= rule.window_end(player.phase_step), "no window is passed by"
            score = self.random.random() if self.state.has_committee and index in command.judged else None
            if self._fails():
                self._feed(Moved(index, self.random.randint(0, command.n_steps - 1), problem="atoms overlap"))
            elif self.random.random() < 0.02:
                score = self.random.random() if self.state.has_committee and rule.n_windows else None
                self._feed(Moved(index, self.random.randint(1, command.n_steps), score, is_at_rest=True))
            else:
                self._feed(Moved(index, command.n_steps, score))
        self.n_steps += command.n_steps

    def _learn_all(self) -> None:
        assert not self.state.in_flight, "nobody learns before all labels are there"
        assert not self.state.doing(Doing.MOVING)
        assert self.state.doing(Doing.WAITING)
        assert self.rules.from_scratch or not self.state.has_committee
        self._feed(AllLearned(self.random.randint(0, 9)))
        assert not self.state.doing(Doing.WAITING) or self.state.stopping is End.NOTHING

    def _answer(self) -> None:
        pick = self.random.choice(self.state.in_flight)
        if self._fails():
            self.n_failed += 1
            self._answered(pick.player, pick.md_step)
            self._feed(LabelFailed(pick.player, pick.md_step, self.random.random() < 0.5))
            return
        self.n_kept += 1
        self._answered(pick.player, pick.md_step)
        (kept,) = self._feed(LabelArrived(pick.player, pick.md_step))
        assert isinstance(kept, KeepLabel)
        assert (kept.player, kept.md_step) == (pick.player, pick.md_step)

    def _answered(self, player: int, md_step: int) -> None:
        assert (player, md_step) in self.asked
        self.answered[player, md_step] += 1

    def _feed(self, event: Event) -> tuple[Consequence, ...]:
        before = self.state
        self.state, consequences = transition(before, event, self.rules)
        for old, new in zip(before.players, self.state.players, strict=True):
            assert new.md_step >= old.md_step, "steps are never taken back"
            assert old.doing is Doing.MOVING or new.md_step == old.md_step, "only who moves makes steps"
        if isinstance(event, Moved) and event.problem is None:
            made = before.players[event.player].md_step + event.n_steps
            if self.rules.phase(event.player, before.players[event.player].phase).n_windows:
                self.seen[event.player].append((made, event.score))
        for one in consequences:
            match one:
                case HoldFrame(index):
                    player = before.players[index]
                    assert isinstance(event, Moved)
                    self.held[index] = player.md_step + event.n_steps
                case Submit():
                    assert isinstance(event, Moved)
                    self._submitted(one, event, before)
                case PhaseOver():
                    self.ends[one.player].append(one)
        self._look()
        return consequences

    def _submitted(self, asked: Submit, event: Moved, before: PlayState) -> None:
        index, player = asked.player, before.players[asked.player]
        rule = self.rules.phase(index, player.phase)
        begun, now = self.begun_at[index], player.phase_step + event.n_steps
        assert self.held[index] == asked.md_step, "it is the structure that was kept"
        assert begun < asked.md_step <= begun + now
        number = _window(rule, asked.md_step - begun)
        assert number == _window(rule, max(1, now)), "the window that ends here, and no other"
        assert (index, begun, number) not in self.windows, "one label of each window"
        self.windows.add((index, begun, number))
        inside = [(step, score) for step, score in self.seen[index] if _window(rule, step - begun) == number]
        if driver_of(player, self.rules, index) is DrivenBy.PRETRAINED:
            assert asked.md_step == inside[-1][0], "uniform in time"
        else:
            scores = [score for _, score in inside if score is not None]
            assert asked.score == max(scores)
            assert asked.score >= rule.threshold
        assert (index, asked.md_step) not in self.asked, "no structure is asked for twice"
        self.asked[index, asked.md_step] = player.visit

    def _look(self) -> None:
        state = self.state
        in_flight = {(pick.player, pick.md_step) for pick in state.in_flight}
        assert len(in_flight) == len(state.in_flight)
        assert not in_flight & self.answered.keys()
        assert in_flight | self.answered.keys() == self.asked.keys(), "asked for: answered, or in flight"
        assert max(self.answered.values(), default=1) == 1
        assert (state.n_received, state.n_failed) == (self.n_kept, self.n_failed)
        assert state.n_requested == len(self.asked)
        assert state.counts.n_train + state.counts.n_valid == state.n_received
        assert abs(state.counts.n_valid - self.rules.quota.ratio * state.n_received) <= 1
        assert sum(one.n_labels for one in state.players) == state.n_received + len(in_flight)
        for budget in self.rules.budgets:
            assert sum(state.players[index].n_labels for index in budget.trajectories) <= budget.max_labels
        assert state.has_committee or not state.doing(Doing.OVER), "models are made of what everyone has found"


def _window(rule: PhaseRule, step: int) -> int:
    """Which window a step belongs to, from 1."""
    number, end = 1, rule.window_end(0)
    while step > end:
        number, end = number + 1, rule.window_end(end)
    return number


def assert_ended_well(play: RandomPlay, end: End) -> None:
    """What is true of a stage that nothing has stopped."""
    state, rules = play.state, play.rules
    assert not state.in_flight
    assert state.epochs_due == 0
    assert {one.doing for one in state.players} == {Doing.OVER}
    for index, own in enumerate(play.ends):
        visits = [one for one in own if one.ends_visit]
        last = visits[-rules.n_hold :]
        holds = len(last) == rules.n_hold and all(one.held for one in last)
        assert holds == (state.players[index].n_held >= rules.n_hold)
        if end is End.HOLD:
            assert holds
        if end is End.VISITS:
            assert holds or visits[-1].visit == rules.max_visits
    if end is End.BUDGETS:
        assert rules.budgets


@times(0.5)
@given(plays(), st.sampled_from([0.0, 0.03, 0.2]), st.integers(0, 2**32))
def test_random_plays_keep_every_promise_and_end(drawn: tuple[PlayRules, bool], frailty: float, seed: int) -> None:
    rules, has_committee = drawn
    play = RandomPlay(rules, has_committee=has_committee, frailty=frailty, seed=seed)
    end = play.run()
    for _ in range(2):  # what was asked for before it was mended may be all that a first visit has
        if end in MENDED:
            play.frailty = 0.0
            play.state = reopened(play.state, play.rules)
            end = play.run()
    if end is End.NOTHING:
        assert not any(one.n_windows for program in rules.programs for one in program)
        return
    assert_ended_well(play, end)
    if end in (End.VISITS, End.BUDGETS):
        more = tuple(replace(one, max_labels=one.max_labels + 5) for one in rules.budgets)
        play.rules = replace(rules, max_visits=rules.max_visits + 2, budgets=more)
        n_before, play.frailty = play.n_steps, 0.0
        play.state = reopened(play.state, play.rules)
        assert play.state.stopping is None
        assert_ended_well(play, play.run())
        assert play.n_steps > n_before


def test_one_long_play_of_many_players() -> None:
    """Thousands of steps, with all that can happen."""
    program = (PhaseRule("Phase0", 40, 3, 0.3), PhaseRule("Phase1", 25, 0), PhaseRule("Phase2", 60, 5, 0.6))
    rules = PlayRules(
        programs=(program,) * 6,
        skip_steps=7,
        quota=Quota(0.2),
        epochs_per_label=5,
        epochs_per_slice=2,
        max_visits=10,
        n_hold=2,
        pretrained_visits=1,
        hand_over=0.9,
        max_failures=10**6,
    )
    play = RandomPlay(rules, has_committee=False, frailty=0.01, seed=7)
    assert_ended_well(play, play.run())
    assert play.state.md_steps > 4000
    assert min(play.state.n_received, play.state.n_failed) >= 3
