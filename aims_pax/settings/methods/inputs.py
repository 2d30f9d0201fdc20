"""What engines with input files of their own are given, for each reference of a project."""

from collections.abc import Mapping

from aims_pax.errors import Problem
from aims_pax.settings.methods.asi import AsiInput, AsiSettings, read_asi_inputs
from aims_pax.settings.methods.fhi_aims import Asked, FhiAimsInput, FhiAimsSettings, read_inputs
from aims_pax.settings.methods.reference import ReferenceSettings
from aims_pax.settings.sections import Settings
from aims_pax.settings.systems import System


def by_reference(settings: Settings, systems: tuple[System, ...]) -> list[tuple[ReferenceSettings, tuple[System, ...]]]:
    """Each reference with the systems that it labels."""
    if not settings.systems:
        return [(settings.reference, systems)]
    named = {system.name: system for system in systems}
    found: dict[str, tuple[ReferenceSettings, list[System]]] = {}
    for name, plan in settings.systems.items():
        _, some = found.setdefault(plan.reference.identity, (plan.reference, []))
        some += [named[name]] if name in named else []
    return [(reference, tuple(some)) for reference, some in found.values()]


def engine_inputs(
    reference: ReferenceSettings, asked: Asked
) -> tuple[Mapping[str, FhiAimsInput | AsiInput], list[Problem]]:
    """The content of the input files of each system, and everything wrong with them."""
    match reference:
        case FhiAimsSettings():
            return read_inputs(reference, asked)
        case AsiSettings():
            return read_asi_inputs(reference, asked)
        case _:
            return {}, []
