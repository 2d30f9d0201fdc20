"""MD: how trajectories move."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt, Le
from pydantic import Field

from aims_pax.settings.reading.kinds import AnyCase, Positive, Schema, Seed
from aims_pax.settings.section import Contradiction, Section


class MDSettings(Section):
    """Ensemble, temperature, time step and thermostat of one trajectory, or of all."""

    ALIASES: ClassVar = {"MD_seed": "seed"}

    stat_ensemble: Annotated[Literal["nvt", "nve"], AnyCase, Schema({"enum": ["nvt", "NVT", "nve", "NVE"]})] = Field(
        description="Statistical ensemble. nvt: constant temperature; nve: constant energy."
    )
    temperature: Annotated[float, Gt(0), Le(100_000)] = Field(
        300.0, description="Temperature, K. With nve: of the initial velocities."
    )
    timestep: Annotated[float, Gt(0), Le(10)] = Field(0.5, description="Time step, fs.")
    thermostat: Annotated[Literal["langevin"], AnyCase, Schema({"enum": ["langevin", "Langevin"]})] = Field(
        "langevin", description="Thermostat of nvt."
    )
    friction: Positive = Field(0.001, description="Friction of the Langevin thermostat, 1/fs.")
    seed: Seed = Field(
        42, description="Seed of initial velocities and noise. Each trajectory draws its own stream from it."
    )
    propagate_with: Literal["mean", "member"] = Field(
        "mean",
        description="Forces that move trajectories in active learning. mean: the committee's mean, every member "
        "evaluated at every step; member: one member between estimates, cheaper.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        for key in ("thermostat", "friction"):
            if self.stat_ensemble == "nve" and self.is_set(key):
                found = f"{key} belongs to a thermostat, and stat_ensemble nve has none."
                yield Contradiction(key, found, f"Remove {key}, or set stat_ensemble: nvt.")
