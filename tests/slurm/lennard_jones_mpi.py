"""Lennard-Jones energy and forces (sigma 1 Å, epsilon 1 eV) of positions on standard input, by all ranks together."""

import json
import os
import sys

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
positions = np.array(world.bcast(json.load(sys.stdin) if world.rank == 0 else None))
energy, forces = 0.0, np.zeros_like(positions)
pairs = [(i, j) for i in range(len(positions)) for j in range(i)]
for i, j in pairs[world.rank :: world.size]:
    away = positions[i] - positions[j]
    sixth = float(away @ away) ** -3
    energy += 4 * (sixth**2 - sixth)
    pull = 24 * (2 * sixth**2 - sixth) / float(away @ away) * away
    forces[i] += pull
    forces[j] -= pull
energy = world.allreduce(energy)
forces = world.allreduce(forces)
nodes = world.gather(os.environ["SLURMD_NODENAME"])
if world.rank == 0:
    print(json.dumps({"energy": energy, "forces": forces.tolist(), "nodes": nodes}))
