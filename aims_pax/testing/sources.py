"""A source of structures that are at hand."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY


class ListedSource:
    """Gives the structures of a list, or the problems that it was told.

    Parameters
    ----------
    frames : sequence of Frame
    name : str
    problems : sequence of Problem
    """

    def __init__(self, frames: Sequence[Frame], *, name: str = "list", problems: Sequence[Problem] = ()) -> None:
        self._frames, self._name, self._problems = tuple(frames), name, tuple(problems)

    @property
    def name(self) -> str:
        """As it was told."""
        return self._name

    def problems(self) -> list[Problem]:
        """As it was told."""
        return list(self._problems)

    def frames(self) -> Iterator[Frame]:
        """Copies of the structures, numbered from 1. StructureError where there are problems."""
        if self._problems:
            raise StructureError(self._problems)
        for number, frame in enumerate(self._frames, start=1):
            positions = frame.positions.copy()
            yield replace(frame, trajectory=NO_TRAJECTORY, md_step=number, generation=0, positions=positions)
