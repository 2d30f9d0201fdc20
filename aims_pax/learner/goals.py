"""When a loop ends: its goals, the budgets of its trajectories, and nobody left who could go on."""

from dataclasses import replace

from aims_pax.learner.cadence import PerRound
from aims_pax.learner.selectors import MovingThreshold
from aims_pax.learner.state import LIVE, Budget, Phase, Rules, State, StopReason, Trajectory


def steps_used_up(trajectory: Trajectory, rules: Rules) -> bool:
    """Whether a trajectory has made all steps that it may."""
    return rules.max_md_steps is not None and trajectory.md_step >= rules.max_md_steps


def labels_allowed(rules: Rules, n_trajectories: int) -> int | None:
    """Labels that all trajectories together may ask for; None where one of them has no budget."""
    n_limited = sum(len(budget.trajectories) for budget in rules.budgets)
    return sum(budget.max_labels for budget in rules.budgets) if rules.budgets and n_limited == n_trajectories else None


def with_trajectories(rules: Rules, n_before: int, n_after: int) -> Rules:
    """The same rules for another number of trajectories, which belong to budgets and thresholds in turn, as before."""

    def in_turn(some: frozenset[int]) -> frozenset[int]:
        return frozenset(index for index in range(n_after) if index % n_before in some)

    budgets = [replace(budget, trajectories=in_turn(budget.trajectories)) for budget in rules.budgets]
    selectors = [
        replace(one, trajectories=in_turn(one.trajectories))
        if isinstance(one, MovingThreshold) and one.trajectories is not None
        else one
        for one in rules.selectors
    ]
    return replace(rules, budgets=tuple(one for one in budgets if one.trajectories), selectors=tuple(selectors))


def budgets_spent(state: State, rules: Rules) -> frozenset[int]:
    """Trajectories that have asked for all labels that they may ask for."""
    spent = (one for one in rules.budgets if _n_labels(state, one) >= one.max_labels)
    return frozenset(index for one in spent for index in one.trajectories)


def _n_labels(state: State, budget: Budget) -> int:
    return sum(state.trajectories[index].n_labels for index in budget.trajectories if index < len(state.trajectories))


def within_budgets(state: State, rules: Rules, *, about: int | None = None) -> State:
    """End those that may ask for no more, once they have nothing to wait for; and let those go on that may ask again.

    A label that fails gives its place in the budget back, and a budget may be raised between two sessions.

    Parameters
    ----------
    about : int or None
        The one trajectory that anything has become of, whose budget alone is then looked at: hundreds of systems have
        a budget each. None: any of them.
    """
    if state.stopping is not None:
        return state
    for budget in rules.budgets:
        if about is not None and about not in budget.trajectories:
            continue
        is_spent = _n_labels(state, budget) >= budget.max_labels
        for index in sorted(budget.trajectories):
            if index >= len(state.trajectories):
                continue
            trajectory = state.trajectories[index]
            if trajectory.phase is Phase.RUNNING and is_spent:
                state = state.with_trajectory(index, replace(trajectory, phase=Phase.FINISHED))
            elif trajectory.phase is Phase.FINISHED and not is_spent and not steps_used_up(trajectory, rules):
                state = state.with_trajectory(index, replace(trajectory, phase=Phase.RUNNING))
    return state


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
    if all(trajectory.phase is Phase.FAILED for trajectory in state.trajectories):
        return StopReason.ALL_FAILED
    return StopReason.BUDGETS if budgets_spent(state, rules) else StopReason.MD_STEPS
