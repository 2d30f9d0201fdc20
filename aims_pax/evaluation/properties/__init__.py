"""Properties of materials by any calculator: one file each, and one registry."""

from aims_pax.evaluation.properties.property import (
    Judged,
    Lack,
    Line,
    Measured,
    Panel,
    Property,
    Quantity,
    Unmeasurable,
    Unmeasured,
    Usual,
    measured,
)
from aims_pax.evaluation.properties.registry import PROPERTIES, USUAL
from aims_pax.evaluation.properties.specimen import Method, Specimen

__all__ = [
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
    "Unmeasurable",
    "Unmeasured",
    "Usual",
    "measured",
]
