"""Trajectories that share their models, and are checked at intervals of their own: pure rules, and random flights."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.frame import Split
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.checks import Adaptive, CheckRules, Differences, Tolerances, next_interval
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.decide import decide
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    ChunkUnphysical,
    Consequence,
    EpochsDone,
    Event,
    Finish,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    Rewind,
    SubmitLabel,
    Train,
)
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import PickReason
from aims_pax.learner.state import LIVE, Phase, Rules, State, StopReason
from aims_pax.learner.transition import begin, transition

from ..castep.published import AL2O3, FAILED

TOLERANCES = Tolerances(ediff=0.01)
HOLDS, BREAKS = Differences(0.001, 0.0, 0.0), Differences(0.5, 0.0, 0.0)
ADAPTIVE = CheckRules(TOLERANCES, check_interval=20, adaptive=Adaptive(n_min=10, n_max=60, factor=2.0))
N_EPOCHS = 5


def rules_of(checks: CheckRules = ADAPTIVE, **changed: object) -> Rules:
    """Rules of a flight; `early` and `goes_back` are the selector's."""
    own = {key: changed.pop(key) for key in ("early", "goes_back") if key in changed}
    usual = Rules(
        selectors=(CheckIntervals(checks, **own),),  # type: ignore[arg-type]
        cadence=PerLabel(epochs_per_label=N_EPOCHS, epochs_per_slice=N_EPOCHS),
        quota=Quota(0.4),
        skip_steps=10,
        max_failures=3,
        max_md_steps=10_000,
    )
    return replace(usual, **changed)  # type: ignore[arg-type]


RULES = rules_of()


def start(rules: Rules = RULES, *, n_trajectories: int = 2) -> State:
    return begin(rules, n_trajectories=n_trajectories, n_initial_train=10)


def play(state: State, *events: Event, rules: Rules = RULES) -> tuple[State, tuple[Consequence, ...]]:
    consequences: tuple[Consequence, ...] = ()
    for event in events:
        state, consequences = transition(state, event, rules)
    return state, consequences


def flown(trajectory: int, n_steps: int) -> list[Event]:
    """MD steps in chunks of ten at most."""
    return [ChunkDone(trajectory, min(10, n_steps - made)) for made in range(0, n_steps, 10)]


def at_check(state: State | None = None, *, trajectory: int = 0, rules: Rules = RULES) -> State:
    """A trajectory waits for the label of its next check."""
    state = start(rules) if state is None else state
    state, asked = play(state, *flown(trajectory, interval(state, trajectory, rules)), rules=rules)
    assert [one.trajectory for one in asked if isinstance(one, SubmitLabel)] == [trajectory]
    return state


def label(state: State, found: Differences | None, *, trajectory: int = 0) -> LabelArrived:
    return LabelArrived(trajectory, state.trajectories[trajectory].md_step, 0.1, found)


def interval(state: State, trajectory: int, rules: Rules = RULES) -> int:
    (selector,) = rules.selectors
    assert isinstance(selector, CheckIntervals)
    return selector.interval(state.memory_of(selector.name), trajectory)


# -- when a check is due ----------------------------------------------------------------------------------------


def test_check_is_asked_for_at_its_step_and_its_trajectory_waits() -> None:
    state, consequences = play(start(), *flown(0, 20))
    assert consequences == (SubmitLabel(0, PickReason.CHECK, "check"),)
    assert state.in_phase(Phase.WAITING) == (0,)
    assert decide(state, RULES) == Advance((1,), 10)


def test_all_move_together_up_to_the_first_check_that_is_due() -> None:
    rules = rules_of(skip_steps=1000)
    state, _ = play(start(rules, n_trajectories=3), ChunkDone(1, 13), ChunkDone(2, 4), rules=rules)
    assert decide(state, rules) == Advance((0, 1, 2), 7)


