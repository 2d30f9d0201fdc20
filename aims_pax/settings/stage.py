"""What the stages of a campaign have in common, and its two halves."""

from collections.abc import Iterator
from typing import Annotated, Final

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.frame import Stage
from aims_pax.settings.methods.reference import TeacherSettings
from aims_pax.settings.reading.kinds import Count, Fraction, NotNegative, Whole
from aims_pax.settings.section import Contradiction, Section

INITIAL: Final = Stage.INITIAL
"""The half of a campaign that `aims-pax idg` runs: the initial dataset, and the convergence after it.

In the store of a run it is the name of the stage that makes the initial dataset, too.
"""

ACTIVE: Final = Stage.ACTIVE
"""The half that `aims-pax al` runs: all the rest. In the store it is the name of the first stage that learns."""


def half_a_dataset(settings: Section) -> Iterator[Contradiction]:
    """That one file of a dataset is named which is brought along, and the other one is not."""
    given = {key: getattr(settings, key) is not None for key in ("initial_train_dataset", "initial_valid_dataset")}
    absent = [key for key, is_given in given.items() if not is_given]
    for present in (key for key, is_given in given.items() if is_given and absent):
        yield Contradiction(present, f"{present} is given without {absent[0]}.", f"Set {absent[0]} too.")


class EndSettings(Section):
    """When members are measured, and when their training has come to its end."""

    valid_skip: Count = Field(1, description="Epochs between validations.")
    margin: NotNegative = Field(
        0.002, description="Decrease of the validation loss that counts as an improvement, in the loss's own unit."
    )
    convergence_patience: Count = Field(50, description="Epochs without improvement after which a convergence ends.")
    max_convergence_epochs: Count = Field(500, description="Most epochs of a convergence.")


class StageSettings(EndSettings):
    """Members, splits, convergence and labels of one stage."""

    ensemble_size: Annotated[int, Ge(2), Le(1000), Whole] = Field(
        4, description="Models in the committee. Where the stages differ, the first one's."
    )
    valid_ratio: Fraction = Field(0.1, description="Fraction of the structures that is used for validation.")
    desired_acc: NotNegative = Field(
        0.0, description="Validation force MAE at which the stage is done, eV/Å. 0: no such goal."
    )
    max_consecutive_failures: Count = Field(
        10,
        description="Failures in a row after which no more is tried. In active learning they are counted for each "
        "trajectory, which is then given up.",
    )
    use_teacher_reference: bool = Field(
        False, description="Whether a trained model labels, instead of an ab initio method. As REFERENCE: type teacher."
    )
    teacher_reference_settings: TeacherSettings | None = Field(
        None, description="The model that labels when use_teacher_reference is true."
    )
    save_trajectories_interval: Count = Field(5, description="MD steps between saved frames.")

    def contradictions(self) -> Iterator[Contradiction]:
        if self.use_teacher_reference and self.teacher_reference_settings is None:
            found = "use_teacher_reference is true, and teacher_reference_settings are missing."
            yield Contradiction("use_teacher_reference", found, "Give them model_type and model_path.")
        if self.teacher_reference_settings is not None and not self.use_teacher_reference:
            found = "teacher_reference_settings are given, and use_teacher_reference is not true."
            yield Contradiction("teacher_reference_settings", found, "Set use_teacher_reference, or remove them.")
