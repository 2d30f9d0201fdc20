"""Unphysical labels in series: picking pauses, the committee trains, and in the end the loop gives up."""

from dataclasses import replace
from random import Random

from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.decide import decide, reopened, resumed
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    Consequence,
    EpochsDone,
    Finish,
    LabelArrived,
    LabelFailed,
    Rewind,
    Train,
)
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import MovingThreshold
from aims_pax.learner.state import Phase, Rules, State, StopReason, WreckRule
from aims_pax.learner.transition import begin, transition

RULES = Rules(
    selectors=(MovingThreshold(c_x=0.0, quiet_limit_steps=25),),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=4),
    quota=Quota(0.1),
    skip_steps=25,
    max_failures=10**6,
    max_train_size=50,
    wrecks=WreckRule(n_recent=4, n_most=2, pause_epochs=10, max_pauses=2),
)


def answered(state: State, *are_wrecks: bool) -> tuple[State, tuple[Consequence, ...]]:
    """Labels of the first trajectory, one after the other, each learned before the next."""
    consequences: tuple[Consequence, ...] = ()
    for is_wreck in are_wrecks:
        state, _ = transition(state, ChunkDone(0, 25, 0.1), RULES)
        md_step = state.trajectories[0].md_step
        event = LabelFailed(0, md_step, is_unphysical=True) if is_wreck else LabelArrived(0, md_step)
        state, consequences = transition(state, event, RULES)
        if not is_wreck:
            state, _ = transition(state, EpochsDone(2, None), RULES)
    return state, consequences


def start() -> State:
    return begin(RULES, n_trajectories=3, n_initial_train=5)


def after_pause(state: State) -> State:
    while state.pause_epochs:
        command = decide(state, RULES)
        assert isinstance(command, Train)
        state, _ = transition(state, EpochsDone(command.n_epochs, None), RULES)
    return state


def test_wrecks_in_series_pause_picking_and_put_all_back() -> None:
    state, consequences = answered(start(), True, True, True)
    assert consequences == (Rewind(0), Rewind(1), Rewind(2))
    assert decide(state, RULES) == Train(4)
    state = after_pause(state)
    assert state.n_epochs == 10
    assert decide(state, RULES) == Advance((0, 1, 2), 25)


def test_some_wrecks_among_sound_labels_change_nothing() -> None:
    state, _ = answered(start(), True, False, True, False, False, True, False)
    assert state.pause_epochs == 0
    assert state.n_pauses == 0


def test_other_failures_say_nothing_of_the_md() -> None:
    state = start()
    for _ in range(6):
        state, _ = transition(state, ChunkDone(0, 25, 0.1), RULES)
        state, _ = transition(state, LabelFailed(0, state.trajectories[0].md_step), RULES)
    assert state.pause_epochs == 0


def test_wrecks_that_training_does_not_mend_end_the_loop() -> None:
    state = start()
    for _ in range(2):
        state = after_pause(answered(state, True, True, True)[0])
    state, _ = answered(state, True, True, True)
    assert state.stopping is StopReason.WRECKS
    assert decide(state, RULES) == Finish(StopReason.WRECKS)
    assert decide(resumed(state, RULES), RULES) == Advance((0, 1, 2), 25), "their user has thought of something"
    assert reopened(state, replace(RULES, max_train_size=99)) == state


def test_sound_series_ends_a_row_of_pauses() -> None:
    state = after_pause(answered(start(), True, True, True)[0])
    assert state.n_pauses == 1
    state, _ = answered(state, False, False, True, False)
    assert state.n_pauses == 0


def test_labels_that_were_in_flight_at_a_pause_are_kept_and_not_counted() -> None:
    state, _ = transition(start(), ChunkDone(1, 25, 0.1), RULES)
    state, _ = answered(state, True, True, True)
    state, _ = transition(state, LabelFailed(1, 25, is_unphysical=True), RULES)
    assert state.recent == ()
    assert isinstance(decide(state, RULES), Train)


def test_whatever_fails_the_loop_ends_with_every_label_answered() -> None:
    for seed in range(50):
        random, state = Random(seed), start()
        share = random.random()
        for _ in range(5000):
            match decide(state, RULES):
                case Advance(trajectories, n_steps):
                    for index in trajectories:
                        if state.trajectories[index].phase is Phase.RUNNING:
                            state, _ = transition(state, ChunkDone(index, n_steps, random.random()), RULES)
                case Train(n_epochs):
                    assert n_epochs > 0
                    state, _ = transition(state, EpochsDone(n_epochs, None), RULES)
                case AwaitLabel():
                    assert state.in_flight
                case Finish():
                    break
            if state.in_flight and random.random() < 0.7:
                pick = random.choice(state.in_flight)
                failed = LabelFailed(pick.trajectory, pick.md_step, is_unphysical=True)
                arrived = LabelArrived(pick.trajectory, pick.md_step)
                state, _ = transition(state, failed if random.random() < share else arrived, RULES)
        assert state.stopping in (StopReason.WRECKS, StopReason.TRAIN_SIZE)
        assert not state.in_flight
