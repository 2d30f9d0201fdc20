"""What an estimate of errors can do, whatever it is made of; and the estimates that look at little."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.selection.calibration.evidence import LEVELS, Residuals, structure_quantile

GAUSSIAN: Final = (0.6744897501960817, 1.2815515655446004, 1.6448536269514722)
"""Half-widths of :data:`LEVELS` in standard deviations, where errors are normal."""


class Estimate(Protocol):
    """Tells the error of one quantity by the score of a structure or atom, and its number of atoms."""

    NAME: ClassVar[str]

    def expected(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        """Root mean square of the errors (n,) to expect, in the quantity's unit."""
        ...

    def half_widths(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        """Bounds (n_levels, n) below which the absolute errors are with each probability of :data:`LEVELS`."""
        ...

    def record(self) -> dict[str, Any]:
        """Its parameters as plain values, by their names."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for all: what deviations have to be better than.

    Parameters
    ----------
    rms : float, in the quantity's unit
    bounds : tuple of float, in the quantity's unit
        For each of :data:`LEVELS`.
    """

    rms: float
    bounds: tuple[float, ...]

    NAME: ClassVar = "constant"

    @classmethod
    def fit(cls, residuals: Residuals) -> "Constant":
        """Of these errors, whatever their scores."""
        rms = float(np.sqrt((residuals.weight * residuals.error**2).sum()))
        return cls(rms, tuple(structure_quantile(residuals, residuals.error, level) for level in LEVELS))

    def expected(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return np.full(len(score), self.rms)

    def half_widths(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return np.repeat(np.array(self.bounds)[:, None], len(score), axis=1)

    def record(self) -> dict[str, Any]:
        return {"rms": self.rms, "bounds": list(self.bounds)}


@dataclass(frozen=True, slots=True)
class ThroughZero:
    """The deviation over a slope, with the intervals of a normal distribution.

    Parameters
    ----------
    slope : float
        Deviation over error of whole structures.

    Notes
    -----
    AiiDA-TrainsPot, with the error of the mean where the paper has that of the members: D = a e, so that e = D / a.
    """

    slope: float

    NAME: ClassVar = "slope through zero"

    @classmethod
    def fit(cls, residuals: Residuals) -> "ThroughZero | None":
        """Least squares through zero; None where all deviations or all errors are zero."""
        deviation = np.sqrt(residuals.mean_by_structure(residuals.score**2))
        error = np.sqrt(residuals.mean_by_structure(residuals.error**2))
        product = float((deviation * error).sum())
        return cls(product / float(np.square(error).sum())) if product > 0 else None

    def expected(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return score / self.slope

    def half_widths(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return np.outer(GAUSSIAN, score / self.slope)

    def record(self) -> dict[str, Any]:
        return {"slope": self.slope}