def test_none_is_moved_beyond_its_last_step() -> None:
    rules = rules_of(max_md_steps=25)
    state, _ = play(start(rules), *flown(0, 20), rules=rules)
    state, _ = play(state, label(state, HOLDS), *flown(1, 10), rules=rules)
    assert decide(state, rules) == Advance((0, 1), 5), "the first has five steps left, and no check in them"
    state, _ = play(state, ChunkDone(0, 5), ChunkDone(1, 5), rules=rules)
    assert state.in_phase(Phase.FINISHED) == (0,)
    assert decide(state, rules) == Advance((1,), 5)


def test_flight_that_has_made_all_its_steps_is_over() -> None:
    rules = rules_of(max_md_steps=10)
    state, _ = play(start(rules), *flown(0, 10), *flown(1, 10), rules=rules)
    assert decide(state, rules) == Finish(StopReason.MD_STEPS)


def test_check_at_the_last_step_is_learned_before_the_flight_is_over() -> None:
    rules = rules_of(max_md_steps=20)
    state = at_check(start(rules, n_trajectories=1), rules=rules)
    assert decide(state, rules) == AwaitLabel()
    state, _ = play(state, label(state, BREAKS), rules=rules)
    assert decide(state, rules) == Train(N_EPOCHS)
    state, _ = play(state, EpochsDone(N_EPOCHS, None), rules=rules)
    assert decide(state, rules) == Finish(StopReason.MD_STEPS)


# -- what follows from a check ----------------------------------------------------------------------------------


def test_trajectory_whose_check_passes_runs_on_from_there() -> None:
    state, consequences = play(at_check(), label(at_check(), HOLDS))
    assert consequences == (KeepLabel(0, Split.TRAINING),)
    assert state.trajectories[0].phase is Phase.RUNNING
    assert (state.trajectories[0].quiet_steps, state.trajectories[0].epochs_left) == (0, 0)
    assert decide(state, RULES) == Advance((0, 1), 10), "nothing is trained"


def test_tolerance_that_is_broken_is_learned_with_all_epochs() -> None:
    state, consequences = play(at_check(), label(at_check(), BREAKS))
    assert consequences == (KeepLabel(0, Split.TRAINING),)
    assert state.trajectories[0].phase is Phase.TRAINING
    assert decide(state, RULES) == Train(N_EPOCHS)
    state, _ = play(state, EpochsDone(N_EPOCHS, None))
    assert state.trajectories[0].phase is Phase.RUNNING
    assert state.n_epochs == N_EPOCHS


def test_one_training_serves_all_that_wait_for_it() -> None:
    state = at_check(at_check(), trajectory=1)
    state, _ = play(state, label(state, BREAKS), label(state, BREAKS, trajectory=1))
    assert decide(state, RULES) == Train(N_EPOCHS)
    state, _ = play(state, EpochsDone(N_EPOCHS, None))
    assert state.in_phase(Phase.RUNNING) == (0, 1)


def test_labels_of_passed_checks_keep_the_quota_and_broken_ones_always_train() -> None:
    state, splits = start(n_trajectories=1), []
    for found in (HOLDS, HOLDS, BREAKS, BREAKS, BREAKS, BREAKS, HOLDS, HOLDS, HOLDS):
        state, (kept, *_) = play(at_check(state), label(at_check(state), found))
        assert isinstance(kept, KeepLabel)
        splits.append(kept.split)
        state, _ = play(state, EpochsDone(N_EPOCHS, None))
    train, valid = Split.TRAINING, Split.VALIDATION
    # What breaks a tolerance counts, too: passed ones validate until their share is 0.4 again.
    assert splits == [train, valid, *[train] * 4, *[valid] * 3]
    assert (state.counts[0].n_train, state.counts[0].n_valid) == (5, 4)
    assert state.train_size == 10 + 5


