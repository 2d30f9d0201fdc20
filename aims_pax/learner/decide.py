"""What to do next: the second of the learner's two pure functions."""

from collections.abc import Iterator
from dataclasses import replace

from aims_pax.learner.cadence import PerLabel, PerRound
from aims_pax.learner.events import Advance, Ask, AwaitLabel, Command, Distribute, Finish, Train
from aims_pax.learner.goals import budgets_spent, reason_to_stop, steps_used_up, stopped_if_due, within_budgets
from aims_pax.learner.state import Phase, Rules, State, StopReason, Trajectory, Turn
from aims_pax.learner.transition import OutOfTurn, equilibration_left, n_wanted


def decide(state: State, rules: Rules) -> Command:
    """What to do next.

    Where labels are learned one by one, sampling and training take turns, so that neither starves the other; the shell
    blocks only when no trajectory can move and nothing is to be learned.
    """
    if isinstance(rules.cadence, PerRound):
        return _of_round(state, rules, rules.cadence)
    return _of_labels(state, rules, rules.cadence)


def _of_labels(state: State, rules: Rules, cadence: PerLabel) -> Command:
    running, training = state.in_phase(Phase.RUNNING), state.in_phase(Phase.TRAINING)
    if state.pause_epochs and state.stopping is None:
        return Train(int(min(cadence.epochs_per_slice, state.pause_epochs, rules.max_epochs - state.n_epochs)))
    if training and (state.turn is Turn.TRAIN or not running):
        wanted = min(cadence.epochs_per_slice, max(state.trajectories[i].epochs_left for i in training))
        return Train(int(min(wanted * cadence.at_a_visit(len(training)), rules.max_epochs - state.n_epochs)))
    if running:
        return _advance(state, rules, running)
    if state.in_flight:
        return AwaitLabel()
    if state.stopping is None:
        raise OutOfTurn("no trajectory is live, and yet the loop has no reason to stop")
    return Finish(state.stopping)


def _of_round(state: State, rules: Rules, cadence: PerRound) -> Command:
    if state.stopping is not None:
        return Finish(state.stopping)
    if state.in_phase(Phase.FAILED):
        return AwaitLabel()  # what is in flight was paid for; then it stops
    moving = tuple(index for index in state.in_phase(Phase.RUNNING) if not state.trajectories[index].is_through)
    if (left := equilibration_left(state, rules)) > 0:
        return Advance(moving, min(left, rules.steps_per_chunk))
    if state.epochs_due:
        return Train(int(min(state.epochs_due, rules.max_epochs - state.n_epochs)))
    if state.n_in_round >= cadence.labels_per_round:
        return Distribute()
    if n_wanted(state, rules):
        return Ask() if state.offered else Advance(moving, rules.skip_steps)
    return AwaitLabel()


def _advance(state: State, rules: Rules, running: tuple[int, ...]) -> Advance:
    """The next chunk: of all, up to the first structure that is due; else of those that have most before them."""
    steps = {i: _chunk_length(state.trajectories[i], rules) for i in running}
    if due := [left for i in running for left in _steps_to_what_is_due(state, rules, i)]:
        return Advance(running, max(1, min(*steps.values(), *due)))
    n_steps = max(steps.values())
    return Advance(tuple(i for i in running if steps[i] == n_steps), n_steps)


def _steps_to_what_is_due(state: State, rules: Rules, index: int) -> Iterator[int]:
    """MD steps after which selectors want a structure of a trajectory, as far as they can tell."""
    for selector in rules.selectors:
        memory, quiet_steps = state.memory_of(selector.name), state.trajectories[index].quiet_steps
        if selector.concerns(index) and (left := selector.steps_left(memory, index, quiet_steps)) is not None:
            yield left


def _chunk_length(trajectory: Trajectory, rules: Rules) -> int:
    if rules.max_md_steps is None:
        return rules.skip_steps
    return min(rules.skip_steps, rules.max_md_steps - trajectory.md_step)


def reopened(state: State, rules: Rules) -> State:
    """The state in which a loop goes on that had ended, where its rules now ask for more; else the same state.

    Trajectories that ended with the run go on from where they stand, and those that had made all their steps if more
    are allowed now. Threshold, quota and counts stay: it is as if the goal had been further from the beginning. The
    shell puts back to their checkpoints those that have failed since their last label.

    Not for a run whose rules have not changed: its force MAE may have risen above the goal after it had stopped there.
    """
    if state.stopping in (None, StopReason.ALL_FAILED, StopReason.WRECKS):
        return state
    spent = budgets_spent(state, rules)
    trajectories = tuple(
        replace(one, phase=Phase.RUNNING)
        if one.phase is Phase.FINISHED and not steps_used_up(one, rules) and index not in spent
        else one
        for index, one in enumerate(state.trajectories)
    )
    live = replace(state, trajectories=trajectories, stopping=None)
    return state if reason_to_stop(live, rules) else live


def resumed(state: State, rules: Rules) -> State:
    """The state in which an interrupted loop goes on, under rules whose goals may have changed since."""
    state = _tried_again(state)
    trajectories = tuple(
        replace(one, phase=Phase.FINISHED) if one.phase is Phase.RUNNING and steps_used_up(one, rules) else one
        for one in state.trajectories
    )
    return stopped_if_due(within_budgets(replace(state, trajectories=trajectories), rules), rules)


def _tried_again(state: State) -> State:
    """The state in which a loop goes on that stopped for failures: every trajectory runs again.

    Their user has mended what was wrong. The shell puts them back to their checkpoints.
    """
    if state.stopping not in (StopReason.ALL_FAILED, StopReason.WRECKS):
        return state
    trajectories = tuple(replace(one, phase=Phase.RUNNING, failures=0) for one in state.trajectories)
    return replace(state, trajectories=trajectories, n_failed_in_row=0, n_pauses=0, stopping=None)


def ended_by_a_failure(trajectory: Trajectory) -> bool:
    """Whether it may stand at a structure that no MD can go on from: what ends is not put back any more."""
    return trajectory.phase is Phase.FAILED or (trajectory.phase is Phase.FINISHED and trajectory.failures > 0)
