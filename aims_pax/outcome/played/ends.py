"""Structures that phases have begun with and come to, by the names of their phases."""

from collections.abc import Iterable

from aims_pax.dataset.store import RunStore
from aims_pax.outcome.played.phases import PlayedPhase
from aims_pax.stages.memory import Memory
from aims_pax.stages.playing.scenes import pictures
from aims_pax.structures.building.phase import Built

PhaseEnds = tuple[str, Built, Built]
"""The name of a phase, what it has begun with, and what it has come to."""


def ends_of(phases: Iterable[PlayedPhase], memory: Memory, store: RunStore) -> dict[tuple[str, str], list[PhaseEnds]]:
    """Of all phases that have come to their ends, as they were last played; by stage and workflow.

    Workflows that have none are left out. Each visit goes through the phases from the first one on, so that they have
    ended for the first time in the order in which the workflow has them.
    """
    names: dict[tuple[str, str], dict[str, None]] = {}
    for one in phases:
        names.setdefault((one.stage, one.workflow), {})[one.phase] = None
    shown = {stage: pictures(memory, store, stage) for stage in {stage for stage, _ in names}}
    found = {}
    for (stage, workflow), own in names.items():
        ends = [(name, shown[stage].get((workflow, number))) for number, name in enumerate(own)]
        if rows := [(name, *both) for name, both in ends if both is not None]:
            found[stage, workflow] = rows
    return found
