"""Training or validation: a rule that keeps the ratio from the first point on."""

from dataclasses import dataclass, replace
from math import ceil

from aims_pax.frame import Split


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """Points of a dataset so far, by split."""

    n_train: int = 0
    n_valid: int = 0

    def with_one_more(self, split: Split | None) -> "SplitCounts":
        """The counts after a point that no quota has placed; those of other splits are not counted."""
        match split:
            case Split.TRAINING:
                return replace(self, n_train=self.n_train + 1)
            case Split.VALIDATION:
                return replace(self, n_valid=self.n_valid + 1)
            case _:
                return self


@dataclass(frozen=True, slots=True)
class Quota:
    """A dataset that is split as it grows.

    The n-th point goes to validation when validation holds less than ``ratio`` of the n - 1 points before it.
    The first point therefore trains, the second validates, and ``abs(n_valid - ratio * n)`` never exceeds one.

    Parameters
    ----------
    ratio : float
        Fraction of points meant for validation, 0 < ratio < 1.
    """

    ratio: float

    def place(self, counts: SplitCounts) -> tuple[SplitCounts, Split]:
        """The counts after the next point, and where it goes."""
        if counts.n_valid < self.ratio * (counts.n_train + counts.n_valid):
            return replace(counts, n_valid=counts.n_valid + 1), Split.VALIDATION
        return replace(counts, n_train=counts.n_train + 1), Split.TRAINING

    def after(self, counts: SplitCounts, n_points: int) -> SplitCounts:
        """The counts after so many more points, as if each had been placed."""
        n = counts.n_train + counts.n_valid + n_points
        lacking = ceil(self.ratio * max(0, n - 1)) - counts.n_valid
        n_valid = counts.n_valid + max(0, min(n_points, lacking))
        return SplitCounts(n - n_valid, n_valid)
