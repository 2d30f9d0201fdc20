"""How long a committee learns a cheap method first, and is trained to the end."""

from math import ceil
from typing import TYPE_CHECKING, Final

from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.learner.training.annealing import COOLING_SHARE
from aims_pax.settings.stage import EndSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.pretrain import PretrainSettings

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

FULL_RATE_EPOCHS: Final = 100
"""Epochs at the full learning rate until the loss is level. An estimate: ethanol's nearly was after 55."""

MOST_TIMED: Final = 5
"""Systems of which a label is timed; others take as long as these on average."""


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


class PretrainForecast:
    """MD and epochs, both counted; the labels are none of the run."""

    def amounts(self, outset: Outset) -> Amounts:
        settings = outset.plan.read_as(PretrainSettings)
        done = {} if outset.standing is None else outset.standing.priors.get(outset.plan.name, {})
        n_labels = settings.n - done.get("labels", 0)
        n_epochs = settings.n_epochs(outset.project.mace.training.batch_size) - done.get("epochs", 0)
        md_steps = Span.exactly(n_labels * settings.skip_step)
        return Amounts(outset.plan.name, md_steps=md_steps, epochs=Span.exactly(n_epochs))

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        return outset.sizes

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By a label of the cheap method that is computed now; a step of its MD takes as long, but on several cores."""
        from aims_pax.forecast.timetable import StageForecast
        from aims_pax.stages.assembly import n_cores

        settings = outset.plan.read_as(PretrainSettings)
        said_s = pacing.wishes.driver_step_s
        label_s = _label_s(outset, settings) if said_s is None else said_s
        n_side_by_side = min(n_cores(), max(settings.num_trajectories, len(outset.project.systems)))
        n_labels = ceil(amounts.md_steps.likely / settings.skip_step)
        sampling_s = (amounts.md_steps.likely / n_side_by_side + n_labels) * label_s
        learning_s = amounts.epochs.likely * pacing.speed.epoch_s(settings.n - settings.n_valid)
        return StageForecast(amounts, Span.exactly(sampling_s + learning_s))


def _label_s(outset: Outset, settings: PretrainSettings) -> float:
    """Mean time of a label by the cheap method, s; nothing where it computes none, which the check tells."""
    from pathlib import Path
    from statistics import fmean
    from tempfile import TemporaryDirectory

    from aims_pax.frame import Label
    from aims_pax.reference.registry import build_reference
    from aims_pax.stages.driver import embedded_settings

    times = []
    with TemporaryDirectory(prefix="aims-pax-plan-") as folder:
        for system in outset.project.systems[:MOST_TIMED]:
            told = embedded_settings(outset.project, system, method=settings.REFERENCE.method)
            reference = build_reference(told)
            twice = [reference.label(system.frame, folder=Path(folder), want_stress=False) for _ in range(2)]
            times += [label.wall_s for label in twice[1:] if isinstance(label, Label)]  # the first one imports
    return fmean(times) if times else 0.0
