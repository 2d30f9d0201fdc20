"""A whole plan: what a run takes by stage, and how many workers active learning keeps busy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any

from aims_pax.forecast.amounts import outsets_ahead
from aims_pax.forecast.pace import measure, workload_of
from aims_pax.forecast.timetable import WIDTH, Outlook, StageForecasts, forecast_by_stage, workers_of
from aims_pax.forecast.workers import Forecast, doubled, forecast
from aims_pax.settings import Project
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.settings.stages.kinds import KINDS, LEARN


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a run, or what is left of it, will take.

    Parameters
    ----------
    facts : tuple of str
        Where the numbers come from.
    by_stage : StageForecasts
    workers : Forecast or None
        The first active learning by the number of workers; None where there is none ahead.
    """

    facts: tuple[str, ...]
    by_stage: StageForecasts
    workers: Forecast | None

    def record(self) -> dict[str, Any]:
        """For a file."""
        return {**self.by_stage.record(), "facts": list(self.facts)}

    def __str__(self) -> str:
        facts = [fill(f"- {fact}", WIDTH, subsequent_indent="  ") for fact in self.facts]
        advice = [] if self.workers is None else ["", fill(self.workers.advice(), WIDTH)]
        return "\n".join([*facts, "", *self.by_stage.lines(), *advice])


def foretell(project: Project, outlook: Outlook, numbers: Sequence[int] = ()) -> Foretold:
    """Measure what has to be measured, and play what is still to come.

    Parameters
    ----------
    outlook : Outlook
    numbers : sequence of int
        Workers to look at; 1, 2, 4, ... when empty.

    Raises
    ------
    CampaignStopped, UserError
        As from :func:`aims_pax.forecast.pace.measure`.
    """
    ahead = outsets_ahead(project, outlook.stages, outlook.standing)
    learning = [one for one in ahead if one.plan.kind == LEARN]
    begins = any(KINDS[one.plan.kind].begins for one in ahead)
    halves = (*((INITIAL,) if begins else ()), *((ACTIVE,) if learning else ()))
    measured = measure(project, halves, outlook.wishes)
    facts, found = list(measured.facts), None
    for outset in learning:
        workload, said = workload_of(outset, outlook.wishes, measured=measured)
        if found is None:
            facts, found = said, forecast(workload, list(numbers) or doubled(workload.n_trajectories))
        else:
            facts.append(f"{outset.plan.name}, {said[-1]}")
    if found is not None and outlook.n_workers is None and (numbers or workers_of(project) is None):
        outlook = replace(outlook, n_workers=found.recommended.n_workers)
    return Foretold(tuple(facts), forecast_by_stage(project, measured, outlook=outlook), found)
