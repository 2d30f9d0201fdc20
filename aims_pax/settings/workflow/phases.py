"""One workflow: a system, and its phases in their order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

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
        As it is written: ``Phase0``.
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
    """

    name: str
    path: Path
    system: str
    phases: tuple[Phase, ...]
