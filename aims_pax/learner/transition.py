"""What an event changes, and what has to be done at once: the first of the learner's two pure functions.

The other is :func:`aims_pax.learner.decide.decide`. The shell in :mod:`aims_pax.stages.loop.shell` carries commands and
consequences out and feeds the events back.
"""

from dataclasses import replace

from aims_pax.errors import AimsPaxError
from aims_pax.frame import Split
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
    Rescored,
    Rewind,
    SubmitLabel,
    Withdraw,
)
from aims_pax.learner.goals import steps_used_up, stopped_if_due, within_budgets
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.selectors import (
    OF_SCORES,
    Comparison,
    Memory,
    Observation,
    PickReason,
    Purpose,
    Selector,
    Verdict,
)
from aims_pax.learner.series import series_looked_at
from aims_pax.learner.state import Phase, Pick, Rules, State, Trajectory, Turn

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
        memories=tuple(Memory(selector.name) for selector in rules.selectors),
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
            state, consequences = _failure(state.with_trajectory(index, moved), index, rules)
        case LabelArrived():
            state, consequences = _label_arrived(state, event, rules)
        case LabelFailed(index, md_step, is_unphysical):
            state, pick = _answered(state, index, md_step)
            state = _counted(state, index, -1)
            state = replace(state, n_failed=state.n_failed + 1, n_failed_in_row=state.n_failed_in_row + 1)
            if isinstance(rules.cadence, PerLabel) and _waits(state, pick):
                state, consequences = _failure(state, index, rules)
            if is_unphysical:
                state, back = series_looked_at(state, rules, is_unphysical=True)
                consequences += tuple(one for one in back if one not in consequences)
        case Rescored():
            state, consequences = _rescored(state, event, rules)
        case Asked():
            state, consequences = _asked(state, rules)
        case Distributed(counts):
            state = _distributed(state, counts, rules)
        case EpochsDone():
            state = _epochs_done(state, event, rules)
    return stopped_if_due(within_budgets(state, rules, about=_whose(event)), rules), consequences


def _whose(event: Event) -> int | None:
    """The one trajectory that an event is about; None: it is about all of them."""
    match event:
        case ChunkDone() | ChunkUnphysical() | LabelArrived() | LabelFailed() | Rescored():
            return event.trajectory
    return None


def equilibration_left(state: State, rules: Rules) -> int:
    """MD steps of equilibration that are still to be made; none any more once a structure was asked for."""
    left = rules.equilibration_steps - state.n_equilibrated
    has_sampled = state.n_requested > 0 or state.n_round > 0
    return 0 if has_sampled else max(0, left)


def threshold(state: State, rules: Rules) -> float:
    """The lowest score above which any structure is picked, in its unit; infinite where no score decides."""
    return min(selector.value(state.memory_of(selector.name)) for selector in rules.selectors)


def n_wanted(state: State, rules: Rules) -> int:
    """Labels that the round which is being collected still lacks, besides those in flight."""
    assert isinstance(rules.cadence, PerRound)
    if state.n_failed_in_row >= rules.max_failures:  # failures are often quick: what is in flight may still be good
        return 0
    return max(0, rules.cadence.labels_per_round - state.n_in_round - len(state.in_flight))


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
        state = state.with_trajectory(event.trajectory, moved)
        everyone_is = all(state.trajectories[index].is_through for index in state.in_phase(Phase.RUNNING))
        return _step_kept(state, event.n_steps, rules) if everyone_is else state, ()
    seen = _seen(state, event.trajectory, moved, n_steps=event.n_steps, score=event.score)
    seen = replace(seen, of_molecules=event.of_molecules)
    state, wanted = _judged(replace(state, turn=Turn.TRAIN), seen, rules)
    if wanted is None:
        return state.with_trajectory(event.trajectory, _onwards(state, moved, rules)), ()
    selector, reason = wanted
    if event.is_alike and reason in OF_SCORES:
        # It has crossed its threshold, and is not quiet: what it asks is about to be learned from another.
        state = replace(state, n_passed_over=state.n_passed_over + 1)
        moved = _onwards(state, replace(moved, quiet_steps=0), rules)
        return state.with_trajectory(event.trajectory, moved), ()
    if selector.purpose is Purpose.LEARN:
        moved = replace(moved, phase=Phase.WAITING, quiet_steps=0)
    else:
        moved = _onwards(state, moved, rules)
    pick = Pick(event.trajectory, moved.md_step, selector.name, reason)
    state = _picked(state.with_trajectory(event.trajectory, moved), pick)
    return state, (SubmitLabel(event.trajectory, reason, selector.name),)


