"""One workflow: a system, and its phases in their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from pydantic import Field

from aims_pax.frame import Frame
from aims_pax.settings.motion.lammps_lines import LammpsLines
from aims_pax.settings.section import Section
from aims_pax.settings.workflow.geometry import GeometrySettings
from aims_pax.settings.workflow.run import RunSettings

USUAL_BOX_ANG: Final = 12.0
"""Edge of the box in which a molecule stands for a mixture of which only the density is said."""


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
    lines : mapping of Path to LammpsLines
        What LAMMPS is told, likewise.
    """

    name: str
    path: Path
    system: str
    phases: tuple[Phase, ...]
    structures: Mapping[Path, Frame] = field(default_factory=dict)
    lines: Mapping[Path, LammpsLines] = field(default_factory=dict)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur in any of its files, ascending: all that its structures can consist of."""
        return tuple(sorted({int(number) for frame in self.structures.values() for number in frame.numbers}))

    @property
    def start(self) -> Frame:
        """The structure that stands for it where one is needed before any is built.

        The first crystal or slab that a phase names; else its first molecule, in the periodic box that it is packed in.
        """
        geometries = [phase.settings.geometry for phase in self.phases if phase.settings.geometry is not None]
        for geometry in geometries:
            for one in (*geometry.bulk.values(), *geometry.surface.values()):
                return self.structures[one.path]
        geometry = geometries[0]
        molecule = next(iter(geometry.molecules.values()))
        cell = np.diag(geometry.box or (USUAL_BOX_ANG,) * 3)
        return replace(self.structures[molecule.path], cell=cell, pbc=np.ones(3, dtype=np.bool_))

    def moves_cells(self) -> bool:
        """Whether any phase needs stress."""
        runs = [phase.settings.run for phase in self.phases]
        return any(run.moves_cell or (run.lines is not None and self.lines[run.lines].wants_stress) for run in runs)

    @property
    def sampling(self) -> int:
        """Frames of one visit that may be labelled, of all phases together."""
        return sum(phase.settings.run.sampling for phase in self.phases)
