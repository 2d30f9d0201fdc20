"""The end of training: at the full learning rate as long as that helps, then at one that falls to almost nothing."""

from dataclasses import dataclass, replace
from math import ceil, cos, pi
from typing import Final

from aims_pax.learner.training.stagnation import Stagnation

COOLING_SHARE: Final = 1 / 2
"""Part of all epochs in which the learning rate falls."""

LEAST_COOLING_EPOCHS: Final = 10
"""So many at least, where the cap allows it: a fall within fewer is a jump, and gains little."""

LAST_FACTOR: Final = 0.01
"""Of the full learning rate, at the end."""

LATE_LOSSES: Final = 10
"""Losses at the full rate that tell whether it still helped when it had to end."""


@dataclass(frozen=True, slots=True)
class StageTwo:
    """A second part of training by other weights in the loss, in the place of the falling rate.

    Parameters
    ----------
    start : int
        Epochs at the full rate after which it begins at the latest. It has the rest of all epochs, also where it begins
        sooner.
    factor : float
        Of the full learning rate, at its beginning.
    """

    start: int
    factor: float


@dataclass(frozen=True, slots=True)
class AnnealingRules:
    """When a member's learning rate begins to fall, and how long that takes.

    Parameters
    ----------
    patience : int
        Epochs at the full rate without improvement after which it falls.
    margin : float
        Fall of the validation loss that counts as improvement, in the loss's own unit.
    max_epochs : int
        Of both parts together. The fall has its place in them: it begins in time even if the full rate still helps.
    stage_two : StageTwo or None
        What the second part is by itself, if it is more than the fall.
    """

    patience: int
    margin: float
    max_epochs: int
    stage_two: StageTwo | None = None

    @property
    def last_start(self) -> int:
        """Epochs at the full rate after which it falls in any case."""
        if self.stage_two is not None:
            return min(self.stage_two.start, self.max_epochs)
        return self.max_epochs - min(self.max_epochs, max(LEAST_COOLING_EPOCHS, ceil(COOLING_SHARE * self.max_epochs)))

    def n_cooling(self, n_before: int) -> int:
        """Epochs of the fall, after so many at the full rate."""
        if self.stage_two is not None:
            return self.max_epochs - self.last_start
        wanted = ceil(n_before * COOLING_SHARE / (1 - COOLING_SHARE))
        return min(max(LEAST_COOLING_EPOCHS, wanted), self.max_epochs - n_before)


@dataclass(frozen=True, slots=True)
class Annealing:
    """How far the last training of one member has come; a value that can be journalled.

    Parameters
    ----------
    stagnation : Stagnation
    n_epochs : int
        Made so far.
    cooling_from : int or None
        Epochs at the full rate; None while it has not begun to fall.
    losses : tuple of float
        On the validation set, at the full rate.
    """

    stagnation: Stagnation
    n_epochs: int = 0
    cooling_from: int | None = None
    losses: tuple[float, ...] = ()

    @classmethod
    def begin(cls, rules: AnnealingRules) -> "Annealing":
        """Before the first epoch."""
        return cls(Stagnation(rules.patience, rules.margin)).cooled(rules)

    def is_over(self, rules: AnnealingRules) -> bool:
        """Whether nothing is left to do."""
        start = self.cooling_from
        return start is not None and self.n_epochs >= start + rules.n_cooling(start)

    @property
    def is_converged(self) -> bool:
        """Whether the full learning rate had stopped helping, as far as was measured, before the cap made it fall."""
        return self.stagnation.is_reached and bool(self.losses)

    def late_fall(self) -> float | None:
        """Part by which the best loss fell in the last :data:`LATE_LOSSES` losses at the full rate; None: too few."""
        before, late = self.losses[:-LATE_LOSSES], self.losses[-LATE_LOSSES:]
        if not before or min(before) <= 0:
            return None
        return max(0.0, 1 - min(late) / min(before))

    def rate_factor(self, rules: AnnealingRules) -> float:
        """Part of the full learning rate in the next epoch: half a cosine from 1 to :data:`LAST_FACTOR`.

        In stage two the cosine is times its factor.
        """
        if self.cooling_from is None:
            return 1.0
        first = 1.0 if rules.stage_two is None else rules.stage_two.factor
        progress = (self.n_epochs - self.cooling_from + 1) / max(1, rules.n_cooling(self.cooling_from))
        return first * (LAST_FACTOR + (1 - LAST_FACTOR) * (1 + cos(pi * min(1.0, progress))) / 2)

    def is_in_stage_two(self, rules: AnnealingRules) -> bool:
        """Whether the next epoch is one of stage two."""
        return rules.stage_two is not None and self.cooling_from is not None

    def at(self, n_epochs: int) -> "Annealing":
        """As it was after so many of its epochs, as far as the learning rate goes."""
        began = self.cooling_from is not None and n_epochs >= self.cooling_from
        return replace(self, n_epochs=n_epochs, cooling_from=self.cooling_from if began else None)

    def after(self, loss: float | None, rules: AnnealingRules) -> "Annealing":
        """The state after one more epoch, which gave this validation loss (None: not measured)."""
        one_more = replace(self, n_epochs=self.n_epochs + 1)
        if self.cooling_from is not None:
            return one_more
        losses = self.losses if loss is None else (*self.losses, loss)
        return replace(one_more, stagnation=self.stagnation.after(loss), losses=losses).cooled(rules)

    def cooled(self, rules: AnnealingRules) -> "Annealing":
        """The same, cooling from here if the full rate no longer helps, or the cap leaves no more time for it."""
        if self.cooling_from is None and (self.stagnation.is_reached or self.n_epochs >= rules.last_start):
            return replace(self, cooling_from=self.n_epochs)
        return self
