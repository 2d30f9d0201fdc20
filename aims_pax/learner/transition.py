"""What an event changes, and what has to be done at once: the first of the learner's two pure functions.

The other is :func:`aims_pax.learner.decide.decide`. The shell in :mod:`aims_pax.stages.loop` carries commands and
consequences out and feeds the events back.
"""

from dataclasses import replace

from aims_pax.errors import AimsPaxError
from aims_pax.learner.cadence import PerLabel, PerRound
from aims_pax.learner.events import (
    Asked,
    ChunkDone,
    ChunkUnphysical,
    Consequence,
    Distributed,
    EpochsDone,
    Event,
    KeepLabel,
    LabelArrived,
    LabelFailed,
    Rewind,
    SubmitLabel,
)
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.selectors import Memory, Observation, PickReason
from aims_pax.learner.state import LIVE, Phase, Pick, Rules, State, StopReason, Trajectory, Turn

Changed = tuple[State, tuple[Consequence, ...]]


class OutOfTurn(AimsPaxError):
    """An event that can't happen in this state: a defect of the shell, never a user's mistake."""


def begin(rules: Rules, *, n_trajectories: int, n_initial_train: int = 0, n_owners: int = 1) -> State:
    """The state in which a loop starts; it may have reached its goal already.

    Parameters
    ----------
    n_initial_train : int
        Training structures that a member has before.
    n_owners : int
        Members that get points of their own; 1 when all share all points.
    """
    state = State(
        trajectories=(Trajectory(),) * n_trajectories,
        memories=(Memory(),) * len(rules.selectors),
        counts=(SplitCounts(),) * n_owners,
        n_initial_train=n_initial_train,
    )
    return stopped_if_due(state, rules)


def transition(state: State, event: Event, rules: Rules) -> Changed:
    """The state after an event, and what has to be done at once.

    Raises
    ------
    OutOfTurn
        The event can't happen in this state.
    """
    consequences: tuple[Consequence, ...] = ()
    match event:
        case ChunkDone():
            state, consequences = _chunk_done(state, event, rules)
        case ChunkUnphysical(index, n_steps):
            moved = _moved(state, index, n_steps)
            state, consequences = _failure(_with(state, index, moved), index, rules)
        case LabelArrived():
            state, consequences = _label_arrived(state, event, rules)
        case LabelFailed(index, md_step):
            state, _ = _answered(state, index, md_step)
            state = replace(state, n_failed=state.n_failed + 1, n_failed_in_row=state.n_failed_in_row + 1)
            if isinstance(rules.cadence, PerLabel):
                state, consequences = _failure(state, index, rules)
        case Asked():
            state, consequences = _asked(state, rules)
        case Distributed(counts):
            state = _distributed(state, counts, rules)
        case EpochsDone():
            state = _epochs_done(state, event, rules)
    return stopped_if_due(state, rules), consequences


def steps_used_up(trajectory: Trajectory, rules: Rules) -> bool:
    """Whether a trajectory has made all steps that it may."""
    return rules.max_md_steps is not None and trajectory.md_step >= rules.max_md_steps


def equilibration_left(state: State, rules: Rules) -> int:
    """MD steps of equilibration that are still to be made; none any more once a structure was asked for."""
    left = rules.equilibration_steps - state.n_equilibrated
    has_sampled = state.n_requested > 0 or state.n_round > 0
    return 0 if has_sampled else max(0, left)


def threshold(state: State, rules: Rules) -> float:
    """The lowest score above which a structure is picked, eV/Å; infinite where no score decides."""
    return min(selector.value(memory) for selector, memory in zip(rules.selectors, state.memories, strict=True))


def n_wanted(state: State, rules: Rules) -> int:
    """Labels that the round which is being collected still lacks, besides those in flight."""
    assert isinstance(rules.cadence, PerRound)
    if state.n_failed_in_row >= rules.max_failures:  # failures are often quick: what is in flight may still be good
        return 0
    return max(0, rules.cadence.labels_per_round - state.n_in_round - len(state.in_flight))


def stopped_if_due(state: State, rules: Rules) -> State:
    """Stop when a goal is reached: what runs ends at once, what waits or learns goes its way to the end.

    Labels in flight are kept and get their epochs, except when the epochs themselves are used up.
    """
    reason = state.stopping or reason_to_stop(state, rules)
    if reason is None:
        return state
    ends = {Phase.RUNNING}
    if state.n_epochs >= rules.max_epochs:
        ends.add(Phase.TRAINING)
    trajectories = tuple(
        replace(trajectory, phase=Phase.FINISHED, epochs_left=0) if trajectory.phase in ends else trajectory
        for trajectory in state.trajectories
    )
    return replace(state, trajectories=trajectories, stopping=reason)


