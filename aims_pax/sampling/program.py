"""What MD asks of a trajectory, as its program."""

from dataclasses import replace
from typing import Final

from aims_pax.protocols import Dynamics
from aims_pax.sampling.dynamics import (
    VELOCITY_VERLET,
    Bussi,
    CellRescaling,
    Langevin,
    MartynaTobiasKlein,
    NoseHoover,
    Shape,
)
from aims_pax.settings import MDSettings
from aims_pax.trajectory import Segment
from aims_pax.units import PASCAL_EV_PER_ANG3

GIGAPASCAL: Final = 1e9 * PASCAL_EV_PER_ANG3
"""In eV/Å³."""


def program_of(md: MDSettings) -> tuple[Segment, ...]:
    """The program of a trajectory that MD describes: a ramp if there is one, and what is held from then on."""
    held = _steady(md.held)
    if md.ramp_steps is None:
        return (held,)
    ramp = replace(
        _steady(md),
        n_steps=md.ramp_steps,
        final_temperature_k=held.temperature_k,
        final_pressure_ev_per_ang3=held.pressure_ev_per_ang3,
    )
    return ramp, held


def _steady(md: MDSettings) -> Segment:
    """What MD begins with, for good."""
    pressure = md.pressure * PASCAL_EV_PER_ANG3
    return Segment(dynamics_of(md), md.timestep, md.temperature, pressure_ev_per_ang3=pressure)


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
    chosen = md.pressure_directions
    directions = None if chosen is None else ("a" in chosen, "b" in chosen, "c" in chosen)
    shape = Shape(isotropic=md.barostat not in ("mtk", "c-rescale"), directions=directions)
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
