"""How often workflows are played, and what their frames cost."""

from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING, Final

from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.forecast.stages.training import convergence_epochs
from aims_pax.learner.workflows import Doing, reopened
from aims_pax.settings.workflow.phases import Workflow
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.playing.cast import roles_of, rules_of

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

LIKELY_VISITS: Final = 4
"""Until a workflow holds. An estimate: the melt and quench of carbon took 2 with a general model, 6 without (SCS)."""

PICKED_SHARE: Final = 0.5
"""Part of the windows whose best frame is above its threshold. An estimate."""


class PlayForecast:
    """MD, labels and epochs by the visit; neither how many there are nor what they find is known before."""

    def amounts(self, outset: Outset) -> Amounts:
        settings = outset.plan.read_as(PlaySettings)
        visits, (n_steps, n_frames) = _visits_left(outset), _of_a_visit(outset)
        labels = Span(0, ceil(PICKED_SHARE * n_frames * visits.likely), n_frames * visits.high)
        if settings.from_scratch:
            each = convergence_epochs(settings)
            epochs = Span(0, each.likely * visits.likely, each.high * visits.high)
        else:
            epochs = labels.times(settings.epochs_per_label)
        return Amounts(outset.plan.name, labels=labels, md_steps=visits.times(n_steps), epochs=epochs)

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        n_new = round((1 - outset.plan.read_as(PlaySettings).valid_ratio) * n_labels)
        return Sizes(outset.sizes.of_each + n_new, outset.sizes.of_all + n_new)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By the labels of the starting structures, and by MD and epochs as fast as they are now."""
        from aims_pax.forecast.timetable import StageForecast

        n_train = max(1, ceil((outset.sizes.of_each + self.after(outset, amounts.labels.likely).of_each) / 2))
        n_moving = max(1, len(_workflows(outset)) * outset.plan.read_as(PlaySettings).replicas)
        n_at_once = pacing.n_at_once(outset.project)
        time_s = pacing.seconds(amounts, n_at_once=n_at_once, n_moving=n_moving, n_train=n_train)
        return StageForecast(amounts, time_s)


def _workflows(outset: Outset) -> tuple[Workflow, ...]:
    return outset.project.further.workflows[outset.plan.name]


def _of_a_visit(outset: Outset) -> tuple[int, int]:
    """MD steps and windows of one visit of all players."""
    replicas = outset.plan.read_as(PlaySettings).replicas
    runs = [phase.settings.run for one in _workflows(outset) for phase in one.phases]
    return replicas * sum(run.most_steps for run in runs), replicas * sum(run.sampling for run in runs)


def _visits_left(outset: Outset) -> Span:
    """Visits that are still to come, of all players in the mean."""
    settings, standing = outset.plan.read_as(PlaySettings), outset.standing
    state = None if standing is None else standing.plays.get(outset.plan.name)
    if state is None:
        return Span(1, min(settings.max_visits, LIKELY_VISITS), settings.max_visits)
    roles = roles_of(_workflows(outset), settings)
    state = reopened(state, rules_of(outset.project, settings, roles, has_committee=True))
    live = [one for one in state.players if one.doing is not Doing.OVER]
    if state.stopping is not None or not live:
        return Span.exactly(0)
    share = len(live) / len(state.players)
    left = max(0.0, settings.max_visits - fmean(one.visit for one in live) + 1)
    likely = min(left, max(1.0, LIKELY_VISITS - fmean(one.visit for one in live) + 1))
    return Span(min(1.0, left), likely, left).times(share)
