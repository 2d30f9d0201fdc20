"""How much a stage in rounds has still to do: counted at once, for rounds are all alike."""

from dataclasses import dataclass
from math import ceil, inf, isinf

from aims_pax.learner.cadence import PerRound
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.state import Phase, Rules, State
from aims_pax.learner.transition import equilibration_left


@dataclass(frozen=True, slots=True)
class RoundsAhead:
    """What is left of a stage in rounds.

    Parameters
    ----------
    n_labels, n_md_steps, n_epochs : int
        MD steps are those of all trajectories together.
    n_train, n_train_first : int
        Training structures of a member at its end, and after the next round.
    n_rounds : int
    """

    n_labels: int
    n_md_steps: int
    n_epochs: int
    n_train: int
    n_train_first: int
    n_rounds: int


def rounds_ahead(rules: Rules, state: State) -> RoundsAhead:
    """What a loop does from this state on until it has enough structures, or has trained for enough epochs.

    The same as :func:`aims_pax.forecast.simulation.simulate` counts one by one, where nothing fails.
    """
    cadence = rules.cadence
    assert isinstance(cadence, PerRound)
    if state.stopping is not None:
        return RoundsAhead(0, 0, 0, state.train_size, state.train_size, 0)
    n_epochs = int(min(rules.max_epochs, state.n_epochs + state.epochs_due))
    goal = inf if rules.max_train_size is None else rules.max_train_size - state.n_initial_train
    n_rounds = 0
    if n_epochs < rules.max_epochs and min(counts.n_train for counts in state.counts) < goal:
        share = cadence.labels_per_round // len(state.counts)
        enough = max(_rounds_to(goal, counts, share, rules.quota) for counts in state.counts)
        n_rounds = max(1, int(min(enough, _rounds_of_epochs(rules.max_epochs - n_epochs, cadence))))
        n_epochs = int(min(rules.max_epochs, n_epochs + n_rounds * cadence.epochs_per_round))
    n_points = cadence.labels_per_round // len(state.counts)

    def n_train(n_rounds: int) -> int:
        after = (rules.quota.after(counts, n_rounds * n_points).n_train for counts in state.counts)
        return state.n_initial_train + min(after)

    return RoundsAhead(
        n_labels=max(0, n_rounds * cadence.labels_per_round - state.n_in_round),
        n_md_steps=_md_steps(n_rounds, rules, cadence, state),
        n_epochs=n_epochs - state.n_epochs,
        n_train=n_train(n_rounds),
        n_train_first=n_train(min(1, n_rounds)),
        n_rounds=n_rounds,
    )


def _rounds_of_epochs(n_epochs: float, cadence: PerRound) -> float:
    return ceil(n_epochs / cadence.epochs_per_round) if cadence.epochs_per_round and not isinf(n_epochs) else inf


def _rounds_to(goal: float, counts: SplitCounts, share: int, quota: Quota) -> float:
    """Rounds after which a member that gets so many points in each has enough that train."""
    if isinf(goal):
        return inf
    low, high = 0, 1
    while quota.after(counts, high * share).n_train < goal:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if quota.after(counts, middle * share).n_train < goal:
            low = middle
        else:
            high = middle
    return high


def _md_steps(n_rounds: int, rules: Rules, cadence: PerRound, state: State) -> int:
    """Trajectories keep step: each of them makes a step for every structure that one of them is asked for."""
    moving = state.in_phase(Phase.RUNNING)
    wanted = n_rounds * cadence.labels_per_round - state.n_in_round - len(state.in_flight) - len(state.offered)
    n_turns = max(0, ceil(wanted / len(moving)))
    is_through = sum(state.trajectories[index].is_through for index in moving)
    n_chunks = max(0, n_turns * len(moving) - is_through)
    return n_chunks * rules.skip_steps + equilibration_left(state, rules) * len(moving)
