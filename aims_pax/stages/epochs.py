"""Epochs of a run, over all that has trained its members."""

from aims_pax.learner.exploration import Exploration
from aims_pax.learner.passes import Passes
from aims_pax.stages.bench import Bench
from aims_pax.stages.convergence import stored_convergence
from aims_pax.stages.states import CONVERGENCES, EXPLORATIONS, LOOPS, SELECTIONS, convergence_key, recall_state


def epochs_trained(bench: Bench, *, besides: str = "") -> int:
    """Epochs of the stages of a run that are over or under way, without the one of this name."""
    loops = [name.removeprefix(LOOPS) for name in bench.store.state_names(LOOPS)]
    states = [recall_state(bench.store, name) for name in loops if name != besides]
    exploring = [name.removeprefix(EXPLORATIONS) for name in bench.store.state_names(EXPLORATIONS)]
    rounds = [bench.memory.recall(f"{EXPLORATIONS}{name}", Exploration) for name in exploring if name != besides]
    counted = {convergence_key(name) for name in (besides, *exploring)}
    keys = [key for key in bench.store.state_names(CONVERGENCES) if key not in counted]
    convergences = [stored_convergence(bench.memory, key) for key in keys]
    walks = [key for key in bench.store.state_names(SELECTIONS) if key != f"{SELECTIONS}{besides}"]
    selections = [bench.memory.recall(key, Passes) for key in walks]
    return sum(one.n_epochs for one in (*states, *rounds, *convergences, *selections) if one is not None)
