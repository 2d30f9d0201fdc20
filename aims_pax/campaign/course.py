"""The course of a campaign: what of its list is over, and what is still to come."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.campaign.session import stages_over
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem
from aims_pax.frame import Stage as StageName
from aims_pax.settings import Project
from aims_pax.settings.project import BOTH_STAGES
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.activities import Part
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import has_begun


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands.

    Parameters
    ----------
    progress : str or None
        Name of the stage that comes next or is under way, or :data:`~aims_pax.campaign.progress.FINISHED`; None for a
        new run.
    over : tuple of str
        Names of the stages that are over, in their order.
    is_under_way : bool
        Whether the stage of this name has done anything.
    """

    progress: str | None
    over: tuple[str, ...] = ()
    is_under_way: bool = False

    @classmethod
    def of(cls, store: RunStore, memory: Memory) -> "Position":
        """That of the run in a store."""
        progress = progress_of(memory)
        is_under_way = progress not in (None, FINISHED) and has_begun(store, str(progress))
        return cls(progress, tuple(stages_over(store, memory)), is_under_way)


def course_of(project: Project, position: Position) -> tuple[StagePlan, ...]:
    """All that the run goes through that stands there: from an initial dataset of its own, or one brought along."""
    known = (*position.over, position.progress)
    beginnings = [plan for plan in project.plans((INITIAL,)) if KINDS[plan.kind].begins]
    begins = position.progress is None or any(plan.name in known for plan in beginnings)
    plans = project.plans(BOTH_STAGES if begins and INITIAL in project.stages else (ACTIVE,))
    return tuple(plan for plan in plans if not plan.is_implied or plan.name in known)


def ahead(project: Project, position: Position) -> tuple[StagePlan, ...]:
    """The stages of a run that come next or are under way, and all after them."""
    plans = course_of(project, position)
    names = [plan.name for plan in plans]
    first = names.index(position.progress) if position.progress in names else len(position.over)
    return plans[first:]


def ahead_of(project: Project, position: Position, stages: tuple[StageName, ...]) -> tuple[StagePlan, ...]:
    """The same as far as a command goes that runs some halves of a campaign: to its end, or to that of the first."""
    to_come = ahead(project, position)
    if ACTIVE in stages:
        return to_come
    first = {plan.name for plan in project.plans(stages)}
    return tuple(takewhile(lambda plan: plan.name in first, to_come))


def parts_of(project: Project, position: Position, stages: tuple[StageName, ...]) -> tuple[str, ...]:
    """Names of all that a run goes through by a command: stages that are over or ahead, its results, its verdict."""
    names = dict.fromkeys((*position.over, *(plan.name for plan in ahead_of(project, position, stages))))
    judging = {plan.name for plan in project.settings.stages if KINDS[plan.kind].judges}
    is_tried = ACTIVE in stages and project.settings.samples and project.settings.misc.verdict_ps != 0
    return (
        *(name for name in names if name not in judging),
        str(Part.RESULTS),
        *(name for name in names if name in judging),
        *((str(Part.VERDICT),) if is_tried else ()),
    )


def course_problems(project: Project, position: Position) -> Iterator[Problem]:
    """Why a run can't go on with the list as it is now: what was begun stays, and what is to come may change."""
    if position.progress is None:
        return
    names, over = [plan.name for plan in course_of(project, position)], list(position.over)
    begun = [*over, str(position.progress)] if position.is_under_way and position.progress not in over else over
    if position.progress == FINISHED and len(names) <= len(over):
        return  # nothing goes on
    if names[: len(begun)] != begun:
        yield Problem(
            where=project.where("STAGES"),
            found=f"The run in {project.run_folder} has gone through {', '.join(begun)}, and the campaign is now "
            f"{', '.join(names)}.",
            allowed=f"a campaign that begins with {', '.join(begun)}",
            advice="Leave the stages that were begun as they were; those after them may change. Or start a new run in "
            "another folder (MISC.output_dir).",
        )
