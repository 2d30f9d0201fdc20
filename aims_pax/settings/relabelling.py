"""The references of `relabel` stages: REFERENCE with what differs laid over it, or references of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aims_pax.settings.methods.reference import REFERENCE_SETTINGS, ReferenceSettings
from aims_pax.settings.own import SystemPlan
from aims_pax.settings.reading.document import KeyPath
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.systems import System

Read = Callable[[Mapping[str, Any], KeyPath], ReferenceSettings | None]
"""A mapping at some place of the file as settings of a reference; None after noting problems."""

INHERITED = ("charge", "multiplicity")
"""What belongs to the structures, whatever method is told it."""


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What a `relabel` stage labels by.

    Parameters
    ----------
    reference : ReferenceSettings
    by_system : mapping of str to ReferenceSettings
        Of the systems of SYSTEMS, by name; empty without these.
    """

    reference: ReferenceSettings
    by_system: Mapping[str, ReferenceSettings] = field(default_factory=dict)

    def references(self, systems: Sequence[System]) -> list[tuple[ReferenceSettings, tuple[System, ...]]]:
        """Each reference with the systems that it labels."""
        if not self.by_system:
            return [(self.reference, tuple(systems))]
        found: dict[str, tuple[ReferenceSettings, list[System]]] = {}
        for system in systems:
            reference = self.by_system[system.name]
            found.setdefault(reference.identity, (reference, []))[1].append(system)
        return [(reference, tuple(some)) for reference, some in found.values()]


def read_relabellings(
    reading: Reading,
    stages: Sequence[StagePlan],
    first: ReferenceSettings,
    *,
    systems: Mapping[str, SystemPlan],
    read: Read,
) -> dict[str, Relabelling]:
    """What each `relabel` stage labels by, by its name; what is wrong with one is noted.

    Each differs from the reference of the project, not from that of a `relabel` before it.
    """
    found: dict[str, Relabelling] = {}
    before = [first, *(plan.reference for plan in systems.values())]
    for stage in stages:
        if not isinstance(stage.settings, RelabelSettings):
            continue
        keys, own = (*stage.keys, "REFERENCE"), stage.settings.REFERENCE
        references = [read(_laid_over(one, own), keys) for one in before]
        there = [one for one in references if one is not None]
        if len(there) < len(references):
            continue
        if there == before:
            said = f"{stage.said('REFERENCE')} is the reference that there was."
            reading.add(keys, said, "", "Say what differs, as {xc: PBE0}, or a type with its settings.")
        relabelling = Relabelling(there[0], dict(zip(systems, there[1:], strict=True)))
        name, last = next(reversed(found.items()), ("", None))
        if relabelling == last:
            said = f"{stage.said('REFERENCE')} is that of {name}, whose labels would all be computed again."
            reading.add(keys, said, "", f"Leave {stage.name} out, or say what differs.")
        found[stage.name] = relabelling
    return found


def _laid_over(first: ReferenceSettings, own: Mapping[str, Any]) -> dict[str, Any]:
    """What one reference is told as the other is, but for what is its own."""
    if "type" not in own:
        return {**dict(_written(first)), **own}
    model = REFERENCE_SETTINGS.get(str(own["type"]).lower())
    fields = () if model is None else model.model_fields
    alike = {key: value for key in INHERITED if key in fields and (value := getattr(first, key, None)) is not None}
    return {**alike, **own}


def _written(settings: ReferenceSettings) -> Iterator[tuple[str, Any]]:
    yield "type", settings.type
    yield from settings.model_dump(exclude_unset=True).items()
