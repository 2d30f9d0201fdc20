"""`fly` in STAGES: trajectories that share their models, which are checked against the reference on the way."""

from collections.abc import Iterator
from typing import Annotated, Final

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.settings.md import MDSettings
from aims_pax.settings.reading.kinds import Count, ExistingFile, Fraction, Whole
from aims_pax.settings.section import Contradiction
from aims_pax.settings.stage import half_a_dataset
from aims_pax.settings.stages.fly import FlySettings

DATASET: Final = "initial_train_dataset"


class FlyStageSettings(FlySettings):
    """MD by models that are compared with the reference every so many steps, and learn where a tolerance is broken.

    Each trajectory waits for its own checks alone, and has an interval of its own; a training serves them all. How MD
    moves, MD says.
    """

    num_trajectories: Annotated[int, Ge(1), Le(10**6), Whole] = Field(
        1, description="MD trajectories that run side by side, and share the models."
    )
    max_MD_steps: Count = Field(  # noqa: N815  the name in the files
        description="MD steps of each trajectory, without those by the reference."
    )
    ensemble_size: Annotated[int, Ge(2), Le(1000), Whole] = Field(
        2,
        description="Models, where no stage before says it. Their mean drives; what they differ by tells how wrong "
        "they may be.",
    )
    go_back: bool = Field(
        False,
        description="Whether a trajectory goes back to its last passed check when one fails, since what it has made "
        "since then was wrong. Steps go on counting.",
    )
    valid_ratio: Fraction = Field(
        0.1, description="Fraction of the labels that is used for validation. What breaks a tolerance always trains."
    )
    save_trajectories: bool = Field(True, description="Whether frames of the MD are saved.")
    save_trajectories_interval: Count = Field(5, description="MD steps between saved frames.")
    initial_train_dataset: ExistingFile | None = Field(
        None,
        description="Labelled structures that are learned first, where no stage before makes any (previous_data of "
        "hybrid-md).",
    )
    initial_valid_dataset: ExistingFile | None = Field(
        None, description="Labelled structures to validate on, beside initial_train_dataset."
    )

    def moved(self, md: MDSettings) -> MDSettings:
        """How a trajectory moves in this stage that would otherwise move so."""
        return md

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.go_back and not self.can_update:
            found = "go_back is true, and can_update is false: the same models would make the same stretch again."
            yield Contradiction("go_back", found, "Remove one of them.")
        yield from half_a_dataset(self)
        if self.num_initial_steps and self.initial_train_dataset is not None:
            found = "num_initial_steps is given, and the first models learn initial_train_dataset."
            yield Contradiction("num_initial_steps", found, "Remove one of them.")
