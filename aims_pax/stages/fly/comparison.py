"""What models and the reference say of one structure, compared; and what many comparisons come to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame, Label
from aims_pax.learner.checks import Differences
from aims_pax.protocols import FramePrediction
from aims_pax.selection import differences

N_RESAMPLES: Final = 2000

LEAST_CHECKS: Final = 8
"""With fewer there is no interval: a bootstrap of them would call any spread small."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of a run.

    Parameters
    ----------
    step : int
        Over all sessions, from 0.
    differences : Differences
    broken : tuple of str
        Tolerances that did not hold.
    interval : int
        Steps to the next check.
    learned : bool
        Whether the models were trained after it.
    is_early : bool
        Whether the models' deviation has called it before its time.
    trajectory : int
    """

    step: int
    differences: Differences
    broken: tuple[str, ...]
    interval: int
    learned: bool
    is_early: bool = False
    trajectory: int = 0

    @property
    def passed(self) -> bool:
        return not self.broken


@dataclass(frozen=True, slots=True)
class Observed:
    """Mean of a difference over the checks of a run, and its 95 % interval; that is None with few checks."""

    value: float
    low: float | None
    high: float | None


def compared(said: FramePrediction, label: Label, frame: Frame) -> Differences:
    """What the mean of some models differs by from a label of the same structure."""
    return differences(
        label,
        frame,
        energy=float(said.energies.mean()),
        forces=said.forces.mean(axis=0),
        stress=None if said.stress is None else said.stress.mean(axis=0),
    )


def observed(checks: Sequence[Check]) -> dict[str, Observed]:
    """Means of the differences at checks, by their names: errors of the models as they were used.

    Checks that deviations have called are left out, for they are made where the models are worst; so are the steps
    before the first model.

    Notes
    -----
    Intervals by a moving-block bootstrap, with blocks of n^(1/3) checks: successive ones resemble each other.
    Künsch, Ann. Stat. 17, 1217 (1989).
    """
    found = {}
    for one in fields(Differences):
        values = [getattr(check.differences, one.name) for check in checks if not check.is_early]
        known = np.array([value for value in values if value is not None], dtype=float)
        if len(known):
            found[one.name] = _mean(known)
    return found


def _mean(values: FloatArray) -> Observed:
    n = len(values)
    if n < LEAST_CHECKS:
        return Observed(float(values.mean()), None, None)
    length = ceil(n ** (1 / 3))
    begins = np.random.default_rng(n).integers(n - length + 1, size=(N_RESAMPLES, ceil(n / length)))
    places = (begins[:, :, None] + np.arange(length)).reshape(N_RESAMPLES, -1)[:, :n]
    low, high = np.percentile(values[places].mean(axis=1), [2.5, 97.5])
    return Observed(float(values.mean()), float(low), float(high))
