"""How active learning goes on until one of its goals is reached."""

from dataclasses import replace
from math import ceil, inf, isinf
from typing import TYPE_CHECKING, Final

from aims_pax.forecast.amounts import NOTHING, Amounts, Outset, Sizes, Span
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.goals import labels_allowed
from aims_pax.learner.state import Phase, Rules, State
from aims_pax.settings import ActiveLearningSettings, LocalCluster
from aims_pax.stages import assembly

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from collections.abc import Callable

    from aims_pax.forecast.outcome import Outcome
    from aims_pax.forecast.simulation import Pace, Workload
    from aims_pax.forecast.timetable import Pacing, StageForecast

DEFAULT_PICK_RATE: Final = 0.08
"""Fraction of estimates that are picked when nothing is known: 69 of 909 in examples/quickstart."""

PICK_RATE_FACTOR: Final = 2.0
"""By how much that assumption may be wrong, either way."""

DEFAULT_LABELS: Final = 200
"""Labels of active learning where no goal of the project limits them."""


class LearnForecast:
    """Labels to the first of the goals; their time by the simulation."""

    def amounts(self, outset: Outset) -> Amounts:
        settings, rates = outset.plan.read_as(ActiveLearningSettings), pick_rates()
        rules, state = assembly.active_rules(outset.project, outset.plan), state_of(outset)
        if state is not None and state.stopping is not None:
            return _last_labels(outset, rules, state)
        n_trajectories = settings.num_trajectories
        labels = _labels_to_goal(outset, rules, rates)
        every = rules.skip_steps
        steps = Span(
            labels.low * every / rates.high, labels.likely * every / rates.likely, labels.high * every / rates.low
        )
        if rules.max_md_steps is not None:
            made = 0 if state is None else state.md_steps
            most = max(0, n_trajectories * rules.max_md_steps - made)
            steps = Span(min(steps.low, most), min(steps.likely, most), min(steps.high, most))
        epochs = labels.times(_epochs_per_label(rules))
        if settings.analysis:
            labels = labels + steps.times(1 / settings.analysis_skip)
        return Amounts(outset.plan.name, labels, steps, replace(epochs, low=epochs.low / n_trajectories))

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        state, sizes = state_of(outset), outset.sizes
        n_before = 0 if state is None else state.counts[0].n_train
        n_new = n_before + round(train_share(outset.plan.read_as(ActiveLearningSettings)) * n_labels)
        n_each = sizes.of_each if state is None else state.n_initial_train
        return Sizes(n_each + n_new, sizes.of_all + n_new)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By the simulation, which knows how many labels are in flight at the end."""
        from aims_pax.forecast.pace import pick_rates as known_rates
        from aims_pax.forecast.pace import workload_of
        from aims_pax.forecast.timetable import StageForecast

        workload, _ = workload_of(outset, pacing.wishes, measured=pacing.measured)
        rates, _ = known_rates(outset.project, pacing.wishes)
        often, likely, seldom = (_played(workload, rate, pacing) for rate in (rates.high, rates.likely, rates.low))
        is_open = isinf(amounts.labels.high) and pacing.wishes.n_labels is None
        may_end_early = amounts.labels.low == 0 and amounts.labels.likely > 0

        def span(of: "Callable[[Outcome], float]") -> Span:
            known = Span.of(of(often), of(seldom), likely=of(likely))
            low = 0.0 if may_end_early else known.low
            return Span(low, known.likely, inf if is_open else known.high)

        found = Amounts(
            amounts.part,
            span(lambda outcome: outcome.n_labels),
            span(lambda outcome: outcome.n_md_steps),
            span(lambda outcome: outcome.n_epochs),
        )
        return StageForecast(found, span(lambda outcome: _makespan_s(outset, outcome)))


def state_of(outset: Outset) -> State | None:
    """Where the stage stands; None when it has not begun."""
    return None if outset.standing is None else outset.standing.states.get(outset.plan.name)


def train_share(settings: ActiveLearningSettings) -> float:
    """Part of the labels that trains: the quota validates, and half of the random share tests."""
    placed = 1 - settings.random_label_share / 2
    return placed - max(settings.valid_ratio * placed, settings.random_label_share / 2)


def pick_rates(likely: float = DEFAULT_PICK_RATE, *, factor: float = PICK_RATE_FACTOR) -> Span:
    """How often estimates ask for a label, and by how much that may be wrong."""
    return Span(likely / factor, likely, min(1.0, likely * factor))


def _last_labels(outset: Outset, rules: Rules, state: State) -> Amounts:
    """What a stage has to do that takes no more structures."""
    n_waiting, n_training = len(state.in_phase(Phase.WAITING)), len(state.in_phase(Phase.TRAINING))
    n_epochs = _epochs_per_label(rules) * (n_waiting + n_training)
    return Amounts(outset.plan.name, Span.exactly(n_waiting), NOTHING, Span(0.0, n_epochs, n_epochs))


def _epochs_per_label(rules: Rules) -> int:
    assert isinstance(rules.cadence, PerLabel)
    return rules.cadence.epochs_per_label


def _labels_to_goal(outset: Outset, rules: Rules, rates: Span) -> Span:
    """Labels until the first of the goals is reached; those in flight then are computed, too."""
    settings, state = outset.plan.read_as(ActiveLearningSettings), state_of(outset)
    n_trajectories, share = settings.num_trajectories, train_share(settings)
    limits = []
    if rules.max_train_size is not None:
        n_now = outset.sizes.of_each if state is None else state.train_size
        goal = max(0, ceil((rules.max_train_size - n_now) / share))
        limits.append(Span(goal, goal, goal + n_trajectories - 1 if goal else 0))
    if rules.max_md_steps is not None:
        made = 0 if state is None else state.md_steps
        n_estimates = max(0, n_trajectories * rules.max_md_steps - made) // rules.skip_steps
        limits.append(Span(n_estimates * rates.low, n_estimates * rates.likely, n_estimates * rates.high))
    if not isinf(rules.max_epochs):
        left = max(0.0, rules.max_epochs - (0 if state is None else state.n_epochs)) / _epochs_per_label(rules)
        limits.append(Span(left, left, left * n_trajectories))
    if (allowed := labels_allowed(rules, n_trajectories)) is not None:
        done = 0 if state is None else sum(one.n_labels for one in state.trajectories)
        limits.append(Span.exactly(max(0, allowed - done)))
    if not limits:
        return Span(0.0, DEFAULT_LABELS, inf)
    least = 0.0 if rules.desired_force_mae is not None else min(span.low for span in limits)
    return Span(least, min(span.likely for span in limits), min(span.high for span in limits))


def _played(workload: "Workload[Pace]", rate: float, pacing: "Pacing") -> "Outcome":
    from aims_pax.forecast.simulation import mean_outcome

    pace = replace(workload.pace, pick_rate=rate)
    return mean_outcome(replace(workload, pace=pace), n_workers=pacing.n_workers)


def _makespan_s(outset: Outset, outcome: "Outcome") -> float:
    """Workers of this machine share its cores with MD and training: nothing is done faster than the cores allow."""
    cluster, n_cores = outset.project.settings.cluster, assembly.n_cores()
    if not isinstance(cluster, LocalCluster):
        return outcome.makespan_s
    label_cores = max(1, n_cores // cluster.max_workers)
    all_cores_s = outcome.labels_s * label_cores / n_cores + outcome.sampling_s + outcome.training_s
    return max(outcome.makespan_s, all_cores_s)
