"""What the journal of a run says of phases."""

from typing import Any, Final

from aims_pax.learner.workflows import DrivenBy, PhaseOver
from aims_pax.settings import Project
from aims_pax.stages.playing.cast import Role

PHASE_OVER: Final = "PhaseOver"
"""Kind of a journal entry: what has become of a phase."""

FROM_LEARNER: Final = ("player", "visit", "n_steps", "largest", "words", "ends_visit", "held")


def told_of(over: PhaseOver, role: Role, *, driven_by: DrivenBy, first_step: int, project: Project) -> dict[str, Any]:
    """A phase that is over, by its names.

    Parameters
    ----------
    first_step : int
        MD step of the player at which it began.
    """
    phase = role.phase(over.phase)
    system = next(one for one in project.systems if one.name == role.workflow.system)
    return {
        "workflow": role.workflow.name,
        "replica": role.replica,
        "phase": phase.name,
        "driver": str(driven_by),
        "first_step": first_step,
        "timestep_fs": phase.settings.run.timestep or project.md_of(system).timestep,
        **{name: getattr(over, name) for name in FROM_LEARNER},
    }
