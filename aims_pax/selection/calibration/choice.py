"""Which estimate of errors to take: each is tried on blocks that it was not fitted to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.selection.calibration.conformal import Conformal
from aims_pax.selection.calibration.deviations import Quantity
from aims_pax.selection.calibration.estimates import Constant, Estimate, ThroughZero
from aims_pax.selection.calibration.evidence import LEVELS, Residuals
from aims_pax.selection.calibration.isotonic import Isotonic
from aims_pax.selection.calibration.quantiles import QuantileRegression

LEAST_STRUCTURES: Final = 20
"""With fewer there is no calibration: the interval that is to hold 90 % of errors would be the largest one seen."""

SIGNIFICANT: Final = 1.96
"""Standard errors by which a share of errors within an interval may differ from its level."""

FITS: Final[Mapping[str, Callable[[Residuals], Estimate | None]]] = {
    ThroughZero.NAME: ThroughZero.fit,
    Isotonic.NAME: Isotonic.fit,
    Conformal.NAME: Conformal.fit,
    QuantileRegression.NAME: QuantileRegression.fit,
    Constant.NAME: Constant.fit,
}
"""All estimates by their names, the paper's first. A fit gives None where the errors do not allow it."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """How one estimate did on blocks that it was not fitted to.

    Parameters
    ----------
    name : str
    by : Quantity
        Whose deviation it looked at.
    is_within : (n_levels, n_structures)
        Share of a structure's errors within the intervals of each of :data:`LEVELS`.
    loss : float, in the quantity's unit
        Weighted interval score, mean over levels and structures; less is better: intervals are to be narrow and yet to
        hold what they promise.
    expected : (n,), in the quantity's unit
        What was expected of each error.

    Notes
    -----
    Gneiting & Raftery, J. Am. Stat. Assoc. 102, 359 (2007), Eq. 43; weighted by half of what is left out, as by Bracher
    et al., PLoS Comput. Biol. 17, e1008618 (2021).
    """

    name: str
    by: Quantity
    is_within: FloatArray
    loss: float
    expected: FloatArray

    @property
    def coverage(self) -> tuple[float, ...]:
        """Share of the errors within the intervals of each of :data:`LEVELS`."""
        return tuple(self.is_within.mean(axis=1).tolist())

    @property
    def misses(self) -> float:
        """By how many standard errors the coverage of the widest intervals is off, if structures are independent."""
        level = LEVELS[-1]
        return abs(self.coverage[-1] - level) / sqrt(level * (1 - level) / self.is_within.shape[1])

    def record(self) -> dict[str, Any]:
        """Plain values; coverage by its level in percent."""
        coverage = {f"{100 * level:.0f}": share for level, share in zip(LEVELS, self.coverage, strict=True)}
        return {"estimate": self.name, "by": str(self.by), "interval_score": self.loss, "coverage": coverage}


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """An estimate, fitted to all errors, and how all of them did.

    Parameters
    ----------
    estimate : Estimate
    by : Quantity
        Whose deviation it looks at.
    trials : tuple of Trial
        Of all that could be fitted.
    n_structures : int
    """

    estimate: Estimate
    by: Quantity
    trials: tuple[Trial, ...]
    n_structures: int

    @property
    def trial(self) -> Trial:
        """That of the estimate that was chosen."""
        return next(one for one in self.trials if (one.name, one.by) == (self.estimate.NAME, self.by))

    @property
    def words(self) -> str:
        """The estimate in a few words."""
        if self.estimate.NAME == Constant.NAME:
            return "constant, for disagreement does not tell it"
        return f"{self.estimate.NAME} on the deviation of the {self.by}"

    @property
    def why(self) -> str:
        """The reason for the choice, in words."""
        if self.trial.misses > SIGNIFICANT:
            return "no estimate holds 90 % of the errors, and it comes nearest"
        others = sum(one.misses <= SIGNIFICANT for one in self.trials) - 1
        if not others:
            return "it alone holds 90 % of the errors"
        return f"the narrowest intervals of the {others + 1} estimates that hold 90 % of the errors"


def choose(candidates: Mapping[Quantity, Residuals]) -> Chosen | None:
    """The estimate of the lowest loss, among those whose widest intervals hold what they promise; None with too few.

    Where none of them does, that which comes nearest.

    Parameters
    ----------
    candidates : mapping of Quantity to Residuals
        The same errors with different scores, by whose deviation these are; that which speaks for itself first.
    """
    own = next(iter(candidates.values()))
    if own.n_structures < LEAST_STRUCTURES or own.n_blocks < 3:
        return None
    trials = tuple(_trials(candidates))
    holding = [one for one in trials if one.misses <= SIGNIFICANT]
    best = min(holding, key=lambda one: one.loss) if holding else min(trials, key=lambda one: one.misses)
    estimate = FITS[best.name](candidates[best.by])
    assert estimate is not None, "what could be fitted to parts can be fitted to the whole"
    return Chosen(estimate, best.by, trials, own.n_structures)


def _trials(candidates: Mapping[Quantity, Residuals]) -> Iterator[Trial]:
    """Of each estimate by each score; the constant, which looks at none, once."""
    for place, (by, residuals) in enumerate(candidates.items()):
        for name in FITS:
            if place and name == Constant.NAME:
                continue
            trial = tried(name, residuals, by=by)
            if trial is not None:
                yield trial


def tried(name: str, residuals: Residuals, *, by: Quantity) -> Trial | None:
    """One estimate on each part by a fit to the others; None where it can't be fitted to one of them, or to all."""
    fit = FITS[name]
    if fit(residuals) is None:
        return None
    half_widths, expected = np.zeros((len(LEVELS), len(residuals.error))), np.zeros(len(residuals.error))
    for fold in residuals.folds():
        estimate = fit(residuals.part(~fold))
        if estimate is None:
            return None
        score, n_atoms = residuals.score[fold], residuals.n_atoms[fold]
        half_widths[:, fold], expected[fold] = estimate.half_widths(score, n_atoms), estimate.expected(score, n_atoms)
    return trial_of((name, by), residuals, half_widths, expected)


def trial_of(named: tuple[str, Quantity], residuals: Residuals, half_widths: FloatArray, expected: FloatArray) -> Trial:
    """How intervals did.

    Parameters
    ----------
    named : tuple of str and Quantity
        The estimate, and whose deviation it looks at.
    residuals : Residuals
    half_widths : (n_levels, n), in the quantity's unit
    expected : (n,), in the quantity's unit
    """
    is_within = [residuals.mean_by_structure(residuals.error <= bound) for bound in half_widths]
    losses = [
        (1 - level) * bound + np.maximum(0.0, residuals.error - bound)
        for level, bound in zip(LEVELS, half_widths, strict=True)
    ]
    return Trial(*named, np.array(is_within), float((residuals.weight * np.mean(losses, axis=0)).sum()), expected)
