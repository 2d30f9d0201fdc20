"""Groups and variables that the structures don't have, and forces that nothing resists."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import BoolArray
from aims_pax.settings.md import MDSettings, SegmentPlan
from aims_pax.settings.motion.groups import GroupSettings
from aims_pax.settings.motion.variables import VariableSettings
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.systems import System

BALANCED_EV_PER_ANG: Final = 1e-6
"""A sum of loads below this is none."""


def grip_problems(document: Document, keys: KeyPath, md: MDSettings, moved: Sequence[System]) -> Iterator[Problem]:
    """What MD, written at some place, can't do to the systems that it moves; each thing once."""
    told: set[Problem] = set()
    for system in moved:
        for plan in md.entries:
            for problem in _problems(document, keys, plan, system):
                if problem not in told:
                    told.add(problem)
                    yield problem


def _problems(document: Document, keys: KeyPath, plan: SegmentPlan, system: System) -> Iterator[Problem]:
    frame, lacks = system.frame, False
    for place, group in _named(plan.md):
        at = _written(document, keys, plan, place)
        if (words := group.problem(frame)) is not None:
            lacks = True
            advice = "Atoms are counted from 0. What is one system's own belongs to SYSTEMS.<name>.MD."
            yield Problem(document.where(at), f"{dotted(at)} {words}.", "", advice)
    if lacks:
        return
    held = _held(plan.md, system)
    if held.all() and not (system.fixed is not None and system.fixed.all()):  # what its own file holds is told there
        at = _written(document, keys, plan, ("hold",))
        found = f"{dotted(at)} holds all atoms of {system.name}: nothing would move."
        yield Problem(document.where(at), found, "", "Leave some of them free.")
    for axis, name in enumerate("xyz"):
        pull = sum(load.force[axis] for load in plan.md.load)
        tied = any(one.variable.place is not None and one.variable.place.along == name for one in plan.md.restraints)
        if abs(pull) > BALANCED_EV_PER_ANG and not held[:, axis].any() and not tied:
            at = _written(document, keys, plan, ("load",))
            found = f"{dotted(at)} pulls {system.name} along {name} by {pull:g} eV/Å, and nothing holds it there."
            advice = "Hold some of its atoms, restrain a place, or let another load pull the other way."
            yield Problem(document.where(at), found, "", advice)


def _named(md: MDSettings) -> Iterator[tuple[KeyPath, GroupSettings | VariableSettings]]:
    """Whatever names atoms, with its place within MD."""
    for index, hold in enumerate(md.hold):
        yield ("hold", index), hold
    for index, load in enumerate(md.load):
        yield ("load", index), load
    for index, restraint in enumerate(md.restraints):
        yield ("restraints", index, "variable"), restraint.variable
    for index, variable in enumerate(md.metadynamics.variables if md.metadynamics is not None else ()):
        yield ("metadynamics", "variables", index), variable


def _held(md: MDSettings, system: System) -> BoolArray:
    """Components of atoms (n_atoms, 3) that do not follow forces."""
    held = np.zeros((system.frame.n_atoms, 3), dtype=np.bool_) if system.fixed is None else system.fixed.copy()
    for group in md.hold:
        along = np.array([axis in group.directions for axis in "xyz"])
        held[np.ix_(np.array(group.of(system.frame)), along)] = True
    return held


def _written(document: Document, keys: KeyPath, plan: SegmentPlan, place: KeyPath) -> KeyPath:
    """Where it stands: in the entry of the program that says it, in this MD, or in that of all systems."""
    for home in ((*keys, *plan.keys), keys, ("MD",)):
        if (*home, place[0]) in document.lines:
            return (*home, *place)
    return (*keys, *place)
