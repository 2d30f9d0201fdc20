"""What an entry of a campaign offers, and the class of each kind."""

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Protocol, cast

from aims_pax.errors import Problem
from aims_pax.settings import Project
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.bench import Bench


class Stage(Protocol):
    """One entry of a campaign. Its state lies under its own name in the store of the run.

    A class of stages is made with its :class:`~aims_pax.settings.stages.plan.StagePlan` alone.
    """

    plan: StagePlan

    @property
    def name(self) -> str:
        """What it is called in the store, in figures and in what a person reads."""
        ...

    def problems(self, project: Project) -> Iterator[Problem]:
        """Why it can't be run, as far as that can be told for nothing."""
        ...

    def facts(self, project: Project) -> Iterator[str]:
        """What it would do, a sentence each."""
        ...

    def run(self, bench: Bench) -> None:
        """Go on from wherever the store says that it stands to its end.

        Raises
        ------
        Departed
            The campaign was asked to leave; the same call goes on.
        CampaignStopped
            Nothing sensible is left to do before the goal was reached.
        """
        ...


def stage_of(plan: StagePlan) -> Stage:
    """What does an entry of a campaign."""
    return cast(Stage, resolve_name(KINDS[plan.kind].stage)(plan))
