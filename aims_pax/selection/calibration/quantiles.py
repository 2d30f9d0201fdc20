"""Quantile regression: bounds of errors that are powers of the deviation and of the number of atoms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.selection.calibration.conformal import floor_of
from aims_pax.selection.calibration.evidence import LEVELS, Residuals, structure_quantile

LEAST_ERROR: Final = 1e-3
"""Of the median error; smaller ones count as this large, for the logarithm of nothing is endless."""

MOST_ERRORS: Final = 2000
"""More of them are thinned out at random for a fit: those of one structure resemble each other, and fits are many."""

NEAR: Final = 3e-3
"""Of the logarithm of an error: some thousandths of the error."""

MOST_STEPS: Final = 60
"""Of a fit, which moves by less than is of any use long before."""

PER_SIZE: Final = 30
"""Structures that are needed before the number of atoms has a say, where they differ in it."""


@dataclass(frozen=True, slots=True)
class QuantileRegression:
    """log(bound) = intercept + power * log(deviation + floor) + power of the size * log(n_atoms).

    Parameters
    ----------
    floor : float, in the quantity's unit
        Added to each deviation.
    rms : float
        Root mean square error over that of the middle bound.
    coefficients : tuple of three float for each of :data:`LEVELS`
        Intercept, power of the deviation, power of the number of atoms.
    bounds : tuple of float
        For each of :data:`LEVELS`: what its bound is multiplied with, so that it holds for blocks that it was not
        fitted to.

    Notes
    -----
    Koenker & Bassett, Econometrica 46, 33 (1978); conformalised as by Romano, Patterson & Candès, NeurIPS 32 (2019), by
    cross-validation in the place of a split.
    """

    floor: float
    rms: float
    coefficients: tuple[tuple[float, float, float], ...]
    bounds: tuple[float, ...]

    NAME: ClassVar = "quantile regression"

    @classmethod
    def fit(cls, residuals: Residuals) -> "QuantileRegression | None":
        """Fitted to logarithms of errors; None where members agree in most, or there is one block alone."""
        floor = floor_of(residuals)
        if residuals.n_blocks < 2 or not floor > 0 or not np.median(residuals.error) > 0:
            return None
        bounds = []
        for level in LEVELS:
            told = residuals.told_by_others(_fitter(floor, level))
            bounds.append(structure_quantile(residuals, residuals.error / told, level))
        found = cls(floor, 1.0, tuple(_coefficients(residuals, floor, level) for level in LEVELS), tuple(bounds))
        middle = found.half_widths(residuals.score, residuals.n_atoms)[1]
        mean_squares = [(residuals.weight * values**2).sum() for values in (residuals.error, middle)]
        return cls(floor, float(np.sqrt(mean_squares[0] / mean_squares[1])), found.coefficients, found.bounds)

    def expected(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        middle: FloatArray = self.half_widths(score, n_atoms)[1]
        return self.rms * middle

    def half_widths(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        told = [_told(one, score + self.floor, n_atoms) for one in self.coefficients]
        rising: FloatArray = np.maximum.accumulate(np.array(self.bounds)[:, None] * np.array(told), axis=0)
        return rising

    def record(self) -> dict[str, Any]:
        coefficients = [list(one) for one in self.coefficients]
        return {"floor": self.floor, "rms": self.rms, "coefficients": coefficients, "bounds": list(self.bounds)}


def _fitter(floor: float, level: float) -> Callable[[Residuals], Callable[[FloatArray, IntArray], FloatArray]]:
    def fit(part: Residuals) -> Callable[[FloatArray, IntArray], FloatArray]:
        coefficients = _coefficients(part, floor, level)
        return lambda score, n_atoms: _told(coefficients, score + floor, n_atoms)

    return fit


def _told(coefficients: tuple[float, float, float], scale: FloatArray, n_atoms: IntArray) -> FloatArray:
    intercept, power, power_of_size = coefficients
    told: FloatArray = np.exp(intercept + power * np.log(scale) + power_of_size * np.log(n_atoms))
    return told


def _coefficients(residuals: Residuals, floor: float, level: float) -> tuple[float, float, float]:
    """The score has no say where errors would fall with it, nor has the size where structures are few or alike."""
    n = len(residuals.error)
    taken = np.random.default_rng(0).permutation(n)[:MOST_ERRORS]
    log_error = np.log(np.maximum(residuals.error, LEAST_ERROR * np.median(residuals.error)))[taken]
    ones, log_score = np.ones(len(taken)), np.log(residuals.score[taken] + floor)
    sizes, weights = residuals.n_atoms[taken], residuals.weight[taken]
    by_size = [np.log(sizes)] if np.ptp(sizes) and residuals.n_structures >= PER_SIZE else []
    intercept, power, *rest = quantile_plane(log_error, [ones, log_score, *by_size], weights, level)
    if power < 0:
        power = 0.0
        intercept, *rest = quantile_plane(log_error, [ones, *by_size], weights, level)
    return float(intercept), float(power), float(rest[0]) if rest else 0.0


def quantile_plane(values: FloatArray, features: list[FloatArray], weights: FloatArray, level: float) -> FloatArray:
    """Coefficients (n_features,) of the plane that lies above a share `level` of some values (n,).

    Values are of the order of one: what lies nearer to the plane than :data:`NEAR` counts as lying on it.

    Notes
    -----
    Each step solves the weighted least squares that lie above the loss and touch it at the step before: Hunter & Lange,
    J. Comput. Graph. Stat. 9, 60 (2000).
    """
    matrix = np.array(features)
    ends = (2 * level - 1) * matrix @ weights
    plane = np.linalg.solve((matrix * weights) @ matrix.T, (matrix * weights) @ values)
    for _ in range(MOST_STEPS):
        pull = matrix * (weights / (NEAR + np.abs(values - plane @ matrix)))
        before, plane = plane, np.linalg.solve(pull @ matrix.T, pull @ values + ends)
        if np.abs(plane - before).max() < NEAR / 100:
            break
    return np.asarray(plane, dtype=np.float64)
