"""What tells how unsure a committee is."""

from typing import Protocol

from aims_pax.protocols.learning import FramePrediction


class Score(Protocol):
    """A measure of how much a committee disagrees about one structure."""

    def __call__(self, said: FramePrediction, /) -> float:
        """Score of what all members say of the structure, in the unit of its kind; NaN where that can't be told."""
        ...
