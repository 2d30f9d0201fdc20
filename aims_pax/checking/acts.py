"""Slips in what acts on atoms besides the forces between them, with the reason for every bound."""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Final

from aims_pax.checking.asked import Asked
from aims_pax.checking.motion import motions_of
from aims_pax.errors import Doubt
from aims_pax.frame import Frame
from aims_pax.settings.md import SegmentPlan
from aims_pax.settings.motion.groups import HoldSettings, LoadSettings
from aims_pax.settings.motion.variables import RestraintSettings
from aims_pax.settings.reading.document import KeyPath, dotted

MOST_STRETCHED_EV: Final = 1.0
"""In a spring at the start: forty times kT at room temperature. It would begin with a jerk."""

FASTEST_ANG_PER_PS: Final = 50.0
"""5 km/s: sound is not faster in most solids, and atoms around would not make way."""

STRONGEST_EV_PER_ANG: Final = 2.5
"""On an atom, 4 nN: single bonds break at it."""


def acts(asked: Asked) -> Iterator[Doubt]:
    """Springs that begin stretched, groups led faster than sound, and loads that tear bonds."""
    for place, md, frames in motions_of(asked):
        for plan in md.entries:
            for index, hold in enumerate(plan.md.hold):
                yield from _led(asked, _keys(place, plan, "hold", index), hold)
            for index, load in enumerate(plan.md.load):
                yield from _torn(asked, _keys(place, plan, "load", index), load, frames)
            for index, restraint in enumerate(plan.md.restraints):
                yield from _stretched(asked, _keys(place, plan, "restraints", index), restraint, frames)


def _led(asked: Asked, keys: KeyPath, hold: HoldSettings) -> Iterator[Doubt]:
    speed = sqrt(sum(part * part for part in hold.velocity))
    if speed > FASTEST_ANG_PER_PS:
        found = f"{dotted(keys)} leads atoms at {speed:g} Å/ps, {speed / 10:g} km/s."
        yield Doubt(asked.project.where(*keys), found, f"up to {FASTEST_ANG_PER_PS:g} Å/ps", "The unit is Å/ps.")


def _torn(asked: Asked, keys: KeyPath, load: LoadSettings, frames: list[Frame]) -> Iterator[Doubt]:
    size = sqrt(sum(part * part for part in load.force))
    for frame in frames:
        share = size / len(load.of(frame))
        if share > STRONGEST_EV_PER_ANG:
            found = f"{dotted(keys)} pulls each of its atoms by {share:.3g} eV/Å."
            usual = f"up to {STRONGEST_EV_PER_ANG:g} eV/Å"
            yield Doubt(asked.project.where(*keys), found, usual, "Bonds break at it. 1 nN is 0.62 eV/Å.")


def _stretched(asked: Asked, keys: KeyPath, restraint: RestraintSettings, frames: list[Frame]) -> Iterator[Doubt]:
    variable = restraint.variable
    for frame in frames:
        now = variable.value_of(frame)
        apart = now - restraint.center
        if variable.dihedral is not None:
            apart = (apart + 180) % 360 - 180
        energy = 0.5 * restraint.stiffness * variable.in_radians(apart) ** 2
        if energy > MOST_STRETCHED_EV:
            said = f"{variable.said_of(frame)} is {now:.4g} {variable.unit}".strip()
            found = (
                f"{dotted(keys)}: {said} at the start of {frame.system}, which stretches the spring by {energy:.3g} eV."
            )
            advice = "MD would begin with a jerk: lower the stiffness, or lead it there by entries of a program."
            yield Doubt(asked.project.where(*keys), found, f"up to {MOST_STRETCHED_EV:g} eV", advice)


def _keys(place: Callable[[str], KeyPath], plan: SegmentPlan, key: str, index: int) -> KeyPath:
    """Where the entry of a list is written: in an entry of a program, or in MD."""
    return (*place("program"), plan.keys[1], key, index) if key in plan.own else (*place(key), index)
