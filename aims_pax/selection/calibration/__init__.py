"""What a committee's deviation says of its error: slopes, estimates, and how well they hold."""

from aims_pax.selection.calibration.deviations import (
    Amounts,
    Quantity,
    deviation_of,
    error_of_mean,
    error_of_members,
    together,
)
from aims_pax.selection.calibration.slopes import Slope, Slopes, fit_slopes

__all__ = [
    "Amounts",
    "Quantity",
    "Slope",
    "Slopes",
    "deviation_of",
    "error_of_mean",
    "error_of_members",
    "fit_slopes",
    "together",
]
