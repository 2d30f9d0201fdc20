"""One workflow: a system, and its phases in their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from aims_pax.frame import Frame
from aims_pax.settings.section import Section
from aims_pax.settings.workflow.geometry import GeometrySettings
from aims_pax.settings.workflow.run import RunSettings


class PhaseSettings(Section):
    """A structure, and what is done to it."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Geometry": "geometry", "Run": "run"}

    geometry: GeometrySettings | None = Field(
        None, description="What the phase begins with. Left out: where the phase before has come to."
    )
    run: RunSettings = Field(description="What is done to it.")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase as it was read.

    Parameters
    ----------
    name : str
        ``Phase0``, also where it is written as ``phase0``.
    settings : PhaseSettings
    """

    name: str
    settings: PhaseSettings


@dataclass(frozen=True, slots=True)
class Workflow:
    """One file.

    Parameters
    ----------
    name : str
        The file's name without its ending.
    path : Path
    system : str
        The system of the project that its structures belong to: which reference and resources they get.
    phases : tuple of Phase
        In their order; at least one.
    structures : mapping of Path to Frame
        The last structure of each file that the phases name, by the path in their settings.
    """

    name: str
    path: Path
    system: str
    phases: tuple[Phase, ...]
    structures: Mapping[Path, Frame] = field(default_factory=dict)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur in any of its files, ascending: all that its structures can consist of."""
        return tuple(sorted({int(number) for frame in self.structures.values() for number in frame.numbers}))

    @property
    def sampling(self) -> int:
        """Frames of one visit that may be labelled, of all phases together."""
        return sum(phase.settings.run.sampling for phase in self.phases)