def test_intervals_of_two_trajectories_grow_and_shrink_apart() -> None:
    state, seen = start(), []
    for trajectory, found in ((0, HOLDS), (1, BREAKS), (0, HOLDS), (1, BREAKS), (0, BREAKS), (1, HOLDS)):
        state = at_check(state, trajectory=trajectory)
        state, _ = play(state, label(state, found, trajectory=trajectory), EpochsDone(N_EPOCHS, None))
        seen.append((interval(state, 0), interval(state, 1)))
    assert seen == [(40, 20), (40, 10), (60, 10), (60, 10), (30, 10), (30, 20)]


def test_check_of_a_later_trajectory_leaves_those_before_it_their_first_interval() -> None:
    state = at_check(start(n_trajectories=3), trajectory=2)
    state, _ = play(state, label(state, HOLDS, trajectory=2))
    assert [interval(state, index) for index in range(3)] == [20, 20, 40]


def test_fixed_intervals_are_kept() -> None:
    rules = rules_of(replace(ADAPTIVE, adaptive=None))
    state = start(rules, n_trajectories=1)
    for found in (HOLDS, BREAKS, HOLDS):
        state = at_check(state, rules=rules)
        state, _ = play(state, label(state, found), EpochsDone(N_EPOCHS, None), rules=rules)
    assert state.trajectories[0].md_step == 60


def test_trajectory_goes_back_where_that_is_wanted_and_steps_count_on() -> None:
    rules = rules_of(goes_back=True)
    state = at_check(rules=rules)
    state, consequences = play(state, label(state, BREAKS), rules=rules)
    assert consequences == (KeepLabel(0, Split.TRAINING, is_checkpoint=False), Rewind(0))
    assert (state.trajectories[0].md_step, state.trajectories[0].quiet_steps) == (20, 0)
    state, _ = play(state, EpochsDone(N_EPOCHS, None), rules=rules)
    state = at_check(state, rules=rules)
    assert state.trajectories[0].md_step == 20 + 10, "checked again after the interval that a failure leaves"
    _, consequences = play(state, label(state, HOLDS), rules=rules)
    assert consequences == (KeepLabel(0, Split.VALIDATION),), "it takes the place that was gone back to"


def test_models_that_may_not_learn_are_only_measured() -> None:
    rules = rules_of(replace(ADAPTIVE, can_update=False))
    state = start(rules, n_trajectories=1)
    for found in (HOLDS, BREAKS, BREAKS):
        state = at_check(state, rules=rules)
        state, _ = play(state, label(state, found), rules=rules)
        assert isinstance(decide(state, rules), Advance)
    assert (state.n_received, state.n_epochs, interval(state, 0)) == (3, 0, 10)


def test_models_that_learn_at_each_check_learn_what_holds_by_the_quota() -> None:
    rules = rules_of(replace(ADAPTIVE, always_updates=True))
    state, splits = start(rules, n_trajectories=1), []
    for found in (HOLDS, HOLDS):
        state = at_check(state, rules=rules)
        state, (kept, *_) = play(state, label(state, found), rules=rules)
        assert isinstance(kept, KeepLabel)
        splits.append(kept.split)
        assert decide(state, rules) == Train(N_EPOCHS)
        state, _ = play(state, EpochsDone(N_EPOCHS, None), rules=rules)
    assert splits == [Split.TRAINING, Split.VALIDATION]


def test_label_of_which_models_had_said_nothing_is_learned_and_leaves_the_interval() -> None:
    state = at_check()
    state, _ = play(state, LabelArrived(0, 20))
    assert state.trajectories[0].phase is Phase.TRAINING
    assert interval(state, 0) == 20


# -- what fails -------------------------------------------------------------------------------------------------


def test_check_without_a_label_goes_back_and_the_next_is_made_an_interval_later() -> None:
    state = at_check()
    state, consequences = play(state, LabelFailed(0, 20))
    assert consequences == (Rewind(0),)
    assert (state.trajectories[0].phase, state.trajectories[0].failures) == (Phase.RUNNING, 1)
    assert interval(state, 0) == 20, "nothing was seen of the models"
    assert at_check(state).trajectories[0].md_step == 40


