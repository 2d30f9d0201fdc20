"""Checks of trajectories that share their models: each at intervals of its own."""

from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar

from aims_pax.learner.checks.intervals import CheckRules, learns, next_interval
from aims_pax.learner.selectors import WINDOW, Comparison, Memory, Observation, PickReason, Usual, Verdict


@dataclass(frozen=True, slots=True)
class CheckIntervals(Usual):
    """Takes a structure of each trajectory when its check is due, or at once where the models disagree.

    Parameters
    ----------
    rules : CheckRules
        Those of the first steps, which the reference makes, are not looked at.
    early : float, eV/Å
        Score above which a check is made before its time; may be infinite.
    goes_back : bool
        Whether a trajectory goes back to its last check that has passed when one fails.

    Notes
    -----
    hybrid-md counts steps from the last check. So is it here, and a check that fails for want of a label counts, too.
    """

    rules: CheckRules
    early: float = inf
    goes_back: bool = False

    NAME: ClassVar = "check"

    @property
    def reads_scores(self) -> bool:
        return self.early < inf

    def value(self, memory: Memory) -> float:
        return self.early

    def interval(self, memory: Memory, trajectory: int) -> int:
        """MD steps from the last check of a trajectory to its next one."""
        known = memory.intervals
        return known[trajectory] if trajectory < len(known) else self.rules.check_interval

    def steps_left(self, memory: Memory, trajectory: int, quiet_steps: int) -> int | None:
        return self.interval(memory, trajectory) - quiet_steps

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        if self.reads_scores and seen.score is not None:
            memory = replace(memory, scores=(*memory.scores, seen.score)[-WINDOW:], n_scores=memory.n_scores + 1)
        if seen.quiet_steps >= self.interval(memory, seen.trajectory):
            return memory, PickReason.CHECK
        is_unsure = seen.score is not None and seen.score > self.early
        return memory, PickReason.UNSURE if is_unsure else None

    def compared(self, memory: Memory, seen: Comparison) -> tuple[Memory, Verdict]:
        """The tolerances hold or do not; what nothing is known of is learned, and leaves the interval as it is."""
        if seen.differences is None:
            return memory, Verdict(self.rules.can_update, trains=True)
        passed = not self.rules.tolerances.broken(seen.differences)
        interval = next_interval(self.interval(memory, seen.trajectory), self.rules, passed=passed)
        n_known = max(len(memory.intervals), seen.trajectory + 1)
        intervals = [self.interval(memory, index) for index in range(n_known)]
        intervals[seen.trajectory] = interval
        is_due = learns(self.rules, passed=passed)
        verdict = Verdict(is_due, trains=not passed, goes_back=self.goes_back and not passed)
        return replace(memory, intervals=tuple(intervals)), verdict
