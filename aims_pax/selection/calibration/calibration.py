"""The errors of a committee's mean, told by how much its members disagree; kept as plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aims_pax.frame import CommitteePrediction, FloatArray
from aims_pax.protocols import EstimatedErrors
from aims_pax.selection.calibration.choice import Chosen, choose
from aims_pax.selection.calibration.conformal import Conformal
from aims_pax.selection.calibration.deviations import Quantity
from aims_pax.selection.calibration.estimates import Constant, Estimate, ThroughZero
from aims_pax.selection.calibration.evidence import LEVELS, Evidence, scores_of
from aims_pax.selection.calibration.isotonic import Isotonic
from aims_pax.selection.calibration.quantiles import QuantileRegression

_WIDEST: Final = len(LEVELS) - 1
"""Place of the level of the intervals that are handed out."""


BY: Final = {
    Quantity.ENERGY: (Quantity.ENERGY, Quantity.FORCES),
    Quantity.FORCES: (Quantity.FORCES,),
    Quantity.STRESS: (Quantity.STRESS, Quantity.FORCES),
}
"""Whose deviation errors may be told by: members whose energies agree by chance disagree about forces."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the errors of one quantity are told.

    Parameters
    ----------
    estimate : Estimate
    by : Quantity
        Whose deviation it looks at.
    """

    estimate: Estimate
    by: Quantity


@dataclass(frozen=True, slots=True)
class Calibration:
    """Tells errors of a committee's mean; what is not known stays untold.

    Parameters
    ----------
    rules : mapping of Quantity to Rule
    """

    rules: Mapping[Quantity, Rule]

    def errors_of(self, said: CommitteePrediction) -> EstimatedErrors:
        """What to expect of one structure."""
        told = {quantity: self._told(said, quantity) for quantity in self.rules}
        energy, forces, stress = (told.get(quantity) for quantity in Quantity)
        n_atoms = len(said.forces)
        return EstimatedErrors(
            energy=None if energy is None else n_atoms * float(energy[0][0]),
            energy_interval=None if energy is None else n_atoms * float(energy[1][0]),
            forces=None if forces is None else forces[0],
            forces_interval=None if forces is None else forces[1],
            stress=None if stress is None else float(stress[0][0]),
            stress_interval=None if stress is None else float(stress[1][0]),
        )

    def _told(self, said: CommitteePrediction, quantity: Quantity) -> tuple[FloatArray, FloatArray] | None:
        """Expected error and half of the widest interval, for each score; None where there is no score."""
        rule = self.rules[quantity]
        score = scores_of(said, quantity, by=rule.by)
        if score is None or (quantity is Quantity.STRESS and said.stress is None):
            return None
        n_atoms = np.full(len(score), len(said.forces))
        return rule.estimate.expected(score, n_atoms), rule.estimate.half_widths(score, n_atoms)[_WIDEST]

    def record(self) -> dict[str, Any]:
        """Plain values: the estimates' names, whose deviation they look at, and parameters, by quantity."""
        return {
            str(quantity): {"estimate": one.estimate.NAME, "by": str(one.by), "parameters": one.estimate.record()}
            for quantity, one in self.rules.items()
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Calibration":
        """The inverse of :meth:`record`; further values of each quantity are passed over.

        Raises
        ------
        KeyError, TypeError, ValueError
            This is no record of a calibration.
        """
        return cls(
            {
                Quantity(name): Rule(_READ[one["estimate"]](**one["parameters"]), Quantity(one["by"]))
                for name, one in record.items()
            }
        )


def calibrated(evidence: Evidence) -> dict[Quantity, Chosen]:
    """The best estimate for each quantity of which there are errors enough."""
    chosen = {
        quantity: choose({by: evidence.residuals(quantity, by=by) for by in BY[quantity]}) for quantity in Quantity
    }
    return {quantity: one for quantity, one in chosen.items() if one is not None}


def _quantile_regression(
    *, floor: float, rms: float, coefficients: list[list[float]], bounds: list[float]
) -> QuantileRegression:
    read = tuple((float(one), float(power), float(size)) for one, power, size in coefficients)
    return QuantileRegression(float(floor), float(rms), read, tuple(map(float, bounds)))


_READ: Final[Mapping[str, Callable[..., Estimate]]] = {
    Constant.NAME: lambda *, rms, bounds: Constant(float(rms), tuple(map(float, bounds))),
    ThroughZero.NAME: lambda *, slope: ThroughZero(float(slope)),
    Conformal.NAME: lambda *, floor, rms, bounds: Conformal(float(floor), float(rms), tuple(map(float, bounds))),
    Isotonic.NAME: lambda *, scores, rms, bounds: Isotonic(
        tuple(map(float, scores)), tuple(map(float, rms)), tuple(map(float, bounds))
    ),
    QuantileRegression.NAME: _quantile_regression,
}
