"""Epochs of a run, over all that has trained its members."""

from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages.bench import Bench
from aims_pax.stages.convergence import stored_convergence
from aims_pax.stages.states import FINAL_CONVERGENCE, INITIAL_CONVERGENCE, recall_state


def epochs_trained(bench: Bench, *, besides: str = "") -> int:
    """Epochs of the parts of a run that are over or under way, without the one that is stored by this name."""
    states = {
        INITIAL: recall_state(bench.store, INITIAL),
        INITIAL_CONVERGENCE: stored_convergence(bench.memory, INITIAL_CONVERGENCE),
        ACTIVE: recall_state(bench.store, ACTIVE),
        FINAL_CONVERGENCE: stored_convergence(bench.memory, FINAL_CONVERGENCE),
    }
    return sum(state.n_epochs for name, state in states.items() if state is not None and name != besides)
