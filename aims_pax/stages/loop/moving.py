"""Trajectories on their way, and where frames of them are saved."""

from collections.abc import Sequence

from aims_pax.sampling import Advanced, BatchedSampler
from aims_pax.stages.loop.recording import NoRecorder, TrajectoryRecorder


def advance(
    sampler: BatchedSampler, trajectories: Sequence[int], n_steps: int, *, recorder: TrajectoryRecorder | NoRecorder
) -> list[Advanced]:
    """Move trajectories as :meth:`BatchedSampler.advance` does, in stretches between frames to be saved."""
    final: dict[int, Advanced] = {}
    moving, left = list(trajectories), n_steps
    while moving and left:
        some = min(left, *(recorder.steps_to_next(sampler, trajectory) for trajectory in moving))
        advanced = sampler.advance(moving, some)
        final.update({moved.trajectory: moved for moved in advanced})
        moving = [moved.trajectory for moved in advanced if moved.problem is None]
        left -= some
        recorder.note(sampler, moving)
    recorder.write()
    return [final[trajectory] for trajectory in trajectories]