def asks_by_score(state: State, event: ChunkDone, rules: Rules) -> bool:
    """Whether a chunk ends at a structure that would be asked for because of its score."""
    _, consequences = transition(state, event, rules)
    return any(isinstance(one, SubmitLabel) and one.reason in OF_SCORES for one in consequences)


def _seen(state: State, index: int, moved: Trajectory, *, n_steps: int, score: float | None) -> Observation:
    return Observation(
        trajectory=index,
        md_step=moved.md_step,
        quiet_steps=moved.quiet_steps,
        score=score,
        train_size=state.train_size,
        n_steps=n_steps,
        n_asked=state.n_requested,
    )


def _judged(state: State, seen: Observation, rules: Rules) -> tuple[State, tuple[Selector, PickReason] | None]:
    """What all selectors make of a structure: who has it, and why; None when nobody wants it."""
    wanting: list[tuple[Selector, PickReason]] = []
    for selector in (one for one in rules.selectors if one.concerns(seen.trajectory)):
        memory, reason = selector.judged(state.memory_of(selector.name), seen)
        state = state.remembering(memory)
        if reason is not None:
            wanting.append((selector, reason))
    state = _crossed(state, {reason for _, reason in wanting}, rules)
    judging = [one for one in wanting if one[0].purpose is Purpose.JUDGE]
    return state, next(iter([*judging, *wanting]), None)


def _crossed(state: State, reasons: set[PickReason], rules: Rules) -> State:
    """Count crossings of molecules alone; those of the whole structure begin anew."""
    if PickReason.UNSURE in reasons:
        return replace(state, n_molecular=0)
    if PickReason.BETWEEN not in reasons:
        return state
    n_molecular = state.n_molecular + 1
    weighs = state.weighs_molecules or n_molecular >= rules.molecular_limit
    return replace(state, n_molecular=n_molecular, weighs_molecules=weighs)


def _picked(state: State, pick: Pick) -> State:
    """The state with one more label in flight."""
    memory = state.memory_of(pick.selector)
    state = _counted(state.remembering(replace(memory, n_picked=memory.n_picked + 1)), pick.trajectory, 1)
    return replace(state, in_flight=(*state.in_flight, pick))


def _counted(state: State, index: int, n_labels: int) -> State:
    trajectory = state.trajectories[index]
    return state.with_trajectory(index, replace(trajectory, n_labels=trajectory.n_labels + n_labels))


def _step_kept(state: State, n_steps: int, rules: Rules) -> State:
    """All trajectories that keep step have made theirs."""
    is_equilibrating = equilibration_left(state, rules) > 0
    trajectories = tuple(replace(one, is_through=False) for one in state.trajectories)
    state = replace(state, trajectories=trajectories)
    if is_equilibrating:
        return replace(state, n_equilibrated=state.n_equilibrated + n_steps)
    for index in state.in_phase(Phase.RUNNING):
        seen = _seen(state, index, state.trajectories[index], n_steps=n_steps, score=None)
        state, wanted = _judged(state, seen, rules)
        if wanted is not None:
            pick = Pick(index, state.trajectories[index].md_step, wanted[0].name)
            state = replace(state, offered=(*state.offered, pick))
    return state


def _asked(state: State, rules: Rules) -> Changed:
    """Ask for offered structures, as many as the round lacks."""
    taken = state.offered[: n_wanted(state, rules)]
    for pick in taken:
        trajectory = replace(state.trajectories[pick.trajectory], quiet_steps=0)
        state = _picked(state.with_trajectory(pick.trajectory, trajectory), pick)
    state = replace(state, offered=state.offered[len(taken) :])
    return state, tuple(SubmitLabel(pick.trajectory, PickReason.DUE, pick.selector) for pick in taken)


def _rescored(state: State, event: Rescored, rules: Rules) -> Changed:
    """Withdraw a label if nobody would ask for it now; scores of a second look move no threshold."""
    pick = next((one for one in state.withdrawable if one.trajectory == event.trajectory), None)
    if pick is None or pick.md_step != event.md_step:
        raise OutOfTurn(f"trajectory {event.trajectory} waits for no label of step {event.md_step} that is not begun")
    trajectory = state.trajectories[event.trajectory]
    seen = _seen(state, event.trajectory, trajectory, n_steps=0, score=event.score)
    seen = replace(seen, of_molecules=event.of_molecules, quiet_steps=0)
    learning = [one for one in rules.selectors if one.purpose is Purpose.LEARN and one.concerns(event.trajectory)]
    is_wanted = any(one.judged(state.memory_of(one.name), seen)[1] is not None for one in learning)
    if event.score is None or is_wanted:
        return state, ()
    state, _ = _answered(state, event.trajectory, event.md_step)
    memory = state.memory_of(pick.selector)
    state = state.remembering(replace(memory, n_picked=memory.n_picked - 1))
    state = _counted(replace(state, n_withdrawn=state.n_withdrawn + 1), event.trajectory, -1)
    onwards = _onwards(state, state.trajectories[event.trajectory], rules)
    return state.with_trajectory(event.trajectory, onwards), (Withdraw(event.trajectory, event.md_step),)


