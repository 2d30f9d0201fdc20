"""Where trajectories stand in LAMMPS, and how that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.frame import FloatArray
from aims_pax.trajectory import TrajectoryCheckpoint

Bytes = NDArray[np.uint8]

NONE: Final = np.empty(0, dtype=np.uint8)


@dataclass(slots=True)
class Standing:
    """Where one trajectory stands.

    Parameters
    ----------
    positions : (n_atoms, 3), Å
    momenta : (n_atoms, 3), eV fs/Å
    cell : (3, 3), Å
    restart : (n_bytes,) uint8
        LAMMPS's own restart file of the same step; empty: it begins with the three above alone.
    ecouple : float, eV
        What thermostats and barostats have taken; NaN: not known.
    n_steps, n_begun, n_drawn : int
        MD steps made in all, how often LAMMPS has begun, and how often momenta were drawn.
    generation : int
        Of the driver that moved it here.
    energy : float, eV
        Potential energy here, by that generation; NaN: to be asked for.
    takes_momenta : bool
        Whether those above count, and not those of the restart file.
    """

    positions: FloatArray
    momenta: FloatArray
    cell: FloatArray
    restart: Bytes = field(default_factory=lambda: NONE)
    ecouple: float = float("nan")
    n_steps: int = 0
    n_begun: int = 0
    n_drawn: int = 0
    generation: int = 0
    energy: float = float("nan")
    takes_momenta: bool = False

    def checkpoint(self) -> TrajectoryCheckpoint:
        """A copy; `own` is the restart file."""
        return TrajectoryCheckpoint(
            self.n_steps,
            self.positions.copy(),
            self.momenta.copy(),
            self.cell.copy(),
            own=as_numbers(self.restart),
        )


COUNTERS: Final = ("n_steps", "n_begun", "n_drawn", "generation", "takes_momenta")
ENERGIES: Final = ("ecouple", "energy")
SAVED: Final = ("positions", "momenta", "cells", "restarts", "n_bytes", "counters", "energies")
"""Names of what :func:`saved` gives."""


def saved(all_of_them: Sequence[Standing]) -> dict[str, NDArray[np.generic]]:
    """The arrays of many, by name."""
    return {
        "positions": np.concatenate([one.positions for one in all_of_them]),
        "momenta": np.concatenate([one.momenta for one in all_of_them]),
        "cells": np.stack([one.cell for one in all_of_them]),
        "restarts": np.concatenate([one.restart for one in all_of_them]),
        "n_bytes": np.array([len(one.restart) for one in all_of_them]),
        "counters": np.array([[int(getattr(one, name)) for name in COUNTERS] for one in all_of_them]),
        "energies": np.array([[getattr(one, name) for name in ENERGIES] for one in all_of_them]),
    }


def loaded(arrays: Mapping[str, NDArray[Any]], n_atoms: Sequence[int]) -> list[Standing]:
    """What :func:`saved` was given.

    Raises
    ------
    ValueError
        The arrays are of other structures, or do not belong together.
    """
    atoms, ends = np.cumsum(n_atoms)[:-1], np.cumsum(arrays["n_bytes"])[:-1]
    pieces = zip(
        np.split(arrays["positions"], atoms),
        np.split(arrays["momenta"], atoms),
        arrays["cells"],
        np.split(arrays["restarts"], ends),
        arrays["counters"].tolist(),
        arrays["energies"].tolist(),
        strict=True,
    )
    found = list[Standing]()
    for positions, momenta, cell, restart, counters, energies in pieces:
        one = Standing(positions.copy(), momenta.copy(), cell.copy(), restart.copy())
        for name, value in zip((*COUNTERS, *ENERGIES), (*counters, *energies), strict=True):
            setattr(one, name, value)
        one.takes_momenta = bool(one.takes_momenta)
        found.append(one)
    if [len(one.positions) for one in found] != list(n_atoms):
        raise ValueError("these are other structures")
    return found


def as_numbers(content: Bytes) -> FloatArray:
    """Bytes as numbers that a checkpoint can keep: how many they are, then four of them in each."""
    padded = np.concatenate([content, np.zeros(-len(content) % 4, dtype=np.uint8)])
    return np.concatenate([[float(len(content))], padded.view(np.uint32).astype(np.float64)])


def as_bytes(numbers: FloatArray | None) -> Bytes:
    """The bytes of :func:`as_numbers`; none of what is not by it, such as a state of another sampler."""
    if numbers is None or not len(numbers) or not numbers[0] > 0 or len(numbers) != 1 + -(-int(numbers[0]) // 4):
        return NONE
    return numbers[1:].astype(np.uint32).view(np.uint8)[: int(numbers[0])].copy()
