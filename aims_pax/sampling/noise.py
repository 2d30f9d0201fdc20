"""The random numbers of one trajectory: a pure function of seed, trajectory and step."""

import numpy as np

from aims_pax.frame import FloatArray

_BLOCK_STEPS = 64
_THERMOSTAT, _MOMENTA = 0, 1


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
        self._block_index = -1
        self._block = np.empty((0, n_atoms, 3))

    def steps(self, first: int, n_steps: int) -> FloatArray:
        """Noise of the thermostat, (n_steps, n_atoms, 3), for steps `first` and after."""
        pieces, step, last = [], first, first + n_steps
        while step < last:
            index, row = divmod(step, _BLOCK_STEPS)
            piece = self._steps_of_block(index)[row : row + last - step]
            pieces.append(piece)
            step += len(piece)
        return np.concatenate(pieces) if pieces else np.empty((0, *self._shape))

    def momenta(self, draw: int) -> FloatArray:
        """Noise of the n-th drawing of momenta, (n_atoms, 3)."""
        return self._generator(_MOMENTA, draw).standard_normal(self._shape)

    def _steps_of_block(self, index: int) -> FloatArray:
        if index != self._block_index:
            self._block = self._generator(_THERMOSTAT, index).standard_normal((_BLOCK_STEPS, *self._shape))
            self._block_index = index
        return self._block

    def _generator(self, purpose: int, index: int) -> np.random.Generator:
        key = np.random.SeedSequence(self._entropy, spawn_key=(purpose, index))
        return np.random.Generator(np.random.Philox(key))
