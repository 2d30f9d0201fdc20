"""Where players are in their workflows, as frozen values."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from aims_pax.learner.quota import SplitCounts


class Doing(StrEnum):
    """What a player is doing."""

    BUILDING = "building"
    """The structure of its next phase is to be made."""
    MOVING = "moving"
    """It moves through a phase."""
    WAITING = "waiting"
    """It has come to the end of a visit, and models are to learn from all players before the next one."""
    OVER = "over"
    """It plays no more."""


class End(StrEnum):
    """Why a stage that plays workflows is over."""

    HOLD = "every workflow holds"
    """All that was asked for has been seen in a visit of each."""
    VISITS = "there were as many visits as max_visits allows"
    """Each player has had its visits; some workflows do not hold yet."""
    BUDGETS = "every system has the labels that it may ask for"
    """Nobody is left who could ask."""
    FAILURES = "too many labels failed in a row"
    """Not the structures are to blame."""
    BROKEN = "the structure of a phase can't be built, visit after visit"
    """What was asked for can't be had."""
    NOTHING = "no phase has come to a frame that could be learned"
    """There are no models, and nothing to make them from."""


class Turn(StrEnum):
    """Whose turn it is when players can move and labels are to be learned."""

    SAMPLE = "sample"
    """Players move."""
    TRAIN = "train"
    """The committee trains for a slice of epochs."""


@dataclass(frozen=True, slots=True)
class Best:
    """The frame of a window that is labelled if no better one comes.

    Parameters
    ----------
    md_step : int
    score : float or None
        In the unit of the score; None where nobody has judged.
    """

    md_step: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Player:
    """One trajectory that plays a workflow.

    Parameters
    ----------
    visit : int
        From 1.
    phase, phase_step : int
        Number of the phase, and MD steps made of it.
    md_step : int
        MD steps of all visits; never goes back.
    best : Best or None
        Of the present window.
    largest : float or None
        Largest score of the present phase.
    n_above : int
        Frames of this visit that were above their thresholds and are labelled.
    is_own : bool
        Whether the committee has driven all phases of this visit but those that are always another one's.
    n_held : int
        Visits in a row that have held.
    n_broken : int
        Visits in a row that ended because a structure could not be built.
    handed : tuple of int
        Numbers of the phases that the committee has taken over.
    n_labels : int
        Labels of its structures that were computed or are in flight.
    """

    doing: Doing = Doing.BUILDING
    visit: int = 1
    phase: int = 0
    phase_step: int = 0
    md_step: int = 0
    best: Best | None = None
    largest: float | None = None
    n_above: int = 0
    is_own: bool = True
    n_held: int = 0
    n_broken: int = 0
    handed: tuple[int, ...] = ()
    n_labels: int = 0


@dataclass(frozen=True, slots=True)
class Pick:
    """A structure that is being labelled, and the visit that it is of."""

    player: int
    md_step: int
    visit: int


@dataclass(frozen=True, slots=True)
class PlayState:
    """All that is known of players.

    Parameters
    ----------
    players : tuple of Player
    counts : SplitCounts
        Labels of this stage by split.
    in_flight : tuple of Pick
    n_received, n_failed : int
        Labels.
    n_failed_in_row : int
        Labels failed since the last one that succeeded, for reasons that are not their structures'.
    has_committee : bool
        Whether there are models.
    epochs_due, n_epochs : int
        Epochs that labels are still owed, and such as were trained.
    n_unlearned : int
        Labels since models have last learned from all players.
    n_scores : int
        Structures that were judged.
    force_mae : float or None, eV/Å
        Mean over members at the newest validation.
    turn : Turn
    stopping : End or None
    """

    players: tuple[Player, ...]
    counts: SplitCounts = field(default_factory=SplitCounts)
    in_flight: tuple[Pick, ...] = ()
    n_received: int = 0
    n_failed: int = 0
    n_failed_in_row: int = 0
    has_committee: bool = True
    epochs_due: int = 0
    n_epochs: int = 0
    n_unlearned: int = 0
    n_scores: int = 0
    force_mae: float | None = None
    turn: Turn = Turn.SAMPLE
    stopping: End | None = None

    @property
    def n_requested(self) -> int:
        """Labels that were asked for."""
        return self.n_received + self.n_failed + len(self.in_flight)

    @property
    def md_steps(self) -> int:
        """Of all players."""
        return sum(one.md_step for one in self.players)

    def doing(self, doing: Doing) -> tuple[int, ...]:
        """Players that do so."""
        return tuple(index for index, one in enumerate(self.players) if one.doing is doing)

    def with_player(self, index: int, player: Player) -> "PlayState":
        """The state with this player in the place of that of its number."""
        return replace(self, players=(*self.players[:index], player, *self.players[index + 1 :]))
