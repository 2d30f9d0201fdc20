"""How long a committee is trained to the end."""

from typing import TYPE_CHECKING, Final

from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.learner.annealing import COOLING_SHARE
from aims_pax.settings.stage import EndSettings
from aims_pax.settings.stages.converge import ConvergeSettings

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

FULL_RATE_EPOCHS: Final = 100
"""Epochs at the full learning rate until the loss is level. An estimate: ethanol's nearly was after 55."""


class ConvergeForecast:
    """Epochs, of all members or at the end of the best one."""

    def amounts(self, outset: Outset) -> Amounts:
        settings = outset.plan.read_as(ConvergeSettings)
        return Amounts(outset.plan.name, epochs=convergence_epochs(settings, done=outset.n_epochs_done))

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        return outset.sizes

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """At the end, what belonged to one member alone is learned by those that are handed over."""
        from aims_pax.forecast.timetable import StageForecast

        is_end = outset.project.settings.is_end(outset.plan)
        n_train = outset.sizes.of_all if is_end else outset.sizes.of_each
        settings, speed = outset.plan.read_as(ConvergeSettings), pacing.speed
        if settings.models is not None:  # other models than those that were timed
            from aims_pax.forecast.speed import measured_speed

            speed = measured_speed(outset.project.trained_as(outset.plan.name), 0)
        is_alone = is_end and settings.converge_best and not settings.from_scratch
        share = speed.lone_share if is_alone else 1.0
        return StageForecast(amounts, amounts.epochs.times(share * speed.epoch_s(n_train)))


def expected_convergence_epochs(settings: EndSettings) -> int:
    """Epochs that a convergence is likely to take."""
    at_full_rate = FULL_RATE_EPOCHS + settings.convergence_patience
    return min(settings.max_convergence_epochs, round(at_full_rate / (1 - COOLING_SHARE)))


def convergence_epochs(settings: EndSettings, *, done: int = 0) -> Span:
    """Epochs that are left of a convergence: from its patience and the fall of the rate after it, to its cap."""
    likely = max(0, expected_convergence_epochs(settings) - done)
    most = max(0, settings.max_convergence_epochs - done)
    least = round(settings.convergence_patience / (1 - COOLING_SHARE)) - done
    return Span.of(max(0, min(least, most)), most, likely=likely)