def test_checks_that_fail_in_a_row_end_their_trajectory_and_a_label_ends_the_row() -> None:
    state = start(n_trajectories=1)
    for _ in range(2):
        state = at_check(state)
        state, _ = play(state, LabelFailed(0, state.trajectories[0].md_step))
    state = at_check(state)
    alive, _ = play(state, label(state, HOLDS), *flown(0, 40))
    alive, _ = play(alive, LabelFailed(0, alive.trajectories[0].md_step))
    assert alive.trajectories[0].failures == 1
    given_up, consequences = play(state, LabelFailed(0, state.trajectories[0].md_step))
    assert consequences == ()
    assert decide(given_up, RULES) == Finish(StopReason.ALL_FAILED)


def test_md_that_explodes_goes_back_and_its_steps_count_towards_the_check() -> None:
    state, consequences = play(start(), *flown(0, 10), ChunkUnphysical(0, 4, "atoms overlap"))
    assert consequences == (Rewind(0),)
    state, _ = play(state, *flown(1, 10))
    assert decide(state, RULES) == Advance((0, 1), 6)


# -- checks before their time -----------------------------------------------------------------------------------


def test_deviation_calls_a_check_at_once_and_the_interval_begins_anew() -> None:
    rules = rules_of(early=0.3)
    state, consequences = play(start(rules), ChunkDone(0, 10, 0.31), rules=rules)
    assert consequences == (SubmitLabel(0, PickReason.UNSURE, "check"),)
    state, _ = play(state, label(state, HOLDS), *flown(0, 30), rules=rules)
    assert state.trajectories[0].phase is Phase.RUNNING
    _, consequences = play(state, ChunkDone(0, 10, 0.1), rules=rules)
    assert consequences == (SubmitLabel(0, PickReason.CHECK, "check"),), "40 steps after the early one"


def test_deviation_at_the_limit_calls_none_and_a_check_that_is_due_is_no_early_one() -> None:
    rules = rules_of(early=0.3)
    state, consequences = play(start(rules), ChunkDone(0, 10, 0.3), rules=rules)
    assert consequences == ()
    _, consequences = play(state, ChunkDone(0, 10, 0.9), rules=rules)
    assert consequences == (SubmitLabel(0, PickReason.CHECK, "check"),)


def test_deviation_is_not_looked_at_where_nobody_has_said_how_large_it_may_be() -> None:
    _, consequences = play(start(), ChunkDone(0, 10, 1e6))
    assert consequences == ()
    assert not RULES.selectors[0].reads_scores


# -- whole flights ----------------------------------------------------------------------------------------------


def test_a_published_run_is_replayed_by_events() -> None:
    """Its 51 checks and 7 failures by one trajectory, whose steps are counted from the last initial one, the fifth."""
    n_initial, n_steps = 5, 100_000
    checks = CheckRules(Tolerances(ediff=0.005, frmse=0.3), 10, adaptive=Adaptive(10, 5000, 1.3))
    rules = rules_of(checks, max_md_steps=n_steps - n_initial)
    told = {step: Differences(energy / 1000, 9.9, force / 1000) for step, energy, force, _ in AL2O3}
    state, seen, failed = start(rules, n_trajectories=1), list[tuple[int, int]](), list[int]()
    while state.stopping is None:
        match decide(state, rules):
            case Advance(_, n_made):
                state, _ = transition(state, ChunkDone(0, n_made), rules)
            case AwaitLabel():
                step = state.trajectories[0].md_step
                state, _ = transition(state, LabelArrived(0, step, 0.0, told[step + n_initial]), rules)
                seen.append((step + n_initial, interval(state, 0, rules)))
            case Train(n_epochs):
                failed.append(state.trajectories[0].md_step + n_initial)
                state, _ = transition(state, EpochsDone(n_epochs, None), rules)
    assert seen == [(step, following) for step, *_, following in AL2O3]
    assert failed == FAILED
    assert state.stopping is StopReason.MD_STEPS
    assert state.n_epochs == N_EPOCHS * len(FAILED)


