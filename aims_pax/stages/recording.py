"""Frames of the MD for a person to look at, one extended XYZ file for each trajectory."""

from collections.abc import Sequence
from pathlib import Path

from aims_pax.atoms import atoms_of
from aims_pax.frame import Frame
from aims_pax.sampling import Advanced, BatchedSampler
from aims_pax.xyz import drop_cut_off


class TrajectoryRecorder:
    """Saves a frame of every moving trajectory at regular intervals.

    After an interruption the steps since the last commit are made again, so that a few frames can stand in a file
    twice; their `md_step` tells.

    Parameters
    ----------
    folder : Path
    stage : str
        First part of the file names.
    interval_steps : int
        MD steps between saved frames: those at multiples of it are saved.
    """

    def __init__(self, folder: Path, stage: str, *, interval_steps: int) -> None:
        self._folder, self._stage, self._interval = folder, stage, interval_steps
        self._whole: set[Path] = set()

    def advance(self, sampler: BatchedSampler, trajectories: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move trajectories as :meth:`BatchedSampler.advance` does, and save their frames on the way."""
        final: dict[int, Advanced] = {}
        frames: dict[int, list[Frame]] = {trajectory: [] for trajectory in trajectories}
        moving, left = list(trajectories), n_steps
        reached = {trajectory: sampler.frame(trajectory).md_step for trajectory in trajectories}
        while moving and left:
            some = min(left, *(self._interval - reached[trajectory] % self._interval for trajectory in moving))
            advanced = sampler.advance(moving, some)
            final.update({moved.trajectory: moved for moved in advanced})
            reached = {moved.trajectory: moved.md_step for moved in advanced}
            moving = [moved.trajectory for moved in advanced if moved.problem is None]
            left -= some
            for trajectory in moving:
                if reached[trajectory] % self._interval == 0:
                    frames[trajectory].append(sampler.frame(trajectory))
        for trajectory, passed in frames.items():
            if passed:
                self._append(trajectory, passed)
        return [final[trajectory] for trajectory in trajectories]

    def _append(self, trajectory: int, frames: Sequence[Frame]) -> None:
        from ase.io import write

        path = self._folder / f"{self._stage}_{trajectory:03d}.extxyz"
        self._folder.mkdir(parents=True, exist_ok=True)
        if path not in self._whole and path.exists():
            drop_cut_off(path)
        self._whole.add(path)
        images = [atoms_of(frame) for frame in frames]
        for atoms, frame in zip(images, frames, strict=True):
            atoms.info.update(system=frame.system, md_step=frame.md_step, generation=frame.generation)
        write(path, images, format="extxyz", append=True)


class NoRecorder:
    """Moves trajectories and saves nothing."""

    def advance(self, sampler: BatchedSampler, trajectories: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move trajectories as :meth:`BatchedSampler.advance` does."""
        return sampler.advance(trajectories, n_steps)
