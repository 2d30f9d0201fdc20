"""What MD asks of a trajectory, as its program."""

from aims_pax.protocols import Dynamics
from aims_pax.sampling.dynamics import VELOCITY_VERLET, Langevin
from aims_pax.settings import MDSettings
from aims_pax.trajectory import Segment


def program_of(md: MDSettings) -> tuple[Segment, ...]:
    """The program of a trajectory that MD describes."""
    return (Segment(dynamics_of(md), md.timestep, md.temperature),)


def dynamics_of(md: MDSettings) -> Dynamics:
    """The ensemble that MD names, with its thermostat."""
    return VELOCITY_VERLET if md.stat_ensemble == "nve" else Langevin(md.friction)
