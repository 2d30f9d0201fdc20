"""How often MD is checked against the reference, and what its models learn."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.learner.checks.intervals import CheckRules, next_interval
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.state import LIVE, State
from aims_pax.settings.stage import INITIAL
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.stages.fly.rules import begins_with_reference, epochs_of

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

FAILED_SHARE: Final = 1 / 7
"""Part of the checks that breaks a tolerance: 7 of 51 in the published flight of Al2O3. An estimate."""


class FlyForecast:
    """MD steps are known, and with fixed intervals labels, too; how many checks fail is not known before."""

    def amounts(self, outset: Outset) -> Amounts:
        settings, left = outset.plan.read_as(FlyStageSettings), _left(outset)
        rules, n_first = settings.rules(with_models=True), _first_labels(outset)
        n_failing = round(1 / FAILED_SHARE)
        never, some, always = (
            sum(_n_checks(one, rules, fails) for one in left)
            for fails in (lambda _: False, lambda number: number % n_failing == 0, lambda _: True)
        )
        checks = Span.of(never, always, likely=some)
        n_epochs = epochs_of(settings, is_first=settings.refit.from_scratch) if settings.can_update else 0
        first = epochs_of(settings, is_first=True) if n_first else 0
        likely = 1 if settings.refit.at_each_check else FAILED_SHARE
        at_least = checks.low / settings.num_trajectories if settings.refit.at_each_check else 0  # one serves them all
        return Amounts(
            outset.plan.name,
            labels=Span.exactly(n_first) + checks,
            md_steps=Span.exactly(sum(one.n_steps for one in left) + n_first),
            epochs=Span(
                first + at_least * n_epochs, first + likely * checks.likely * n_epochs, first + checks.high * n_epochs
            ),
        )

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        n_new = round((1 - outset.plan.read_as(FlyStageSettings).valid_ratio) * n_labels)
        return Sizes(outset.sizes.of_each + n_new, outset.sizes.of_all + n_new)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By the labels of the starting structures, and by MD and epochs as fast as they are now."""
        from aims_pax.forecast.timetable import StageForecast

        n_train = max(1, ceil((outset.sizes.of_each + self.after(outset, amounts.labels.likely).of_each) / 2))
        n_moving = outset.plan.read_as(FlyStageSettings).num_trajectories
        n_at_once = min(n_moving, pacing.n_at_once(outset.project))  # each trajectory waits for its own
        time_s = pacing.seconds(amounts, n_at_once=n_at_once, n_moving=n_moving, n_train=n_train)
        return StageForecast(amounts, time_s)


@dataclass(frozen=True, slots=True)
class _Left:
    """What one trajectory has before it, in MD steps.

    Parameters
    ----------
    n_steps : int
        That the models will drive.
    n_quiet : int
        Since its last check.
    interval : int
        From that to the next one.
    """

    n_steps: int
    n_quiet: int
    interval: int


def _left(outset: Outset) -> list[_Left]:
    """What each trajectory has before it that is not over."""
    settings, state = outset.plan.read_as(FlyStageSettings), _state(outset, outset.plan.name)
    if state is None:
        return [_Left(settings.max_MD_steps, 0, settings.check_interval)] * settings.num_trajectories
    checks = CheckIntervals(settings.rules(with_models=True))
    memory = state.memory_of(checks.name)
    return [
        _Left(max(0, settings.max_MD_steps - one.md_step), one.quiet_steps, checks.interval(memory, index))
        for index, one in enumerate(state.trajectories)
        if one.phase in LIVE
    ]


def _first_labels(outset: Outset) -> int:
    """Labels that the reference has still to make before there are models."""
    if not begins_with_reference(outset.project, outset.plan):
        return 0
    state, settings = _state(outset, str(INITIAL)), outset.plan.read_as(FlyStageSettings)
    n_all = settings.rules(with_models=False).num_initial_steps * len(outset.project.systems)
    return max(0, n_all - (0 if state is None else state.n_received))


def _state(outset: Outset, name: str) -> State | None:
    return None if outset.standing is None else outset.standing.states.get(name)


def _n_checks(left: _Left, rules: CheckRules, fails: Callable[[int], bool]) -> int:
    """Checks on the MD steps that are left, of which those fail whose numbers are said to."""
    step, interval, number = -left.n_quiet, left.interval, 0
    while (step := step + interval) <= left.n_steps:
        number += 1
        interval = max(1, next_interval(interval, rules, passed=not fails(number)))
    return number
