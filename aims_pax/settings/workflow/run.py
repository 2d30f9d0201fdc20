"""What is done to the structure of a phase."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import Gt, Le
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from aims_pax.settings.motion.groups import GroupSettings, Vector
from aims_pax.settings.reading.kinds import (
    AnyCase,
    Count,
    CountOrZero,
    Kind,
    NotNegative,
    OneOrMore,
    Positive,
    Schema,
    Text,
)
from aims_pax.settings.section import Contradiction, Section
from aims_pax.settings.workflow.geometry import Axis, WorkflowFile

Temperature = Annotated[float, Gt(0), Le(100_000)]

_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)
_TEMPERATURE: Final = TypeAdapter[float](Temperature, config=_STRICT)
_PRESSURE: Final = TypeAdapter[float](float, config=_STRICT)

COUPLINGS: Final = {
    "thermostat": "Thermostat",
    "friction": "Friction",
    "tdamp": "Tdamp",
    "barostat": "Barostat",
    "pdamp": "Pdamp",
    "compressibility": "Compressibility",
}
"""What a phase may say of thermostat and barostat in the place of MD, by the names that MD has."""

OF_MD: Final = {"timestep": "Timestep", "temperature": "Temperature", **COUPLINGS}
OF_RELAXATIONS: Final = {"max_force": "Fmax", "relax_cell": "RelaxCell"}
"""What means nothing in the other kind of phase, as the paper's spelling has it."""


RELAXING_STEPS = 500
"""The most that a relaxation takes where nothing is said."""


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


def _temperature(value: Any) -> Any:
    """One value or a ramp, whichever it looks like, so that it is judged as that alone."""
    if isinstance(value, Mapping):
        return RampSettings.model_validate(value)
    return value if value is None or isinstance(value, RampSettings) else _TEMPERATURE.validate_python(value)


def _pressure(value: Any) -> Any:
    """The same of a pressure."""
    if isinstance(value, Mapping):
        return PressureRampSettings.model_validate(value)
    return value if value is None or isinstance(value, PressureRampSettings) else _PRESSURE.validate_python(value)


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

    def contradictions(self) -> Iterator[Contradiction]:
        layer = (self.top, self.bottom, self.molecule) != (None, None, None)
        if not layer and not (self.atoms or self.elements or self.above or self.below):
            found = "it names no atoms."
            advice = "Say which by Atoms, Elements, Above, Below, Top, Bottom or Molecule."
            yield Contradiction("", found, advice)
            return
        yield from (one for one in super().contradictions() if one.key or not layer)
        if self.top is not None and self.bottom is not None:
            found = "Top and Bottom are given: an atom of both layers is meant, as all that is said holds."
            yield Contradiction("bottom", found, "Write an entry for each of the two layers.")


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

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from _one_of(self, "Pressure", "Force", "presses: a Pressure, GPa, or a Force, eV/Å")
        layer = (self.top, self.bottom) != (None, None)
        if self.is_set("axis") and self.pressure is None and self.force is not None and not layer:
            found = "Axis is given, and Force has a direction of its own."
            yield Contradiction("axis", found, "Remove Axis, or press by Pressure.")


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

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from _one_of(self, "Velocity", "Force", "pulls: a Velocity, Å/ps, or a Force, eV/Å")


class HoldSettings(RegionSettings):
    """A group that stays where it is. Its layers are counted along z."""


def _one_of(group: LoadSettings | PullSettings, first: str, second: str, what: str) -> Iterator[Contradiction]:
    """One of two settings says how strong it is, and it is not zero."""
    given = [name for name in (first, second) if getattr(group, name.lower()) is not None]
    if not given:
        yield Contradiction("", f"it has neither {first} nor {second}.", f"Say what {what}.")
    if len(given) == 2:
        yield Contradiction(second.lower(), f"it has both {first} and {second}.", "Keep one of them.")
    for name in given:
        value = getattr(group, name.lower())
        if not (any(value) if isinstance(value, tuple) else value):
            yield Contradiction(name.lower(), f"{name} is zero.", "Remove the entry; Hold keeps atoms in their place.")


