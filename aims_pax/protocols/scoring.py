"""What tells how unsure a committee is."""

from typing import Protocol

from aims_pax.frame import FloatArray


class Score(Protocol):
    """A measure of how much a committee disagrees about one structure."""

    def __call__(self, forces: FloatArray) -> float:
        """Score of forces (n_members, n_atoms, 3) in eV/Å; the unit of the result is eV/Å."""
        ...
