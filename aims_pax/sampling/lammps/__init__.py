"""Trajectories that LAMMPS moves, by a user's own lines: each in a process of its own, with forces from outside."""

from aims_pax.sampling.lammps.sampler import LammpsSampler, lammps_sampler

__all__ = ["LammpsSampler", "lammps_sampler"]
