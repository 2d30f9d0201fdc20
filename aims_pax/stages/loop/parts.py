"""What a loop is made of, besides the bench that every stage works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aims_pax.committee import EpochPlan
from aims_pax.frame import Frame, Label, LabelFailure, LabelledFrame
from aims_pax.learner.state import Rules, StopReason
from aims_pax.protocols import Committee, Molecules, Score
from aims_pax.sampling import BatchedSampler
from aims_pax.stages.loop.recording import NoRecorder, TrajectoryRecorder
from aims_pax.stages.loop.trainer import CommitteeTrainer, Stagnations, usual_trainer

PICKING_PAUSED: Final = "PickingPaused"
"""Kind of a journal entry: labels were unphysical in series, and the committee is trained before it picks again."""

REOPENED: Final = "reopened"
"""Name under which the store keeps that a run which had ended is to go on under goals that ask for more."""


class GoesBackTo(StrEnum):
    """Where a trajectory goes back to when it fails."""

    LAST_CHUNK = "last chunk"
    """Its last sound structure that it came to."""
    LAST_LABEL = "last label"
    """Its last labelled structure."""
    START = "start"
    """Where it began."""


@dataclass(frozen=True, slots=True)
class LoopParts:
    """What a loop is made of; assembled in :mod:`aims_pax.stages.assembly`.

    Parameters
    ----------
    rules : Rules
    sampler : BatchedSampler
    recorder : TrajectoryRecorder or NoRecorder
    goes_back_to : GoesBackTo
    plan : EpochPlan
        What belongs to each epoch.
    build_committee : callable
        Makes the committee from the first labels, where there is none.
    new_trainer : callable
        Makes what trains a committee, by the plan, and with its stagnations where optimizers are reset.
    score : Score or None
        How much the committee disagrees; None where no selector asks.
    score_kind : str
        What that is called in the store.
    molecules : mapping of int to sequence of sequence of int
        Atoms of the molecules that are told apart, by trajectory; no entry where none are.
    molecules_weight : float
        Of the forces on molecules in the loss, from when the learner lets them be learned, too.
    skip_alike : float
        Distance of descriptors below which a structure is like another one that is labelled or learned; 0: none is.
    withdraws : bool
        Whether requests that nobody has begun are withdrawn where the committee has become sure.
    wants_stress : bool
        Whether what the committee says of picked structures is kept with stress.
    forget_history : callable
        Makes the driver compute the next step without its past; called before each chunk.
    known_label : callable
        The label of a structure, where the driver is the reference itself and has computed it already
        (`initial_sampling: aimd`); else None.
    quiet_commit_s : float, s
        Uneventful MD that an interruption may cost: a commit is made at least this often.
    n_epochs_before : int
        Epochs that the members were trained in earlier stages, for the display.
    reasons : mapping of StopReason to str
        Why it stopped, in words of its own.
    labels_per_line : int
        Labels of a round between two lines of progress in the diary.
    seed : int
        Of the distribution of points to members.
    """

    rules: Rules
    sampler: BatchedSampler
    recorder: TrajectoryRecorder | NoRecorder
    goes_back_to: GoesBackTo
    plan: EpochPlan
    build_committee: Callable[[Sequence[LabelledFrame]], Committee]
    new_trainer: Callable[[Committee, EpochPlan, Stagnations | None], CommitteeTrainer] = usual_trainer
    score: Score | None = None
    score_kind: str = ""
    molecules: Mapping[int, Sequence[Sequence[int]]] = field(default_factory=dict)
    molecules_weight: float = 0.0
    skip_alike: float = 0.0
    withdraws: bool = False
    wants_stress: bool = False
    forget_history: Callable[[], None] = lambda: None
    known_label: Callable[[Frame], Label | LabelFailure | None] = lambda _frame: None
    quiet_commit_s: float = 10.0
    n_epochs_before: int = 0
    reasons: Mapping[StopReason, str] = field(default_factory=dict)
    labels_per_line: int = 1
    seed: int = 0

    @property
    def molecules_by_system(self) -> Molecules:
        """The molecules that are told apart, by the names of their systems."""
        return {self.sampler.frame(index).system: groups for index, groups in self.molecules.items()}
