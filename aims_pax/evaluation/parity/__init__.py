"""Predictions beside their labels: what can be wrong with them, in numbers, by method and by group of structures."""

from aims_pax.evaluation.parity.group import Grouping, groupings_of
from aims_pax.evaluation.parity.matched import Matched, Method
from aims_pax.evaluation.parity.measure import MARKS, Measure, Row, curve_of, measured_rows
from aims_pax.evaluation.parity.quantity import QUANTITIES, Quantity

__all__ = [
    "MARKS",
    "QUANTITIES",
    "Grouping",
    "Matched",
    "Measure",
    "Method",
    "Quantity",
    "Row",
    "curve_of",
    "groupings_of",
    "measured_rows",
]
