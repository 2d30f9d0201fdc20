"""Which structures are worth a label, and what a label is for: rules that judge what a trajectory has come to.

A selector is a rule and never changes; what it remembers is a :class:`Memory`, which is part of the learner's state.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

WINDOW: Final = 400
"""Scores that the moving average covers (aims-PAX, Eq. 2; the number is VASP's)."""

MIN_SCORES: Final = 10
"""The threshold is infinite until more scores than this have been seen."""


class PickReason(StrEnum):
    """Why a structure was sent to the reference."""

    UNSURE = "deviation above threshold"
    """Its score was above the threshold."""
    QUIET = "no crossing for too long"
    """The trajectory went `uncert_not_crossed_limit` MD steps without a crossing."""
    DUE = "the next structure of its trajectory"
    """Structures are taken at regular intervals, whatever the models say of them."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a structure that a trajectory has come to.

    Parameters
    ----------
    trajectory, md_step : int
    quiet_steps : int
        MD steps since this trajectory's last pick.
    score : float or None, eV/Å
        How much the committee disagrees; None where it is not asked.
    train_size : int
        Training structures of a member.
    """

    trajectory: int
    md_step: int
    quiet_steps: int
    score: float | None
    train_size: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a selector remembers of what it has seen; selectors that need nothing leave it as it is.

    Parameters
    ----------
    scores : tuple of float, eV/Å
        The newest at most 400, oldest first.
    n_scores : int
        Scores seen in all.
    frozen_at : float or None, eV/Å
        The threshold that stays once the training set is large enough; None while it moves.
    """

    scores: tuple[float, ...] = ()
    n_scores: int = 0
    frozen_at: float | None = None


class Selector(Protocol):
    """A rule that says which structures are labelled, and whether a label is learned from."""

    @property
    def scores(self) -> bool:
        """Whether it needs to know how much the committee disagrees."""
        ...

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """What is remembered after a structure, and why it is worth a label; None when it is not."""
        ...

    def compared(self, memory: Memory, error: float | None) -> tuple[Memory, bool]:
        """What is remembered after the label of a pick of its own, and whether the committee is to learn from it.

        Parameters
        ----------
        error : float or None, eV/Å
            Of the forces that the committee had predicted; None where it was not asked.
        """
        ...

    def grown(self, memory: Memory, train_size: int) -> Memory:
        """What is remembered once each member has so many training structures."""
        ...

    def value(self, memory: Memory) -> float:
        """The score above which a structure is picked, eV/Å; infinite where no score decides."""
        ...


@dataclass(frozen=True, slots=True)
class EveryStructure:
    """Takes every structure that a trajectory comes to: its steps between two of them are the interval."""

    @property
    def scores(self) -> bool:
        return False

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        return memory, PickReason.DUE

    def compared(self, memory: Memory, error: float | None) -> tuple[Memory, bool]:
        return memory, True

    def grown(self, memory: Memory, train_size: int) -> Memory:
        return memory

    def value(self, memory: Memory) -> float:
        return math.inf


@dataclass(frozen=True, slots=True)
class MovingThreshold:
    """Takes a structure whose score is above a moving average, and one after a long time without a crossing.

    Parameters
    ----------
    c_x : float
        Tightens the threshold below 0, relaxes it above.
    quiet_limit_steps : int
        MD steps without a pick after which a structure is labelled anyway.
    freeze_train_size : float
        Training-set size at which the threshold stops moving; may be infinite.

    Notes
    -----
    aims-PAX, Eq. 2: ``(1 + c_x) / N * sum of the last N scores`` of all trajectories, N = 400.
    """

    c_x: float
    quiet_limit_steps: int
    freeze_train_size: float = math.inf

    @property
    def scores(self) -> bool:
        return True

    def value(self, memory: Memory) -> float:
        if memory.frozen_at is not None:
            return memory.frozen_at
        if memory.n_scores <= MIN_SCORES:
            return math.inf
        return (1.0 + self.c_x) * math.fsum(memory.scores) / len(memory.scores)

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """The structure's own score takes part in the mean that it is compared to."""
        if seen.score is None:
            return memory, None
        scores = (*memory.scores, seen.score)[-WINDOW:]
        memory = self.grown(replace(memory, scores=scores, n_scores=memory.n_scores + 1), seen.train_size)
        if seen.score > self.value(memory):
            return memory, PickReason.UNSURE
        return memory, PickReason.QUIET if seen.quiet_steps >= self.quiet_limit_steps else None

    def compared(self, memory: Memory, error: float | None) -> tuple[Memory, bool]:
        return memory, True

    def grown(self, memory: Memory, train_size: int) -> Memory:
        """Freeze the threshold when it is time to, but never an infinite one."""
        value = self.value(memory)
        if train_size < self.freeze_train_size or memory.frozen_at is not None or math.isinf(value):
            return memory
        return replace(memory, frozen_at=value)
