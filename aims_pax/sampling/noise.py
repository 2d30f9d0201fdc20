"""The random numbers of one trajectory: a pure function of seed, trajectory and step."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from aims_pax.frame import FloatArray
from aims_pax.phase import Noise

_BLOCK_STEPS = 64
_THERMOSTAT, _MOMENTA, _BAROSTAT = 0, 1, 2


class NoiseStream:
    """Standard normal numbers of one trajectory, to be read at any step and in pieces of any length.

    The noise of step s depends on (seed, trajectory, s) alone: not on how many steps are asked for at once, not on
    which trajectories are advanced together, not on interruptions. So no generator state has to be saved.

    Parameters
    ----------
    seed, trajectory : int
        Not negative.
    n_atoms : int

    Notes
    -----
    Each block of 64 steps has its own Philox generator, keyed through :class:`numpy.random.SeedSequence`
    (Salmon et al., SC11, 2011, doi:10.1145/2063384.2063405).
    """

    def __init__(self, seed: int, trajectory: int, n_atoms: int) -> None:
        self._entropy = (seed, trajectory)
        self._shape = (n_atoms, 3)
        self._blocks: dict[int, tuple[int, FloatArray]] = {}

    def steps(self, first: int, n_steps: int) -> FloatArray:
        """Noise of the thermostat, (n_steps, n_atoms, 3), for steps `first` and after."""
        return self._read(_THERMOSTAT, self._shape, first, n_steps)

    def cells(self, first: int, n_steps: int) -> FloatArray:
        """Noise of the barostat, (n_steps, 3, 3), for steps `first` and after."""
        return self._read(_BAROSTAT, (3, 3), first, n_steps)

    def momenta(self, draw: int) -> FloatArray:
        """Noise of the n-th drawing of momenta, (n_atoms, 3)."""
        return self._generator(_MOMENTA, draw).standard_normal(self._shape)

    def _read(self, purpose: int, shape: tuple[int, int], first: int, n_steps: int) -> FloatArray:
        pieces, step, last = [], first, first + n_steps
        while step < last:
            index, row = divmod(step, _BLOCK_STEPS)
            piece = self._block(purpose, shape, index)[row : row + last - step]
            pieces.append(piece)
            step += len(piece)
        return np.concatenate(pieces) if pieces else np.empty((0, *shape))

    def _block(self, purpose: int, shape: tuple[int, int], index: int) -> FloatArray:
        known, block = self._blocks.get(purpose, (-1, np.empty(0)))
        if known != index:
            block = self._generator(purpose, index).standard_normal((_BLOCK_STEPS, *shape))
            self._blocks[purpose] = index, block
        return block

    def _generator(self, purpose: int, index: int) -> np.random.Generator:
        key = np.random.SeedSequence(self._entropy, spawn_key=(purpose, index))
        return np.random.Generator(np.random.Philox(key))


def noise_ahead(
    places: Sequence[tuple[NoiseStream, int]], n_steps: int, *, with_cells: bool, device: torch.device
) -> Iterator[Noise]:
    """Noise of the next steps of some trajectories, from where each is in its stream."""
    atoms = torch.as_tensor(np.concatenate([stream.steps(step, n_steps) for stream, step in places], axis=1)).to(device)
    if not with_cells:
        yield from (Noise(one, None) for one in atoms)
        return
    cells = torch.as_tensor(np.stack([stream.cells(step, n_steps) for stream, step in places], axis=1)).to(device)
    yield from map(Noise, atoms, cells)
