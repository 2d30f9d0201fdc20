"""The adaptive uncertainty threshold, Eq. 2 of the aims-PAX paper."""

import math
from dataclasses import dataclass, replace

WINDOW = 400
"""Scores that the moving average covers (aims-PAX, Eq. 2; the number is VASP's)."""

MIN_CHECKS = 10
"""The threshold is infinite until more checks than this have been made."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Moving average of the newest scores of all trajectories, scaled.

    Parameters
    ----------
    c_x : float
        Tightens below 0, relaxes above (Eq. 2).
    scores : tuple of float, eV/Å
        The newest at most 400 scores, oldest first.
    n_checks : int
        Scores seen in all.
    frozen_at : float or None, eV/Å
        The value that stays once the training set is large enough; None while it moves.
    """

    c_x: float
    scores: tuple[float, ...] = ()
    n_checks: int = 0
    frozen_at: float | None = None

    @property
    def value(self) -> float:
        """``(1 + c_x) / N * sum of the last N scores``, eV/Å; infinite until more than 10 checks were made."""
        if self.frozen_at is not None:
            return self.frozen_at
        if self.n_checks <= MIN_CHECKS:
            return math.inf
        return (1.0 + self.c_x) * math.fsum(self.scores) / len(self.scores)

    def after(self, score: float) -> "Threshold":
        """The threshold once this score has been seen; the score itself takes part in the mean."""
        scores = (*self.scores, score)[-WINDOW:]
        return replace(self, scores=scores, n_checks=self.n_checks + 1)

    def freeze(self) -> "Threshold":
        """Keep the present value from now on. Without effect while it is infinite or already frozen."""
        if self.frozen_at is not None or math.isinf(self.value):
            return self
        return replace(self, frozen_at=self.value)
