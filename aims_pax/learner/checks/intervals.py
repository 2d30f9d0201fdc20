"""When a model that drives MD is compared with the reference: pure rules, and the value that they change.

Those of CASTEP's hybrid-md. Steps are counted from 1; step 0 is the start.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from aims_pax.learner.checks.tolerances import Tolerances


class Step(StrEnum):
    """What a step is computed by."""

    INITIAL = "initial"
    """The reference, for there is no model yet."""
    LAST_INITIAL = "last initial"
    """The reference; then the first model is made."""
    CHECK = "check"
    """The model, and the reference to compare it with."""
    GENERIC = "generic"
    """The model alone."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Intervals that grow while checks pass.

    Parameters
    ----------
    n_min, n_max : int
        Steps. The first binds a failed check alone, the second a passed one.
    factor : float
        Greater than 1.
    """

    n_min: int
    n_max: int
    factor: float


@dataclass(frozen=True, slots=True)
class CheckRules:
    """When checks are made, and what follows from them.

    Parameters
    ----------
    tolerances : Tolerances
    check_interval : int
        Steps between two checks; that which adaptive ones begin with.
    num_initial_steps : int
        By the reference. 0: there is a model from the start.
    adaptive : Adaptive or None
        None: the interval is fixed.
    can_update : bool
        Whether the model learns where a tolerance is broken.
    always_updates : bool
        Whether it learns at each check.
    """

    tolerances: Tolerances
    check_interval: int = 1
    num_initial_steps: int = 0
    adaptive: Adaptive | None = None
    can_update: bool = True
    always_updates: bool = False


@dataclass(frozen=True, slots=True)
class CheckState:
    """Where one trajectory stands.

    Parameters
    ----------
    interval : int
        Steps from one check to the next.
    last_check : int
        Its step; negative where it was made before the run was continued.
    n_initial : int
        Steps by the reference that this run began with.
    """

    interval: int
    last_check: int = 0
    n_initial: int = 0

    @classmethod
    def begin(cls, rules: CheckRules) -> "CheckState":
        """Before the first step."""
        return cls(rules.check_interval, n_initial=rules.num_initial_steps)

    @property
    def next_check(self) -> int:
        """The step of the next check, once the initial steps are over."""
        return self.last_check + self.interval


def kind_of(state: CheckState, step: int) -> Step:
    """What a step is computed by."""
    if step < state.n_initial:
        return Step.INITIAL
    if step == state.n_initial and step > 0:
        return Step.LAST_INITIAL
    return Step.CHECK if 0 < step >= state.next_check else Step.GENERIC


def begun(state: CheckState, rules: CheckRules) -> CheckState:
    """After the last initial step: checks are counted from there."""
    return replace(state, interval=rules.check_interval, last_check=state.n_initial)


def checked(state: CheckState, rules: CheckRules, *, step: int, passed: bool) -> CheckState:
    """After a check."""
    return replace(state, last_check=step, interval=next_interval(state.interval, rules, passed=passed))


def next_interval(interval: int, rules: CheckRules, *, passed: bool) -> int:
    """Steps to the next check.

    Notes
    -----
    Passed: N = min(int(N f), n_max); failed: N = max(int(N / f), n_min). So it is cut where it is rounded: 952 is 733
    after a pass at 1.3, and 732 after a failure. With factors near 1 a short interval stays as it is.
    """
    adaptive = rules.adaptive
    if adaptive is None:
        return interval
    if passed:
        return min(int(interval * adaptive.factor), adaptive.n_max)
    return max(int(interval / adaptive.factor), adaptive.n_min)


def learns(rules: CheckRules, *, passed: bool) -> bool:
    """Whether the model learns after a check."""
    return rules.can_update and (rules.always_updates or not passed)


def continued(state: CheckState, rules: CheckRules, *, reached: int) -> CheckState:
    """The state of a run that is continued from a step whose count begins anew at 0.

    Parameters
    ----------
    reached : int
        The step that it is continued from, counted as before.

    Notes
    -----
    A check that was made after the step that is continued from is lost with the steps that led to it: the next one is
    made where it would have been.
    """
    left = max(0, state.n_initial - reached)
    if left:
        return CheckState(rules.check_interval, n_initial=left)
    if state.last_check <= reached:
        return CheckState(state.interval, last_check=state.last_check - reached)
    if rules.adaptive is None:
        return CheckState(state.interval)
    return CheckState(min(state.next_check - reached, rules.adaptive.n_max))
