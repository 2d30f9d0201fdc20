"""The rules of a stage that plays workflows; they never change while it runs."""

from dataclasses import dataclass
from enum import StrEnum

from aims_pax.learner.quota import Quota
from aims_pax.learner.state import Budget


class DrivenBy(StrEnum):
    """What moves atoms."""

    COMMITTEE = "committee"
    """The models that learn."""
    PRETRAINED = "pretrained"
    """A general model, which learns nothing here."""


class Holds(StrEnum):
    """When a workflow is said to hold in a visit that the committee drives."""

    SURE = "sure"
    """All phases come to their ends, and no frame is above its threshold."""
    STABLE = "stable"
    """All phases come to their ends."""


@dataclass(frozen=True, slots=True)
class PhaseRule:
    """One phase of a workflow.

    Parameters
    ----------
    name : str
        As it is written: ``Phase1``.
    n_steps : int
        MD steps; of a relaxation the most that it may take.
    n_windows : int
        Equal windows, each of which has one frame labelled at most; 0: none is.
    threshold : float
        Score below which a frame is not labelled, in the unit of the score.
    driver : DrivenBy or None
        What moves atoms, whatever the visit; None: as visits say.
    """

    name: str
    n_steps: int
    n_windows: int = 0
    threshold: float = 0.0
    driver: DrivenBy | None = None

    def window_end(self, step: int) -> int:
        """The step, from the beginning of the phase, at which the window ends that the next step belongs to."""
        if not self.n_windows:
            return self.n_steps
        number = step * self.n_windows // self.n_steps + 1
        end = -(-number * self.n_steps // self.n_windows)
        return min(self.n_steps, end)


@dataclass(frozen=True, slots=True)
class PlayRules:
    """The rules of all players.

    Parameters
    ----------
    programs : tuple of tuple of PhaseRule
        The phases of each player's workflow, by player.
    skip_steps : int
        MD steps between two structures that are judged.
    quota : Quota
        Which labels validate.
    epochs_per_label, epochs_per_slice : int
        Epochs that labels which came together are worth, and epochs trained before sampling goes on.
    max_visits : int
        Visits of each player.
    holds : Holds
    n_hold : int
        Visits in a row that must hold; then a player is done.
    from_scratch : bool
        Whether all players wait for one another at the end of a visit, and models are then trained from random weights.
    begins_without_models : bool
        Whether the pretrained model drives all of the first visit, since nothing else could.
    pretrained_visits : int
        Visits, from the first, that the pretrained model drives.
    hand_over : float or None
        Score below which, as the largest of a phase in a visit, the committee drives this phase from the next visit on;
        None: it drives all phases after those visits.
    visits_ahead : int
        Visits that a player may be ahead of its labels.
    max_failures : int
        Labels that fail in a row, for reasons that are not their structures', and visits in a row whose structures
        can't be built, after which nothing sensible is left to do.
    budgets : tuple of Budget
        Labels that some players may ask for together.
    """

    programs: tuple[tuple[PhaseRule, ...], ...]
    skip_steps: int
    quota: Quota
    epochs_per_label: int
    epochs_per_slice: int
    max_visits: int
    holds: Holds = Holds.SURE
    n_hold: int = 1
    from_scratch: bool = False
    begins_without_models: bool = False
    pretrained_visits: int = 0
    hand_over: float | None = None
    visits_ahead: int = 1
    max_failures: int = 10
    budgets: tuple[Budget, ...] = ()

    def phase(self, player: int, number: int) -> PhaseRule:
        """A phase of a player's workflow."""
        return self.programs[player][number]
