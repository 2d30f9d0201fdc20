"""Isotonic regression: errors that never fall where the deviation rises, and nothing else assumed."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.selection.calibration.evidence import LEVELS, Residuals, structure_quantile

STRUCTURES_PER_BIN: Final = 10
"""Errors worth so many structures make one point; with fewer, the smallest deviation would promise its own error."""

MOST_BINS: Final = 20


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Root mean square errors at some deviations, with lines between them and level ends.

    Parameters
    ----------
    scores, rms : tuple of float, in the quantity's unit
        Both rise.
    bounds : tuple of float
        For each of :data:`LEVELS`, in units of the expected error: quantiles of errors over what was told of them by a
        fit without their blocks.
    """

    scores: tuple[float, ...]
    rms: tuple[float, ...]
    bounds: tuple[float, ...]

    NAME: ClassVar = "isotonic regression"

    @classmethod
    def fit(cls, residuals: Residuals) -> "Isotonic | None":
        """Fitted to squared errors; None where there is none, or one block alone."""
        if residuals.n_blocks < 2 or not residuals.error.any():
            return None
        told = residuals.told_by_others(lambda part: _Curve.fit(part).at)
        if not (told > 0).all():
            return None
        ratio, curve = residuals.error / told, _Curve.fit(residuals)
        bounds = tuple(structure_quantile(residuals, ratio, level) for level in LEVELS)
        return cls(tuple(curve.scores.tolist()), tuple(curve.rms.tolist()), bounds)

    def expected(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return _Curve(np.array(self.scores), np.array(self.rms)).at(score, n_atoms)

    def half_widths(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return np.outer(self.bounds, self.expected(score, n_atoms))

    def record(self) -> dict[str, Any]:
        return {"scores": list(self.scores), "rms": list(self.rms), "bounds": list(self.bounds)}


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """Root mean square errors (n_points,) at deviations (n_points,)."""

    scores: FloatArray
    rms: FloatArray

    def at(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return np.interp(score, self.scores, self.rms)

    @classmethod
    def fit(cls, residuals: Residuals) -> "_Curve":
        n_bins = int(np.clip(residuals.n_structures // STRUCTURES_PER_BIN, 1, MOST_BINS))
        order = np.argsort(residuals.score, kind="stable")
        weight = residuals.weight[order]
        number = np.minimum((np.cumsum(weight) - weight / 2) * n_bins, n_bins - 1).astype(np.int64)
        of_bin = np.bincount(number, weights=weight, minlength=n_bins).astype(np.float64)
        number, of_bin = np.unique(number, return_inverse=True)[1], of_bin[of_bin > 0]
        scores = np.bincount(number, weights=weight * residuals.score[order]) / of_bin
        squares: FloatArray = np.bincount(number, weights=weight * residuals.error[order] ** 2) / of_bin
        return cls(scores, np.sqrt(pooled(squares, of_bin)))


def pooled(values: FloatArray, weights: FloatArray) -> FloatArray:
    """The rising sequence (n,) next to some values (n,), by least squares with these weights (n,).

    Notes
    -----
    Pool adjacent violators: Ayer et al., Ann. Math. Stat. 26, 641 (1955).
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, mass, length = float(value), float(weight), 1
        while pools and pools[-1][0] >= mean:
            before, its_mass, its_length = pools.pop()
            mean = (before * its_mass + mean * mass) / (its_mass + mass)
            mass, length = its_mass + mass, its_length + length
        pools.append((mean, mass, length))
    return np.repeat([mean for mean, _, _ in pools], [length for _, _, length in pools])
