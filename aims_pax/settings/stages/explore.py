"""`explore` in STAGES: rounds of MD whose frames are labelled where the committee is likely to be wrong."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.reading.kinds import (
    Count,
    CountOrZero,
    ExistingFile,
    ExistingFiles,
    Fraction,
    NotNegative,
    OneOrMore,
    Positive,
    Seed,
    Whole,
)
from aims_pax.settings.section import Contradiction
from aims_pax.settings.stage import EndSettings, half_a_dataset

Temperature = Annotated[float, Gt(0), Le(100_000)]

OF_TRAJECTORIES = (
    "start_structures",
    "num_random_structures",
    "temperature",
    "pressure",
    "length",
    "sampling_time",
    "dispersion",
)
"""What means nothing where frames are brought along and no MD follows."""

OF_LABELS = ("max_selected_frames", "num_random_frames", "max_consecutive_failures")
OF_SPLITS = ("valid_ratio", "test_ratio")
"""What means nothing where no label is asked for, or none is learned."""

_FIT: float = 1e-9
"""Part of a length by which it may be too short, in whose decimals nobody means anything."""


class ExploreSettings(EndSettings):
    """MD from structures of the dataset, at all pairs of temperature and pressure; what of it is labelled is learned.

    A round: MD by one member; all members judge its frames; those whose error is expected to be beyond a tolerance are
    labelled; the committee is trained to convergence on all that there is. Rounds go on until no frame is beyond a
    tolerance. How MD moves besides, MD says.
    """

    ALIASES: ClassVar = {
        "lammps_input_structures": "start_structures",
        "num_random_structures_lammps": "num_random_structures",
        "check_vacuum": "open_gaps",
        "explored_dataset": "frames",
    }

    ensemble_size: Annotated[int, Ge(2), Le(1000), Whole] = Field(
        4, description="Models in the committee, where no stage before says it."
    )
    start_structures: ExistingFiles | None = Field(
        None,
        description="Files of structures that MD begins at, in the place of training structures of the stages before. "
        "Where there are more than num_random_structures, each round draws from them. Labels in them are not read.",
    )
    num_random_structures: Count = Field(
        20,
        description="Structures of each round that MD begins at. Drawn at random from the training structures of the "
        "stages before that have two atoms or more; all of them, where there are fewer.",
    )
    temperature: Annotated[tuple[Temperature, ...], OneOrMore] = Field(
        (), description="Temperatures, K. Each start is moved at all of them. That of MD when not given."
    )
    pressure: Annotated[tuple[float, ...], OneOrMore] = Field(
        (),
        description="Pressures, Pa: 1e8 is 1 kbar. Each start is moved at all of them, in npt along its periodic "
        "directions; a molecule in nvt. When not given, cells move if MD says npt, at its pressure.",
    )
    length: Positive = Field(10.0, description="Length of each trajectory, ps.")
    sampling_time: Positive = Field(1.0, description="Time between two frames of a trajectory, ps.")
    thermalization_time: NotNegative = Field(
        0.0, description="Time at the beginning of each trajectory that gives no frames, ps."
    )
    dispersion: DispersionSettings | None = Field(
        None,
        description="London dispersion laid over the models while they drive, for a reference that has none: "
        "{method: d3, xc: pbe}. Neither scores nor labels have it, and slabs are then moved in nvt.",
    )
    open_gaps: bool = Field(
        True,
        description="Whether wide gaps of a frame are opened to vacuum. Wide is more than the models' cutoff and than "
        "5 Å between atoms along a periodic direction, which is then periodic no longer.",
    )
    vacuum: Annotated[float, Gt(5), Le(1000)] = Field(15.0, description="What such a gap becomes, Å.")
    thr_energy: Positive = Field(0.001, description="Tolerance of the energy, eV/atom.")
    thr_forces: Positive = Field(0.1, description="Tolerance of the forces, eV/Å.")
    thr_stress: Positive = Field(0.001, description="Tolerance of the stress, eV/Å³. Where models learn it.")
    max_selected_frames: Count = Field(
        1000, description="Most frames that are labelled in a round: a random choice of those beyond a tolerance."
    )
    num_random_frames: CountOrZero = Field(
        0,
        description="Frames of each round that are labelled whatever their deviation, drawn at random from all. They "
        "test: what a threshold misses, and the errors of the MD itself, are known by them alone.",
    )
    max_loops: Annotated[Count, Le(1000)] = Field(10, description="Most rounds.")
    valid_ratio: Fraction = Field(0.1, description="Fraction of the labelled frames that is used for validation.")
    test_ratio: Annotated[float, Ge(0), Lt(1)] = Field(
        0.1, description="Fraction of the labelled frames that is learned by nobody, and tests the models at the end."
    )
    max_consecutive_failures: Count = Field(
        20, description="Frames that fail in a row, after which the campaign stops, and tries them again next time."
    )
    seed: Seed = Field(42, description="Seed of what is drawn: starts, the member that drives, frames, splits.")
    frames: ExistingFiles | None = Field(
        None,
        description="Files of frames that were explored elsewhere: they are judged in the first round, in the place of "
        "MD. Labels in them are not read.",
    )
    train: bool = Field(
        True,
        description="Whether the committee learns. false: one round that judges the models as they are; nothing "
        "changes them. As the first stage it needs no dataset then, but models in GENERAL.model_dir of mace.yaml.",
    )
    label: bool = Field(
        True,
        description="Whether frames beyond a tolerance are labelled, also where nothing is trained: what they are "
        "wrong by is then known.",
    )
    initial_train_dataset: ExistingFile | None = Field(
        None,
        description="Labelled structures to begin with where no stage before makes any. The models are those of "
        "GENERAL.model_dir of mace.yaml, or are trained on these first.",
    )
    initial_valid_dataset: ExistingFile | None = Field(
        None, description="Labelled structures to validate on, beside initial_train_dataset."
    )

    @property
    def rounds(self) -> int:
        """The most rounds that there can be."""
        return self.max_loops if self.train else 1

    @property
    def rounds_with_md(self) -> int:
        """The same of those that move atoms."""
        return self.rounds - (self.frames is not None)

    @property
    def n_conditions(self) -> int:
        """Pairs of temperature and pressure."""
        return prod(max(1, len(values)) for values in (self.temperature, self.pressure))

    @property
    def frames_per_trajectory(self) -> int:
        """Frames of a trajectory that comes to its end."""
        return int((self.length - self.thermalization_time) / self.sampling_time * (1 + _FIT))

    def contradictions(self) -> Iterator[Contradiction]:
        if self.frames_per_trajectory < 1:
            first = f"thermalization_time ({self.thermalization_time:g} ps) and sampling_time"
            found = f"{first} ({self.sampling_time:g} ps) are more than length ({self.length:g} ps): there is no frame."
            yield Contradiction("length", found, "Raise length, or lower one of them.")
        if self.valid_ratio + self.test_ratio >= 1:
            said = f"valid_ratio ({self.valid_ratio:g}) and test_ratio ({self.test_ratio:g})"
            yield Contradiction("test_ratio", f"{said} leave nothing to train on.", "Lower one of them.")
        for key in ("temperature", "pressure"):
            if len(set(values := getattr(self, key))) < len(values):
                yield Contradiction(key, f"{key} names a value twice.", "Keep one of them.")
        if self.train and not self.label:
            found = "label is false, and train is true: there would be nothing to learn."
            yield Contradiction("label", found, "Set train: false to judge the models, or remove label.")
        if not self.train and self.is_set("max_loops"):
            found = "max_loops is given, and with train: false there is one round: models that stay are judged once."
            yield Contradiction("max_loops", found, "Remove it.")
        idle = (*(OF_LABELS if not self.label else ()), *(OF_SPLITS if not self.train else ()))
        for key in (key for key in idle if self.is_set(key)):
            found = f"{key} is given, and with {'label' if key in OF_LABELS else 'train'}: false nothing comes of it."
            yield Contradiction(key, found, f"Remove {key}.")
        if self.is_set("vacuum") and not self.open_gaps:
            yield Contradiction("vacuum", "vacuum is what gaps become, and open_gaps is false.", "Remove one of them.")
        if self.rounds_with_md == 0:
            for key in OF_TRAJECTORIES:
                if self.is_set(key) and getattr(self, key) is not None:
                    found = f"{key} is about MD, and the only round judges frames."
                    yield Contradiction(key, found, f"Remove {key}, or frames.")
        yield from half_a_dataset(self)
