"""Where each trajectory goes back to when it fails."""

from aims_pax.sampling import BatchedSampler, TrajectoryCheckpoint
from aims_pax.stages.memory import pack, unpack


class Checkpoints:
    """A point of phase space for each trajectory, kept packed: all are stored at every commit, and few have changed.

    Parameters
    ----------
    sampler : BatchedSampler
    packed : bytes or None
        As :meth:`to_bytes` gave them; None: where trajectories stand now.
    """

    def __init__(self, sampler: BatchedSampler, *, packed: bytes | None) -> None:
        self._sampler = sampler
        if packed is None:
            everywhere = range(sampler.n_trajectories)
            self._of = {index: sampler.checkpoint(index).to_bytes() for index in everywhere}
        else:
            self._of = {int(name): data for name, data in unpack(packed).items()}

    def take(self, trajectory: int) -> None:
        """From now on a trajectory goes back to where it stands."""
        self._of[trajectory] = self._sampler.checkpoint(trajectory).to_bytes()

    def go_back(self, trajectory: int) -> None:
        """Put a trajectory back."""
        self._sampler.rewind(trajectory, TrajectoryCheckpoint.from_bytes(self._of[trajectory]))

    def to_bytes(self) -> bytes:
        """All of them, to be stored."""
        return pack({str(index): data for index, data in self._of.items()})


def last_checkpoint(packed: bytes, trajectory: int) -> TrajectoryCheckpoint:
    """Where a trajectory of a loop that is over would go back to, as its store has it."""
    return TrajectoryCheckpoint.from_bytes(unpack(packed)[str(trajectory)])
