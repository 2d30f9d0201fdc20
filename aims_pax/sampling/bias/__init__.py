"""Biases, one a file: potentials over collective variables that are laid over what drives a trajectory."""

from aims_pax.sampling.bias.biases import SAVED_BIASES, Biases
from aims_pax.sampling.bias.load import Load
from aims_pax.sampling.bias.measurement import values_in
from aims_pax.sampling.bias.metadynamics import Metadynamics, Tempering, free_energy
from aims_pax.sampling.bias.overlay import Overlay
from aims_pax.sampling.bias.restraint import Restraint
from aims_pax.sampling.bias.variables import Angle, Coordination, Dihedral, Distance, MeanPosition

__all__ = [
    "SAVED_BIASES",
    "Angle",
    "Biases",
    "Coordination",
    "Dihedral",
    "Distance",
    "Load",
    "MeanPosition",
    "Metadynamics",
    "Overlay",
    "Restraint",
    "Tempering",
    "free_energy",
    "values_in",
]
