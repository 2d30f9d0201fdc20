"""How an initial dataset comes to be: rounds of MD by its driver, labels and epochs."""

from dataclasses import replace
from math import inf, isinf
from typing import TYPE_CHECKING, Final

from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span, n_probes
from aims_pax.forecast.rounds import RoundsAhead, rounds_ahead
from aims_pax.forecast.standing import Standing
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.decide import resumed
from aims_pax.learner.state import Rules, State
from aims_pax.learner.transition import begin
from aims_pax.settings import Project
from aims_pax.settings.stage import INITIAL
from aims_pax.stages import assembly

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

DEFAULT_ROUNDS: Final = 3
"""Rounds of the initial stage where desired_acc alone ends it."""


class InitialForecast:
    """Rounds, counted."""

    def amounts(self, outset: Outset) -> Amounts:
        low, mid, high = (
            None if rules is None else _rounds(outset.project, rules, outset.standing)
            for rules in initial_rules(outset.project)
        )
        spans = [
            Span(getattr(low, name), getattr(mid, name), inf if high is None else getattr(high, name))
            for name in ("n_labels", "n_md_steps", "n_epochs")
        ]
        return Amounts(outset.plan.name, *spans)

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        active = outset.project.settings.active
        if active is not None and active.initial_train_dataset is not None:
            return outset.sizes  # the dataset that is brought along stands in its place
        n_own, n_shared = _own_train_size(outset.project, outset.standing), n_probes(outset.project)
        return Sizes(n_own + n_shared, n_own * assembly.n_owners(outset.project.initial) + n_shared)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        from aims_pax.forecast.timetable import StageForecast

        early, likely, late = initial_rules(outset.project)
        high = inf if late is None else _rounds_s(outset, late, pacing)
        return StageForecast(amounts, Span(_rounds_s(outset, early, pacing), _rounds_s(outset, likely, pacing), high))


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
    state = None if standing is None else standing.states.get(INITIAL)
    if state is not None:
        return resumed(state, rules)
    return begin(rules, n_trajectories=len(project.systems), n_owners=assembly.n_owners(project.initial))


def _rounds(project: Project, rules: Rules, standing: Standing | None) -> RoundsAhead:
    return rounds_ahead(rules, initial_state(project, rules, standing))


def _own_train_size(project: Project, standing: Standing | None) -> int:
    """Training structures of one member at its end, without those of the probe."""
    _, likely, _ = initial_rules(project)
    return _rounds(project, likely, standing).n_train


def _rounds_s(outset: Outset, rules: Rules, pacing: "Pacing") -> float:
    import numpy as np

    from aims_pax.forecast.pace import RECORD_S
    from aims_pax.forecast.simulation import DriverPace, Workload, simulate

    project, measured, speed = outset.project, pacing.measured, pacing.speed
    names = [system.name for system in project.systems]
    is_known = project.initial.driver == "reference"
    pace = DriverPace(
        driver_step_s=tuple(measured.driver_step_s[name] for name in names),
        label_s=tuple(0.0 if is_known else float(np.mean(measured.label_s[name])) for name in names),
        epoch_s=speed.epoch_s,
        n_at_once=pacing.n_at_once(project) if is_known else 1,
        checkpoint_s=speed.checkpoint_s,
        record_s=RECORD_S,
    )
    state = initial_state(project, rules, outset.standing)
    work = Workload(rules, pace, len(state.trajectories), state=state)
    return simulate(work, n_workers=pacing.n_workers).makespan_s
