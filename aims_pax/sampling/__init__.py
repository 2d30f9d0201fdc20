"""Molecular dynamics of many trajectories in one batch."""

from aims_pax.sampling.calculator import CalculatorForces, ReferenceForces, shared_by_system
from aims_pax.sampling.dispersed import DispersedForces
from aims_pax.sampling.dynamics import VELOCITY_VERLET, Langevin
from aims_pax.sampling.program import program_of
from aims_pax.sampling.sampler import BatchedSampler
from aims_pax.trajectory import Advanced, Segment, StatisticalEnsemble, TrajectoryCheckpoint, TrajectoryStart

__all__ = [
    "VELOCITY_VERLET",
    "Advanced",
    "BatchedSampler",
    "CalculatorForces",
    "DispersedForces",
    "Langevin",
    "ReferenceForces",
    "Segment",
    "StatisticalEnsemble",
    "TrajectoryCheckpoint",
    "TrajectoryStart",
    "program_of",
    "shared_by_system",
]
