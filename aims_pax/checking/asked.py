"""What is looked at before the start."""

from collections.abc import Iterator
from dataclasses import dataclass

from aims_pax.frame import Stage
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stages.plan import StagePlan


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule looks at.

    Parameters
    ----------
    project : Project
    stages : tuple of Stage
    n_initial_train : int or None
        Training structures of each member after the initial stage; None where that is not known or none runs.
    """

    project: Project
    stages: tuple[Stage, ...]
    n_initial_train: int | None = None


def learning(asked: Asked) -> Iterator[StagePlan]:
    """The stages of active learning that are asked for."""
    return (plan for plan in asked.project.plans(asked.stages) if isinstance(plan.settings, ActiveLearningSettings))
