"""What the shell tells the learner (events), and what the learner asks of the shell (consequences and commands)."""

from dataclasses import dataclass

from aims_pax.frame import Split
from aims_pax.learner.checks.tolerances import Differences
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.selectors import PickReason
from aims_pax.learner.state import StopReason


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """A trajectory made `n_steps`, and the committee was asked about its new structure, or was not.

    Parameters
    ----------
    score : float or None
        How much the committee disagrees about it, in the unit of its measure.
    of_molecules : tuple of float, eV/Å
        The same about the force on each of its molecules, where they are told apart.
    is_alike : bool
        Whether another trajectory stands at a structure nearly alike, which is labelled or learned now.
    """

    trajectory: int
    n_steps: int
    score: float | None = None
    of_molecules: tuple[float, ...] = ()
    is_alike: bool = False


@dataclass(frozen=True, slots=True)
class ChunkUnphysical:
    """A trajectory became unphysical within a chunk."""

    trajectory: int
    n_steps: int
    problem: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The structures that trajectories offer are asked for, as many as the round lacks."""


@dataclass(frozen=True, slots=True)
class LabelArrived:
    """The label of a structure in flight, identified by its MD step, has been stored.

    Parameters
    ----------
    error : float or None, eV/Å
        Of the atom whose force the committee had predicted worst; None where it was not asked.
    differences : Differences or None
        All that its mean differs by, likewise.
    """

    trajectory: int
    md_step: int
    error: float | None = None
    differences: Differences | None = None


@dataclass(frozen=True, slots=True)
class LabelFailed:
    """There will be no label of this structure.

    Parameters
    ----------
    is_unphysical : bool
        Whether the structure is to blame: it falls apart.
    """

    trajectory: int
    md_step: int
    is_unphysical: bool = False


@dataclass(frozen=True, slots=True)
class Rescored:
    """The committee was asked again about a structure whose label nobody has begun, after it has learned.

    Parameters
    ----------
    score, of_molecules
        As of :class:`ChunkDone`.
    """

    trajectory: int
    md_step: int
    score: float | None
    of_molecules: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Distributed:
    """The labels of a round were given to the members, who have so many points of this loop by now."""

    counts: tuple[SplitCounts, ...]


@dataclass(frozen=True, slots=True)
class EpochsDone:
    """The committee trained `n_epochs`; force MAE (eV/Å) is the members' mean, None when it was not measured."""

    n_epochs: int
    force_mae: float | None


Event = ChunkDone | ChunkUnphysical | Asked | LabelArrived | LabelFailed | Rescored | Distributed | EpochsDone


@dataclass(frozen=True, slots=True)
class SubmitLabel:
    """Have the reference label where this trajectory stands, for one of the selectors."""

    trajectory: int
    reason: PickReason
    selector: str


@dataclass(frozen=True, slots=True)
class KeepLabel:
    """Put the label just arrived into this split, or nowhere yet.

    Parameters
    ----------
    is_checkpoint : bool
        Whether its structure is the trajectory's checkpoint from now on.
    """

    trajectory: int
    split: Split | None
    is_checkpoint: bool = True


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Have nobody label where this trajectory stands: the models have become sure of it."""

    trajectory: int
    md_step: int


@dataclass(frozen=True, slots=True)
class Rewind:
    """Put a trajectory back to its checkpoint."""

    trajectory: int


@dataclass(frozen=True, slots=True)
class Advance:
    """Move these trajectories by `n_steps` in one batch, then score them."""

    trajectories: tuple[int, ...]
    n_steps: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Have structures labelled that trajectories stand at."""


@dataclass(frozen=True, slots=True)
class Distribute:
    """Give each member its share of the labels of this round."""


@dataclass(frozen=True, slots=True)
class Train:
    """Train the committee."""

    n_epochs: int


@dataclass(frozen=True, slots=True)
class AwaitLabel:
    """Nothing can move: block until a label answers."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The loop is over."""

    reason: StopReason


Consequence = SubmitLabel | KeepLabel | Withdraw | Rewind
Command = Advance | Ask | Distribute | Train | AwaitLabel | Finish
