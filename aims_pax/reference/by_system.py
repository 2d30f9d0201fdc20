"""One reference whose settings differ from system to system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.protocols import Reference


@dataclass(frozen=True, slots=True)
class BySystem:
    """Labels each frame by the reference of the system that it descends from.

    Parameters
    ----------
    references : mapping of str to Reference
        By name of the system; at least one.
    """

    references: Mapping[str, Reference]

    @property
    def name(self) -> str:
        """The names of all; each label bears that of its own."""
        return " | ".join(dict.fromkeys(reference.name for reference in self.references.values()))

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Whatever any of them says of such a structure; ask the one of a system to know of that system."""
        found = (problem for one in self.references.values() for problem in one.problems(numbers, periodic=periodic))
        return list(dict.fromkeys(found))

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """The label by the reference of the frame's system."""
        return in_charge(self, frame).label(frame, folder=folder, want_stress=want_stress)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """By the reference of the first system: all must have the same free atoms, or no model can learn from both."""
        return next(iter(self.references.values())).isolated_atom_energy(number, folder=folder)


def in_charge(reference: Reference, frame: Frame) -> Reference:
    """The reference that labels this frame, whose name its label bears."""
    return reference.references[frame.system] if isinstance(reference, BySystem) else reference
