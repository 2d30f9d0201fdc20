"""The loop in which each label is learned at once: every row of the design's table, then thousands of campaigns."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.frame import Split
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide, reopened, resumed
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
from aims_pax.learner.selectors import MovingThreshold, PickReason
from aims_pax.learner.state import LIVE, Phase, Rules, State, StopReason
from aims_pax.learner.transition import OutOfTurn, begin, threshold, transition

from ..profiles import times

SELECTOR = MovingThreshold(c_x=0.0, quiet_limit_steps=1000)
RULES = Rules(
    selectors=(SELECTOR,),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=3,
    max_train_size=50,
)


def start(n_trajectories: int = 2) -> State:
    return begin(RULES, n_trajectories=n_trajectories, n_initial_train=10)


def play(state: State, *events: Event, rules: Rules = RULES) -> tuple[State, tuple[Consequence, ...]]:
    consequences: tuple[Consequence, ...] = ()
    for event in events:
        state, consequences = transition(state, event, rules)
    return state, consequences


def quiet_checks(n: int, trajectory: int = 0) -> list[Event]:
    return [ChunkDone(trajectory, 25, 0.1)] * n


def waiting() -> State:
    return play(start(), *quiet_checks(11), ChunkDone(0, 25, 9.0))[0]


def test_quiet_check_keeps_a_trajectory_running() -> None:
    state, consequences = play(start(), *quiet_checks(11))
    assert state.trajectories[0].phase is Phase.RUNNING
    assert state.trajectories[0].md_step == 275
    assert consequences == ()


def test_score_above_threshold_asks_for_a_label() -> None:
    state, consequences = play(start(), *quiet_checks(11), ChunkDone(0, 25, 9.0))
    assert consequences == (SubmitLabel(0, PickReason.UNSURE, SELECTOR.name),)
    assert state.in_phase(Phase.WAITING) == (0,)
    assert state.trajectories[0].quiet_steps == 0


def test_first_ten_checks_never_ask_for_a_label() -> None:
    _, consequences = play(start(), *quiet_checks(9), ChunkDone(0, 25, 1e6))
    assert consequences == ()


def test_quiet_limit_counts_md_steps_of_one_trajectory() -> None:
    state, consequences = play(start(), *quiet_checks(39))
    assert consequences == ()
    _, consequences = play(state, *quiet_checks(1))
    assert consequences == (SubmitLabel(0, PickReason.QUIET, SELECTOR.name),)


def test_last_md_step_finishes_a_trajectory() -> None:
    rules = replace(RULES, max_md_steps=60)
    state, _ = play(start(), *quiet_checks(2), rules=rules)
    assert decide(state, rules) == Advance((1,), 25)
    state, _ = play(state, *quiet_checks(2, trajectory=1), rules=rules)
    assert decide(state, rules) == Advance((0, 1), 10)
    state, _ = play(state, ChunkDone(0, 10, 0.1), ChunkDone(1, 10, 0.1), rules=rules)
    assert decide(state, rules) == Finish(StopReason.MD_STEPS)


def test_unphysical_md_rewinds_to_the_checkpoint() -> None:
    state, consequences = play(start(), ChunkUnphysical(0, 7, "atoms overlap"))
    assert consequences == (Rewind(0),)
    assert state.trajectories[0].md_step == 7
    assert state.trajectories[0].phase is Phase.RUNNING


def test_label_puts_its_trajectory_into_training() -> None:
    state, consequences = play(waiting(), LabelArrived(0, 300))
    assert consequences == (KeepLabel(0, Split.TRAINING),)
    assert state.trajectories[0].phase is Phase.TRAINING
    assert state.train_size == 11


def test_failed_label_rewinds_its_trajectory() -> None:
    state, consequences = play(waiting(), LabelFailed(0, 300))
    assert consequences == (Rewind(0),)
    assert state.trajectories[0].phase is Phase.RUNNING
    assert (state.n_requested, state.n_received, state.n_failed) == (1, 0, 1)


def test_trajectory_runs_again_when_its_epochs_are_done() -> None:
    state, _ = play(waiting(), LabelArrived(0, 300), EpochsDone(1, None))
    assert state.trajectories[0].phase is Phase.TRAINING
    state, _ = play(state, EpochsDone(1, 0.05))
    assert state.trajectories[0].phase is Phase.RUNNING
    assert (state.n_epochs, state.force_mae) == (2, 0.05)


@pytest.mark.parametrize(("are_shared", "slices"), [(True, (1, 1)), (False, (2, 2))])
def test_labels_share_their_epochs_or_have_their_own(are_shared: bool, slices: tuple[int, int]) -> None:
    """Two labels of two epochs each, learned at the same time: two epochs in all, or four."""
    assert isinstance(RULES.cadence, PerLabel)
    rules, state = replace(RULES, cadence=replace(RULES.cadence, are_shared=are_shared)), start()
    for index in (0, 1):
        state = state.with_trajectory(index, replace(state.trajectories[index], phase=Phase.TRAINING, epochs_left=2))
    for n_epochs in slices:
        assert decide(state, rules) == Train(n_epochs)
        state, _ = play(state, EpochsDone(n_epochs, None), rules=rules)
    assert state.in_phase(Phase.RUNNING) == (0, 1)


def test_too_many_failures_in_a_row_fail_a_trajectory() -> None:
    unphysical = ChunkUnphysical(0, 1, "forces are not finite")
    state, consequences = play(start(), unphysical, unphysical, unphysical)
    assert state.trajectories[0].phase is Phase.FAILED
    assert consequences == ()
    assert decide(state, RULES) == Advance((1,), 25)


def test_a_label_ends_a_row_of_failures() -> None:
    unphysical = ChunkUnphysical(0, 1, "forces are not finite")
    state, _ = play(start(), unphysical, unphysical, *quiet_checks(11), ChunkDone(0, 25, 9.0))
    state, _ = play(state, LabelArrived(0, state.trajectories[0].md_step), EpochsDone(2, None), unphysical)
    assert state.trajectories[0].phase is Phase.RUNNING


def test_campaign_whose_trajectories_all_failed_stops_and_says_so() -> None:
    state = start(1)
    for _ in range(3):
        state, _ = play(state, ChunkUnphysical(0, 1, "forces are not finite"))
    assert decide(state, RULES) == Finish(StopReason.ALL_FAILED)


def test_sampling_and_training_take_turns() -> None:
    state, _ = play(waiting(), LabelArrived(0, 300))
    assert decide(state, RULES) == Train(1)
    state, _ = play(state, EpochsDone(1, None))
    assert decide(state, RULES) == Advance((1,), 25)
    state, _ = play(state, ChunkDone(1, 25, 0.1))
    assert decide(state, RULES) == Train(1)


def test_campaign_blocks_only_when_everything_waits() -> None:
    state = waiting()
    assert decide(state, RULES) == Advance((1,), 25)
    state, _ = play(state, ChunkDone(1, 25, 9.0))
    assert decide(state, RULES) == AwaitLabel()


def test_labels_in_flight_are_kept_and_learned_when_the_goal_is_reached() -> None:
    rules = replace(RULES, max_train_size=11)
    state, _ = play(waiting(), ChunkDone(1, 25, 9.0), LabelArrived(0, 300), rules=rules)
    assert state.stopping is StopReason.TRAIN_SIZE
    assert decide(state, rules) == Train(1)
    state, _ = play(state, EpochsDone(2, None), rules=rules)
    assert decide(state, rules) == AwaitLabel()
    state, consequences = play(state, LabelArrived(1, 25), rules=rules)
    assert consequences == (KeepLabel(1, Split.VALIDATION),)
    state, _ = play(state, EpochsDone(2, None), rules=rules)
    assert decide(state, rules) == Finish(StopReason.TRAIN_SIZE)


def test_last_epoch_stops_training_but_keeps_labels_in_flight() -> None:
    rules = replace(RULES, max_epochs=1)
    state, _ = play(waiting(), ChunkDone(1, 25, 9.0), LabelArrived(0, 300), rules=rules)
    assert decide(state, rules) == Train(1)
    state, _ = play(state, EpochsDone(1, None), rules=rules)
    assert decide(state, rules) == AwaitLabel()
    state, _ = play(state, LabelArrived(1, 25), rules=rules)
    assert decide(state, rules) == Finish(StopReason.EPOCHS)


def test_force_mae_at_the_goal_stops_the_campaign() -> None:
    rules = replace(RULES, desired_force_mae=0.05)
    state, _ = play(waiting(), LabelArrived(0, 300), EpochsDone(2, 0.05), rules=rules)
    assert decide(state, rules) == Finish(StopReason.FORCE_MAE)


def test_campaign_that_starts_at_its_goal_asks_for_nothing() -> None:
    rules = replace(RULES, max_train_size=10)
    state = begin(rules, n_trajectories=2, n_initial_train=10)
    assert decide(state, rules) == Finish(StopReason.TRAIN_SIZE)


def test_threshold_freezes_at_its_training_set_size() -> None:
    rules = replace(RULES, selectors=(replace(SELECTOR, freeze_train_size=11),))
    state, _ = play(waiting(), LabelArrived(0, 300), rules=rules)
    frozen = threshold(state, rules)
    state, _ = play(state, *[ChunkDone(1, 25, 0.0)] * 30, rules=rules)
    assert threshold(state, rules) == frozen


@pytest.mark.parametrize("event", [LabelArrived(0, 300), LabelFailed(1, 0), LabelArrived(0, 299)])
def test_label_that_nobody_waits_for_is_refused(event: Event) -> None:
    state = start() if getattr(event, "md_step", 0) != 299 else waiting()
    with pytest.raises(OutOfTurn, match="arrived while it was"):
        transition(state, event, RULES)


def test_trajectory_that_waits_does_not_move() -> None:
    with pytest.raises(OutOfTurn, match="moved while it was waiting"):
        transition(waiting(), ChunkDone(0, 25, 0.1), RULES)


@st.composite
def rulebooks(draw: st.DrawFn) -> Rules:
    selector = MovingThreshold(
        c_x=draw(st.floats(-0.3, 0.3)),
        quiet_limit_steps=draw(st.integers(1, 500)),
        freeze_train_size=draw(st.sampled_from([5.0, 15.0, float("inf")])),
    )
    return Rules(
        selectors=(selector,),
        cadence=PerLabel(draw(st.integers(1, 4)), draw(st.integers(1, 4)), are_shared=draw(st.booleans())),
        quota=Quota(draw(st.floats(0.05, 0.6))),
        skip_steps=draw(st.integers(1, 30)),
        max_failures=draw(st.integers(1, 4)),
        max_md_steps=draw(st.integers(1, 2000)),
        max_train_size=draw(st.none() | st.integers(1, 40)),
        desired_force_mae=draw(st.none() | st.just(0.02)),
        max_epochs=draw(st.sampled_from([float("inf"), 3.0, 20.0])),
    )


def check_invariants(state: State, rules: Rules, in_flight: set[int], history: list[float]) -> None:
    (counts,), (memory,), (selector,) = state.counts, state.memories, rules.selectors
    assert isinstance(selector, MovingThreshold)
    assert set(state.in_phase(Phase.WAITING)) == in_flight == {pick.trajectory for pick in state.in_flight}
    assert state.n_requested == state.n_received + state.n_failed + len(in_flight)
    assert counts.n_train + counts.n_valid == state.n_received
    assert abs(counts.n_valid - rules.quota.ratio * state.n_received) <= 1.0
    assert all((t.epochs_left > 0) == (t.phase is Phase.TRAINING) for t in state.trajectories)
    if memory.frozen_at is None and len(history) > 10:
        last = history[-400:]
        assert threshold(state, rules) == pytest.approx((1 + selector.c_x) * sum(last) / len(last), rel=1e-12)


class RandomCampaign:
    """A shell without MD, labels or models: what happens next is drawn, and every invariant is looked at."""

    def __init__(self, state: State, random: Random) -> None:
        self.state, self.random = state, random
        self.in_flight: set[int] = set()
        self.history: list[float] = []
        self.frozen: float | None = None

    def run(self, rules: Rules) -> StopReason:
        """Play on to the end; labels fail, trajectories explode, and the state goes through text at any moment."""
        random = self.random
        for _ in range(20_000):
            if random.random() < 0.05:
                self.state = from_text(State, to_text(self.state))
            if self.in_flight and random.random() < 0.3:
                self._answer(rules)
            command = decide(self.state, rules)
            match command:
                case Advance():
                    self._advance(command, rules)
                case Train(n_epochs):
                    assert n_epochs >= 1
                    self._feed(EpochsDone(n_epochs, random.random() if random.random() < 0.5 else None), rules)
                case AwaitLabel():
                    assert self.in_flight
                    self._answer(rules)
                case Finish(reason):
                    return reason
            frozen_at = self.state.memories[0].frozen_at
            if frozen_at is not None:
                assert self.frozen in (None, frozen_at)
                self.frozen = frozen_at
        pytest.fail("the campaign did not end")

    def _advance(self, command: Advance, rules: Rules) -> None:
        assert command.n_steps >= 1
        for index in command.trajectories:
            if self.state.trajectories[index].phase is not Phase.RUNNING:
                continue  # the campaign stopped within this batch
            if self.random.random() < 0.05:
                n_steps = self.random.randint(0, command.n_steps)
                self._feed(ChunkUnphysical(index, n_steps, "exploded"), rules)
                continue
            self.history.append(self.random.random())
            self._feed(ChunkDone(index, command.n_steps, self.history[-1]), rules)

    def _answer(self, rules: Rules) -> None:
        index = self.random.choice(sorted(self.in_flight))
        self.in_flight.remove(index)
        kind = LabelFailed if self.random.random() < 0.2 else LabelArrived
        self._feed(kind(index, self.state.trajectories[index].md_step), rules)

    def _feed(self, event: Event, rules: Rules) -> None:
        before = self.state.trajectories
        self.state, consequences = transition(self.state, event, rules)
        for consequence in consequences:
            if isinstance(consequence, SubmitLabel):
                self.in_flight.add(consequence.trajectory)
        for old, new in zip(before, self.state.trajectories, strict=True):
            assert old.phase in (Phase.RUNNING,) or old.md_step == new.md_step
        check_invariants(self.state, rules, self.in_flight, self.history)


def random_campaign(rules: Rules, *, n: int, seed: int) -> RandomCampaign:
    return RandomCampaign(begin(rules, n_trajectories=n, n_initial_train=3), Random(seed))


@times(3)
@given(rulebooks(), st.integers(1, 6), st.integers(0, 2**32))
def test_random_campaigns_keep_every_invariant_and_end(rules: Rules, n: int, seed: int) -> None:
    campaign = random_campaign(rules, n=n, seed=seed)
    campaign.run(rules)
    state = campaign.state
    assert not campaign.in_flight
    assert all(trajectory.phase not in LIVE for trajectory in state.trajectories)
    assert from_text(State, to_text(state)) == state


@times(3)
@given(rulebooks(), rulebooks(), st.integers(1, 6), st.integers(0, 2**32))
def test_random_campaigns_go_on_where_their_goals_ask_for_more(rules: Rules, others: Rules, n: int, seed: int) -> None:
    """Whatever the new goals are: a run is opened again only if they leave something to do, and ends once more."""
    campaign = random_campaign(rules, n=n, seed=seed)
    reason = campaign.run(rules)
    before = campaign.state
    goals = {key: getattr(others, key) for key in ("max_md_steps", "max_train_size", "desired_force_mae", "max_epochs")}
    rules = replace(rules, **goals)
    campaign.state = reopened(before, rules)
    if campaign.state == before:
        assert campaign.run(rules) is reason
        return
    assert isinstance(decide(campaign.state, rules), Advance)
    assert replace(campaign.state, trajectories=(), stopping=None) == replace(before, trajectories=(), stopping=None)
    for old, new in zip(before.trajectories, campaign.state.trajectories, strict=True):
        assert replace(new, phase=old.phase) == old
        assert old.phase is Phase.FINISHED or new.phase is old.phase
    campaign.run(rules)
    assert not campaign.in_flight
    assert campaign.state.n_received >= before.n_received


def ended() -> State:
    """A run of two trajectories that has reached its eleventh training structure."""
    rules = replace(RULES, max_train_size=11)
    return play(waiting(), LabelArrived(0, 300), EpochsDone(2, 0.04), rules=rules)[0]


def test_run_that_has_reached_its_goal_goes_on_when_it_is_raised() -> None:
    state = ended()
    assert state.stopping is StopReason.TRAIN_SIZE
    again = reopened(state, replace(RULES, max_train_size=12))
    assert again.stopping is None
    assert again.in_phase(Phase.RUNNING) == (0, 1)
    assert again.memories == state.memories


@pytest.mark.parametrize(
    "goals",
    [
        {"max_train_size": 11},
        {"max_train_size": 5},
        {"max_train_size": 20, "max_epochs": 2},
        {"max_train_size": 20, "desired_force_mae": 0.04},
    ],
)
def test_run_stays_finished_when_its_goals_leave_nothing_to_do(goals: dict[str, float]) -> None:
    assert reopened(ended(), replace(RULES, **goals)) == ended()


def test_only_trajectories_with_steps_left_go_on() -> None:
    again = reopened(ended(), replace(RULES, max_train_size=20, max_md_steps=100))
    assert again.in_phase(Phase.RUNNING) == (1,)


def test_trajectories_that_had_made_all_their_steps_go_on_when_more_are_allowed() -> None:
    rules = replace(RULES, max_md_steps=25)
    state, _ = play(start(), ChunkDone(0, 25, 0.1), ChunkDone(1, 25, 0.1), rules=rules)
    assert state.stopping is StopReason.MD_STEPS
    assert decide(reopened(state, RULES), RULES) == Advance((0, 1), 25)


def test_run_that_goes_on_under_a_goal_that_it_had_reached_once_stays_stopped() -> None:
    rules = replace(RULES, desired_force_mae=0.05)
    state, _ = play(waiting(), ChunkDone(1, 25, 9.0), LabelArrived(0, 300), EpochsDone(2, 0.05), rules=rules)
    state, _ = play(state, LabelArrived(1, 25), EpochsDone(1, 0.08), rules=rules)
    assert resumed(state, rules).stopping is StopReason.FORCE_MAE


def test_lowered_goals_finish_what_is_past_them_when_a_run_goes_on() -> None:
    state, _ = play(start(), *quiet_checks(4), *quiet_checks(1, trajectory=1))
    rules = replace(RULES, max_md_steps=50)
    state = resumed(state, rules)
    assert state.in_phase(Phase.FINISHED) == (0,)
    assert decide(state, rules) == Advance((1,), 25)


def test_lowered_number_of_epochs_ends_training_when_a_run_goes_on() -> None:
    state, _ = play(waiting(), LabelArrived(0, 300), EpochsDone(1, None))
    rules = replace(RULES, max_epochs=1)
    assert decide(resumed(state, rules), rules) == Finish(StopReason.EPOCHS)


def test_run_that_goes_on_under_the_same_rules_is_unchanged() -> None:
    for state in (start(), waiting(), play(waiting(), LabelArrived(0, 300))[0]):
        assert resumed(state, RULES) == state


def test_trajectories_that_all_failed_are_tried_again_when_a_run_goes_on() -> None:
    state = start(1)
    for _ in range(3):
        state, _ = play(state, ChunkUnphysical(0, 1, "forces are not finite"))
    assert decide(resumed(state, RULES), RULES) == Advance((0,), 25)


def test_threshold_of_a_large_initial_set_freezes_at_its_first_finite_value() -> None:
    rules = replace(RULES, selectors=(replace(SELECTOR, freeze_train_size=10),))
    state, _ = play(start(), *quiet_checks(11), rules=rules)
    frozen = threshold(state, rules)
    state, _ = play(state, *[ChunkDone(1, 25, 0.05)] * 30, rules=rules)
    assert threshold(state, rules) == frozen
