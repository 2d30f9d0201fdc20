"""Argon, periodic and not, and trajectories that differ in everything."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from ase import Atoms

from aims_pax.frame import Frame
from aims_pax.sampling import VELOCITY_VERLET, Langevin, TrajectoryStart

torch.set_num_threads(1)


def _frame(atoms: Atoms, system: str) -> Frame:
    numbers = atoms.numbers.astype(np.int64)
    return Frame(system, 0, 0, 0, numbers, atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy())


@pytest.fixture
def crystal() -> Frame:
    """32 atoms of argon, fcc, periodic, slightly out of place."""
    rng = np.random.default_rng(0)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites = np.concatenate([basis + shift for shift in np.ndindex(2, 2, 2)]) * 5.4
    positions = sites + rng.normal(0, 0.05, sites.shape)
    return _frame(Atoms("Ar32", positions, cell=[10.8, 10.8, 10.8], pbc=True), "crystal")


@pytest.fixture
def cluster() -> Frame:
    """A tetrahedron of four argon atoms."""
    rng = np.random.default_rng(1)
    sites = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 3.82 / np.sqrt(8)
    return _frame(Atoms("Ar4", sites + rng.normal(0, 0.05, sites.shape)), "cluster")


@pytest.fixture
def starts(crystal: Frame, cluster: Frame) -> Sequence[TrajectoryStart]:
    """Crystals and clusters, warm and cold, with different time steps, frictions and ensembles."""
    return (
        TrajectoryStart.steady(crystal, Langevin(0.001), 40.0, 4.0, 42),
        TrajectoryStart.steady(cluster, Langevin(0.01), 20.0, 2.0, 42),
        TrajectoryStart.steady(cluster, VELOCITY_VERLET, 15.0, 5.0, 42),
        TrajectoryStart.steady(crystal, Langevin(0.05), 70.0, 1.0, 42),
    )