def reason_to_stop(state: State, rules: Rules) -> StopReason | None:
    """The goal that is reached, if any."""
    if state.epochs_due and state.n_epochs < rules.max_epochs:
        return None
    if isinstance(rules.cadence, PerRound) and state.n_epochs >= rules.max_epochs:
        return StopReason.EPOCHS
    if rules.max_train_size is not None and state.train_size >= rules.max_train_size:
        return StopReason.TRAIN_SIZE
    if (
        rules.desired_force_mae is not None
        and state.force_mae is not None
        and state.force_mae <= rules.desired_force_mae
    ):
        return StopReason.FORCE_MAE
    if state.n_epochs >= rules.max_epochs:
        return StopReason.EPOCHS
    return _reason_to_give_up(state, rules)


def _reason_to_give_up(state: State, rules: Rules) -> StopReason | None:
    if isinstance(rules.cadence, PerRound):
        failed = bool(state.in_phase(Phase.FAILED)) or state.n_failed_in_row >= rules.max_failures
        return StopReason.ALL_FAILED if failed and not state.in_flight else None
    if any(trajectory.phase in LIVE for trajectory in state.trajectories):
        return None
    failed = all(trajectory.phase is Phase.FAILED for trajectory in state.trajectories)
    return StopReason.ALL_FAILED if failed else StopReason.MD_STEPS


def _with(state: State, index: int, trajectory: Trajectory) -> State:
    trajectories = (*state.trajectories[:index], trajectory, *state.trajectories[index + 1 :])
    return replace(state, trajectories=trajectories)


def _moved(state: State, index: int, n_steps: int) -> Trajectory:
    trajectory = state.trajectories[index]
    if trajectory.phase is not Phase.RUNNING:
        raise OutOfTurn(f"trajectory {index} moved while it was {trajectory.phase}")
    return replace(trajectory, md_step=trajectory.md_step + n_steps, quiet_steps=trajectory.quiet_steps + n_steps)


def _onwards(state: State, trajectory: Trajectory, rules: Rules) -> Trajectory:
    """A trajectory that has nothing to wait for: running, or finished when there is nothing left to do."""
    over = state.stopping is not None or steps_used_up(trajectory, rules)
    return replace(trajectory, phase=Phase.FINISHED if over else Phase.RUNNING)


# -- sampling -------------------------------------------------------------------------------------------------


def _chunk_done(state: State, event: ChunkDone, rules: Rules) -> Changed:
    moved = _moved(state, event.trajectory, event.n_steps)
    if isinstance(rules.cadence, PerRound):
        moved = replace(moved, failures=0, is_through=True)
        state = _with(state, event.trajectory, moved)
        everyone_is = all(state.trajectories[index].is_through for index in state.in_phase(Phase.RUNNING))
        return _step_kept(state, event.n_steps, rules) if everyone_is else state, ()
    state, picked_by, reason = _judged(replace(state, turn=Turn.TRAIN), event.trajectory, moved, event.score, rules)
    if reason is None:
        return _with(state, event.trajectory, _onwards(state, moved, rules)), ()
    pick = Pick(event.trajectory, moved.md_step, picked_by)
    state = _with(state, event.trajectory, replace(moved, phase=Phase.WAITING, quiet_steps=0))
    return replace(state, in_flight=(*state.in_flight, pick)), (SubmitLabel(event.trajectory, reason),)


def _judged(
    state: State, index: int, moved: Trajectory, score: float | None, rules: Rules
) -> tuple[State, int, PickReason | None]:
    """What all selectors make of a structure: who wants it, the first of them, and why."""
    seen = Observation(index, moved.md_step, moved.quiet_steps, score, state.train_size)
    verdicts = [selector.judged(memory, seen) for selector, memory in zip(rules.selectors, state.memories, strict=True)]
    state = replace(state, memories=tuple(memory for memory, _ in verdicts))
    return next(
        ((state, number, reason) for number, (_, reason) in enumerate(verdicts) if reason is not None), (state, 0, None)
    )


def _step_kept(state: State, n_steps: int, rules: Rules) -> State:
    """All trajectories that keep step have made theirs."""
    is_equilibrating = equilibration_left(state, rules) > 0
    trajectories = tuple(replace(one, is_through=False) for one in state.trajectories)
    state = replace(state, trajectories=trajectories)
    if is_equilibrating:
        return replace(state, n_equilibrated=state.n_equilibrated + n_steps)
    for index in state.in_phase(Phase.RUNNING):
        state, _, reason = _judged(state, index, state.trajectories[index], None, rules)
        if reason is not None:
            state = replace(state, offered=(*state.offered, index))
    return state


