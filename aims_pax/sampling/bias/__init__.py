"""Biases, one a file: potentials over collective variables that are laid over what drives a trajectory."""

from aims_pax.sampling.bias.variables import Angle, Coordination, Dihedral, Distance, MeanPosition

__all__ = [
    "Angle",
    "Coordination",
    "Dihedral",
    "Distance",
    "MeanPosition",
]
