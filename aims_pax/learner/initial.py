"""The state machine of initial dataset generation: equilibrate, then sample a round, label it, train on it, again.

A round is complete when it has as many labels as its members need. Failed labels are replaced by further samples.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from aims_pax.errors import AimsPaxError


class InitialStop(StrEnum):
    """Why the initial dataset is large enough."""

    FORCE_MAE = "the validation force MAE has reached desired_acc times desired_acc_scale_idg"
    """The members' mean force MAE on their validation sets is at or below the goal."""
    EPOCHS = "max_initial_epochs have been trained"
    """The number of epochs is used up."""
    SET_SIZE = "the training set has reached max_initial_set_size"
    """Every member has as many training structures as were asked for."""


@dataclass(frozen=True, slots=True)
class InitialPolicy:
    """The rules of initial dataset generation.

    Parameters
    ----------
    labels_per_round : int
        Labels that the members share in one round.
    epochs_per_round : int
    max_failures : int
        Labels failing in a row after which nothing sensible is left to do.
    max_epochs, max_train_size : float
        May be infinite. The size is that of one member's training set.
    desired_force_mae : float or None, eV/Å
        Goal of the validation force MAE, scale included.
    equilibration_steps, steps_per_chunk : int
        MD steps before the first structure, and how many of them are made at once; between two chunks a run may be
        left.
    """

    labels_per_round: int
    epochs_per_round: int
    max_failures: int
    max_epochs: float = float("inf")
    max_train_size: float = float("inf")
    desired_force_mae: float | None = None
    equilibration_steps: int = 0
    steps_per_chunk: int = 1


@dataclass(frozen=True, slots=True)
class InitialState:
    """Where initial dataset generation stands.

    Parameters
    ----------
    n_round : int
        Complete rounds, trained or not.
    n_in_flight, n_received : int
        Labels of the round that is being collected.
    n_failed, n_failed_in_row : int
        Labels failed in all, and since the last one that succeeded.
    epochs_due : int
        Epochs that the last complete round is still owed.
    n_epochs : int
    train_size : int
        Training structures of one member.
    force_mae : float or None, eV/Å
    stopping : InitialStop or None
    n_equilibrated : int
        MD steps of equilibration that were made.
    """

    n_round: int = 0
    n_in_flight: int = 0
    n_received: int = 0
    n_failed: int = 0
    n_failed_in_row: int = 0
    epochs_due: int = 0
    n_epochs: int = 0
    train_size: int = 0
    force_mae: float | None = None
    stopping: InitialStop | None = None
    n_equilibrated: int = 0

    @property
    def has_sampled(self) -> bool:
        """Whether any structure was sent to the reference."""
        return self.n_round + self.n_in_flight + self.n_received + self.n_failed > 0


@dataclass(frozen=True, slots=True)
class StepsEquilibrated:
    """The driver moved every system by `n_steps`, and nothing was labelled."""

    n_steps: int


@dataclass(frozen=True, slots=True)
class FrameSubmitted:
    """A sampled structure was sent to the reference."""


@dataclass(frozen=True, slots=True)
class RoundLabelArrived:
    """A label of the round has been stored."""


@dataclass(frozen=True, slots=True)
class RoundLabelFailed:
    """There will be no label of one structure of the round."""


@dataclass(frozen=True, slots=True)
class RoundDistributed:
    """The labels of the round were given to the members, whose training sets now have `train_size` structures."""

    train_size: int


@dataclass(frozen=True, slots=True)
class RoundEpochsDone:
    """The members trained `n_epochs`; force MAE (eV/Å) is their mean, None when it was not measured."""

    n_epochs: int
    force_mae: float | None


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The run stopped after too many failures in a row; when it goes on, they are counted afresh."""


InitialEvent = (
    StepsEquilibrated
    | FrameSubmitted
    | RoundLabelArrived
    | RoundLabelFailed
    | RoundDistributed
    | RoundEpochsDone
    | GaveUp
)


@dataclass(frozen=True, slots=True)
class Equilibrate:
    """Advance the driver, and label nothing."""

    n_steps: int


@dataclass(frozen=True, slots=True)
class SampleFrame:
    """Advance the driver and send the next structure to the reference."""


@dataclass(frozen=True, slots=True)
class AwaitRoundLabel:
    """All structures of the round are with the reference: block until one answers."""


@dataclass(frozen=True, slots=True)
class DistributeRound:
    """Give each member its share of the labels of this round."""


@dataclass(frozen=True, slots=True)
class TrainRound:
    """Train the members."""

    n_epochs: int


@dataclass(frozen=True, slots=True)
class InitialFinish:
    """The initial dataset is complete."""

    reason: InitialStop


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Too many labels failed in a row."""

    n_failed_in_row: int


