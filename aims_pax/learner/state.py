"""Phases, rules and state of active learning: all that the learner knows, as frozen values."""

from dataclasses import dataclass
from enum import StrEnum

from aims_pax.learner.quota import Quota
from aims_pax.learner.threshold import Threshold


class Phase(StrEnum):
    """What one trajectory is doing."""

    RUNNING = "running"
    """It moves, and its structures are checked every `skip_step_mlff` steps."""
    WAITING = "waiting"
    """Its last structure is being labelled; it stands still."""
    TRAINING = "training"
    """The committee is learning its newest label; it stands still."""
    FINISHED = "finished"
    """It has reached its number of MD steps, or the campaign has reached its goal."""
    FAILED = "failed"
    """Too many failures in a row; it is left alone."""


LIVE = frozenset({Phase.RUNNING, Phase.WAITING, Phase.TRAINING})


class PickReason(StrEnum):
    """Why a structure was sent to the reference."""

    UNSURE = "deviation above threshold"
    """Its score was above the threshold."""
    QUIET = "no crossing for too long"
    """The trajectory went `uncert_not_crossed_limit` MD steps without a crossing."""


class StopReason(StrEnum):
    """Why a campaign takes no more structures."""

    TRAIN_SIZE = "the training set has reached max_train_set_size"
    """Every member trains on as many structures as were asked for."""
    FORCE_MAE = "the validation force MAE has reached desired_acc"
    """The members' mean force MAE on their validation sets is at or below the goal."""
    EPOCHS = "max_epochs have been trained"
    """The total number of epochs is used up."""
    MD_STEPS = "every trajectory has made max_MD_steps or has failed"
    """No trajectory is left that could move."""
    ALL_FAILED = "every trajectory has failed too often in a row"
    """Nothing sensible is left to do."""


class Turn(StrEnum):
    """Whose turn it is when some trajectories can move and others have a label to learn."""

    SAMPLE = "sample"
    """The running trajectories advance."""
    TRAIN = "train"
    """The committee trains for a slice of epochs."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one campaign; never changes while it runs.

    Parameters
    ----------
    skip_steps : int
        MD steps between uncertainty checks.
    quiet_limit_steps : int
        MD steps without a crossing after which a structure is labelled anyway.
    freeze_train_size : float
        Training-set size at which the threshold stops moving; may be infinite.
    epochs_per_label, epochs_per_slice : int
        Epochs that each label is worth, and epochs trained at one visit.
    max_failures : int
        Consecutive failures (labels, unphysical MD) after which a trajectory is given up.
    max_md_steps : int or None
        MD steps of each trajectory.
    max_train_size : int or None
        Training structures of one member.
    desired_force_mae : float or None, eV/Å
    max_epochs : float
        Total epochs; may be infinite.
    """

    skip_steps: int
    quiet_limit_steps: int
    freeze_train_size: float
    epochs_per_label: int
    epochs_per_slice: int
    max_failures: int
    max_md_steps: int | None = None
    max_train_size: int | None = None
    desired_force_mae: float | None = None
    max_epochs: float = float("inf")


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One trajectory as the learner sees it.

    Parameters
    ----------
    md_step : int
        Steps made; never goes back.
    quiet_steps : int
        Steps since its last pick.
    epochs_left : int
        Epochs still to be trained for its newest label.
    failures : int
        Failures since its last label.
    """

    phase: Phase = Phase.RUNNING
    md_step: int = 0
    quiet_steps: int = 0
    epochs_left: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """All that the learner knows.

    Parameters
    ----------
    trajectories : tuple of Trajectory
    threshold : Threshold
    quota : Quota
        Points of active learning by split.
    n_initial_train : int
        Training structures that a member had before active learning.
    n_requested, n_received, n_failed : int
        Labels; those in flight are the rest.
    n_epochs : int
    force_mae : float or None, eV/Å
        Mean over members at the newest validation.
    turn : Turn
    stopping : StopReason or None
    """

    trajectories: tuple[Trajectory, ...]
    threshold: Threshold
    quota: Quota
    n_initial_train: int = 0
    n_requested: int = 0
    n_received: int = 0
    n_failed: int = 0
    n_epochs: int = 0
    force_mae: float | None = None
    turn: Turn = Turn.SAMPLE
    stopping: StopReason | None = None

    @property
    def train_size(self) -> int:
        """Training structures of one member: its share of the initial dataset and all of active learning."""
        return self.n_initial_train + self.quota.n_train

    def in_phase(self, phase: Phase) -> tuple[int, ...]:
        """Indices of the trajectories in a phase."""
        return tuple(i for i, trajectory in enumerate(self.trajectories) if trajectory.phase is phase)
