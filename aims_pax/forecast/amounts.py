"""What each part of a run has still to do: labels, MD steps and epochs. Nothing is measured, nothing computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, inf, isinf
from statistics import fmean
from typing import Final

from aims_pax.campaign.session import PART_OF, Progress
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.forecast.rounds import RoundsAhead, rounds_ahead
from aims_pax.forecast.standing import Standing
from aims_pax.frame import Stage
from aims_pax.learner.annealing import COOLING_SHARE
from aims_pax.learner.cadence import PerLabel, PerRound
from aims_pax.learner.decide import resumed
from aims_pax.learner.goals import labels_allowed
from aims_pax.learner.state import Phase, Rules, State
from aims_pax.learner.transition import begin
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.misc import VERDICT_LEAST_PS, VERDICT_MOST_PS
from aims_pax.settings.stage import ACTIVE, INITIAL, StageSettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Part
from aims_pax.stages.imported import extxyz_keys
from aims_pax.stages.pretrained import converges_what_is_given

DEFAULT_PICK_RATE: Final = 0.08
"""Fraction of estimates that are picked when nothing is known: 69 of 909 in examples/quickstart."""

PICK_RATE_FACTOR: Final = 2.0
"""By how much that assumption may be wrong, either way."""

DEFAULT_LABELS: Final = 200
"""Labels of active learning where no goal of the project limits them."""

DEFAULT_ROUNDS: Final = 3
"""Rounds of the initial stage where desired_acc alone ends it."""

FULL_RATE_EPOCHS: Final = 100
"""Epochs at the full learning rate until the loss is level. An estimate: ethanol's nearly was after 55."""

WORDS: Final[Mapping[Part, str]] = {
    Part.STARTING: "starting",
    Part.INITIAL: "initial dataset",
    Part.INITIAL_CONVERGENCE: "initial convergence",
    Part.ACTIVE: "active learning",
    Part.CONVERGENCE: "final convergence",
    Part.VERDICT: "verdict",
    Part.RESULTS: "results",
}
"""What parts of a run are called in tables."""


@dataclass(frozen=True, slots=True)
class Span:
    """A number that is not known: what is likely, and the bounds of what may be; the upper one may be infinite."""

    low: float
    likely: float
    high: float

    @classmethod
    def of(cls, *values: float, likely: float) -> "Span":
        """From what is likely and what else may come."""
        return cls(min(likely, *values), likely, max(likely, *values))

    @classmethod
    def exactly(cls, value: float) -> "Span":
        return cls(value, value, value)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def times(self, factor: float) -> "Span":
        """Everything multiplied; infinity times nothing is nothing."""
        return Span(self.low * factor, self.likely * factor, self.high * factor if factor else 0.0)

    @property
    def is_known(self) -> bool:
        """Whether it is one number."""
        return self.low == self.high

    def words(self) -> str:
        """For a sentence: ``68``, ``68 to 75`` or ``96 (32 or more)``."""
        if round(self.low) == round(min(self.high, 1e18)):
            return _grouped(self.likely)
        if isinf(self.high):
            return f"about {_grouped(self.likely)}"
        return f"{_grouped(self.low)} to {_grouped(self.high)}"