def _failure(state: State, index: int, rules: Rules) -> Changed:
    trajectory = state.trajectories[index]
    trajectory = replace(trajectory, failures=trajectory.failures + 1)
    most = rules.max_failures if isinstance(rules.cadence, PerLabel) else rules.cadence.max_md_failures
    if trajectory.failures >= most:
        # Those that keep step begin again where they last stood together, once their user has mended what was wrong.
        back = () if isinstance(rules.cadence, PerLabel) else (Rewind(index),)
        return state.with_trajectory(index, replace(trajectory, phase=Phase.FAILED)), back
    trajectory = _onwards(state, trajectory, rules)
    rewind = (Rewind(index),) if trajectory.phase is Phase.RUNNING else ()
    return state.with_trajectory(index, trajectory), rewind


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


def _waits(state: State, pick: Pick) -> bool:
    """Whether the trajectory stands still for this label."""
    trajectory = state.trajectories[pick.trajectory]
    return trajectory.phase is Phase.WAITING and trajectory.md_step == pick.md_step


def _label_arrived(state: State, event: LabelArrived, rules: Rules) -> Changed:
    state, pick = _answered(state, event.trajectory, event.md_step)
    state = replace(state, n_received=state.n_received + 1, n_failed_in_row=0)
    selector = next((one for one in rules.selectors if one.name == pick.selector), None)
    own_split = None if selector is None else selector.split_of(state.memory_of(pick.selector))
    state, verdict = _compared(state, selector, event)
    if isinstance(rules.cadence, PerRound):
        return replace(state, n_in_round=state.n_in_round + 1), ()
    state, _ = series_looked_at(state, rules, is_unphysical=False)
    if selector is None or selector.purpose is Purpose.JUDGE:
        counts = state.counts[0].with_one_more(own_split)
        return replace(state, counts=(counts,)), (KeepLabel(event.trajectory, own_split, is_checkpoint=False),)
    counts, split = rules.quota.place(state.counts[0])
    if verdict.trains:
        counts, split = state.counts[0].with_one_more(Split.TRAINING), Split.TRAINING
    trajectory = replace(state.trajectories[event.trajectory], failures=0)
    if not verdict.learns:
        trajectory = _onwards(state, trajectory, rules)
    elif state.n_epochs < rules.max_epochs:
        trajectory = replace(trajectory, phase=Phase.TRAINING, epochs_left=rules.cadence.epochs_per_label)
    else:
        trajectory = replace(trajectory, phase=Phase.FINISHED, epochs_left=0)
    state = _grown(replace(state.with_trajectory(event.trajectory, trajectory), counts=(counts,)), rules)
    if verdict.goes_back:
        return state, (KeepLabel(event.trajectory, split, is_checkpoint=False), Rewind(event.trajectory))
    return state, (KeepLabel(event.trajectory, split),)


def _compared(state: State, selector: Selector | None, event: LabelArrived) -> tuple[State, Verdict]:
    """What a selector makes of a label that it has asked for.

    That of a selector which the rules have no longer goes nowhere: the final training takes it.
    """
    if selector is None:
        return state, Verdict(learns=False)
    memory = state.memory_of(selector.name)
    seen = Comparison(event.trajectory, event.error, event.differences)
    memory, verdict = selector.compared(replace(memory, n_labelled=memory.n_labelled + 1), seen)
    return state.remembering(memory), verdict


def _grown(state: State, rules: Rules) -> State:
    """Let selectors know how large the training set is."""
    for selector in rules.selectors:
        state = state.remembering(selector.grown(state.memory_of(selector.name), state.train_size))
    return state


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
        pause_epochs=max(0, state.pause_epochs - event.n_epochs),
        force_mae=state.force_mae if event.force_mae is None else event.force_mae,
        turn=Turn.SAMPLE,
    )
    if isinstance(rules.cadence, PerRound):
        return replace(state, epochs_due=max(0, state.epochs_due - event.n_epochs))
    learning = state.in_phase(Phase.TRAINING)
    n_epochs = -(-event.n_epochs // rules.cadence.at_a_visit(max(1, len(learning))))
    for index in learning:
        trajectory = state.trajectories[index]
        left = max(0, trajectory.epochs_left - n_epochs)
        trajectory = replace(trajectory, epochs_left=left)
        state = state.with_trajectory(index, trajectory if left else _onwards(state, trajectory, rules))
    return state
