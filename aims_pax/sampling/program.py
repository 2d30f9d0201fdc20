"""What MD asks of a trajectory, as its program."""

from collections.abc import Iterator
from dataclasses import replace
from math import pi
from typing import Final

import numpy as np

from aims_pax.frame import BoolArray, Frame
from aims_pax.protocols import Bias, Dynamics, Variable
from aims_pax.sampling.bias import (
    Angle,
    Coordination,
    Dihedral,
    Distance,
    Load,
    MeanPosition,
    Metadynamics,
    Restraint,
    Tempering,
)
from aims_pax.sampling.dynamics import (
    VELOCITY_VERLET,
    Bussi,
    CellRescaling,
    Fire,
    Langevin,
    MartynaTobiasKlein,
    NoseHoover,
    Shape,
)
from aims_pax.settings import MDSettings
from aims_pax.settings.md import SegmentPlan
from aims_pax.settings.motion.segments import SegmentSettings
from aims_pax.settings.motion.variables import VariableSettings
from aims_pax.settings.systems import System
from aims_pax.trajectory import Held, Segment
from aims_pax.units import PASCAL_EV_PER_ANG3

GIGAPASCAL: Final = 1e9 * PASCAL_EV_PER_ANG3
"""In eV/Å³."""

_FS_PER_PS: Final = 1000.0


def program_of(md: MDSettings, system: System) -> tuple[Segment, ...]:
    """The program of a trajectory of a system that MD describes, with what the system's own file holds."""
    return tuple(_segment(plan, system, in_the_end=md.held) for plan in md.segments)


def _segment(plan: SegmentPlan, system: System, *, in_the_end: MDSettings) -> Segment:
    md = plan.md
    segment = Segment(
        dynamics_of(md) if plan.relaxation is None else _downhill(plan.relaxation, md),
        md.timestep,
        md.temperature,
        n_steps=plan.n_steps,
        pressure_ev_per_ang3=md.pressure * PASCAL_EV_PER_ANG3,
        held=(*held_by_file(system.fixed), *_held(md, system.frame)),
        biases=tuple(_biases(md, system.frame, in_the_end)),
    )
    if md.ramp_steps is None:
        return segment
    end = md.held
    return replace(
        segment,
        final_temperature_k=end.temperature,
        final_pressure_ev_per_ang3=end.pressure * PASCAL_EV_PER_ANG3,
    )


def held_by_file(fixed: BoolArray | None) -> Iterator[Held]:
    """Components of atoms (n_atoms, 3) that stay where they are, those of one pattern together."""
    if fixed is None:
        return
    for pattern in np.unique(fixed, axis=0):
        if pattern.any():
            atoms = np.flatnonzero((fixed == pattern).all(axis=1))
            x, y, z = pattern.tolist()
            yield Held(tuple(atoms.tolist()), (x, y, z))


def _held(md: MDSettings, start: Frame) -> Iterator[Held]:
    for group in md.hold:
        directions = ("x" in group.directions, "y" in group.directions, "z" in group.directions)
        x, y, z = group.velocity
        yield Held(group.of(start), directions, (x / _FS_PER_PS, y / _FS_PER_PS, z / _FS_PER_PS))


def _biases(md: MDSettings, start: Frame, in_the_end: MDSettings) -> Iterator[Bias]:
    """Loads, restraints and hills; these are tempered by one temperature, so that entries share what was learned."""
    for load in md.load:
        yield Load(load.of(start), load.force)
    for one in md.restraints:
        center = one.variable.in_radians(one.center)
        if one.variable.dihedral is not None:
            center = (center + pi) % (2 * pi) - pi
        yield Restraint(variable_of(one.variable, start), center, one.stiffness)
    hills = md.metadynamics
    if hills is not None:
        yield Metadynamics(
            tuple(variable_of(variable, start) for variable in hills.variables),
            tuple(one.in_radians(width) for one, width in zip(hills.variables, hills.widths, strict=True)),
            hills.height,
            hills.every,
            None if hills.bias_factor is None else Tempering(hills.bias_factor, in_the_end.temperature),
        )


def variable_of(variable: VariableSettings, start: Frame) -> Variable:
    """A collective variable of structures that begin so, in Å and radians."""
    if variable.distance is not None:
        return Distance(variable.distance)
    if variable.angle is not None:
        return Angle(variable.angle)
    if variable.dihedral is not None:
        return Dihedral(variable.dihedral)
    if variable.coordination is not None:
        counted = variable.coordination
        return Coordination(counted.atoms, counted.partners, counted.reach)
    place = variable.place
    assert place is not None, "a variable is one of these"
    along = (float(place.along == "x"), float(place.along == "y"), float(place.along == "z"))
    return MeanPosition(place.of(start), along)


def _downhill(relaxation: SegmentSettings, md: MDSettings) -> Fire:
    shape = _shape(md, isotropic=False) if relaxation.relax_cell else None
    return Fire(relaxation.max_force, shape=shape)


def _shape(md: MDSettings, *, isotropic: bool) -> Shape:
    chosen = md.pressure_directions
    directions = None if chosen is None else ("a" in chosen, "b" in chosen, "c" in chosen)
    return Shape(isotropic=isotropic, directions=directions)


def dynamics_of(md: MDSettings) -> Dynamics:
    """The ensemble that MD names, with its thermostat and barostat."""
    match md.stat_ensemble, md.thermostat:
        case "nve", _:
            return VELOCITY_VERLET
        case "nvt", "langevin":
            return Langevin(md.friction)
        case "nvt", "nose-hoover":
            return NoseHoover(md.tdamp, n_links=md.tchain, n_loops=md.tloop)
        case "nvt", "bussi":
            return Bussi(md.tdamp)
    shape = _shape(md, isotropic=md.barostat not in ("mtk", "c-rescale"))
    if md.barostat in ("mtk", "isomtk"):
        return MartynaTobiasKlein(
            shape,
            md.tdamp,
            md.pdamp,
            n_links=md.tchain,
            n_pressure_links=md.pchain,
            n_loops=md.tloop,
            n_pressure_loops=md.ploop,
        )
    is_stochastic = md.barostat != "berendsen"
    return CellRescaling(shape, md.tdamp, md.pdamp, md.compressibility / GIGAPASCAL, is_stochastic=is_stochastic)
