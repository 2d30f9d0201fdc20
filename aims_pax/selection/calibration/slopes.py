"""Deviations by errors, a line through zero: thresholds of deviations for tolerances of errors.

AiiDA-TrainsPot: D = a e, fitted again at each loop; tau = a * tolerance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aims_pax.selection.calibration.deviations import Amounts, Quantity


@dataclass(frozen=True, slots=True)
class Slope:
    """Deviation over error of one quantity; no unit.

    Parameters
    ----------
    value : float
    n_structures : int
        That it was fitted to.
    """

    value: float
    n_structures: int

    def record(self) -> dict[str, Any]:
        """Plain values."""
        return {"slope": self.value, "n_structures": self.n_structures}


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slopes of the quantities that have one.

    Parameters
    ----------
    energy, forces, stress : Slope or None
        None where nothing can be said: no structure has both numbers, or all of them are zero.
    """

    energy: Slope | None = None
    forces: Slope | None = None
    stress: Slope | None = None

    def of(self, quantity: Quantity) -> Slope | None:
        """That of one quantity."""
        return {Quantity.ENERGY: self.energy, Quantity.FORCES: self.forces, Quantity.STRESS: self.stress}[quantity]

    def threshold(self, quantity: Quantity, tolerance: float) -> float | None:
        """tau: the deviation above which the error is expected to exceed a tolerance, both in the quantity's unit."""
        slope = self.of(quantity)
        return None if slope is None else slope.value * tolerance

    def error(self, quantity: Quantity, deviation: float) -> float | None:
        """The error that goes with a deviation, D / a, both in the quantity's unit."""
        slope = self.of(quantity)
        return None if slope is None else deviation / slope.value

    def record(self) -> dict[str, Any]:
        """Plain values, for a journal or a file."""
        slopes = {quantity: self.of(quantity) for quantity in Quantity}
        return {str(quantity): None if slope is None else slope.record() for quantity, slope in slopes.items()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Slopes":
        """The inverse of :meth:`record`."""
        known = {quantity: record.get(quantity) for quantity in Quantity}
        return cls(
            **{
                str(quantity): Slope(float(one["slope"]), int(one["n_structures"]))
                for quantity, one in known.items()
                if one is not None
            }
        )


def fit_slopes(pairs: Iterable[tuple[Amounts, Amounts]]) -> Slopes:
    """Least squares through zero: a = sum(e D) / sum(e²), for each quantity by itself.

    Parameters
    ----------
    pairs : iterable of deviation and error
        D and e of structures that were not learned from when the members spoke. What is not finite is left out.
    """
    known = list(pairs)
    return Slopes(**{str(quantity): _slope(known, quantity) for quantity in Quantity})


def _slope(pairs: Iterable[tuple[Amounts, Amounts]], quantity: Quantity) -> Slope | None:
    both = [(deviation.of(quantity), error.of(quantity)) for deviation, error in pairs]
    numbers = np.array([pair for pair in both if None not in pair], dtype=np.float64).reshape(-1, 2)
    deviation, error = numbers[np.isfinite(numbers).all(axis=1)].T
    if not (error * deviation).sum() > 0:
        return None
    return Slope(float((error * deviation).sum() / np.square(error).sum()), len(error))
