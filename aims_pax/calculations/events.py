"""Outputs that are read line by line, where the beginning of a line tells what is done with it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

from aims_pax.calculations.draft import Draft
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Ended, Step


class Reading(ABC):
    """Where the reading of one output stands.

    Parameters
    ----------
    lines : Lines
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.draft: Draft | None = None
        self.complete: list[Step] = []
        self.relaxed: bool | None = None
        self.has_ended = False
        self.remarks: list[str] = []

    @abstractmethod
    def completed(self, draft: Draft) -> Step:
        """The step that a draft becomes, of which nothing more will be read."""

    def finish(self) -> None:
        """The step that is being read is complete."""
        draft, self.draft = self.draft, None
        if draft is not None:
            self.complete.append(self.completed(draft))

    def taken(self) -> list[Step]:
        """Steps that are complete, which are given away."""
        taken, self.complete = self.complete, []
        return taken

    def closing(self) -> Closing:
        """What is known at the end of the file."""
        remarks = list(dict.fromkeys(self.remarks))
        if self.relaxed is False:
            remarks.append("Its relaxation has not converged.")
        if self.lines.damage:
            remarks.append(f"It ends early: {self.lines.damage}.")
        ended = Ended.IN_ORDER if self.has_ended and not self.lines.damage else Ended.CUT
        return Closing(ended, self.relaxed, tuple(remarks))


R = TypeVar("R", bound=Reading)


def followed(reading: R, events: Mapping[str, Callable[[R, str], None]]) -> Steps:
    """All steps of an output.

    Parameters
    ----------
    reading : Reading
    events : mapping of str to functions
        What is done with a line, by its first characters without blanks, of which all have equally many.
    """
    (n_first,) = {len(first) for first in events}
    for line in reading.lines:
        act = events.get(line.lstrip()[:n_first])
        if act is not None:
            act(reading, line)
            if reading.complete:
                yield from reading.taken()
    reading.finish()
    yield from reading.taken()
    return reading.closing()
