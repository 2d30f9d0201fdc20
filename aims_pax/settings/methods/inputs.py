"""What engines with input files of their own are given, for each reference of a project."""

from collections.abc import Mapping
from pathlib import Path

from aims_pax.errors import Problem
from aims_pax.settings.methods.asi import AsiInput, AsiSettings, read_asi_inputs
from aims_pax.settings.methods.fhi_aims import FhiAimsInput, FhiAimsSettings, read_inputs
from aims_pax.settings.methods.reference import ReferenceSettings
from aims_pax.settings.sections import Settings
from aims_pax.settings.systems import System


def by_reference(settings: Settings, systems: tuple[System, ...]) -> list[tuple[ReferenceSettings, tuple[System, ...]]]:
    """Each reference with the systems that it labels."""
    if not settings.systems:
        return [(settings.reference, systems)]
    named = {system.name: system for system in systems}
    found: list[tuple[ReferenceSettings, tuple[System, ...]]] = []
    for name, plan in settings.systems.items():
        some = (named[name],) if name in named else ()
        alike = next((index for index, (one, _) in enumerate(found) if one == plan.reference), None)
        if alike is None:
            found.append((plan.reference, some))
        else:
            found[alike] = (plan.reference, (*found[alike][1], *some))
    return found


def engine_inputs(
    reference: ReferenceSettings, folder: Path, systems: tuple[System, ...], *, want_stress: bool
) -> tuple[Mapping[str, FhiAimsInput | AsiInput], list[Problem]]:
    """The content of the input files of each system, and everything wrong with them."""
    match reference:
        case FhiAimsSettings():
            return read_inputs(reference, folder, systems, want_stress=want_stress)
        case AsiSettings():
            return read_asi_inputs(reference, folder, systems, want_stress=want_stress)
        case _:
            return {}, []
