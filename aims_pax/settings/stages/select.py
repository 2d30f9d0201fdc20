"""DATA_FILTERING, or `select` in STAGES: a dataset chosen from structures that are labelled already."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field

from aims_pax.settings.reading.kinds import Count, ExistingFiles, Fraction, Limit, NotNegative, Whole
from aims_pax.settings.section import Contradiction
from aims_pax.settings.stage import EndSettings


class SelectSettings(EndSettings):
    """Passes over a pool of labelled structures, of which the committee learns those that it is wrong about.

    It needs no MD and no reference. A structure joins the dataset where the error of the committee is above (1 + c_x)
    times the mean of its past validation errors; then the committee is trained. This goes on until a goal is reached,
    or a whole pass picks nothing.
    """

    ALIASES: ClassVar = {"hdf5_paths": "pool", "converge_best": "converge_select"}

    pool: ExistingFiles = Field(
        description="Files of labelled structures: extended XYZ, HDF5 of MACE or SO3krates, or what else ASE reads. "
        "None is labelled again."
    )
    ensemble_size: Annotated[int, Ge(2), Le(1000), Whole] = Field(
        4, description="Models in the committee, where none is there yet."
    )
    first_set_size: Annotated[int, Ge(2), Whole] = Field(
        20, description="Structures drawn at random that a committee begins with, where none is there yet."
    )
    eval_stride: Count = Field(
        1000, description="Structures that are judged before the committee is trained on those that were picked."
    )
    error_type: Literal["forces", "energy", "both"] = Field(
        "forces",
        description="Error by which structures are judged. forces: MAE of the components, eV/Å; energy: of the energy "
        "per atom, eV; both: the mean of these two numbers. Means over the members.",
    )
    c_x: Annotated[float, Gt(-1)] = Field(
        0.0, description="Shift of the threshold: (1 + c_x) times the mean validation error. Negative values pick more."
    )
    freeze_threshold_dataset: Limit = Field(
        float("inf"), description="Training structures at which the threshold stops moving."
    )
    desired_acc: NotNegative = Field(
        0.0, description="Validation error of error_type at which the stage is done, eV/Å or eV. 0: no such goal."
    )
    max_train_set_size: Limit = Field(
        float("inf"), description="Training structures of each member at which the stage is done."
    )
    shuffle_dataset: bool = Field(
        True,
        description="Whether each pass goes over the pool in a random order of its own. false: in that of the files.",
    )
    epochs_per_batch: Count = Field(50, description="Epochs trained each time structures were picked.")
    valid_ratio: Fraction = Field(0.1, description="Fraction of the picked structures that is used for validation.")
    replay_strategy: Literal["full_dataset", "random_subset"] = Field(
        "full_dataset",
        description="What an epoch runs over. full_dataset: everything; random_subset: the newest structures and as "
        "many others as train_subset_size says.",
    )
    train_subset_size: Count | None = Field(
        None, description="Training structures of an epoch, for replay_strategy random_subset."
    )
    valid_subset_size: Count | None = Field(
        None, description="Validation structures of an epoch, for replay_strategy random_subset. All when not given."
    )
    converge_select: bool = Field(True, description="Whether models are trained to convergence at the end.")

    def contradictions(self) -> Iterator[Contradiction]:
        if self.first_set_size > self.max_train_set_size:
            found = (
                f"first_set_size ({self.first_set_size}) is more than max_train_set_size "
                f"({self.max_train_set_size:g}), so that nothing would be selected."
            )
            yield Contradiction("first_set_size", found, "Lower the first or raise the second.")
        if self.replay_strategy == "random_subset" and self.train_subset_size is None:
            found = "replay_strategy random_subset needs train_subset_size."
            yield Contradiction("replay_strategy", found, "Set train_subset_size (training structures an epoch).")
        for key in ("train_subset_size", "valid_subset_size"):
            if self.replay_strategy != "random_subset" and getattr(self, key) is not None:
                found = f"{key} is for replay_strategy random_subset, and replay_strategy is full_dataset."
                yield Contradiction(key, found, f"Remove {key}, or set replay_strategy: random_subset.")
