"""What the shell tells the learner (events), and what the learner asks of the shell (consequences and commands)."""

from dataclasses import dataclass

from aims_pax.frame import Split
from aims_pax.learner.state import PickReason, StopReason


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """A trajectory made `n_steps` and its new structure was scored (eV/Å)."""

    trajectory: int
    n_steps: int
    score: float


@dataclass(frozen=True, slots=True)
class ChunkUnphysical:
    """A trajectory became unphysical within a chunk."""

    trajectory: int
    n_steps: int
    problem: str


@dataclass(frozen=True, slots=True)
class LabelArrived:
    """The label of the structure at which this trajectory waits, identified by its MD step, has been stored."""

    trajectory: int
    md_step: int


@dataclass(frozen=True, slots=True)
class LabelFailed:
    """There will be no label of the structure at which this trajectory waits."""

    trajectory: int
    md_step: int


@dataclass(frozen=True, slots=True)
class EpochsDone:
    """The committee trained `n_epochs`; force MAE (eV/Å) is the members' mean, None when it was not measured."""

    n_epochs: int
    force_mae: float | None


Event = ChunkDone | ChunkUnphysical | LabelArrived | LabelFailed | EpochsDone


@dataclass(frozen=True, slots=True)
class SubmitLabel:
    """Have the reference label where this trajectory stands."""

    trajectory: int
    reason: PickReason


@dataclass(frozen=True, slots=True)
class KeepLabel:
    """Put the label just arrived into this split; its structure is the trajectory's checkpoint from now on."""

    trajectory: int
    split: Split


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
class Train:
    """Train the committee."""

    n_epochs: int


@dataclass(frozen=True, slots=True)
class AwaitLabel:
    """Nothing can move: block until a label answers."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The campaign is over."""

    reason: StopReason


Consequence = SubmitLabel | KeepLabel | Rewind
Command = Advance | Train | AwaitLabel | Finish
