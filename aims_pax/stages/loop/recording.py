"""Frames of the MD for a person to look at, one extended XYZ file for each trajectory."""

import sys
from collections.abc import Sequence
from pathlib import Path

from aims_pax.atoms import atoms_of
from aims_pax.frame import Frame
from aims_pax.sampling import BatchedSampler
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
        self._noted: dict[int, list[Frame]] = {}

    def steps_to_next(self, sampler: BatchedSampler, trajectory: int) -> int:
        """MD steps of a trajectory until its next frame is to be saved."""
        return self._interval - sampler.md_step(trajectory) % self._interval

    def note(self, sampler: BatchedSampler, trajectories: Sequence[int]) -> None:
        """Keep the frames of those trajectories that stand where one is to be saved, until :meth:`write`."""
        for trajectory in trajectories:
            if sampler.md_step(trajectory) % self._interval == 0:
                self._noted.setdefault(trajectory, []).append(sampler.frame(trajectory))

    def write(self) -> None:
        """Write the frames that were kept."""
        for trajectory, passed in self._noted.items():
            self._append(trajectory, passed)
        self._noted.clear()

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
    """Saves nothing."""

    def steps_to_next(self, sampler: BatchedSampler, trajectory: int) -> int:
        """More than are ever made at once."""
        return sys.maxsize

    def note(self, sampler: BatchedSampler, trajectories: Sequence[int]) -> None:
        """Keep nothing."""

    def write(self) -> None:
        """Write nothing."""