class RunSettings(Section):
    """How the atoms of a phase move, and how many of its frames may be labelled."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "Type": "type",
        "Timestep": "timestep",
        "Steps": "steps",
        "Temperature": "temperature",
        "Pressure": "pressure",
        **{name: key for key, name in COUPLINGS.items()},
        "Sampling": "sampling",
        "Threshold": "threshold",
        "Driver": "driver",
        "Load": "load",
        "Pull": "pull",
        "Hold": "hold",
        "Lines": "lines",
        "Fmax": "max_force",
        "RelaxCell": "relax_cell",
    }

    type: Annotated[
        Literal["relax", "nvt", "npt", "nve"],
        AnyCase,
        Schema({"enum": ["Relax", "NVT", "NPT", "NVE", "relax", "nvt", "npt", "nve"]}),
    ] = Field(description="Relax: downhill to the next minimum; NVT, NPT, NVE: MD.")
    timestep: Annotated[float, Gt(0), Le(10)] | None = Field(None, description="Time step, fs. Left out: as in MD.")
    steps: Count | None = Field(
        None, description="MD steps; of a relaxation, the most that it may take, 500 where nothing is said."
    )
    temperature: Annotated[
        RampSettings | Temperature | None,
        BeforeValidator(_temperature),
        Kind("number > 0 and <= 100000, or {Tstart: number, Tstop: number}, or nothing"),
    ] = Field(
        None, description="Temperature, K, or {Tstart, Tstop}. With NVE: of the first velocities. Left out: as in MD."
    )
    pressure: Annotated[
        PressureRampSettings | float | None,
        BeforeValidator(_pressure),
        Kind("number, or {Pstart: number, Pstop: number}, or nothing"),
    ] = Field(None, description="Pressure of NPT, GPa, or {Pstart, Pstop}. Left out: 0.")
    thermostat: Annotated[Literal["langevin", "nose-hoover", "bussi"], AnyCase] | None = Field(
        None, description="Thermostat of NVT. Left out: as in MD."
    )
    friction: Positive | None = Field(
        None, description="Friction of the Langevin thermostat, 1/fs. Left out: as in MD."
    )
    tdamp: Positive | None = Field(
        None, description="Time of the other thermostats and of that of NPT, fs. Left out: as in MD."
    )
    barostat: Annotated[Literal["mtk", "isomtk", "c-rescale", "iso-c-rescale", "berendsen"], AnyCase] | None = Field(
        None, description="Barostat of NPT, as in MD. Left out: that of MD."
    )
    pdamp: Positive | None = Field(None, description="Time of the barostat, fs. Left out: as in MD.")
    compressibility: Positive | None = Field(
        None, description="Of the material, roughly, 1/GPa: of c-rescale and berendsen. Left out: as in MD."
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
    lines: WorkflowFile | None = Field(
        None,
        description="A file of LAMMPS input (fixes, COLVARS) that moves the atoms in the place of this program. Forces "
        "are those of the driver; Timestep, Temperature and Pressure reach the lines by their names.",
    )
    max_force: Positive = Field(0.05, description="Largest force at which a relaxation ends, eV/Å.")
    relax_cell: bool = Field(False, description="Whether a relaxation relaxes the cell, too.")

    @property
    def couplings(self) -> dict[str, object]:
        """What it says of thermostat and barostat in the place of MD."""
        return {key: value for key in COUPLINGS if (value := getattr(self, key)) is not None}

    @property
    def most_steps(self) -> int:
        """MD steps; of a relaxation, the most that it takes."""
        return self.steps or RELAXING_STEPS

    @property
    def is_relaxation(self) -> bool:
        """Whether it is no MD."""
        return self.type == "relax"

    @property
    def moves_cell(self) -> bool:
        """Whether the cell changes on the way."""
        return self.type == "npt" or self.relax_cell

    @property
    def called(self) -> str:
        """The type as the paper spells it."""
        return "Relax" if self.is_relaxation else self.type.upper()

    def contradictions(self) -> Iterator[Contradiction]:
        yield from self._of_relaxation() if self.is_relaxation else self._of_md()
        if self.lines is not None:
            yield from self._of_lines()
        if self.pressure is not None and self.type != "npt":
            found = f"Pressure belongs to NPT, and Type is {self.called}."
            yield Contradiction("pressure", found, "Remove Pressure, or set Type: NPT; a wall presses by Load.")
        if self.steps is not None and self.sampling > self.steps:
            found = f"Sampling is {self.sampling}, and there are {self.steps} Steps: a window needs one at least."
            yield Contradiction("sampling", found, "Lower Sampling, or raise Steps.")
        if self.threshold is not None and not self.sampling:
            found = "Threshold is about frames that are labelled, and Sampling is 0."
            yield Contradiction("threshold", found, "Set Sampling, or remove Threshold.")

    def _of_lines(self) -> Iterator[Contradiction]:
        """What LAMMPS does by itself, or not at all."""
        for key in self.couplings:
            found = f"{COUPLINGS[key]} is given, and Lines say how temperature and pressure are held."
            yield Contradiction(key, found, f"Remove {COUPLINGS[key]}, and write a fix into the lines.")
        if self.is_relaxation:
            yield Contradiction("lines", "Lines move atoms in time, and Type is Relax.", "Set Type: NVT, NPT or NVE.")
        for key in ("load", "pull", "hold"):
            if getattr(self, key):
                found = f"{key.capitalize()} is given, and Lines say what acts on atoms."
                yield Contradiction(key, found, f"Remove {key.capitalize()}, and write a fix into the lines.")
        for key, ramp in (("temperature", self.temperature), ("pressure", self.pressure)):
            if isinstance(ramp, RampSettings | PressureRampSettings):
                found = f"{key.capitalize()} goes from one value to another, and what Lines say has no end to go to."
                yield Contradiction(key, found, "Write one value, or leave Lines out.")

    def _of_relaxation(self) -> Iterator[Contradiction]:
        for key, name in OF_MD.items():
            if getattr(self, key) is not None:
                yield Contradiction(key, f"{name} belongs to MD, and Type is Relax.", f"Remove {name}.")
        if self.sampling and self.steps is None:
            found = f"Sampling is {self.sampling}, and a relaxation without Steps has no windows of equal length."
            yield Contradiction("sampling", found, "Give Steps, the most that it may take, or set Sampling: 0.")
        if self.pull:
            found = "Pull leads atoms in time, and Type is Relax."
            yield Contradiction("pull", found, "Set Type: NVT, or press by Load.")

    def _of_md(self) -> Iterator[Contradiction]:
        if self.steps is None:
            yield Contradiction("type", f"Type is {self.called}, and Steps is missing.", "Say how many MD steps.")
        for key, name in OF_RELAXATIONS.items():
            if self.is_set(key):
                found = f"{name} belongs to a relaxation, and Type is {self.called}."
                yield Contradiction(key, found, f"Remove {name}, or set Type: Relax.")
        ramp = self.temperature
        if self.type == "nve" and isinstance(ramp, RampSettings) and ramp.start != ramp.stop:
            found = "Temperature goes from one value to another, and NVE has no thermostat."
            yield Contradiction(
                "temperature", found, "Set Type: NVT, or write one temperature: of the first velocities."
            )
        if self.type == "npt" and self.hold:
            found = "Hold holds atoms, and Type is NPT: the cell would move them."
            yield Contradiction("hold", found, "Set Type: NVT.")
        led = [index for index, one in enumerate(self.pull) if one.velocity is not None]
        if self.type == "npt" and led:
            found = "Pull leads atoms at a Velocity, and Type is NPT: the cell would move them, too."
            yield Contradiction(f"pull.{led[0]}.velocity", found, "Set Type: NVT, or pull by Force.")


def run_in_words(run: RunSettings) -> str:
    """``NVT 1 to 9000 K, 100000 steps, 50 frames``."""
    words = [run.called]
    if isinstance(run.temperature, RampSettings):
        words[0] += f" {run.temperature.start:g} to {run.temperature.stop:g} K"
    elif run.temperature is not None:
        words[0] += f" {run.temperature:g} K"
    words += [f"by {coupling}" for coupling in (run.thermostat, run.barostat) if coupling is not None]
    if run.steps is not None:
        words.append(f"{run.steps} steps")
    groups = [name for name, some in (("load", run.load), ("pull", run.pull), ("hold", run.hold)) if some]
    words += groups
    words.append(f"{run.sampling} frames" if run.sampling else "no frames")
    return ", ".join(words)
