"""The state machine of active learning: two pure functions.

``transition`` says what an event changes and what has to be done at once; ``decide`` says what to do next. The shell
in :mod:`aims_pax.campaign` carries the commands out and feeds the events back.
"""

from dataclasses import replace

from aims_pax.errors import AimsPaxError
from aims_pax.learner.events import (
    Advance,
    AwaitLabel,
    ChunkDone,
    ChunkUnphysical,
    Command,
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
from aims_pax.learner.quota import Quota
from aims_pax.learner.state import LIVE, Phase, PickReason, Policy, State, StopReason, Trajectory, Turn
from aims_pax.learner.threshold import Threshold


class OutOfTurn(AimsPaxError):
    """An event that can't happen in this state: a defect of the shell, never a user's mistake."""


def begin(policy: Policy, *, n_trajectories: int, c_x: float, valid_ratio: float, n_initial_train: int) -> State:
    """The state in which active learning starts; it may have reached its goal already."""
    state = State(
        trajectories=(Trajectory(),) * n_trajectories,
        threshold=Threshold(c_x),
        quota=Quota(valid_ratio),
        n_initial_train=n_initial_train,
    )
    return _stopped_if_due(state, policy)


def _tried_again(state: State) -> State:
    """The state in which a run goes on that stopped because every trajectory had failed: all of them run again.

    Their user has mended what was wrong. The shell puts them back to their checkpoints.
    """
    if state.stopping is not StopReason.ALL_FAILED:
        return state
    trajectories = tuple(replace(one, phase=Phase.RUNNING, failures=0) for one in state.trajectories)
    return replace(state, trajectories=trajectories, stopping=None)


def reopened(state: State, policy: Policy) -> State:
    """The state in which a run goes on that had come to its end, where its rules now ask for more; else the same state.

    Trajectories that ended with the run go on from where they stand, and those that had made all their steps if more
    are allowed now. Threshold, quota and counts stay: it is as if the goal had been further from the beginning. The
    shell puts back to their checkpoints those that have failed since their last label.

    Not for a run whose rules have not changed: its force MAE may have risen above the goal after it had stopped there.
    """
    if state.stopping in (None, StopReason.ALL_FAILED):
        return state
    trajectories = tuple(
        replace(one, phase=Phase.RUNNING) if one.phase is Phase.FINISHED and not _steps_used_up(one, policy) else one
        for one in state.trajectories
    )
    live = replace(state, trajectories=trajectories, stopping=None)
    return state if _reason_to_stop(live, policy) else live


def resumed(state: State, policy: Policy) -> State:
    """The state in which an interrupted run goes on, under rules whose goals may have changed since."""
    state = _tried_again(state)
    trajectories = tuple(
        replace(one, phase=Phase.FINISHED) if one.phase is Phase.RUNNING and _steps_used_up(one, policy) else one
        for one in state.trajectories
    )
    return _stopped_if_due(replace(state, trajectories=trajectories), policy)


def transition(state: State, event: Event, policy: Policy) -> tuple[State, tuple[Consequence, ...]]:
    """The state after an event, and what has to be done at once.

    Raises
    ------
    OutOfTurn
        The event names a trajectory that is not in the phase in which it could happen.
    """
    consequences: tuple[Consequence, ...] = ()
    match event:
        case ChunkDone():
            state, consequences = _chunk_done(state, event, policy)
        case ChunkUnphysical(index, n_steps):
            moved = _moved(state, index, n_steps)
            state, consequences = _failure(_with(state, index, moved), index, policy)
        case LabelArrived(index, md_step):
            _expect_waiting(state, index, md_step)
            state, consequences = _label_arrived(state, index, policy)
        case LabelFailed(index, md_step):
            _expect_waiting(state, index, md_step)
            state = replace(state, n_failed=state.n_failed + 1)
            state, consequences = _failure(state, index, policy)
        case EpochsDone():
            state = _epochs_done(state, event, policy)
    return _stopped_if_due(state, policy), consequences


def decide(state: State, policy: Policy) -> Command:
    """What to do next.

    Sampling and training take turns, so that neither starves the other; the shell blocks only when no trajectory can
    move and nothing is to be learned.
    """
    running, training = state.in_phase(Phase.RUNNING), state.in_phase(Phase.TRAINING)
    if training and (state.turn is Turn.TRAIN or not running):
        wanted = min(policy.epochs_per_slice, max(state.trajectories[i].epochs_left for i in training))
        return Train(int(min(wanted, policy.max_epochs - state.n_epochs)))
    if running:
        steps = {i: _chunk_length(state.trajectories[i], policy) for i in running}
        n_steps = max(steps.values())
        return Advance(tuple(i for i in running if steps[i] == n_steps), n_steps)
    if state.in_phase(Phase.WAITING):
        return AwaitLabel()
    if state.stopping is None:
        raise OutOfTurn("no trajectory is live, and yet the campaign has no reason to stop")
    return Finish(state.stopping)


def _chunk_length(trajectory: Trajectory, policy: Policy) -> int:
    if policy.max_md_steps is None:
        return policy.skip_steps
    return min(policy.skip_steps, policy.max_md_steps - trajectory.md_step)


def _with(state: State, index: int, trajectory: Trajectory) -> State:
    trajectories = (*state.trajectories[:index], trajectory, *state.trajectories[index + 1 :])
    return replace(state, trajectories=trajectories)


def _moved(state: State, index: int, n_steps: int) -> Trajectory:
    trajectory = state.trajectories[index]
    if trajectory.phase is not Phase.RUNNING:
        raise OutOfTurn(f"trajectory {index} moved while it was {trajectory.phase}")
    return replace(trajectory, md_step=trajectory.md_step + n_steps, quiet_steps=trajectory.quiet_steps + n_steps)


def _expect_waiting(state: State, index: int, md_step: int) -> None:
    trajectory = state.trajectories[index]
    if trajectory.phase is not Phase.WAITING or trajectory.md_step != md_step:
        raise OutOfTurn(
            f"a label of trajectory {index}, step {md_step}, arrived while it was {trajectory.phase} "
            f"at step {trajectory.md_step}"
        )


def _steps_used_up(trajectory: Trajectory, policy: Policy) -> bool:
    return policy.max_md_steps is not None and trajectory.md_step >= policy.max_md_steps


def _onwards(state: State, trajectory: Trajectory, policy: Policy) -> Trajectory:
    """A trajectory that has nothing to wait for: running, or finished when there is nothing left to do."""
    over = state.stopping is not None or _steps_used_up(trajectory, policy)
    return replace(trajectory, phase=Phase.FINISHED if over else Phase.RUNNING)


def _chunk_done(state: State, event: ChunkDone, policy: Policy) -> tuple[State, tuple[Consequence, ...]]:
    moved = _moved(state, event.trajectory, event.n_steps)
    state = _frozen_if_due(replace(state, threshold=state.threshold.after(event.score), turn=Turn.TRAIN), policy)
    if event.score > state.threshold.value:
        reason = PickReason.UNSURE
    elif moved.quiet_steps >= policy.quiet_limit_steps:
        reason = PickReason.QUIET
    else:
        return _with(state, event.trajectory, _onwards(state, moved, policy)), ()
    picked = replace(moved, phase=Phase.WAITING, quiet_steps=0)
    state = replace(_with(state, event.trajectory, picked), n_requested=state.n_requested + 1)
    return state, (SubmitLabel(event.trajectory, reason),)


def _failure(state: State, index: int, policy: Policy) -> tuple[State, tuple[Consequence, ...]]:
    trajectory = state.trajectories[index]
    trajectory = replace(trajectory, failures=trajectory.failures + 1)
    if trajectory.failures >= policy.max_failures:
        return _with(state, index, replace(trajectory, phase=Phase.FAILED)), ()
    trajectory = _onwards(state, trajectory, policy)
    rewind = (Rewind(index),) if trajectory.phase is Phase.RUNNING else ()
    return _with(state, index, trajectory), rewind


def _label_arrived(state: State, index: int, policy: Policy) -> tuple[State, tuple[Consequence, ...]]:
    quota, split = state.quota.place()
    trajectory = replace(state.trajectories[index], failures=0, epochs_left=policy.epochs_per_label)
    if state.n_epochs < policy.max_epochs:
        trajectory = replace(trajectory, phase=Phase.TRAINING)
    else:
        trajectory = replace(trajectory, phase=Phase.FINISHED, epochs_left=0)
    state = replace(_with(state, index, trajectory), quota=quota, n_received=state.n_received + 1)
    return _frozen_if_due(state, policy), (KeepLabel(index, split),)


def _frozen_if_due(state: State, policy: Policy) -> State:
    if state.train_size < policy.freeze_train_size:
        return state
    return replace(state, threshold=state.threshold.freeze())


def _epochs_done(state: State, event: EpochsDone, policy: Policy) -> State:
    state = replace(
        state,
        n_epochs=state.n_epochs + event.n_epochs,
        force_mae=state.force_mae if event.force_mae is None else event.force_mae,
        turn=Turn.SAMPLE,
    )
    for index in state.in_phase(Phase.TRAINING):
        trajectory = state.trajectories[index]
        left = max(0, trajectory.epochs_left - event.n_epochs)
        trajectory = replace(trajectory, epochs_left=left)
        state = _with(state, index, trajectory if left else _onwards(state, trajectory, policy))
    return state


def _stopped_if_due(state: State, policy: Policy) -> State:
    """Stop when a goal is reached: what runs ends at once, what waits or learns goes its way to the end.

    Labels in flight are kept and get their epochs, except when the epochs themselves are used up.
    """
    reason = state.stopping or _reason_to_stop(state, policy)
    if reason is None:
        return state
    ends = {Phase.RUNNING}
    if state.n_epochs >= policy.max_epochs:
        ends.add(Phase.TRAINING)
    trajectories = tuple(
        replace(trajectory, phase=Phase.FINISHED, epochs_left=0) if trajectory.phase in ends else trajectory
        for trajectory in state.trajectories
    )
    return replace(state, trajectories=trajectories, stopping=reason)


def _reason_to_stop(state: State, policy: Policy) -> StopReason | None:
    if policy.max_train_size is not None and state.train_size >= policy.max_train_size:
        return StopReason.TRAIN_SIZE
    if (
        policy.desired_force_mae is not None
        and state.force_mae is not None
        and state.force_mae <= policy.desired_force_mae
    ):
        return StopReason.FORCE_MAE
    if state.n_epochs >= policy.max_epochs:
        return StopReason.EPOCHS
    if not any(trajectory.phase in LIVE for trajectory in state.trajectories):
        failed = all(trajectory.phase is Phase.FAILED for trajectory in state.trajectories)
        return StopReason.ALL_FAILED if failed else StopReason.MD_STEPS
    return None
