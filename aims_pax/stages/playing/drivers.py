"""What moves the atoms of players."""

from collections.abc import Callable
from typing import Final

from aims_pax.committee import CommitteeForces, devices_of
from aims_pax.learner.workflows import DrivenBy
from aims_pax.protocols import Committee, Driver
from aims_pax.settings import Project
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.driver import driver_forces, forget_history


class Drivers:
    """The committee, which may be another one after a visit, and the pretrained model; each made when first needed.

    Parameters
    ----------
    committee : callable
        The present one.
    """

    def __init__(self, project: Project, settings: PlaySettings, committee: Callable[[], Committee | None]) -> None:
        self._project, self._settings, self._committee = project, settings, committee
        self._own: CommitteeForces | None = None
        self._other: Driver | None = None
        self._forget: Callable[[], None] = lambda: None
        self.device: Final = devices_of(project.mace.misc.device)[0]

    def of(self, driven_by: DrivenBy) -> Driver:
        """What moves those that are driven so."""
        if driven_by is DrivenBy.COMMITTEE:
            return self._by_committee()
        if self._other is None:
            assert self._settings.pretrained is not None, "settings name it where a phase asks for it"
            choice = self._settings.pretrained.choice
            self._other = driver_forces(self._project, choice)
            self._forget = forget_history(choice, self._other)
        return self._other

    def forget_history(self) -> None:
        """Let nothing depend on what was moved before: neither on an interruption, nor on who stood at a place."""
        self._forget()

    def follow(self, committee: Committee) -> None:
        """Let other models drive from now on, in the place of those before."""
        if self._own is not None:
            self._own.follow(committee)

    def _by_committee(self) -> Driver:
        if self._own is None:
            committee = self._committee()
            assert committee is not None, "the learner lets no committee drive that is not there"
            is_member = any(self._project.md_of(one).propagate_with == "member" for one in self._project.systems)
            self._own = CommitteeForces(committee, member=0 if is_member else None)
        return self._own
