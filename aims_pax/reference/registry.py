"""The one place that knows which engine belongs to which settings."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aims_pax.protocols import Reference
from aims_pax.reference.by_system import BySystem
from aims_pax.reference.charged import Charged
from aims_pax.reference.dispersion import dispersed
from aims_pax.reference.embedded.asi import AsiReference
from aims_pax.reference.embedded.pyscf import PyscfReference
from aims_pax.reference.embedded.tblite import TbliteReference
from aims_pax.reference.embedded.teacher import CalculatorReference, TeacherReference
from aims_pax.reference.process.supervised import Supervised
from aims_pax.reference.programs.engines import EngineReference
from aims_pax.reference.programs.fhi_aims import FhiAimsReference
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.engines import ENGINE_SETTINGS
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.methods.reference import (
    AseCalculatorSettings,
    PyscfSettings,
    ReferencesBySystem,
    ReferenceSettings,
    TbliteSettings,
    TeacherSettings,
)

BUILDERS: Final[dict[type[Any], Callable[[Any], Reference]]] = {
    TbliteSettings: TbliteReference,
    PyscfSettings: PyscfReference,
    TeacherSettings: TeacherReference,
    AseCalculatorSettings: CalculatorReference,
    FhiAimsInput: FhiAimsReference,
    AsiInput: AsiReference,
    **dict.fromkeys(ENGINE_SETTINGS.values(), EngineReference),
}
"""Settings class of every engine, and what makes its reference. No engine is imported before it is used."""


def build_reference(settings: ReferenceSettings | ReferencesBySystem) -> Reference:
    """The reference that these settings describe, in a process of its own where it needs one.

    Imports, computes and starts nothing; a process is started with the first label.
    """
    if isinstance(settings, ReferencesBySystem):
        return BySystem(_shared(settings.by_system))
    engine = build_engine(settings)
    if settings.walltime_s is None and not settings.OWN_PROCESS:
        return engine
    return Supervised(engine, settings)


def _shared(by_system: Mapping[str, ReferenceSettings]) -> dict[str, Reference]:
    """A reference for each system; those of equal settings are one, which loads its model or starts its engine once."""
    built: dict[str, Reference] = {}
    references = {}
    for system, settings in by_system.items():
        if settings.identity not in built:
            built[settings.identity] = build_reference(settings)
        references[system] = built[settings.identity]
    return references


def build_engine(settings: ReferenceSettings) -> Reference:
    """The reference itself with its dispersion correction, to be used in the process that asks."""
    return dispersed(Charged(settings, BUILDERS[type(settings)]), settings)
