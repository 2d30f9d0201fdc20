"""Thresholds of whole molecules: how they are pushed and pulled is small beside the forces within them."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from aims_pax.learner.selectors import WINDOW, Memory, Observation, PickReason, Selector, Usual, moving_mean


@dataclass(frozen=True, slots=True)
class MovingThresholdOfMolecules(Usual):
    """Takes a structure in which the score of any molecule is above the moving average of this molecule.

    Parameters
    ----------
    c_x : float
        As of :class:`~aims_pax.learner.selectors.MovingThreshold`.
    freeze_train_size : float
        Training-set size at which the thresholds stop moving; may be infinite.
    system : str or None
        Whose molecules they are; None: those of all systems.
    trajectories : frozenset of int, or None
        Which it looks at; None: all.

    Notes
    -----
    aims-PAX v0.2 (`mol_idxs`): each molecule has a threshold of its own, by Eq. 2.
    """

    c_x: float
    freeze_train_size: float = math.inf
    system: str | None = None
    trajectories: frozenset[int] | None = None

    NAME: ClassVar = "moving threshold of molecules"

    @property
    def name(self) -> str:
        return self.NAME if self.system is None else f"{self.NAME} of {self.system}"

    def concerns(self, trajectory: int) -> bool:
        return self.trajectories is None or trajectory in self.trajectories

    def values(self, memory: Memory) -> tuple[float, ...]:
        """The score above which a structure is picked, of each molecule, eV/Å."""
        if memory.frozen_columns:
            return memory.frozen_columns
        return tuple(moving_mean(scores, memory.n_scores, c_x=self.c_x) for scores in memory.columns)

    def judged(self, memory: Memory, seen: Observation) -> tuple[Memory, PickReason | None]:
        """The structure's own scores take part in the means that they are compared to."""
        if not seen.of_molecules:
            return memory, None
        before = memory.columns or ((),) * len(seen.of_molecules)
        columns = tuple((*old, new)[-WINDOW:] for old, new in zip(before, seen.of_molecules, strict=True))
        memory = self.grown(replace(memory, columns=columns, n_scores=memory.n_scores + 1), seen.train_size)
        is_above = any(score > value for score, value in zip(seen.of_molecules, self.values(memory), strict=True))
        return memory, PickReason.BETWEEN if is_above else None

    def grown(self, memory: Memory, train_size: int) -> Memory:
        """Freeze the thresholds when it is time to, but never infinite ones."""
        if train_size < self.freeze_train_size or memory.frozen_columns:
            return memory
        values = self.values(memory)
        return memory if math.inf in values else replace(memory, frozen_columns=values)


def molecular_thresholds(selectors: tuple[Selector, ...], n_trajectories: int) -> dict[int, MovingThresholdOfMolecules]:
    """The thresholds of molecules that each trajectory is judged by, where it has any."""
    moving = [one for one in selectors if isinstance(one, MovingThresholdOfMolecules)]
    return {index: one for index in range(n_trajectories) for one in moving if one.concerns(index)}