def _asked(state: State, rules: Rules) -> Changed:
    """Ask for offered structures, as many as the round lacks."""
    taken = state.offered[: n_wanted(state, rules)]
    picks = tuple(Pick(index, state.trajectories[index].md_step) for index in taken)
    for index in taken:
        state = _with(state, index, replace(state.trajectories[index], quiet_steps=0))
    state = replace(state, offered=state.offered[len(taken) :], in_flight=(*state.in_flight, *picks))
    return state, tuple(SubmitLabel(index, PickReason.DUE) for index in taken)


def _failure(state: State, index: int, rules: Rules) -> Changed:
    trajectory = state.trajectories[index]
    trajectory = replace(trajectory, failures=trajectory.failures + 1)
    most = rules.max_failures if isinstance(rules.cadence, PerLabel) else rules.cadence.max_md_failures
    if trajectory.failures >= most:
        # Those that keep step begin again where they last stood together, once their user has mended what was wrong.
        back = () if isinstance(rules.cadence, PerLabel) else (Rewind(index),)
        return _with(state, index, replace(trajectory, phase=Phase.FAILED)), back
    trajectory = _onwards(state, trajectory, rules)
    rewind = (Rewind(index),) if trajectory.phase is Phase.RUNNING else ()
    return _with(state, index, trajectory), rewind


# -- labels ---------------------------------------------------------------------------------------------------


def _answered(state: State, index: int, md_step: int) -> tuple[State, Pick]:
    """The state without this label in flight."""
    pick = next((pick for pick in state.in_flight if (pick.trajectory, pick.md_step) == (index, md_step)), None)
    if pick is None:
        stands = state.trajectories[index]
        raise OutOfTurn(
            f"a label of trajectory {index}, step {md_step}, arrived while it was {stands.phase} "
            f"at step {stands.md_step}"
        )
    return replace(state, in_flight=tuple(one for one in state.in_flight if one is not pick)), pick


def _label_arrived(state: State, event: LabelArrived, rules: Rules) -> Changed:
    state, pick = _answered(state, event.trajectory, event.md_step)
    state = replace(state, n_received=state.n_received + 1, n_failed_in_row=0)
    memory, _ = rules.selectors[pick.selector].compared(state.memories[pick.selector], event.error)
    state = replace(state, memories=_replaced(state.memories, pick.selector, memory))
    if isinstance(rules.cadence, PerRound):
        return replace(state, n_in_round=state.n_in_round + 1), ()
    counts, split = rules.quota.place(state.counts[0])
    trajectory = replace(state.trajectories[event.trajectory], failures=0, epochs_left=rules.cadence.epochs_per_label)
    if state.n_epochs < rules.max_epochs:
        trajectory = replace(trajectory, phase=Phase.TRAINING)
    else:
        trajectory = replace(trajectory, phase=Phase.FINISHED, epochs_left=0)
    state = replace(_with(state, event.trajectory, trajectory), counts=(counts,))
    return _grown(state, rules), (KeepLabel(event.trajectory, split),)


def _grown(state: State, rules: Rules) -> State:
    """Let selectors know how large the training set is."""
    pairs = zip(rules.selectors, state.memories, strict=True)
    return replace(state, memories=tuple(selector.grown(memory, state.train_size) for selector, memory in pairs))


def _replaced(memories: tuple[Memory, ...], number: int, memory: Memory) -> tuple[Memory, ...]:
    return (*memories[:number], memory, *memories[number + 1 :])


def _distributed(state: State, counts: tuple[SplitCounts, ...], rules: Rules) -> State:
    assert isinstance(rules.cadence, PerRound)
    state = replace(
        state, counts=counts, n_round=state.n_round + 1, n_in_round=0, epochs_due=rules.cadence.epochs_per_round
    )
    return _grown(state, rules)


# -- training -------------------------------------------------------------------------------------------------


def _epochs_done(state: State, event: EpochsDone, rules: Rules) -> State:
    state = replace(
        state,
        n_epochs=state.n_epochs + event.n_epochs,
        force_mae=state.force_mae if event.force_mae is None else event.force_mae,
        turn=Turn.SAMPLE,
    )
    if isinstance(rules.cadence, PerRound):
        return replace(state, epochs_due=max(0, state.epochs_due - event.n_epochs))
    for index in state.in_phase(Phase.TRAINING):
        trajectory = state.trajectories[index]
        left = max(0, trajectory.epochs_left - event.n_epochs)
        trajectory = replace(trajectory, epochs_left=left)
        state = _with(state, index, trajectory if left else _onwards(state, trajectory, rules))
    return state