@st.composite
def flights(draw: st.DrawFn) -> Rules:
    adaptive = None
    if draw(st.booleans()):
        n_min = draw(st.integers(1, 30))
        adaptive = Adaptive(n_min, n_min + draw(st.integers(1, 200)), draw(st.floats(1.01, 3.0)))
    can_update = draw(st.booleans())
    checks = CheckRules(
        TOLERANCES,
        check_interval=draw(st.integers(1, 60)),
        adaptive=adaptive,
        can_update=can_update,
        always_updates=can_update and draw(st.booleans()),
    )
    return rules_of(
        checks,
        early=draw(st.sampled_from([float("inf"), 0.8])),
        goes_back=can_update and draw(st.booleans()),
        quota=Quota(draw(st.floats(0.05, 0.6))),
        skip_steps=draw(st.integers(1, 30)),
        max_failures=draw(st.integers(1, 4)),
        max_md_steps=draw(st.integers(1, 300)),
    )


class RandomFlight:
    """A shell without MD, labels or models: what happens next is drawn, and every promise is looked at."""

    def __init__(self, rules: Rules, *, n: int, seed: int) -> None:
        self.rules, self.random, self.state = rules, Random(seed), begin(rules, n_trajectories=n, n_initial_train=3)
        (selector,) = rules.selectors
        assert isinstance(selector, CheckIntervals)
        self.checks = selector
        self.asked: dict[int, int] = {}
        self.since = [0] * n
        self.intervals = [selector.rules.check_interval] * n
        self.answered: set[tuple[int, int]] = set()
        self.n_learned = self.n_broken = 0

    def run(self) -> StopReason:
        """Play on to the end; labels fail, trajectories explode, and the state goes through text at any moment."""
        for _ in range(50_000):
            if self.random.random() < 0.05:
                self.state = from_text(State, to_text(self.state))
            if self.asked and self.random.random() < 0.3:
                self._answer()
            match decide(self.state, self.rules):
                case Advance(trajectories, n_steps):
                    self._advance(trajectories, n_steps)
                case Train(n_epochs):
                    assert n_epochs == N_EPOCHS, "a refit is one piece"
                    assert self.state.in_phase(Phase.TRAINING)
                    self.n_learned += 1
                    self._feed(EpochsDone(n_epochs, None))
                case AwaitLabel():
                    assert self.asked
                    self._answer()
                case Finish(reason):
                    return reason
        pytest.fail("the flight did not end")

    def _advance(self, trajectories: tuple[int, ...], n_steps: int) -> None:
        running = self.state.in_phase(Phase.RUNNING)
        assert trajectories == running, "all move together"
        assert 1 <= n_steps <= self.rules.skip_steps
        for index in trajectories:
            assert self.since[index] + n_steps <= self.intervals[index], "no check is passed by"
            assert self.state.trajectories[index].md_step + n_steps <= (self.rules.max_md_steps or 0)
            if self.random.random() < 0.03:
                n_made = self.random.randint(0, n_steps - 1)
                self.since[index] += n_made
                self._feed(ChunkUnphysical(index, n_made, "exploded"))
                continue
            score = self.random.random() if self.checks.reads_scores else None
            self.since[index] += n_steps
            asked = self._feed(ChunkDone(index, n_steps, score))
            is_due = self.since[index] == self.intervals[index]
            is_early = score is not None and score > self.checks.early
            wanted = [PickReason.CHECK if is_due else PickReason.UNSURE] if is_due or is_early else []
            assert [one.reason for one in asked if isinstance(one, SubmitLabel)] == wanted
            if wanted:
                self.asked[index], self.since[index] = self.state.trajectories[index].md_step, 0

    def _answer(self) -> None:
        index = self.random.choice(sorted(self.asked))
        step = self.asked.pop(index)
        assert (index, step) not in self.answered
        self.answered.add((index, step))
        if self.random.random() < 0.1:
            self._feed(LabelFailed(index, step))
            return
        passed = self.random.random() < 0.6
        self.n_broken += not passed
        self.intervals[index] = next_interval(self.intervals[index], self.checks.rules, passed=passed)
        kept, *back = self._feed(LabelArrived(index, step, 0.1, HOLDS if passed else BREAKS))
        assert isinstance(kept, KeepLabel)
        goes_back = self.checks.goes_back and not passed
        assert kept.is_checkpoint is not goes_back
        assert back == ([Rewind(index)] if goes_back else [])
        assert passed or kept.split is Split.TRAINING
        learns = self.checks.rules.can_update and (self.checks.rules.always_updates or not passed)
        assert (self.state.trajectories[index].phase is Phase.TRAINING) is learns

    def _feed(self, event: Event) -> tuple[Consequence, ...]:
        before = self.state.trajectories
        self.state, consequences = transition(self.state, event, self.rules)
        for old, new in zip(before, self.state.trajectories, strict=True):
            assert old.phase is Phase.RUNNING or old.md_step == new.md_step, "what waits or learns stands still"
        self._look()
        return consequences

    def _look(self) -> None:
        state, (counts,) = self.state, self.state.counts
        assert {pick.trajectory for pick in state.in_flight} == set(state.in_phase(Phase.WAITING))
        assert counts.n_train + counts.n_valid == state.n_received
        assert counts.n_valid <= self.rules.quota.ratio * state.n_received + 1
        assert all((one.epochs_left > 0) == (one.phase is Phase.TRAINING) for one in state.trajectories)


