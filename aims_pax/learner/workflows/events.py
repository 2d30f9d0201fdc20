"""What can happen to players, what is to be done, and what has to be done at once."""

from dataclasses import dataclass

from aims_pax.frame import Split
from aims_pax.learner.workflows.state import End

# -- events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Built:
    """The structure of a player's next phase is there; it begins to move."""

    player: int


@dataclass(frozen=True, slots=True)
class BuildFailed:
    """It can't be made, for a reason in words."""

    player: int
    words: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A player has made some steps.

    Parameters
    ----------
    player, n_steps : int
    score : float or None
        Of the structure that it has come to, where that was judged.
    problem : str or None
        Why it stands at its last sound structure.
    is_at_rest : bool
        Whether its relaxation has come to its end.
    """

    player: int
    n_steps: int
    score: float | None = None
    problem: str | None = None
    is_at_rest: bool = False


@dataclass(frozen=True, slots=True)
class LabelArrived:
    """A label has come."""

    player: int
    md_step: int


@dataclass(frozen=True, slots=True)
class LabelFailed:
    """A label has failed, or is kept out.

    Parameters
    ----------
    player, md_step : int
    is_of_structure : bool
        Whether the structure is to blame, and not the reference or its workers.
    """

    player: int
    md_step: int
    is_of_structure: bool


@dataclass(frozen=True, slots=True)
class EpochsDone:
    """The committee was trained; mean validation force MAE in eV/Å, None if it was not measured."""

    n_epochs: int
    force_mae: float | None


@dataclass(frozen=True, slots=True)
class AllLearned:
    """Models have learned from all players, in so many epochs."""

    n_epochs: int


Event = Built | BuildFailed | Moved | LabelArrived | LabelFailed | EpochsDone | AllLearned

# -- commands -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Build:
    """Make the structure of a player's phase."""

    player: int


@dataclass(frozen=True, slots=True)
class Advance:
    """Move players by a number of steps; then judge those that are named.

    Parameters
    ----------
    players : tuple of int
    n_steps : int
    judged : tuple of int
        Players whose structures are to be judged, if there is a committee.
    """

    players: tuple[int, ...]
    n_steps: int
    judged: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Train:
    """Train for some epochs."""

    n_epochs: int


@dataclass(frozen=True, slots=True)
class LearnAll:
    """Train to convergence on all that there is, from random weights."""


@dataclass(frozen=True, slots=True)
class Await:
    """Nothing can be done until a label comes."""


@dataclass(frozen=True, slots=True)
class Finish:
    """It is over."""

    end: End


Command = Build | Advance | Train | LearnAll | Await | Finish

# -- consequences ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HoldFrame:
    """Keep the structure where a player stands: it may be labelled."""

    player: int


@dataclass(frozen=True, slots=True)
class Submit:
    """Ask for the label of the structure that is kept for a player.

    Parameters
    ----------
    player, md_step : int
    score : float or None
    threshold : float
    """

    player: int
    md_step: int
    score: float | None
    threshold: float


@dataclass(frozen=True, slots=True)
class KeepLabel:
    """Give a label its place in the dataset."""

    player: int
    md_step: int
    split: Split


@dataclass(frozen=True, slots=True)
class PhaseOver:
    """A phase has ended, and with the last phase or with trouble its visit.

    Parameters
    ----------
    player, visit, phase : int
    n_steps : int
        MD steps that it has made.
    largest : float or None
        Score.
    words : str
        Why it ended before its end; empty where it did not.
    ends_visit : bool
    held : bool
        Whether the visit has held; False where it goes on.
    """

    player: int
    visit: int
    phase: int
    n_steps: int
    largest: float | None
    words: str = ""
    ends_visit: bool = False
    held: bool = False


Consequence = HoldFrame | Submit | KeepLabel | PhaseOver
