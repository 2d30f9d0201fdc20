"""Integrators, one a file: what atoms do between two evaluations of their forces."""

from aims_pax.phase import Crowd, Felt, Noise, Phase, Rows
from aims_pax.sampling.dynamics.langevin import VELOCITY_VERLET, Langevin, maxwell_boltzmann
from aims_pax.sampling.dynamics.mixture import integrator_of

__all__ = [
    "VELOCITY_VERLET",
    "Crowd",
    "Felt",
    "Langevin",
    "Noise",
    "Phase",
    "Rows",
    "integrator_of",
    "maxwell_boltzmann",
]
