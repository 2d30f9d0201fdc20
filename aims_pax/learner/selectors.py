"""Which structures are worth a label, and what a label is for: rules that judge what a trajectory has come to.

A selector is a rule and never changes; what it remembers is a :class:`Memory`, which is part of the learner's state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import ClassVar, Final, Protocol

from aims_pax.frame import Split
from aims_pax.learner.checks.tolerances import Differences

WINDOW: Final = 400
"""Scores that the moving average covers (aims-PAX, Eq. 2; the number is VASP's)."""

RANDOM_RATE: Final = 0.2
"""Chance of each structure to be taken at random for each label that their share lacks: the one that comes next would
always be of the trajectory that happens to follow the last pick."""

MIN_SCORES: Final = 10
"""The threshold is infinite until more scores than this have been seen."""


class PickReason(StrEnum):
    """Why a structure was sent to the reference."""

    UNSURE = "deviation above threshold"
    """Its score was above the threshold."""
    BETWEEN = "deviation of a molecule above threshold"
    """The score of a whole molecule was above the threshold of this molecule."""
    QUIET = "no crossing for too long"
    """The trajectory went `uncert_not_crossed_limit` MD steps without a crossing."""
    DUE = "the next structure of its trajectory"
    """Structures are taken at regular intervals, whatever the models say of them."""
    CHECK = "its check is due"
    """The models are compared with the reference every so many steps."""
    RANDOM = "taken at random"
    """It measures errors, and was not chosen for them."""


OF_SCORES: Final = frozenset({PickReason.UNSURE, PickReason.BETWEEN})
"""Reasons that a score has given: another structure, or better models, may make the label needless."""


class Purpose(StrEnum):
    """What the labels of a selector are for."""

    LEARN = "learn"
    """The committee learns from them; a trajectory may wait for them."""
    JUDGE = "judge"
    """The committee is judged by them, and does not learn them while it runs; no trajectory waits for them."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a structure that a trajectory has come to.

    Parameters
    ----------
    trajectory, md_step : int
    quiet_steps : int
        MD steps since this trajectory's last pick.
    score : float or None
        How much the committee disagrees, in the unit of its measure; None where it is not asked.
    train_size : int
        Training structures of a member.
    n_steps : int
        MD steps since the structure before it that was judged.
    n_asked : int
        Labels that the loop has asked for.
    of_molecules : tuple of float, eV/Å
        How much it disagrees about the force on each molecule, where molecules are told apart.
    """

    trajectory: int
    md_step: int
    quiet_steps: int
    score: float | None
    train_size: int
    n_steps: int = 0
    n_asked: int = 0
    of_molecules: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a label has shown of the models that had predicted it.

    Parameters
    ----------
    trajectory : int
    error : float or None, eV/Å
        Of the atom whose force is most wrong; None where the models were not asked.
    differences : Differences or None
        All that the two differ by, likewise.
    """

    trajectory: int
    error: float | None
    differences: Differences | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a label.

    Parameters
    ----------
    learns : bool
        Whether the committee is trained because of it.
    trains : bool
        Whether its structure trains, whatever the quota would have.
    goes_back : bool
        Whether its trajectory goes back to its checkpoint: what it has made since was wrong.
    """

    learns: bool
    trains: bool = False
    goes_back: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What a selector remembers of what it has seen; selectors that need nothing leave it as it is.

    Parameters
    ----------
    selector : str
        Its name.
    scores : tuple of float
        The newest at most 400, oldest first, in the unit of their measure.
    n_scores : int
        Structures whose scores were seen in all.
    frozen_at : float or None
        The threshold that stays once the training set is large enough; None while it moves.
    n_picked, n_labelled : int
        Structures that this selector has had labelled, and labels that have come of them.
    columns : tuple of tuple of float, eV/Å
        The same as `scores` of each molecule.
    frozen_columns : tuple of float, eV/Å
        The thresholds of molecules that stay; empty while they move.
    intervals : tuple of int
        MD steps to the next check, of each trajectory that was checked and those before it.
    """

    selector: str
    scores: tuple[float, ...] = ()
    n_scores: int = 0
    frozen_at: float | None = None
    n_picked: int = 0
    n_labelled: int = 0
    columns: tuple[tuple[float, ...], ...] = ()
    frozen_columns: tuple[float, ...] = ()
    intervals: tuple[int, ...] = ()


class Selector(Protocol):
    """A rule that says which structures are labelled, and what for."""

    @property
    def name(self) -> str:
        """What it is called in the store. No two selectors of a loop have the same."""
        ...

    @property
    def purpose(self) -> Purpose:
        """What its labels are for."""
        ...

    def concerns(self, trajectory: int) -> bool:
        """Whether it looks at the structures of a trajectory."""
        ...

    def split_of(self, memory: Memory) -> Split | None:
        """Where its next label goes, for those that judge; None: nowhere while the loop runs."""
        ...

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """What is remembered after a structure, and why it is worth a label; None when it is not."""
        ...

    def compared(self, memory: Memory, seen: Comparison) -> tuple[Memory, Verdict]:
        """What is remembered after the label of a pick of its own, and what follows from it."""
        ...

    def steps_left(self, memory: Memory, trajectory: int, quiet_steps: int) -> int | None:
        """MD steps after which it wants a structure of a trajectory, whatever is seen; None: that can't be told.

        Parameters
        ----------
        quiet_steps : int
            MD steps since this trajectory's last pick.
        """
        ...

    def grown(self, memory: Memory, train_size: int) -> Memory:
        """What is remembered once each member has so many training structures."""
        ...

    def value(self, memory: Memory) -> float:
        """The score above which a structure is picked, in its unit; infinite where no score decides."""
        ...

    @property
    def reads_scores(self) -> bool:
        """Whether it looks at the score of a structure, and a trajectory's score is told with its value."""
        ...


class Usual:
    """What selectors do unless they say otherwise: labels are learned, no score decides, nothing is remembered."""

    __slots__ = ()

    NAME: ClassVar[str]
    PURPOSE: ClassVar = Purpose.LEARN

    @property
    def name(self) -> str:
        return self.NAME

    @property
    def purpose(self) -> Purpose:
        return self.PURPOSE

    def concerns(self, trajectory: int) -> bool:
        return True

    def split_of(self, memory: Memory) -> Split | None:
        return None

    def compared(self, memory: Memory, seen: Comparison) -> tuple[Memory, Verdict]:
        return memory, Verdict(self.purpose is Purpose.LEARN)

    def steps_left(self, memory: Memory, trajectory: int, quiet_steps: int) -> int | None:
        return None

    def grown(self, memory: Memory, train_size: int) -> Memory:
        return memory

    def value(self, memory: Memory) -> float:
        return math.inf

    @property
    def reads_scores(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class EveryStructure(Usual):
    """Takes every structure that a trajectory comes to: its steps between two of them are the interval."""

    NAME: ClassVar = "every structure"

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        return memory, PickReason.DUE


def moving_mean(scores: Sequence[float], n_scores: int, *, c_x: float) -> float:
    """The threshold of some newest scores, of `n_scores` in all: aims-PAX, Eq. 2. Infinite until they are enough."""
    if n_scores <= MIN_SCORES:
        return math.inf
    return (1.0 + c_x) * math.fsum(scores) / len(scores)


@dataclass(frozen=True, slots=True)
class MovingThreshold(Usual):
    """Takes a structure whose score is above a moving average, and one after a long time without a crossing.

    Parameters
    ----------
    c_x : float
        Tightens the threshold below 0, relaxes it above.
    quiet_limit_steps : int
        MD steps without a pick after which a structure is labelled anyway.
    freeze_train_size : float
        Training-set size at which the threshold stops moving; may be infinite.
    system : str or None
        Whose threshold it is; None: that of all who share one.
    trajectories : frozenset of int, or None
        Which it looks at; None: all.

    Notes
    -----
    aims-PAX, Eq. 2: ``(1 + c_x) / N * sum of the last N scores`` of its trajectories, N = 400.
    """

    c_x: float
    quiet_limit_steps: int
    freeze_train_size: float = math.inf
    system: str | None = None
    trajectories: frozenset[int] | None = None

    NAME: ClassVar = "moving threshold"

    @property
    def name(self) -> str:
        return self.NAME if self.system is None else f"{self.NAME} of {self.system}"

    def concerns(self, trajectory: int) -> bool:
        return self.trajectories is None or trajectory in self.trajectories

    @property
    def reads_scores(self) -> bool:
        return True

    def value(self, memory: Memory) -> float:
        if memory.frozen_at is not None:
            return memory.frozen_at
        return moving_mean(memory.scores, memory.n_scores, c_x=self.c_x)

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """The structure's own score takes part in the mean that it is compared to."""
        if seen.score is None:
            return memory, None
        scores = (*memory.scores, seen.score)[-WINDOW:]
        memory = self.grown(replace(memory, scores=scores, n_scores=memory.n_scores + 1), seen.train_size)
        if seen.score > self.value(memory):
            return memory, PickReason.UNSURE
        return memory, PickReason.QUIET if seen.quiet_steps >= self.quiet_limit_steps else None

    def grown(self, memory: Memory, train_size: int) -> Memory:
        """Freeze the threshold when it is time to, but never an infinite one."""
        value = self.value(memory)
        if train_size < self.freeze_train_size or memory.frozen_at is not None or math.isinf(value):
            return memory
        return replace(memory, frozen_at=value)


def thresholds(selectors: Sequence[Selector], n_trajectories: int) -> dict[int, Selector]:
    """The selector whose value the score of each trajectory is compared with; none where no score decides."""
    reading = [one for one in selectors if one.reads_scores]
    return {index: one for index in range(n_trajectories) for one in reading if one.concerns(index)}


@dataclass(frozen=True, slots=True)
class RandomShare(Usual):
    """Takes structures of the MD at random, as many as make up a share of all labels.

    Their errors are those of the MD that the models are for: nobody has picked them. They validate and test in turn.

    Parameters
    ----------
    share : float
        Of all labels of the loop, 0 < share < 1.
    seed : int
    """

    share: float
    seed: int

    NAME: ClassVar = "random share"
    PURPOSE: ClassVar = Purpose.JUDGE

    def split_of(self, memory: Memory) -> Split | None:
        return Split.TEST if memory.n_labelled % 2 else Split.VALIDATION

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """Whether the share is too small, and this structure is drawn. The draw depends on nothing but where it is."""
        n_lacking = math.floor(self.share * (seen.n_asked + 1)) - memory.n_picked
        if n_lacking < 1:
            return memory, None
        drawn = Random(f"{self.seed} {seen.trajectory} {seen.md_step}").random()
        return memory, PickReason.RANDOM if drawn < n_lacking * RANDOM_RATE else None


@dataclass(frozen=True, slots=True)
class FixedSteps(Usual):
    """Takes a structure of each trajectory every so many MD steps, to see what scores are worth.

    Its labels have no place in the dataset while the loop runs.

    Parameters
    ----------
    interval_steps : int

    Notes
    -----
    aims-PAX, Fig. 2 (`analysis`, `analysis_skip`).
    """

    interval_steps: int

    NAME: ClassVar = "analysis"
    PURPOSE: ClassVar = Purpose.JUDGE

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """Whether a multiple of the interval was passed with the newest steps."""
        passed = seen.md_step // self.interval_steps > (seen.md_step - seen.n_steps) // self.interval_steps
        return memory, PickReason.DUE if passed else None
