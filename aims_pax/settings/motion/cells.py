"""What can't move as MD says: cells by a barostat, and what stress they would need."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import Stage
from aims_pax.settings.md import MDSettings, SegmentPlan
from aims_pax.settings.methods.driver import REFERENCE, DriverChoice
from aims_pax.settings.methods.reference import ReferenceSettings
from aims_pax.settings.motion.grip import grip_problems
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.sections import Settings
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.systems import System

SMALLEST_VOLUME_ANG3: Final = 1e-3

NO_PRESSURE_PA: Final = 1e6
"""Ten atmospheres: what a file of aims-PAX has by default does nothing to a slab."""


def motion_problems(
    settings: Settings, document: Document, systems: tuple[System, ...], stages: tuple[Stage, ...]
) -> Iterator[Problem]:
    """A barostat needs a cell, and stress from what drives; what is held or pulled must be there."""
    motions = list(motions_in(settings, systems))
    for keys, md, moved in motions:
        yield from grip_problems(document, keys, md, moved)
        yield from _strain_problems(document, keys, md, moved)
    if settings.initial is not None and Stage.INITIAL in stages:
        choice = settings.initial.driving
        for keys, md, moved in motions:
            labels = [reference_of(settings, system) for system in moved] if choice.kind == REFERENCE else []
            silent = [one.type for one in labels if not one.STRESS]
            yield from _silence_problems(document, keys, md, silent)
            yield from _stress_problems(document, keys, md, moved, choice=choice, what="the initial MD")
    for plan in settings.learning:
        learning = plan.read_as(ActiveLearningSettings)
        driving = learning.driving if Stage.ACTIVE in stages else None
        for place, md, moved in motions if learning.MD or driving is not None else ():
            keys, own = ((*plan.keys, "MD"), learning.moved(md)) if learning.MD else (place, md)
            if learning.MD:
                yield from grip_problems(document, keys, own, moved)
                yield from _strain_problems(document, keys, own, moved)
            if driving is not None:
                what = f"the MD of {plan.said()}"
                yield from _stress_problems(document, keys, own, moved, choice=driving, what=what)


def _strain_problems(document: Document, keys: KeyPath, md: MDSettings, moved: Iterable[System]) -> Iterator[Problem]:
    """What can't be strained as MD says, or an entry of its program."""
    for plan in md.entries:
        if plan.moves_cell:
            yield from _strained(document, keys, plan, moved)


def _moving(keys: KeyPath, plan: SegmentPlan) -> tuple[KeyPath, str]:
    """What moves the cell, and the beginning of a sentence about it."""
    key = "stat_ensemble" if plan.relaxation is None else "relax_cell"
    written = (*keys, *plan.keys, key) if plan.relaxation is not None or key in plan.own else (*keys, key)
    return written, f"{dotted(written)} is {'npt' if plan.relaxation is None else 'true'}"


def _strained(document: Document, keys: KeyPath, plan: SegmentPlan, moved: Iterable[System]) -> Iterator[Problem]:
    md, (written, is_npt) = plan.md, _moving(keys, plan)
    place = document.where(written)
    named = [axis for axis, letter in enumerate("abc") if letter in (md.pressure_directions or ())]
    largest = max(md.pressure, md.final_pressure or 0.0, key=abs)
    for system in moved:
        frame, name = system.frame, system.name
        yield from _held_problems(system, place, is_npt)
        if not frame.pbc.any():
            found = f"{is_npt}, and {name} is a molecule: it has no cell that could move."
            yield Problem(place, found, "", "Set nvt, or give it an MD of its own in SYSTEMS.")
        elif abs(np.linalg.det(frame.cell)) < SMALLEST_VOLUME_ANG3:
            found = f"{is_npt}, and the cell of {name} has no volume: a lattice vector is missing."
            yield Problem(place, found, "", "Give its geometry three lattice vectors, or set nvt.")
        elif any(not frame.pbc[axis] for axis in named):
            where = document.where((*keys, "pressure_directions"))
            found = f"{dotted((*keys, 'pressure_directions'))} names a direction in which {name} is not periodic."
            yield Problem(where, found, "lattice vectors along which it repeats")
        elif not frame.pbc.all() and abs(largest) > NO_PRESSURE_PA:
            where = document.where((*keys, "pressure"))
            found = f"{name} is not periodic along all directions, and the pressure is {largest:g} Pa."
            yield Problem(where, found, f"up to {NO_PRESSURE_PA:g} Pa", "Vacuum can't be pressed on: remove it.")


def _held_problems(system: System, place: str, is_npt: str) -> Iterator[Problem]:
    """What a file holds that a barostat would move: atoms go with the cell."""
    said = "its constraints" if system.file is None else f"the constraints from {system.file.name}"
    if system.fixed is not None:
        found = f"{is_npt}, and {system.name} has fixed atoms, which a barostat would move with the cell."
        yield Problem(place, found, "", f"Set nvt, or remove {said}.")
    if system.fixed_vectors:
        found = f"{is_npt}, and {system.origin} holds lattice vectors: {', '.join(system.fixed_vectors)}."
        advice = "Remove constrain_relaxation there: pressure_directions names the vectors that a barostat moves."
        yield Problem(place, found, "", advice)


def _silence_problems(document: Document, keys: KeyPath, md: MDSettings, silent: Iterable[str]) -> Iterator[Problem]:
    """Where the reference drives, and gives no stress by which cells would move."""
    plan = next((plan for plan in md.entries if plan.moves_cell), None)
    if plan is None:
        return
    written, is_npt = _moving(keys, plan)
    for kind in dict.fromkeys(silent):
        found = f"{is_npt}, and {kind}, which drives the initial MD, gives no stress."
        advice = "Choose another REFERENCE.type, or another driver of the initial MD."
        yield Problem(document.where(written), found, "", advice)


def _stress_problems(
    document: Document, keys: KeyPath, md: MDSettings, moved: Iterable[System], *, choice: DriverChoice, what: str
) -> Iterator[Problem]:
    """Where what drives gives no stress of slabs, by which cells would move."""
    plan = next((plan for plan in md.entries if plan.moves_cell), None)
    if plan is None or (choice.is_mace and choice.correction is None):
        return
    written, is_npt = _moving(keys, plan)
    place = document.where(written)
    driver = choice.kind if choice.correction is None else f"{choice.kind} with dispersion"
    for system in moved:
        if system.frame.pbc.any() and not system.frame.pbc.all():
            found = f"{is_npt}, {system.name} is not periodic along all directions, and {driver} has no stress of that."
            yield Problem(place, found, "", f"Let a MACE model without dispersion drive {what}, or set nvt.")


def motions_in(
    settings: Settings, systems: tuple[System, ...]
) -> Iterator[tuple[KeyPath, MDSettings, tuple[System, ...]]]:
    """Where each MD stands, what it says, and the systems that it moves."""
    if settings.systems:
        named = {system.name: system for system in systems}
        for name, plan in settings.systems.items():
            yield ("SYSTEMS", name, "MD"), plan.md, (named[name],) if name in named else ()
    elif isinstance(settings.md, MDSettings):
        yield ("MD",), settings.md, systems
    else:
        for index, md in settings.md.items():
            yield ("MD", index), md, (systems[index % len(systems)],)


def reference_of(settings: Settings, system: System) -> ReferenceSettings:
    """What labels a system."""
    plan = settings.systems.get(system.name)
    return settings.reference if plan is None else plan.reference
