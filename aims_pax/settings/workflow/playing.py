"""`explore` in STAGES with workflows: what they name is played again and again while the committee learns."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field

from aims_pax.settings.methods.driver import LearningDriverSettings
from aims_pax.settings.reading.kinds import (
    AnyCase,
    Count,
    CountOrZero,
    ExistingFile,
    ExistingFiles,
    Fraction,
    NotNegative,
    Positive,
    Seed,
    Whole,
)
from aims_pax.settings.section import Contradiction
from aims_pax.settings.stage import EndSettings, half_a_dataset
from aims_pax.settings.stages.active import UncertaintyName
from aims_pax.settings.stages.uncertainty import OF_COMPONENTS, kind_named

THRESHOLD: Final = 1.0
"""Of the relative deviation, as in the paper (SCS, section 2.1)."""


class PlaySettings(EndSettings):
    """Workflows of phases that trajectories go through, visit after visit, until they hold.

    Every phase may have one frame of each of some equal windows labelled: that of the highest score. No trajectory
    waits for its label.
    """

    ALIASES: ClassVar = {"max_loops": "max_visits"}

    workflow: ExistingFiles = Field(description="Workflow files, one for each system: [dlc.yaml, silica.yaml].")
    replicas: Annotated[Count, Le(10_000)] = Field(
        1, description="Trajectories that play each workflow side by side, each with random numbers of its own."
    )
    ensemble_size: Annotated[int, Ge(2), Le(1000), Whole] = Field(
        4, description="Models in the committee, where no stage before says it."
    )
    max_visits: Annotated[Count, Le(1000)] = Field(10, description="Most visits: how often a workflow is played.")
    holds: Annotated[Literal["sure", "stable"], AnyCase] = Field(
        "sure",
        description="When a workflow holds. sure: the committee drives all phases to their ends, and no frame is above "
        "the threshold; stable: it drives them to their ends.",
    )
    hold_visits: Count = Field(1, description="Visits in a row that a workflow must hold; it is played no more then.")
    uncertainty_type: UncertaintyName = Field(
        OF_COMPONENTS,
        description="Score of a frame: a measure of the committee's disagreement, as in ACTIVE_LEARNING. "
        "component_relative_sd is the paper's.",
    )
    relative_force_eps: Positive = Field(
        1.0,
        description="Force that relative scores add to a component's own, or an atom's, and then divide by, eV/Å. "
        "component_relative_sd takes the component's, max_relative_sd the atom's.",
    )
    threshold: NotNegative | None = Field(
        None,
        description="Score below which a frame is not labelled, in the score's unit. 1 for relative scores; others "
        "have no default. A phase may have its own.",
    )
    skip_steps: Count = Field(20, description="MD steps between two frames that are judged.")
    pretrained: LearningDriverSettings | None = Field(
        None,
        description="A general model that drives the first visits. Its frames are labelled uniformly in time; with it "
        "no dataset is needed before.",
    )
    pretrained_visits: CountOrZero = Field(1, description="Visits, from the first, that the pretrained model drives.")
    hand_over: Annotated[float, Gt(0)] | None = Field(
        None,
        description="Largest score of a phase in a visit below which the committee drives it from the next visit on. "
        "Until then the pretrained model does, and again after a visit that has ended there. Not given: the committee "
        "drives after pretrained_visits.",
    )
    from_scratch: bool = Field(
        False,
        description="Whether models are trained from random weights at the end of each visit, as in the paper. All "
        "trajectories then wait for one another. false: models go on learning from each label as it comes.",
    )
    epochs_per_label: Count = Field(4, description="Epochs trained for labels that have come together.")
    epochs_at_a_time: Count = Field(1, description="Epochs trained at a time, before sampling goes on.")
    visits_ahead: CountOrZero = Field(
        1,
        description="Visits that a trajectory may be ahead of its labels. 0: it begins a visit when it has all labels "
        "of those before.",
    )
    valid_ratio: Fraction = Field(0.1, description="Fraction of the labelled frames that is used for validation.")
    overlap: Annotated[float, Gt(0), Le(1)] = Field(
        0.5,
        description="Distance of two atoms, in sums of their covalent radii, below which they overlap. Such a frame "
        "ends its visit, and is never labelled.",
    )
    max_force: Positive = Field(50.0, description="Force of the models beyond which a visit ends, eV/Å.")
    max_consecutive_failures: Count = Field(
        10, description="Labels that fail in a row by the reference, after which the campaign stops."
    )
    seed: Seed = Field(42, description="Seed of what is drawn: structures, molecules, velocities.")
    initial_train_dataset: ExistingFile | None = Field(
        None, description="Labelled structures to begin with where no stage before makes any."
    )
    initial_valid_dataset: ExistingFile | None = Field(
        None, description="Labelled structures to validate on, beside initial_train_dataset."
    )

    @property
    def least_score(self) -> float:
        """Score below which a frame is not labelled, where its phase says nothing."""
        return THRESHOLD if self.threshold is None else self.threshold

    def contradictions(self) -> Iterator[Contradiction]:
        if self.threshold is None and kind_named(self.uncertainty_type).unit:
            found = f"uncertainty_type is {self.uncertainty_type}, and threshold is missing."
            yield Contradiction("threshold", found, f"Set it, in {kind_named(self.uncertainty_type).unit}.")
        if self.is_set("relative_force_eps") and kind_named(self.uncertainty_type).unit:
            found = f"relative_force_eps is given, and uncertainty_type {self.uncertainty_type} divides by no force."
            yield Contradiction("relative_force_eps", found, "Remove it.")
        for key in ("pretrained_visits", "hand_over"):
            if self.is_set(key) and self.pretrained is None and getattr(self, key):
                found = f"{key} is given, and no pretrained model is named."
                yield Contradiction(key, found, "Name it by pretrained, or remove this.")
        if self.hand_over is not None and self.pretrained is not None and not self.pretrained_visits:
            found = "hand_over is given, and with pretrained_visits: 0 there is nothing to hand over."
            yield Contradiction("hand_over", found, "Remove it, or let the pretrained model drive a first visit.")
        idle = ("epochs_per_label", "epochs_at_a_time", "visits_ahead")
        for key in (key for key in idle if self.from_scratch and self.is_set(key)):
            found = f"{key} is given, and with from_scratch: true models are trained at the end of each visit."
            yield Contradiction(key, found, f"Remove {key}.")
        if self.epochs_at_a_time > self.epochs_per_label and self.is_set("epochs_at_a_time"):
            found = f"epochs_at_a_time ({self.epochs_at_a_time}) is more than epochs_per_label."
            yield Contradiction("epochs_at_a_time", found, "Lower it.")
        yield from half_a_dataset(self)
