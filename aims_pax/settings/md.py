"""MD: how trajectories move."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Literal, Self

from annotated_types import Gt, Le
from pydantic import Field

from aims_pax.settings.motion.groups import HoldSettings, LoadSettings
from aims_pax.settings.motion.segments import SegmentSettings
from aims_pax.settings.motion.variables import MetadynamicsSettings, RestraintSettings
from aims_pax.settings.reading.kinds import AnyCase, Count, Listed, NotNegative, OneOrMore, Positive, Schema, Seed
from aims_pax.settings.section import Contradiction, Section

_OF_LANGEVIN: Final = ("friction",)
_OF_TIMES: Final = ("tdamp",)
_OF_CHAINS: Final = ("tchain", "tloop")
_OF_PRESSURE: Final = ("barostat", "pressure", "final_pressure", "pdamp", "pressure_directions")
_OF_INERTIA: Final = ("pchain", "ploop")
_OF_SOFTNESS: Final = ("compressibility",)

OF_THE_COMMITTEE: Final = ("propagate_with", "uncertainty_bias")
"""What means nothing where no committee drives."""

INERTIAL: Final = ("mtk", "isomtk")
"""Barostats with chains of thermostats."""


class MDSettings(Section):
    """Ensemble, temperature, pressure and time step of one trajectory, or of all."""

    ALIASES: ClassVar = {"MD_seed": "seed"}

    stat_ensemble: Annotated[
        Literal["nvt", "nve", "npt"], AnyCase, Schema({"enum": ["nvt", "NVT", "nve", "NVE", "npt", "NPT"]})
    ] = Field(
        description="Statistical ensemble. nvt: constant temperature; nve: constant energy; npt: constant temperature "
        "and pressure, in a cell that moves."
    )
    temperature: Annotated[float, Gt(0), Le(100_000)] = Field(
        300.0, description="Temperature, K. With nve: of the initial velocities."
    )
    final_temperature: Annotated[float, Gt(0), Le(100_000)] | None = Field(
        None, description="Temperature at the end of a ramp of ramp_steps, K. It is held from then on."
    )
    ramp_steps: Count | None = Field(
        None, description="MD steps in which temperature and pressure go evenly from their first to their final values."
    )
    timestep: Annotated[float, Gt(0), Le(10)] = Field(0.5, description="Time step, fs.")
    thermostat: Annotated[
        Literal["langevin", "nose-hoover", "bussi"],
        AnyCase,
        Schema({"enum": ["langevin", "Langevin", "nose-hoover", "bussi"]}),
    ] = Field(
        "langevin",
        description="Thermostat of nvt. langevin: friction and noise on every atom; nose-hoover: chains, no noise; "
        "bussi: the kinetic energy is drawn, which disturbs motion least. npt has the thermostat of its barostat.",
    )
    friction: Positive = Field(0.001, description="Friction of the Langevin thermostat, 1/fs.")
    tdamp: Positive = Field(
        50.0, description="Time of the thermostat, fs: of nose-hoover, bussi and npt. The kinetic energy relaxes in it."
    )
    tchain: Annotated[Count, Le(100)] = Field(
        3, description="Links in the chain of thermostats: of nose-hoover, mtk and isomtk."
    )
    tloop: Annotated[Count, Le(100)] = Field(1, description="Parts into which a step of the thermostats' chain is cut.")
    barostat: Annotated[Literal["mtk", "isomtk", "c-rescale", "iso-c-rescale", "berendsen"], AnyCase] = Field(
        "mtk",
        description="Barostat of npt. mtk: a cell with inertia, lengths and angles free; isomtk: all lengths alike; "
        "c-rescale, iso-c-rescale: the same two by stochastic rescaling, which settles without ringing; berendsen: "
        "all lengths alike, for equilibration alone, since volumes fluctuate too little.",
    )
    pressure: float = Field(101_325.0, description="Pressure of npt, Pa: 1e9 is 1 GPa.")
    final_pressure: float | None = Field(None, description="Pressure at the end of a ramp of ramp_steps, Pa.")
    pdamp: Positive = Field(500.0, description="Time of the barostat, fs.")
    pchain: Annotated[Count, Le(100)] = Field(
        3, description="Links in the chain of the cell's thermostats: mtk, isomtk."
    )
    ploop: Annotated[Count, Le(100)] = Field(1, description="Parts into which a step of that chain is cut.")
    pressure_directions: Annotated[tuple[Literal["a", "b", "c"], ...], Listed] | None = Field(
        None,
        min_length=1,
        description="Lattice vectors in whose span the cell is strained. Left out: those that are periodic.",
    )
    compressibility: Positive = Field(
        0.05,
        description="Of the material, roughly, 1/GPa: of c-rescale and berendsen, whose time is pdamp for it. "
        "Water: 0.45; silicon: 0.01.",
    )
    seed: Seed = Field(
        42, description="Seed of initial velocities and noise. Each trajectory draws its own stream from it."
    )
    hold: Annotated[tuple[HoldSettings, ...], OneOrMore] = Field(
        (),
        description="Groups of atoms that stay, or are led at a velocity: beside those that a structure's own file "
        "holds. In nvt, nve and relaxations.",
    )
    load: Annotated[tuple[LoadSettings, ...], OneOrMore] = Field(
        (), description="Constant forces on groups of atoms, beside those between them."
    )
    restraints: Annotated[tuple[RestraintSettings, ...], OneOrMore] = Field(
        (), description="Springs on distances, angles, dihedrals, coordination numbers and places of groups."
    )
    metadynamics: MetadynamicsSettings | None = Field(
        None,
        description="Hills along collective variables, of each trajectory its own, that drive it to where it has "
        "not been.",
    )
    program: Annotated[tuple[SegmentSettings, ...], OneOrMore] = Field(
        (),
        description="What trajectories do one after another: MD for so many steps, or a relaxation. What an entry "
        "leaves out is as MD says. The last one lasts, if it has no steps; else all begin again where they then are.",
    )
    propagate_with: Literal["mean", "member"] = Field(
        "mean",
        description="Forces that move trajectories in active learning. mean: the committee's mean, every member "
        "evaluated at every step; member: one member between estimates, cheaper.",
    )
    uncertainty_bias: NotNegative = Field(
        0.0,
        description="How hard active learning is pushed to where the committee disagrees, no unit. So many times u is "
        "taken from the energy that moves atoms: u is the standard deviation of the members' energies, eV, each "
        "counted from where the trajectory began. 0: not at all.",
    )

    @property
    def of_the_committee(self) -> tuple[str, ...]:
        """Its settings that say how a committee drives."""
        return tuple(key for key in OF_THE_COMMITTEE if self.is_set(key) and getattr(self, key))

    @property
    def entries(self) -> "tuple[SegmentPlan, ...]":
        """What is written: the entries of the program, or without one MD itself, with its ramp."""
        return tuple(
            SegmentPlan(
                self._in(one), one.steps, ("program", index), frozenset(one.own), one if one.is_relaxation else None
            )
            for index, one in enumerate(self.program)
        ) or (SegmentPlan(self, None),)

    @property
    def segments(self) -> "tuple[SegmentPlan, ...]":
        """What a trajectory does one after another: its program; or a ramp, and what is held from then on."""
        if self.program or self.ramp_steps is None:
            return self.entries
        return SegmentPlan(self, self.ramp_steps), SegmentPlan(self.held, None)

    @property
    def moves_cell(self) -> bool:
        """Whether there is a time at which the cell moves."""
        return any(one.moves_cell for one in self.entries)

    def _in(self, segment: SegmentSettings) -> Self:
        """The same in an entry of its program; a relaxation has no ensemble, and leaves it as it is."""
        own = {key: value or None if key == "metadynamics" else value for key, value in segment.own.items()}
        own = {key: value for key, value in own.items() if value != "relax"}
        ramp = {"ramp_steps": segment.steps} if segment.ramps else {}
        return self.model_copy(update={"program": (), **own, **ramp})

    @property
    def held(self) -> "MDSettings":
        """The same without ramp and program: as it goes on in the end, or in the last MD of a program that repeats."""
        if self.program:
            return next(one.md.held for one in reversed(self.entries) if one.relaxation is None)
        if self.ramp_steps is None:
            return self
        temperature = self.temperature if self.final_temperature is None else self.final_temperature
        pressure = self.pressure if self.final_pressure is None else self.final_pressure
        ended = {"temperature": temperature, "pressure": pressure}
        return self.model_copy(update={**ended, "final_temperature": None, "final_pressure": None, "ramp_steps": None})

    def contradictions(self) -> Iterator[Contradiction]:
        if self.uncertainty_bias and self.propagate_with == "member":
            found = "uncertainty_bias needs what all members say at every step, and propagate_with is member."
            yield Contradiction("uncertainty_bias", found, "Set propagate_with: mean, or remove uncertainty_bias.")
        if not self.program:
            yield from self._at_odds()
            yield from self._idle(self._without_use())
            return
        for key in ("ramp_steps", "final_temperature", "final_pressure"):
            if self.is_set(key) and getattr(self, key) is not None:
                found = f"{key} is given, and there is a program."
                yield Contradiction(key, found, "Write it into an entry of the program, which has steps of its own.")
        *before, _ = self.program
        for index, one in enumerate(before):
            if one.steps is None:
                found = "it has no steps, and there are entries after it."
                yield Contradiction(f"program.{index}", found, "Say how many MD steps it lasts.")
        if all(one.is_relaxation for one in self.program):
            yield Contradiction("program", "program holds no MD.", "Add an entry with an ensemble and a temperature.")
            return
        moving = [plan for plan in self.entries if plan.relaxation is None]
        for plan in moving:
            yield from plan.md._at_odds_in(plan)
        nowhere = [plan.md._without_use() for plan in moving]
        yield from self._idle({key: owner for key, owner in nowhere[0].items() if all(key in one for one in nowhere)})

    def _at_odds_in(self, plan: "SegmentPlan") -> Iterator[Contradiction]:
        """What of this MD, which a program comes to, an entry can't mean; what others use is not its own."""
        place, index = plan.keys
        for contradiction in (*self._at_odds(), *self._idle(self._without_use())):
            if contradiction.key in plan.own:
                yield replace(contradiction, key=f"{place}.{index}.{contradiction.key}")
            elif contradiction.key == "hold":
                yield replace(contradiction, key=f"{place}.{index}")

    def _idle(self, without_use: Mapping[str, str]) -> Iterator[Contradiction]:
        """Keys that are written, and mean nothing."""
        for key, owner in without_use.items():
            # A file of aims-PAX may have all of them, at their defaults.
            if self.is_set(key) and getattr(self, key) != type(self).model_fields[key].default:
                found = f"{key} belongs to {owner}, and this is {self._words()}."
                yield Contradiction(key, found, f"Remove {key}, or choose what it belongs to.")

    def _at_odds(self) -> Iterator[Contradiction]:
        """What can't be meant together, of MD without a program."""
        if self.stat_ensemble == "nve":
            for key in ("thermostat", "friction"):
                if self.is_set(key):
                    found = f"{key} belongs to a thermostat, and stat_ensemble nve has none."
                    yield Contradiction(key, found, f"Remove {key}, or set stat_ensemble: nvt.")
        if self.stat_ensemble == "npt" and self.thermostat != "langevin":
            found = (
                f"thermostat is {self.thermostat}, and npt has the one that belongs to its barostat {self.barostat}."
            )
            yield Contradiction("thermostat", found, "Remove thermostat; tdamp is its time.")
        ramped = [key for key in ("final_temperature", "final_pressure") if getattr(self, key) is not None]
        if ramped and self.ramp_steps is None:
            yield Contradiction(ramped[0], f"{ramped[0]} is given without ramp_steps.", "Say in how many MD steps.")
        if self.ramp_steps is not None and not ramped:
            found = "ramp_steps is given, and neither final_temperature nor final_pressure."
            yield Contradiction("ramp_steps", found, "Say what changes in these steps, or remove it.")
        if self.hold and self.stat_ensemble == "npt":
            found = "hold holds atoms, and stat_ensemble is npt: the cell would move them."
            yield Contradiction("hold", found, "Set nvt, or hold a distance by restraints.")

    def owner_of(self, key: str) -> str:
        """What a setting belongs to that means nothing here; empty for one that does."""
        if key == "thermostat" and self.stat_ensemble != "nvt":
            return "stat_ensemble: nvt"
        return self._without_use().get(key, "")

    @property
    def in_words(self) -> str:
        """``npt by mtk``."""
        return self._words()

    def _without_use(self) -> Mapping[str, str]:
        """Keys that mean nothing here, and what they belong to."""
        is_npt, is_nvt = self.stat_ensemble == "npt", self.stat_ensemble == "nvt"
        is_langevin = self.stat_ensemble == "nve" or (is_nvt and self.thermostat == "langevin")  # nve: said elsewhere
        is_inertial = is_npt and self.barostat in INERTIAL
        has_chain = is_inertial or (is_nvt and self.thermostat == "nose-hoover")
        uses = (
            (_OF_LANGEVIN, is_langevin, "nvt with thermostat: langevin"),
            (_OF_TIMES, is_npt or (is_nvt and self.thermostat != "langevin"), "npt and the other thermostats"),
            (_OF_CHAINS, has_chain, "chains of thermostats"),
            (_OF_PRESSURE, is_npt, "stat_ensemble: npt"),
            (_OF_INERTIA, is_inertial, "barostat: mtk or isomtk"),
            (_OF_SOFTNESS, is_npt and not is_inertial, "barostat: c-rescale, iso-c-rescale or berendsen"),
            (("final_temperature",), self.stat_ensemble != "nve", "a thermostat"),
        )
        return {key: owner for keys, is_used, owner in uses if not is_used for key in keys}

    def _words(self) -> str:
        if self.program:
            return "nowhere in the program"
        if self.stat_ensemble == "nve":
            return "nve"
        return f"nvt by {self.thermostat}" if self.stat_ensemble == "nvt" else f"npt by {self.barostat}"


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """A stretch of what a trajectory does.

    Parameters
    ----------
    md : MDSettings
        How it moves then: without a program, and with ramp_steps where temperature or pressure change.
    n_steps : int or None
        MD steps; None: it has no end.
    keys : tuple of str or int
        Where it is written, within MD.
    own : frozenset of str
        What is written there; the rest is as MD says.
    relaxation : SegmentSettings or None
        What is relaxed, and how far; None where it is MD.
    """

    md: MDSettings
    n_steps: int | None
    keys: tuple[str | int, ...] = ()
    own: frozenset[str] = frozenset()
    relaxation: SegmentSettings | None = None

    @property
    def moves_cell(self) -> bool:
        """Whether the cell moves then."""
        return self.md.stat_ensemble == "npt" if self.relaxation is None else self.relaxation.relax_cell
