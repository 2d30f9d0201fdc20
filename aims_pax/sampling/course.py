"""Where trajectories are in their programs."""

from collections.abc import Sequence

import numpy as np

from aims_pax.frame import IntArray
from aims_pax.trajectory import Segment, TrajectoryStart


class Course:
    """The segment that each trajectory is in, and how many steps of it have been made.

    Parameters
    ----------
    starts : sequence of TrajectoryStart
        Trajectory k follows the program of the k-th of them, from its beginning.
    """

    def __init__(self, starts: Sequence[TrajectoryStart]) -> None:
        self._programs: list[tuple[Segment, ...]] = [start.program for start in starts]
        self._segments = np.zeros(len(starts), dtype=np.int64)
        self._steps = np.zeros(len(starts), dtype=np.int64)

    def segment(self, trajectory: int) -> Segment:
        """What a trajectory is doing."""
        return self._programs[trajectory][int(self._segments[trajectory])]

    def place(self, trajectory: int) -> tuple[int, int]:
        """Index of its segment within its program, and steps made of it."""
        return int(self._segments[trajectory]), int(self._steps[trajectory])

    def put(self, trajectory: int, place: tuple[int, int]) -> None:
        """Let a trajectory be at a place of its program."""
        self._segments[trajectory], self._steps[trajectory] = place

    def steps_left(self, trajectories: Sequence[int], *, at_most: int) -> int:
        """How many steps all of some trajectories can make before one of them comes to the end of its segment."""
        left = at_most
        for trajectory in trajectories:
            n_steps = self.segment(trajectory).n_steps
            if n_steps is not None:
                left = min(left, n_steps - int(self._steps[trajectory]))
        return left

    def conditions(self, trajectories: Sequence[int], *, ahead: int) -> tuple[list[float], list[float]]:
        """Temperatures (K) and pressures (eV/Å³) of trajectories at a step that is so many ahead of where they are."""
        each = [(self.segment(k), int(self._steps[k]) + ahead) for k in trajectories]
        return [one.temperature_at(step) for one, step in each], [one.pressure_at(step) for one, step in each]

    def go_on(self, trajectories: Sequence[int], n_steps: int, *, at_rest: Sequence[int] = ()) -> dict[int, Segment]:
        """Note steps that were made; what was before, of those that move otherwise from now on.

        Parameters
        ----------
        at_rest : sequence of int
            Trajectories that are done with their segments before these end.
        """
        entering = dict[int, Segment]()
        for trajectory in trajectories:
            self._steps[trajectory] += n_steps
            end = self.segment(trajectory).n_steps
            if trajectory in at_rest or self._steps[trajectory] == end:
                before = self.segment(trajectory)
                self.put(trajectory, ((int(self._segments[trajectory]) + 1) % len(self._programs[trajectory]), 0))
                if not before.moves_as(self.segment(trajectory)):
                    entering[trajectory] = before
        return entering

    def save(self) -> IntArray:
        """Both numbers of each trajectory, (B, 2)."""
        return np.stack((self._segments, self._steps), axis=1)

    def load(self, places: IntArray) -> None:
        """Go on from what :meth:`save` gave."""
        self._segments, self._steps = (column.astype(np.int64) for column in places.T)
