"""Properties of materials by any calculator: one file each, and one registry."""

from aims_pax.evaluation.properties.property import (
    Judged,
    Lack,
    Line,
    Measured,
    Panel,
    Property,
    Quantity,
    Together,
    Unmeasurable,
    Unmeasured,
    Usual,
    measured,
)
from aims_pax.evaluation.properties.registry import DEAR, PROPERTIES, USUAL
from aims_pax.evaluation.properties.specimen import Method, Specimen

__all__ = [
    "DEAR",
    "PROPERTIES",
    "USUAL",
    "Judged",
    "Lack",
    "Line",
    "Measured",
    "Method",
    "Panel",
    "Property",
    "Quantity",
    "Specimen",
    "Together",
    "Unmeasurable",
    "Unmeasured",
    "Usual",
    "measured",
]
