"""Models that drive MD and are compared with the reference on the way: when, how closely, and what follows."""

from aims_pax.learner.checks.intervals import (
    Adaptive,
    CheckRules,
    CheckState,
    Step,
    begun,
    checked,
    continued,
    kind_of,
    learns,
    next_interval,
)
from aims_pax.learner.checks.tolerances import Differences, Tolerances

__all__ = [
    "Adaptive",
    "CheckRules",
    "CheckState",
    "Differences",
    "Step",
    "Tolerances",
    "begun",
    "checked",
    "continued",
    "kind_of",
    "learns",
    "next_interval",
]