@given(flights(), st.integers(1, 6), st.integers(0, 2**32))
def test_random_flights_keep_every_promise_and_end(rules: Rules, n: int, seed: int) -> None:
    flight = RandomFlight(rules, n=n, seed=seed)
    reason = flight.run()
    state = flight.state
    assert not flight.asked
    assert state.n_received + state.n_failed == len(flight.answered), "each was answered once"
    assert all(one.phase not in LIVE for one in state.trajectories)
    assert {one.md_step for one in state.trajectories if one.phase is Phase.FINISHED} <= {rules.max_md_steps}
    assert (reason is StopReason.ALL_FAILED) == all(one.phase is Phase.FAILED for one in state.trajectories)
    assert state.n_epochs == N_EPOCHS * flight.n_learned
    assert flight.checks.rules.can_update or not flight.n_learned
    assert [interval(state, index, rules) for index in range(n)] == flight.intervals
    assert from_text(State, to_text(state)) == state


@given(flights(), st.integers(0, 2**32))
def test_a_trajectory_is_checked_alike_whoever_flies_beside_it(rules: Rules, seed: int) -> None:
    """Without labels that fail: whether a tolerance holds depends on its trajectory and step alone."""
    rules = replace(rules, selectors=(replace(rules.selectors[0], early=float("inf")),))  # type: ignore[type-var]
    alone, among = (checked_steps(rules, n=n, seed=seed) for n in (1, 4))
    assert among[0] == alone[0]


def checked_steps(rules: Rules, *, n: int, seed: int) -> list[list[int]]:
    """Steps of the checks of each trajectory; labels come as late as they can."""
    state, steps = begin(rules, n_trajectories=n), [list[int]() for _ in range(n)]
    while True:
        match decide(state, rules):
            case Advance(trajectories, n_steps):
                for index in trajectories:
                    state, _ = transition(state, ChunkDone(index, n_steps), rules)
            case Train(n_epochs):
                state, _ = transition(state, EpochsDone(n_epochs, None), rules)
            case AwaitLabel():
                pick = state.in_flight[0]
                steps[pick.trajectory].append(pick.md_step)
                holds = Random(f"{seed} {pick.trajectory} {pick.md_step}").random() < 0.5
                event = LabelArrived(pick.trajectory, pick.md_step, 0.0, HOLDS if holds else BREAKS)
                state, _ = transition(state, event, rules)
            case Finish():
                return steps
