"""What goes into a run store and comes out of it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np

from aims_pax.frame import CommitteePrediction, Frame, Label
from aims_pax.protocols import MemberErrors

OWN_REFERENCE: Final = ""
"""Key of a project's own reference: that of REFERENCE, whose labels a run learns from until it has others."""


class JobStatus(StrEnum):
    """Where the request for one label stands."""

    SUBMITTED = "submitted"
    """Asked for, and not answered yet."""
    DONE = "done"
    """Its label is in the store."""
    FAILED = "failed"
    """Its last attempt gave no label."""
    WITHDRAWN = "withdrawn"
    """It was asked for, and is wanted no longer; nobody had begun it."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredJob:
    """A requested label.

    Parameters
    ----------
    label_id : int
        From 1, in the order of the requests.
    structure_id : int
    frame : Frame
    source : str
        What picked the frame, or where it was taken from; empty when that was not noted.
    stage : str
        Name of the stage that asked for the label. A frame of one stage may be labelled again in another.
    reference : str
        Key of the method that was asked, :data:`OWN_REFERENCE` for the project's own.
    status : JobStatus
    n_failures : int
        Attempts that gave no label.
    """

    label_id: int
    structure_id: int
    frame: Frame
    source: str
    stage: str
    reference: str
    status: JobStatus
    n_failures: int


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A label that is stored, and that nobody learns because of its forces.

    Parameters
    ----------
    label_id, structure_id : int
    system : str
    trajectory, md_step : int
        Of its structure.
    stage : str
        Name of the stage that has asked for it.
    source : str
        What has picked the structure, or where it was taken from.
    reference : str
        Key of the method, as in :class:`StoredJob`.
    max_force_ev_per_ang : float
        Largest force on an atom.
    """

    label_id: int
    structure_id: int
    system: str
    trajectory: int
    md_step: int
    stage: str
    source: str
    reference: str
    max_force_ev_per_ang: float


@dataclass(frozen=True, slots=True, eq=False)
class PredictedLabel:
    """A label beside what the committee had said of its frame before it learned from it.

    Parameters
    ----------
    label_id : int
    frame : Frame
    stage, source : str
        Of the frame, as in :class:`~aims_pax.frame.LabelledFrame`.
    label : Label
    prediction : CommitteePrediction
    """

    label_id: int
    frame: Frame
    stage: str
    source: str
    label: Label
    prediction: CommitteePrediction


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """How one structure on the way was judged.

    Parameters
    ----------
    number : int
        Number of this score among those of the same stage, selector and kind.
    trajectory, md_step, generation : int
        What was judged, and the committee that judged it.
    score, threshold : float
        In the unit of their kind, eV/Å for deviations of forces. The threshold is the one that the score was compared
        with; it may be infinite.
    picked : bool
        Whether the structure was sent to the reference.
    stage, selector, kind : str
        Who judged: the name of the stage, what selects there, and what of the structure it looks at
        (``max_atomic_sd``, ...); empty when it was not noted.
    """

    number: int
    trajectory: int
    md_step: int
    generation: int
    score: float
    threshold: float
    picked: bool
    stage: str = "active"
    selector: str = "moving threshold"
    kind: str = ""


class Series(NamedTuple):
    """Scores that are numbered together: those of one stage, selector and kind."""

    stage: str
    selector: str
    kind: str


SCORE_DTYPE = np.dtype(
    [
        ("series", np.int32),
        ("number", np.int64),
        ("trajectory", np.int32),
        ("md_step", np.int64),
        ("generation", np.int32),
        ("score", np.float64),
        ("threshold", np.float64),
        ("picked", np.bool_),
    ]
)
"""Fields of :class:`ScoreRow`, as an array holds them; the store says which series that is."""


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch of one member, for the learning curves.

    Parameters
    ----------
    epoch : int
        Epochs that this member has made, this one included.
    generation : int
        Generation that this epoch led to.
    member : int
    train_loss : float
        Mean loss over the epoch, in the loss function's own unit.
    errors : MemberErrors or None
        On the validation set after it; None when they were not measured.
    n_train, n_valid, n_test : int
        Structures of this member.
    """

    epoch: int
    generation: int
    member: int
    train_loss: float
    errors: MemberErrors | None
    n_train: int
    n_valid: int


EPOCH_DTYPE = np.dtype(
    [
        ("epoch", np.int64),
        ("generation", np.int64),
        ("member", np.int32),
        ("train_loss", np.float64),
        ("loss", np.float64),
        ("energy_mae_ev_per_atom", np.float64),
        ("force_mae_ev_per_ang", np.float64),
        ("stress_mae_ev_per_ang3", np.float64),
        ("n_train", np.int64),
        ("n_valid", np.int64),
    ]
)
"""Fields of :class:`EpochRow` and its errors, as an array holds them; NaN where nothing was measured."""


ATTEMPT_DTYPE = np.dtype(
    [
        ("label_id", np.int64),
        ("submitted_at", np.float64),
        ("ended_at", np.float64),
        ("wall_s", np.float64),
        ("gave_label", np.bool_),
        ("worker", "U80"),
    ]
)
"""One attempt at a label: when it was asked for and when its answer was stored (seconds since 1970, UTC), seconds that
the calculation took, whether there was a label in the end, and host and process that computed, or an empty string."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One process that has worked on a run.

    Parameters
    ----------
    number : int
        From 1, in the order in which they began.
    began_at : float
        Seconds since 1970, UTC.
    host : str
    process : int
    versions : mapping of str to str
        Of this program, of Python, and of the packages that it stands on.
    inputs : mapping of str to str
        The texts that it began with, by their names: settings, inputs of engines, structures.
    """

    number: int
    began_at: float
    host: str
    process: int
    versions: Mapping[str, str]
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A file of a model that was handed over.

    Parameters
    ----------
    name : str
        Of the file.
    sha256 : str
        Of its content, hexadecimal: by this a file is known again, wherever it was copied to.
    member : int
    generation : int
        Of the committee.
    """

    name: str
    sha256: str
    member: int
    generation: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event of the run: its number from 1, when it was written (seconds since 1970, UTC), and what it was."""

    number: int
    time: float
    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a run holds.

    Parameters
    ----------
    n_in_flight, n_received, n_failed : int
        Requested labels by :class:`JobStatus`.
    n_failures : int
        Attempts that gave no label, also of labels that were received in the end.
    n_withdrawn : int
        Labels that were asked for, and not wanted any more before anybody began them; they count as not requested.
    n_train, n_valid, n_test : int
        Structures by split that have a label, over all members.
    n_kept_out : int
        Of those that failed: labels that are stored, and that nobody learns because of their forces.
    """

    n_in_flight: int
    n_received: int
    n_failed: int
    n_failures: int
    n_train: int
    n_valid: int
    n_test: int = 0
    n_withdrawn: int = 0
    n_kept_out: int = 0

    @property
    def n_requested(self) -> int:
        return self.n_in_flight + self.n_received + self.n_failed
