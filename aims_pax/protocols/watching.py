"""What shows a campaign to a person."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """What a person wants to see of a running campaign at one glance; scores are of the kind that it names."""

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


class Observer(Protocol):
    """Something that shows a campaign to a person."""

    def show(self, status: Status) -> None:
        """Take note of the newest status; must return at once."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...