InitialCommand = Equilibrate | SampleFrame | AwaitRoundLabel | DistributeRound | TrainRound | InitialFinish | GiveUp


def transition(state: InitialState, event: InitialEvent, policy: InitialPolicy) -> InitialState:
    """The state after an event.

    Raises
    ------
    AimsPaxError
        The event can't happen in this state: a defect of the shell.
    """
    match event:
        case StepsEquilibrated(n_steps):
            if state.has_sampled:
                raise AimsPaxError("the initial dataset was equilibrated after its first structure")
            return replace(state, n_equilibrated=state.n_equilibrated + n_steps)
        case FrameSubmitted():
            return replace(state, n_in_flight=state.n_in_flight + 1)
        case RoundLabelArrived() | RoundLabelFailed() if state.n_in_flight < 1:
            raise AimsPaxError("a label of the initial dataset arrived that nobody asked for")
        case RoundLabelArrived():
            return replace(state, n_in_flight=state.n_in_flight - 1, n_received=state.n_received + 1, n_failed_in_row=0)
        case RoundLabelFailed():
            return replace(
                state,
                n_in_flight=state.n_in_flight - 1,
                n_failed=state.n_failed + 1,
                n_failed_in_row=state.n_failed_in_row + 1,
            )
        case RoundDistributed(train_size):
            return replace(
                state,
                n_round=state.n_round + 1,
                n_received=0,
                epochs_due=policy.epochs_per_round,
                train_size=train_size,
            )
        case RoundEpochsDone(n_epochs, force_mae):
            state = replace(
                state,
                n_epochs=state.n_epochs + n_epochs,
                epochs_due=max(0, state.epochs_due - n_epochs),
                force_mae=state.force_mae if force_mae is None else force_mae,
            )
            return replace(state, stopping=_reason_to_stop(state, policy))
        case GaveUp():
            return replace(state, n_failed_in_row=0)


def decide(state: InitialState, policy: InitialPolicy) -> InitialCommand:
    """What to do next."""
    if state.stopping is not None:
        return InitialFinish(state.stopping)
    left = policy.equilibration_steps - state.n_equilibrated
    if left > 0 and not state.has_sampled:  # a run of a version that knew no equilibration goes on with its structures
        return Equilibrate(min(left, policy.steps_per_chunk))
    if state.epochs_due:
        return TrainRound(int(min(state.epochs_due, policy.max_epochs - state.n_epochs)))
    if state.n_received >= policy.labels_per_round:
        return DistributeRound()
    if state.n_failed_in_row >= policy.max_failures:
        # Failures are often quick: what is in flight may still be good, and was paid for.
        return AwaitRoundLabel() if state.n_in_flight else GiveUp(state.n_failed_in_row)
    if state.n_received + state.n_in_flight < policy.labels_per_round:
        return SampleFrame()
    return AwaitRoundLabel()


def resumed(state: InitialState, policy: InitialPolicy) -> InitialState:
    """The state in which an interrupted run goes on, under rules whose goals may have changed since."""
    return replace(state, stopping=state.stopping or _reason_to_stop(state, policy))


def _reason_to_stop(state: InitialState, policy: InitialPolicy) -> InitialStop | None:
    if state.n_epochs >= policy.max_epochs:
        return InitialStop.EPOCHS
    if state.epochs_due:
        return None
    if state.train_size >= policy.max_train_size:
        return InitialStop.SET_SIZE
    if state.force_mae is None or policy.desired_force_mae is None:
        return None
    return InitialStop.FORCE_MAE if state.force_mae <= policy.desired_force_mae else None
