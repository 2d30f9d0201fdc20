"""When a trajectory waits and when the committee trains: the two rhythms in which labels are learned."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PerLabel:
    """Each label is learned at once, by all members; a picked trajectory waits for its label and for its training.

    Parameters
    ----------
    epochs_per_label, epochs_per_slice : int
        Epochs that each label is worth, and epochs trained at one visit.
    are_shared : bool
        Whether labels that are learned at the same time share their epochs; else each has its own, as in v0.2.
    """

    epochs_per_label: int
    epochs_per_slice: int
    are_shared: bool = True

    def at_a_visit(self, n_learning: int) -> int:
        """How often an epoch that is owed is trained while so many labels are learned."""
        return 1 if self.are_shared else n_learning


@dataclass(frozen=True, slots=True)
class PerRound:
    """Labels are collected, then distributed and learned together; trajectories keep step and wait for nothing.

    Parameters
    ----------
    labels_per_round : int
        Labels that the members share in one round.
    epochs_per_round : int
    max_md_failures : int
        Times in a row that a trajectory may become unphysical before nothing sensible is left to do.
    """

    labels_per_round: int
    epochs_per_round: int
    max_md_failures: int = 10


Cadence = PerLabel | PerRound
