"""The course of a campaign: its stages in their order, and which of them a project wants."""

from collections.abc import Mapping
from typing import Final

from aims_pax.campaign.session import Progress
from aims_pax.frame import Stage as StageName
from aims_pax.settings import Project
from aims_pax.settings.stage import ACTIVE
from aims_pax.stages.active import ActiveLearning
from aims_pax.stages.converge import Converge
from aims_pax.stages.initial import InitialDataset
from aims_pax.stages.stage import Stage
from aims_pax.stages.states import FINAL_CONVERGENCE, INITIAL_CONVERGENCE

CAMPAIGN: Final[Mapping[Progress, Stage]] = {
    Progress.INITIAL: InitialDataset(),
    Progress.INITIAL_CONVERGENCE: Converge(str(Progress.INITIAL_CONVERGENCE), key=INITIAL_CONVERGENCE, is_final=False),
    Progress.ACTIVE: ActiveLearning(),
    Progress.CONVERGENCE: Converge(str(Progress.CONVERGENCE), key=FINAL_CONVERGENCE, is_final=True),
}
"""All that a campaign goes through before its results, in order."""


def is_asked(progress: Progress, asked: tuple[StageName, ...]) -> bool:
    """Whether a stage belongs to what was asked for; what completes the initial dataset always does."""
    return ACTIVE in asked or progress in (Progress.INITIAL, Progress.INITIAL_CONVERGENCE)


def following(progress: Progress, project: Project) -> Progress | None:
    """The stage after this one, of those that the project wants; None after the last one."""
    if progress is Progress.INITIAL and not project.initial.converge_initial:
        return Progress.ACTIVE
    order = list(CAMPAIGN)
    return order[order.index(progress) + 1] if progress is not order[-1] else None


def asked_for(asked: tuple[StageName, ...]) -> tuple[Stage, ...]:
    """The stages that a new run would go through."""
    return tuple(stage for stage in CAMPAIGN.values() if stage.name in asked)
