"""What a committee's deviation says of its error: slopes, estimates, and how well they hold."""

from aims_pax.selection.calibration.calibration import BY, Calibration, Rule, calibrated
from aims_pax.selection.calibration.choice import (
    FITS,
    LEAST_STRUCTURES,
    SIGNIFICANT,
    Chosen,
    Trial,
    choose,
    trial_of,
    tried,
)
from aims_pax.selection.calibration.deviations import (
    Amounts,
    Quantity,
    deviation_of,
    error_of_mean,
    error_of_members,
    together,
)
from aims_pax.selection.calibration.estimates import Constant, Estimate, ThroughZero
from aims_pax.selection.calibration.evidence import LEVELS, Evidence, Residuals, structure_quantile
from aims_pax.selection.calibration.slopes import Slope, Slopes, fit_slopes

__all__ = [
    "BY",
    "FITS",
    "LEAST_STRUCTURES",
    "LEVELS",
    "SIGNIFICANT",
    "Amounts",
    "Calibration",
    "Chosen",
    "Constant",
    "Estimate",
    "Evidence",
    "Quantity",
    "Residuals",
    "Rule",
    "Slope",
    "Slopes",
    "ThroughZero",
    "Trial",
    "calibrated",
    "choose",
    "deviation_of",
    "error_of_mean",
    "error_of_members",
    "fit_slopes",
    "structure_quantile",
    "together",
    "trial_of",
    "tried",
]
