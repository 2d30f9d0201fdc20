"""What is done to the structure of a phase."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt, Le
from pydantic import Field

from aims_pax.settings.motion.groups import GroupSettings, Vector
from aims_pax.settings.reading.kinds import AnyCase, Count, CountOrZero, NotNegative, OneOrMore, Positive, Text
from aims_pax.settings.section import Section
from aims_pax.settings.workflow.geometry import Axis

Temperature = Annotated[float, Gt(0), Le(100_000)]


class RampSettings(Section):
    """A temperature that goes evenly from one value to another."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Tstart": "start", "Tstop": "stop"}

    start: Temperature = Field(description="At the beginning of the phase, K.")
    stop: Temperature = Field(description="At its end, K.")


class PressureRampSettings(Section):
    """A pressure that goes evenly from one value to another."""

    ALIASES: ClassVar[Mapping[str, str]] = {"Pstart": "start", "Pstop": "stop"}

    start: float = Field(description="At the beginning of the phase, GPa.")
    stop: float = Field(description="At its end, GPa.")


class RegionSettings(GroupSettings):
    """Atoms of a phase's structure, by number, element, place, or the part of the collage that they come from."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "Atoms": "atoms",
        "Elements": "elements",
        "Above": "above",
        "Below": "below",
        "Top": "top",
        "Bottom": "bottom",
        "Molecule": "molecule",
    }

    top: Positive | None = Field(None, description="The uppermost layer along the axis, of this thickness, Å.")
    bottom: Positive | None = Field(None, description="The lowest layer along the axis, of this thickness, Å.")
    molecule: Text | None = Field(None, description="A compound of Molecules, or a part of the collage, by its name.")


class LoadSettings(RegionSettings):
    """A force on a group, or the pressure of a wall along an axis."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        **RegionSettings.ALIASES,
        "Axis": "axis",
        "Pressure": "pressure",
        "Force": "force",
    }

    axis: Axis = Field("z", description="Along which the load presses.")
    pressure: float | None = Field(
        None, description="Pressure of a wall on the group, GPa: above 0 it presses against the axis."
    )
    force: Vector | None = Field(None, description="Force on all atoms of the group together, eV/Å.")


class PullSettings(RegionSettings):
    """A group that is led at a velocity, or pulled by a force."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        **RegionSettings.ALIASES,
        "Axis": "axis",
        "Velocity": "velocity",
        "Force": "force",
    }

    axis: Axis = Field("z", description="Along which it is pulled; below 0 against it.")
    velocity: float | None = Field(None, description="Velocity along the axis, Å/ps.")
    force: float | None = Field(None, description="Force on all atoms of the group together, eV/Å.")


class HoldSettings(RegionSettings):
    """A group that stays where it is."""


class RunSettings(Section):
    """How the atoms of a phase move, and how many of its frames may be labelled."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "Type": "type",
        "Timestep": "timestep",
        "Steps": "steps",
        "Temperature": "temperature",
        "Pressure": "pressure",
        "Sampling": "sampling",
        "Threshold": "threshold",
        "Driver": "driver",
        "Load": "load",
        "Pull": "pull",
        "Hold": "hold",
        "Fmax": "max_force",
        "RelaxCell": "relax_cell",
    }

    type: Annotated[Literal["relax", "nvt", "npt", "nve"], AnyCase] = Field(
        description="Relax: downhill to the next minimum; NVT, NPT, NVE: MD."
    )
    timestep: Annotated[float, Gt(0), Le(10)] | None = Field(None, description="Time step, fs. Left out: as in MD.")
    steps: Count | None = Field(None, description="MD steps; of a relaxation, the most that it may take.")
    temperature: RampSettings | Temperature | None = Field(
        None, description="Temperature, K, or {Tstart, Tstop}. Left out: as in MD."
    )
    pressure: PressureRampSettings | float | None = Field(
        None, description="Pressure of NPT, GPa, or {Pstart, Pstop}. Left out: 0."
    )
    sampling: CountOrZero = Field(
        0, description="Frames that may be labelled: the one of highest score of each of so many equal windows."
    )
    threshold: NotNegative | None = Field(
        None, description="Score below which a frame is not labelled. Left out: that of the stage."
    )
    driver: Annotated[Literal["committee", "pretrained"], AnyCase] | None = Field(
        None, description="What moves the atoms. Left out: as the stage says."
    )
    load: Annotated[tuple[LoadSettings, ...], OneOrMore] = Field((), description="Forces on groups of atoms.")
    pull: Annotated[tuple[PullSettings, ...], OneOrMore] = Field((), description="Groups that are pulled.")
    hold: Annotated[tuple[HoldSettings, ...], OneOrMore] = Field((), description="Groups that stay.")
    max_force: Positive = Field(0.05, description="Largest force at which a relaxation ends, eV/Å.")
    relax_cell: bool = Field(False, description="Whether a relaxation relaxes the cell, too.")
