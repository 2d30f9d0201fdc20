"""What shows a campaign to a person."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class StageState(StrEnum):
    """Where one part of a campaign stands."""

    OVER = "over"
    """Nothing of it is left to do."""
    PRESENT = "present"
    """It is under way, or comes next in a run that was left before it."""
    AHEAD = "ahead"
    """It comes later."""


@dataclass(frozen=True, slots=True)
class StageSeen:
    """One part of a campaign, as it is seen on the way.

    Parameters
    ----------
    name : str
        Of a stage; or ``verdict`` or ``results``, which come after all stages.
    state : StageState
    spent_s : float, s
        Over all sessions.
    left_s : tuple of float, s
        What it has still to take: at least, likely, at most, where the last may be infinite. Empty: not known.
    """

    name: str
    state: StageState
    spent_s: float = 0.0
    left_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorAhead:
    """What the validation error comes to, as it goes on; of the members as they learn, before they are converged.

    Each is a low, a likely and a high value, between the first and last of which four of five lie; empty: not known.

    Parameters
    ----------
    goal : int or None
        Training structures of a member with which its stage ends; None where it ends by something else.
    force_maes : tuple of float, eV/Å
        With so many.
    wanted : float or None, eV/Å
        Force MAE that somebody has asked for.
    n_wanted : tuple of float
        Training structures of a member with which that is reached.
    """

    goal: int | None
    force_maes: tuple[float, ...] = ()
    wanted: float | None = None
    n_wanted: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What a person wants to see of a running campaign at one glance; scores are of the kind that it names.

    What depends on the run and not on its present stage (from `stages` on) is added by
    :class:`aims_pax.stages.watching.Watching`, whatever stage speaks.

    Parameters
    ----------
    phases : str
        A letter for each trajectory: r(unning), w(aiting), t(raining), (finishe)d, f(ailed).
    scores : tuple of float
        The newest, oldest first.
    is_waiting : bool
        Whether nothing is done until a label comes.
    waits_for : str
        What may be hoped for from the workers, where that is waited for long: their jobs, what a queue says of them.
    stages : tuple of StageSeen
        All parts of the campaign in their order.
    force_maes : tuple of float, eV/Å
        Mean validation force MAE of the members as it came along, oldest first.
    n_workers : int or None
        Labels that are computed at a time; 0 where the campaign computes them itself, None where nobody knows.
    busy_workers : float or None
        Workers that have computed in the last hour, on average; None before the first label.
    at : float
        When it was so, Unix time, s.
    error_ahead : ErrorAhead or None
        None where it can't be told, or not yet.
    n_labels_kept_out : int
        Of those that failed: labels that are stored, and that nobody learns because of their forces.
    """

    stage: str
    n_running: int
    n_waiting: int
    n_training: int
    n_finished: int
    n_labels_requested: int
    n_labels_received: int
    n_labels_failed: int
    n_train: int
    n_valid: int
    train_goal: int | None
    md_steps: int
    epochs: int
    threshold: float
    last_score: float | None
    force_mae_ev_per_ang: float | None
    activity: str
    score_kind: str = ""
    n_passed_over: int = 0
    n_withdrawn: int = 0
    phases: str = ""
    scores: tuple[float, ...] = ()
    is_waiting: bool = False
    waits_for: str = ""
    stages: tuple[StageSeen, ...] = ()
    force_maes: tuple[float, ...] = ()
    n_workers: int | None = None
    busy_workers: float | None = None
    at: float = 0.0
    error_ahead: ErrorAhead | None = None
    n_labels_kept_out: int = 0

    @property
    def n_in_flight(self) -> int:
        """Labels that were asked for and have not been answered."""
        return self.n_labels_requested - self.n_labels_received - self.n_labels_failed

    @property
    def present(self) -> str:
        """Name of the part of the campaign that is under way."""
        return next((one.name for one in self.stages if one.state is StageState.PRESENT), self.stage)


class Observer(Protocol):
    """Something that shows a campaign to a person."""

    def show(self, status: Status) -> None:
        """Take note of the newest status; must return at once."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...
