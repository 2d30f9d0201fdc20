"""What a simulated stage took, and how well its workers were used."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

WELL_USED: Final = 0.9
"""Share of its time that a worker computes, below which another worker is called wasted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulated stage took; of a run that had begun, what was left of it.

    Parameters
    ----------
    n_md_steps : int
        Of all trajectories together.
    n_train : int
        Training structures of a member at its end.
    makespan_s : float
        From the first MD step to the last epoch.
    labels_s : float
        Sum of the durations of all labels.
    sampling_s, training_s, waiting_s : float
        What the campaign's own process did meanwhile.
    """

    n_workers: int
    n_labels: int
    n_md_steps: int
    n_epochs: int
    n_train: int
    makespan_s: float
    labels_s: float
    sampling_s: float
    training_s: float
    waiting_s: float

    @property
    def busy_workers(self) -> float:
        """Workers that compute, on average over the whole stage."""
        return self.labels_s / self.makespan_s if self.makespan_s else 0.0

    @property
    def efficiency(self) -> float:
        """Share of their time that the workers compute; equally, the ideal makespan over that of the stage."""
        return self.busy_workers / max(1, self.n_workers)

    @property
    def worker_hours(self) -> float:
        """Hours that are paid for when all workers are held from beginning to end."""
        return self.n_workers * self.makespan_s / 3600


def worth_having(outcomes: Sequence[Outcome]) -> Outcome:
    """The largest number of workers that are well used; the smallest number when none is."""
    by_size = sorted(outcomes, key=lambda outcome: outcome.n_workers)
    used = [outcome for outcome in by_size if outcome.efficiency >= WELL_USED]
    return used[-1] if used else by_size[0]


def in_proportion(outcome: Outcome, factor: float, *, n_train_before: int = 0) -> Outcome:
    """What a stage takes that goes on as it has begun, so many times as long."""
    whole = {name: round(factor * getattr(outcome, name)) for name in ("n_labels", "n_md_steps", "n_epochs")}
    n_train = n_train_before + round(factor * (outcome.n_train - n_train_before))
    names = ("makespan_s", "labels_s", "sampling_s", "training_s", "waiting_s")
    return replace(outcome, n_train=n_train, **whole, **{name: factor * getattr(outcome, name) for name in names})
