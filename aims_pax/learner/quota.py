"""Training or validation: a rule that keeps the ratio from the first point on."""

from dataclasses import dataclass, replace

from aims_pax.frame import Split


@dataclass(frozen=True, slots=True)
class Quota:
    """A dataset that is split as it grows.

    The n-th point goes to validation when validation holds less than ``ratio`` of the n - 1 points before it.
    The first point therefore trains, the second validates, and ``abs(n_valid - ratio * n)`` never exceeds one.

    Parameters
    ----------
    ratio : float
        Fraction of points meant for validation, 0 < ratio < 1.
    n_train, n_valid : int
        Points so far.
    """

    ratio: float
    n_train: int = 0
    n_valid: int = 0

    def place(self) -> tuple["Quota", Split]:
        """Where the next point goes, and the quota after it."""
        if self.n_valid < self.ratio * (self.n_train + self.n_valid):
            return replace(self, n_valid=self.n_valid + 1), Split.VALIDATION
        return replace(self, n_train=self.n_train + 1), Split.TRAINING