NOTHING: Final = Span.exactly(0.0)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What one part of a run has still to do.

    Parameters
    ----------
    md_steps : Span
        Of all trajectories or systems together.
    epochs : Span
        Of each member that is trained.
    """

    part: Part
    labels: Span = NOTHING
    md_steps: Span = NOTHING
    epochs: Span = NOTHING


def expected_convergence_epochs(settings: StageSettings, n_train: int) -> int:
    """Epochs that a convergence is likely to take, on so many training structures.

    Parameters
    ----------
    settings : StageSettings
        Of the stage that it concludes.
    n_train : int
        Training structures of a member.
    """
    at_full_rate = FULL_RATE_EPOCHS + settings.convergence_patience
    return min(settings.max_convergence_epochs, round(at_full_rate / (1 - COOLING_SHARE)))


def parts_ahead(project: Project, stages: tuple[Stage, ...], standing: Standing | None) -> tuple[Part, ...]:
    """The parts of a run that are still to come or under way, in their order."""
    now = PART_OF[None if standing is None else standing.progress]
    converges_first = converges_what_is_given(project) if INITIAL not in stages else project.initial.converge_initial
    if standing is not None and standing.progress is Progress.INITIAL:
        converges_first = project.initial.converge_initial
    wanted = {
        Part.STARTING: now is not Part.RESULTS,
        Part.INITIAL: INITIAL in stages,
        Part.INITIAL_CONVERGENCE: converges_first or now is Part.INITIAL_CONVERGENCE,
        Part.ACTIVE: ACTIVE in stages,
        Part.CONVERGENCE: ACTIVE in stages and project.active.converge_al,
        Part.RESULTS: now is not Part.RESULTS,
    }
    order = list(WORDS)
    return tuple(p for p in order if wanted.get(p) and (p is Part.STARTING or order.index(p) >= order.index(now)))


def amounts_ahead(
    project: Project,
    stages: tuple[Stage, ...],
    *,
    standing: Standing | None = None,
) -> tuple[Amounts, ...]:
    """What each part has still to do, as far as the settings and the run in the folder tell."""
    found = {
        Part.STARTING: _starting_amounts,
        Part.INITIAL: _initial_amounts,
        Part.INITIAL_CONVERGENCE: _initial_convergence_amounts,
        Part.ACTIVE: _active_amounts,
        Part.CONVERGENCE: _convergence_amounts,
    }
    ahead = parts_ahead(project, stages, standing)
    amounts = [found[part](project, standing) if part in found else Amounts(part) for part in ahead]
    if ACTIVE in stages and Part.RESULTS in ahead and project.settings.misc.verdict_ps != 0:
        amounts.insert(len(amounts) - 1, Amounts(Part.VERDICT, md_steps=verdict_steps(project)))
    return tuple(amounts)


def verdict_steps(project: Project) -> Span:
    """MD steps of all runs of the trial that ends a run; without those at constant energy after them."""
    misc = project.settings.misc
    bounds = (VERDICT_LEAST_PS, VERDICT_MOST_PS) if isinstance(misc.verdict_ps, str) else (misc.verdict_ps,) * 2
    steps_fs = [project.md_for(index).timestep for index in range(project.n_trajectories)]
    steps = [misc.verdict_runs * 1000 * length_ps * fmean(1 / step_fs for step_fs in steps_fs) for length_ps in bounds]
    return Span(steps[0], steps[0], steps[1])


def amount_facts(
    project: Project,
    stages: tuple[Stage, ...],
    *,
    standing: Standing | None = None,
) -> Iterator[tuple[Part, str]]:
    """The same in words, a line for each part that labels, moves or trains."""
    for one in amounts_ahead(project, stages, standing=standing):
        kinds = (("labels", one.labels), ("MD steps", one.md_steps), ("epochs", one.epochs))
        said = [f"{span.words()} {name}" for name, span in kinds if span.high > 0]
        if said and one.part is not Part.STARTING:
            yield one.part, f"{WORDS[one.part]}: {', '.join(said)}"


# -- the initial stage ----------------------------------------------------------------------------------------


def initial_rules(project: Project) -> tuple[Rules, Rules, Rules | None]:
    """Rules whose end can be foreseen: it ends as early as it may, as is likely, as late as it may (None: open)."""
    rules = assembly.initial_rules(project)
    limited = replace(rules, desired_force_mae=None)
    if rules.desired_force_mae is None:
        return limited, limited, limited
    assert isinstance(rules.cadence, PerRound)
    epochs_per_round = rules.cadence.epochs_per_round
    early = replace(limited, max_epochs=min(rules.max_epochs, epochs_per_round))
    if not (isinf(rules.max_epochs) and rules.max_train_size is None):
        return early, limited, limited
    return early, replace(limited, max_epochs=DEFAULT_ROUNDS * epochs_per_round), None


def initial_state(project: Project, rules: Rules, standing: Standing | None) -> State:
    """Where the initial stage goes on, or begins."""
    if standing is not None and standing.initial is not None:
        return resumed(standing.initial, rules)
    return begin(rules, n_trajectories=len(project.systems), n_owners=assembly.n_owners(project.initial))


def _initial_ahead(project: Project, rules: Rules, standing: Standing | None) -> RoundsAhead:
    return rounds_ahead(rules, initial_state(project, rules, standing))


def _starting_amounts(project: Project, standing: Standing | None) -> Amounts:
    """The labels of the probe, which only a new run asks for."""
    is_new = standing is None or standing.progress is None
    return Amounts(Part.STARTING, labels=Span.exactly(n_probes(project) if is_new else 0))


def _initial_amounts(project: Project, standing: Standing | None) -> Amounts:
    low, mid, high = (
        None if rules is None else _initial_ahead(project, rules, standing) for rules in initial_rules(project)
    )
    spans = [
        Span(getattr(low, name), getattr(mid, name), inf if high is None else getattr(high, name))
        for name in ("n_labels", "n_md_steps", "n_epochs")
    ]
    return Amounts(Part.INITIAL, *spans)


# -- sizes of datasets ----------------------------------------------------------------------------------------


def initial_train_size(project: Project, standing: Standing | None = None) -> int:
    """Training structures of one member when active learning begins."""
    if standing is not None and standing.active is not None:
        return standing.active.n_initial_train
    active = project.settings.active
    given = None if active is None else active.initial_train_dataset
    if given is not None:
        path = next(iter(given.values())) if isinstance(given, Mapping) else given
        return len(read_extxyz(path, extxyz_keys(project.settings.misc))) + n_probes(project)
    if project.settings.initial is None:
        return 0
    _, likely, _ = initial_rules(project)
    return _initial_ahead(project, likely, standing).n_train + n_probes(project)


def n_probes(project: Project) -> int:
    """Labels that a new run begins with, and that train every member."""
    return 2 * len(project.systems) if project.settings.misc.probe else 0


def all_initial_train_size(project: Project, standing: Standing | None = None) -> int:
    """Training structures of all members together when active learning begins; those of the probe are shared."""
    n_shared, active = n_probes(project), project.settings.active
    n_own = max(0, initial_train_size(project, standing) - n_shared)
    if active is not None and active.initial_train_dataset is not None:
        given = active.initial_train_dataset
        return n_own * (len(given) if isinstance(given, Mapping) else 1) + n_shared
    return n_shared + (n_own if project.settings.initial is None else n_own * assembly.n_owners(project.initial))


def final_train_size(project: Project, n_labels: float, *, standing: Standing | None = None) -> int:
    """Training structures of the final convergence: all of them, after so many more labels of active learning."""
    state = None if standing is None else standing.active
    n_before = 0 if state is None else state.counts[0].n_train
    n_more = round(train_share(project.active) * n_labels)
    return all_initial_train_size(project, standing) + n_before + n_more


# -- active learning ------------------------------------------------------------------------------------------


def train_share(settings: ActiveLearningSettings) -> float:
    """Part of the labels that trains: the quota validates, and half of the random share tests."""
    placed = 1 - settings.random_label_share / 2
    return placed - max(settings.valid_ratio * placed, settings.random_label_share / 2)


def pick_rates(likely: float = DEFAULT_PICK_RATE, *, factor: float = PICK_RATE_FACTOR) -> Span:
    """How often estimates ask for a label, and by how much that may be wrong."""
    return Span(likely / factor, likely, min(1.0, likely * factor))


def _active_amounts(project: Project, standing: Standing | None) -> Amounts:
    rules, rates = assembly.active_rules(project), pick_rates()
    state = None if standing is None else standing.active
    if state is not None and state.stopping is not None:
        return _last_labels(rules, len(state.in_phase(Phase.WAITING)), len(state.in_phase(Phase.TRAINING)))
    n_trajectories = project.n_trajectories
    labels = _labels_to_goal(project, rules, standing, rates)
    every = rules.skip_steps
    steps = Span(labels.low * every / rates.high, labels.likely * every / rates.likely, labels.high * every / rates.low)
    if rules.max_md_steps is not None:
        made = 0 if state is None else state.md_steps
        most = max(0, n_trajectories * rules.max_md_steps - made)
        steps = Span(min(steps.low, most), min(steps.likely, most), min(steps.high, most))
    epochs = labels.times(_epochs_per_label(rules))
    if project.active.analysis:
        labels = labels + steps.times(1 / project.active.analysis_skip)
    return Amounts(Part.ACTIVE, labels, steps, replace(epochs, low=epochs.low / n_trajectories))


def _last_labels(rules: Rules, n_waiting: int, n_training: int) -> Amounts:
    """What a stage has to do that takes no more structures."""
    n_epochs = _epochs_per_label(rules) * (n_waiting + n_training)
    return Amounts(Part.ACTIVE, Span.exactly(n_waiting), NOTHING, Span(0.0, n_epochs, n_epochs))


def _epochs_per_label(rules: Rules) -> int:
    assert isinstance(rules.cadence, PerLabel)
    return rules.cadence.epochs_per_label


def _labels_to_goal(project: Project, rules: Rules, standing: Standing | None, rates: Span) -> Span:
    """Labels until the first of the goals is reached; those in flight then are computed, too."""
    state = None if standing is None else standing.active
    n_trajectories, share = project.n_trajectories, train_share(project.active)
    limits = []
    if rules.max_train_size is not None:
        n_now = initial_train_size(project, standing) if state is None else state.train_size
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


# -- convergence ----------------------------------------------------------------------------------------------


def _initial_convergence_amounts(project: Project, standing: Standing | None) -> Amounts:
    settings = project.settings.initial or project.active
    done = 0 if standing is None else standing.n_epochs_initial_convergence
    n_train = initial_train_size(project, standing)
    return Amounts(Part.INITIAL_CONVERGENCE, epochs=convergence_epochs(settings, n_train, done=done))


def _convergence_amounts(project: Project, standing: Standing | None) -> Amounts:
    done = 0 if standing is None else standing.n_epochs_convergence
    n_train = final_train_size(project, _active_amounts(project, standing).labels.likely, standing=standing)
    return Amounts(Part.CONVERGENCE, epochs=convergence_epochs(project.active, n_train, done=done))


def convergence_epochs(settings: StageSettings, n_train: int, *, done: int = 0) -> Span:
    """Epochs that are left of a convergence: from its patience and the fall of the rate after it, to its cap."""
    likely = max(0, expected_convergence_epochs(settings, n_train) - done)
    most = max(0, settings.max_convergence_epochs - done)
    least = round(settings.convergence_patience / (1 - COOLING_SHARE)) - done
    return Span.of(max(0, min(least, most)), most, likely=likely)


def _grouped(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")
