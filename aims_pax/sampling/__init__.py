"""Molecular dynamics of many trajectories in one batch."""

from aims_pax.sampling.calculator import CalculatorForces, ReferenceForces
from aims_pax.sampling.dispersed import DispersedForces
from aims_pax.sampling.sampler import BatchedSampler
from aims_pax.trajectory import Advanced, StatisticalEnsemble, TrajectoryCheckpoint, TrajectoryStart

__all__ = [
    "Advanced",
    "BatchedSampler",
    "CalculatorForces",
    "DispersedForces",
    "ReferenceForces",
    "StatisticalEnsemble",
    "TrajectoryCheckpoint",
    "TrajectoryStart",
]
