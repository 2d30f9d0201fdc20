"""Workflows without MD: every phase is built from what the phases before it were built as."""

from collections.abc import Iterator
from dataclasses import dataclass

from aims_pax.settings import Project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.playing.cast import Role, roles_of
from aims_pax.stages.playing.scenes import scene
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.phase import Built


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A phase as it would begin, if nothing had moved before.

    Parameters
    ----------
    workflow, phase : str
        Names.
    visit : int
    built : Built or None
        None where it can't be built.
    problem : str
        Why not.
    """

    workflow: str
    phase: str
    visit: int
    built: Built | None
    problem: str = ""


def rehearsed(project: Project, plan: StagePlan, *, visits: int = 1) -> Iterator[Rehearsed]:
    """All phases of all workflows of a stage, visit after visit; one that can't be built ends its visit."""
    settings = plan.read_as(PlaySettings)
    for role in roles_of(project.further.workflows[plan.name], settings):
        for visit in range(1, visits + 1) if role.replica == 1 else ():
            yield from _visit(project, settings, role, visit)


def _visit(project: Project, settings: PlaySettings, role: Role, visit: int) -> Iterator[Rehearsed]:
    from aims_pax.stages.playing.segments import program_of_phase

    earlier: dict[str, Built] = {}
    systems = {one.name: one for one in project.systems}
    md = project.md_of(systems[role.workflow.system])
    for number, phase in enumerate(role.workflow.phases):
        try:
            built = scene(role, number, visit=visit, earlier=earlier, seed=settings.seed)
            program_of_phase(phase.settings.run, md, built)  # whose groups must hold atoms
        except NotBuilt as error:
            yield Rehearsed(role.workflow.name, phase.name, visit, None, str(error))
            return
        earlier[phase.name] = built
        yield Rehearsed(role.workflow.name, phase.name, visit, built)
