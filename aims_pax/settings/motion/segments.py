"""Entries of a program: what a trajectory does for some time."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from annotated_types import Gt, Le
from pydantic import Field

from aims_pax.settings.motion.groups import HoldSettings, LoadSettings
from aims_pax.settings.motion.variables import MetadynamicsSettings, RestraintSettings
from aims_pax.settings.reading.kinds import AnyCase, Count, Kind, OneOrMore, Positive
from aims_pax.settings.section import Contradiction, Section

_AS_MD: Final = "Left out: as in MD."


class SegmentSettings(Section):
    """One entry of a program."""

    steps: Count | None = Field(
        None, description="MD steps; of a relaxation, the most that it may take. Only the last entry may be without."
    )
    stat_ensemble: Annotated[Literal["nvt", "nve", "npt", "relax"], AnyCase] | None = Field(
        None, description=f"nvt, nve, npt, or relax: downhill to the next minimum. {_AS_MD}"
    )
    temperature: Annotated[float, Gt(0), Le(100_000)] | None = Field(
        None, description=f"Temperature at the beginning of the entry, K. {_AS_MD}"
    )
    final_temperature: Annotated[float, Gt(0), Le(100_000)] | None = Field(
        None, description="Temperature at its end, K, to which it goes evenly. Left out: it stays."
    )
    pressure: float | None = Field(None, description=f"Pressure at the beginning of the entry, Pa. {_AS_MD}")
    final_pressure: float | None = Field(
        None, description="Pressure at its end, Pa, to which it goes evenly. Left out: it stays."
    )
    thermostat: Annotated[Literal["langevin", "nose-hoover", "bussi"], AnyCase] | None = Field(
        None, description=f"Thermostat of nvt. {_AS_MD}"
    )
    friction: Positive | None = Field(None, description=f"Friction of the Langevin thermostat, 1/fs. {_AS_MD}")
    tdamp: Positive | None = Field(None, description=f"Time of the other thermostats, fs. {_AS_MD}")
    barostat: Annotated[Literal["mtk", "isomtk", "c-rescale", "iso-c-rescale", "berendsen"], AnyCase] | None = Field(
        None, description=f"Barostat of npt. {_AS_MD}"
    )
    pdamp: Positive | None = Field(None, description=f"Time of the barostat, fs. {_AS_MD}")
    hold: Annotated[tuple[HoldSettings, ...], OneOrMore] | None = Field(
        None, description=f"Groups of atoms that stay or are led; []: none. {_AS_MD}"
    )
    load: Annotated[tuple[LoadSettings, ...], OneOrMore] | None = Field(
        None, description=f"Constant forces on groups of atoms; []: none. {_AS_MD}"
    )
    restraints: Annotated[tuple[RestraintSettings, ...], OneOrMore] | None = Field(
        None, description=f"Springs on collective variables; []: none. {_AS_MD}"
    )
    metadynamics: Annotated[
        MetadynamicsSettings | Literal[False] | None, Kind("a mapping of settings, false, or nothing")
    ] = Field(
        None,
        description=f"Hills along collective variables; equal ones go on as one; false: none. {_AS_MD}",
    )
    max_force: Positive = Field(0.05, description="Largest force at which a relaxation ends before its steps, eV/Å.")
    relax_cell: bool = Field(False, description="Whether a relaxation relaxes the cell, too, under its pressure.")

    @property
    def own(self) -> dict[str, object]:
        """What it says of MD's settings."""
        left_out = {"steps", "max_force", "relax_cell"}
        return {
            key: value
            for key in type(self).model_fields
            if key not in left_out and (value := getattr(self, key)) is not None
        }

    @property
    def is_relaxation(self) -> bool:
        """Whether it is no MD."""
        return self.stat_ensemble == "relax"

    @property
    def ramps(self) -> bool:
        """Whether temperature or pressure change on the way."""
        return (self.final_temperature, self.final_pressure) != (None, None)

    def contradictions(self) -> Iterator[Contradiction]:
        if self.steps is None and (self.ramps or self.is_relaxation):
            key = "stat_ensemble" if self.is_relaxation else "steps"
            found = "a relaxation" if self.is_relaxation else "a change of temperature or pressure"
            yield Contradiction(key, f"{found} is given without steps.", "Say within how many steps.")
        for key in ("max_force", "relax_cell"):
            if self.is_set(key) and not self.is_relaxation:
                found = f"{key} belongs to a relaxation, and this is MD."
                yield Contradiction(key, found, f"Remove {key}, or set stat_ensemble: relax.")
        of_md = ("final_temperature", "thermostat", "friction", "tdamp", "barostat", "pdamp", "final_pressure")
        for key in of_md if self.is_relaxation else ():
            if self.is_set(key):
                yield Contradiction(key, f"{key} belongs to MD, and this is a relaxation.", f"Remove {key}.")
