"""The biases of all trajectories of a sampler, and what they have learned."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import FloatArray
from aims_pax.protocols import Bias, LearningBias
from aims_pax.sampling.bias.overlay import Memory, Overlay
from aims_pax.sampling.bias.variables import FROM_ORIGIN
from aims_pax.sampling.course import Course
from aims_pax.trajectory import TrajectoryStart

SAVED_BIASES: Final = ("bias_rows", "bias_counts", "bias_steps")
"""Written where a bias learns."""


class Biases:
    """Which biases the trajectories are under, wherever they are in their programs.

    What a bias learns belongs to it and its trajectory: the same value in a later segment goes on with it.

    Parameters
    ----------
    starts : sequence of TrajectoryStart
    course : Course
        Where they are.
    device : torch.device

    Raises
    ------
    ShapeError
        A bias names an atom that its structure does not have, or one that learns is there twice in a segment.
    """

    def __init__(self, starts: Sequence[TrajectoryStart], course: Course, *, device: torch.device) -> None:
        self._frames, self._course, self._device = [start.frame for start in starts], course, device
        self._memory = Memory()
        self._places: list[dict[Bias, int]] = [{} for _ in starts]
        for trajectory, start in enumerate(starts):
            for segment in start.program:
                self._enter(trajectory, segment.biases)
        self._are_there = any(segment.biases for start in starts for segment in start.program)
        self._newest = self._nothing = self._overlay({})

    def over(self, trajectories: Sequence[int]) -> Overlay:
        """What is laid over the forces of some trajectories in the segments that they are in."""
        if not self._are_there:
            return self._nothing
        under = {k: self._course.segment(k).biases for k in trajectories}
        if list(self._newest.under.items()) != list(under.items()):
            self._newest = self._overlay(under)
        return self._newest

    def changed_since(self, overlay: Overlay) -> list[int]:
        """Its trajectories that are under other biases by now: what they have felt there is no longer right."""
        return [k for k, biases in overlay.under.items() if self._course.segment(k).biases != biases]

    def learned(self, trajectory: int) -> dict[Bias, FloatArray]:
        """What the biases of a trajectory have learned, (n_rows, n_columns): copies."""
        return {bias: self._memory.rows[at].copy() for bias, at in self._places[trajectory].items()}

    def save(self) -> dict[str, NDArray[Any]]:
        """All that has been learned, by name; nothing where no bias learns."""
        rows = self._memory.rows
        if not rows:
            return {}
        return {
            "bias_rows": np.concatenate([one.ravel() for one in rows]),
            "bias_counts": np.array([one.size for one in rows]),
            "bias_steps": self._memory.n_steps,
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what :meth:`save` gave; from nothing where it gave nothing."""
        there = self._memory.rows
        counts = arrays.get("bias_counts", np.zeros(len(there), dtype=np.int64))
        if len(counts) != len(there) or any(n % one.shape[1] for n, one in zip(counts, there, strict=True)):
            raise StoreError("the saved sampling state belongs to other biases than those of this project")
        rows = np.split(arrays.get("bias_rows", np.empty(0)), np.cumsum(counts)[:-1])
        self._memory.rows = [new.reshape(-1, one.shape[1]) for new, one in zip(rows, there, strict=False)]
        self._memory.n_steps = arrays.get("bias_steps", np.zeros(len(there))).astype(np.int64)
        self._newest = self._nothing

    def _overlay(self, under: dict[int, tuple[Bias, ...]]) -> Overlay:
        frames = [self._frames[k] for k in under]
        pbc = torch.tensor([frame.pbc.tolist() for frame in frames], dtype=torch.bool, device=self._device)
        n_atoms = [frame.n_atoms for frame in frames]
        return Overlay(under, self._places, self._memory, n_atoms=n_atoms, pbc=pbc.reshape(-1, 3))

    def _enter(self, trajectory: int, biases: tuple[Bias, ...]) -> None:
        n_atoms, places = self._frames[trajectory].n_atoms, self._places[trajectory]
        for bias in biases:
            named = {atom for variable in bias.variables for pair in variable.pairs for atom in pair}
            unknown = sorted(named - {FROM_ORIGIN, *range(n_atoms)})
            if unknown:
                raise ShapeError(f"trajectory {trajectory} has {n_atoms} atoms; a bias is laid over atom {unknown[0]}")
            if isinstance(bias, LearningBias) and bias not in places:
                places[bias] = self._memory.add(bias)
        if len({bias for bias in biases if bias in places}) < sum(bias in places for bias in biases):
            raise ShapeError(f"trajectory {trajectory} has a bias that learns twice in one segment")
