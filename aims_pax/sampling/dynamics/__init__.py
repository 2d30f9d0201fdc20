"""Integrators, one a file: what atoms do between two evaluations of their forces."""

from aims_pax.phase import Crowd, Felt, Noise, Phase, Rows
from aims_pax.sampling.dynamics.bussi import Bussi
from aims_pax.sampling.dynamics.cell_rescaling import CellRescaling
from aims_pax.sampling.dynamics.fire import Fire
from aims_pax.sampling.dynamics.langevin import VELOCITY_VERLET, Langevin
from aims_pax.sampling.dynamics.mixture import integrator_of
from aims_pax.sampling.dynamics.mtk import MartynaTobiasKlein
from aims_pax.sampling.dynamics.nose_hoover import NoseHoover
from aims_pax.sampling.dynamics.shape import Shape

__all__ = [
    "VELOCITY_VERLET",
    "Bussi",
    "CellRescaling",
    "Crowd",
    "Felt",
    "Fire",
    "Langevin",
    "MartynaTobiasKlein",
    "Noise",
    "NoseHoover",
    "Phase",
    "Rows",
    "Shape",
    "integrator_of",
]
