"""Split conformal intervals: errors in units of the deviation, of which quantiles are taken."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.selection.calibration.evidence import LEVELS, Residuals, structure_quantile

FLOOR: Final = 0.1
"""Of the median deviation, added to each: members that agree by chance are not therefore right."""


def floor_of(residuals: Residuals) -> float:
    """What is added to each score, in the quantity's unit."""
    return FLOOR * float(np.median(residuals.score))


@dataclass(frozen=True, slots=True)
class Conformal:
    """Multiples of the deviation that hold with given probabilities, whatever the distribution of the errors is.

    Parameters
    ----------
    floor : float, in the quantity's unit
        Added to each deviation.
    rms : float
        Root mean square error over that of deviation and floor.
    bounds : tuple of float
        For each of :data:`LEVELS`, in units of deviation and floor.

    Notes
    -----
    Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), with the deviation as the scale of the residual; nothing else is
    fitted, so that no structures are spent on it. By structures: see
    :func:`~aims_pax.selection.calibration.evidence.structure_quantile`.
    """

    floor: float
    rms: float
    bounds: tuple[float, ...]

    NAME: ClassVar = "split conformal"

    @classmethod
    def fit(cls, residuals: Residuals) -> "Conformal | None":
        """Quantiles of these errors over their scores; None where members agree in most of them."""
        floor = floor_of(residuals)
        if not floor > 0:
            return None
        scale, weight = residuals.score + floor, residuals.weight
        rms = float(np.sqrt((weight * residuals.error**2).sum() / (weight * scale**2).sum()))
        ratio = residuals.error / scale
        return cls(floor, rms, tuple(structure_quantile(residuals, ratio, level) for level in LEVELS))

    def expected(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return self.rms * (score + self.floor)

    def half_widths(self, score: FloatArray, n_atoms: IntArray) -> FloatArray:
        return np.outer(self.bounds, score + self.floor)

    def record(self) -> dict[str, Any]:
        return {"floor": self.floor, "rms": self.rms, "bounds": list(self.bounds)}
