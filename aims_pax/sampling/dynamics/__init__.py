"""Integrators, one a file: what atoms do between two evaluations of their forces."""

from aims_pax.sampling.dynamics.langevin import Langevin, maxwell_boltzmann

__all__ = ["Langevin", "maxwell_boltzmann"]
