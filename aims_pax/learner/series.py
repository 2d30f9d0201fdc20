"""Labels that are unphysical in series: the MD runs into structures that fall apart, and what is paid for is wasted.

A committee that knows too little drives its trajectories there, one after the other. So picking pauses, trajectories go
back to their checkpoints, and the committee is trained on what it has; when that doesn't help, the loop ends.
"""

from dataclasses import replace

from aims_pax.learner.events import Rewind
from aims_pax.learner.state import Phase, Rules, State, StopReason


def series_looked_at(state: State, rules: Rules, *, is_unphysical: bool) -> tuple[State, tuple[Rewind, ...]]:
    """The state after one more answer, and who has to go back."""
    rule = rules.wrecks
    if rule is None or state.pause_epochs:  # answers that were asked for before a pause say nothing new
        return state, ()
    state = replace(state, recent=(*state.recent, is_unphysical)[-rule.n_recent :])
    n_wrecks = sum(state.recent)
    if n_wrecks <= rule.n_most:
        is_sound = len(state.recent) == rule.n_recent
        return replace(state, n_pauses=0) if is_sound else state, ()
    state = replace(state, recent=(), n_pauses=state.n_pauses + 1)
    if state.n_pauses > rule.max_pauses:
        return replace(state, stopping=StopReason.WRECKS), ()
    state = replace(state, pause_epochs=rule.pause_epochs)
    return state, tuple(Rewind(index) for index in state.in_phase(Phase.RUNNING))
