"""Trajectories that go on in another sampler, beside others than before."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.sampling.phase_space import SAVED, SAVED_LATER
from aims_pax.trajectory import pack_arrays, unpack_arrays

OF_ATOMS: Final = ("numbers", "positions", "momenta", "forces", "built_at")
"""What a saved sampler has for each atom; all else it has for each trajectory."""

ALL: Final = (
    *("numbers", *SAVED, *SAVED_LATER, "course", "built_at", "built_in"),
    *("generations", "md_steps", "noise_steps", "rewinds"),
)


def joined(
    before: bytes, fresh: bytes, places: Mapping[int, int], *, n_before: Sequence[int], n_fresh: Sequence[int]
) -> bytes:
    """A saved sampler in which some trajectories go on from another one; the rest is as in `fresh`.

    Parameters
    ----------
    before, fresh : bytes
        As :meth:`~aims_pax.sampling.BatchedSampler.save` gave them. Neither has biases that learn.
    places : mapping of int to int
        For trajectories of the fresh one that go on, their index in the one before: the same structure.
    n_before, n_fresh : sequence of int
        Atoms of each trajectory.
    """
    old, new = unpack_arrays(before, ALL), unpack_arrays(fresh, ALL)
    atoms_before, atoms = _slices(n_before), _slices(n_fresh)
    for name, array in new.items():
        for here, there in places.items():
            if name in OF_ATOMS:
                array[atoms[here]] = old[name][atoms_before[there]]
            elif name == "own":
                array[here] = _as_wide(old[name][there], array.shape[1])
            else:
                array[here] = old[name][there]
    return pack_arrays(new)


def _slices(n_atoms: Sequence[int]) -> list[slice]:
    ends = np.cumsum(n_atoms).tolist()
    return [slice(end - n, end) for end, n in zip(ends, n_atoms, strict=True)]


def _as_wide(own: FloatArray, width: int) -> FloatArray:
    """Numbers of an integrator in a row of another length: what is beyond its own belongs to other dynamics."""
    row = np.zeros(width)
    row[: min(width, len(own))] = own[:width]
    return row
