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
        settings, training = outset.plan.read_as(ConvergeSettings), outset.project.mace.training
        n_second = None
        if training.swa and outset.project.settings.is_end(outset.plan):
            n_max = settings.max_convergence_epochs
            n_second = n_max - min(n_max, training.stage_two_start(n_max))
        return Amounts(
            outset.plan.name, epochs=convergence_epochs(settings, done=outset.n_epochs_done, n_second=n_second)
        )

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


def convergence_epochs(settings: EndSettings, *, done: int = 0, n_second: int | None = None) -> Span:
    """Epochs that are left of a convergence: from its patience and the fall of the rate after it, to its cap.

    Parameters
    ----------
    done : int
        Made before.
    n_second : int or None
        Of its stage two; None where it has none.
    """
    cap, patience = settings.max_convergence_epochs, settings.convergence_patience
    likely = min(cap, _with_second_part(FULL_RATE_EPOCHS + patience, n_second))
    least = _with_second_part(patience, n_second) - done
    most = max(0, cap - done)
    return Span.of(max(0, min(least, most)), most, likely=max(0, likely - done))


def _with_second_part(at_full_rate: int, n_second: int | None) -> int:
    """All epochs, after so many at the full rate."""
    return round(at_full_rate / (1 - COOLING_SHARE)) if n_second is None else at_full_rate + n_second
