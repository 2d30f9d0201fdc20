"""Labels that were kept out, and that a limit which was raised between two sessions lets in after all."""

from dataclasses import replace

from aims_pax.frame import Split
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.selectors import Purpose, Selector
from aims_pax.learner.state import State, StopReason


def with_one_more_before(state: State) -> State:
    """The state of a loop whose members have a training structure more than those that they had before it."""
    return replace(state, n_initial_train=state.n_initial_train + 1)


def let_in(
    state: State, trajectory: int, *, selector: Selector | None, cadence: PerRound | None
) -> tuple[State, Split | None]:
    """The state of a loop to which a label has come that it had taken for failed, and the place of its structure.

    Its trajectory has gone on from its checkpoint since, and stays where it is. A label to learn from trains all
    members, beside the quota, as those do that were there before the loop began.

    Parameters
    ----------
    trajectory : int
    selector : Selector or None
        What had picked the structure.
    cadence : PerRound or None
        Of a loop that goes on and collects rounds: a label belongs to the present one, and has no place before that is
        complete. None: of all others.
    """
    state = replace(state, n_failed=state.n_failed - 1, n_received=state.n_received + 1)
    if 0 <= trajectory < len(state.trajectories):
        one = state.trajectories[trajectory]
        state = state.with_trajectory(trajectory, replace(one, n_labels=one.n_labels + 1))
    if cadence is not None and state.stopping in (None, StopReason.ALL_FAILED):
        return replace(state, n_in_round=state.n_in_round + 1), None
    if selector is None or selector.purpose is Purpose.LEARN:
        return with_one_more_before(state), Split.TRAINING
    memory = state.memory_of(selector.name)
    split = selector.split_of(memory)
    state = state.remembering(replace(memory, n_labelled=memory.n_labelled + 1))
    return replace(state, counts=(state.counts[0].with_one_more(split), *state.counts[1:])), split
