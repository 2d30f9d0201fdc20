"""The one place that knows which engine belongs to which settings."""

from collections.abc import Callable
from typing import Any, Final

from aims_pax.protocols import Reference
from aims_pax.reference.by_system import BySystem
from aims_pax.reference.pyscf import PyscfReference
from aims_pax.reference.tblite import TbliteReference
from aims_pax.reference.teacher import CalculatorReference, TeacherReference
from aims_pax.settings.reference import (
    AseCalculatorSettings,
    PyscfSettings,
    ReferencesBySystem,
    ReferenceSettings,
    TbliteSettings,
    TeacherSettings,
)

REFERENCES: Final[dict[type[Any], Callable[[Any], Reference]]] = {
    TbliteSettings: TbliteReference,
    PyscfSettings: PyscfReference,
    TeacherSettings: TeacherReference,
    AseCalculatorSettings: CalculatorReference,
}
"""Settings class of every engine, and what makes its reference. No engine is imported before it is used."""


def build_reference(settings: ReferenceSettings | ReferencesBySystem) -> Reference:
    """The reference that these settings describe. Imports and computes nothing heavy."""
    if isinstance(settings, ReferencesBySystem):
        return BySystem({system: build_reference(own) for system, own in settings.by_system.items()})
    return REFERENCES[type(settings)](settings)
