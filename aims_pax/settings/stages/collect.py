"""`collect` in STAGES: structures that are made or given are labelled, and are the first dataset."""

from collections.abc import Iterator
from typing import Annotated

from annotated_types import Ge, Le, Lt
from pydantic import Field

from aims_pax.settings.augmentation.augment import AugmentSettings
from aims_pax.settings.reading.kinds import Count, ExistingFiles, Fraction, Positive, Whole
from aims_pax.settings.section import Contradiction, Section


class CollectSettings(Section):
    """Structures are made from the starting structures without MD, or given, and labelled; all members learn them.

    It begins a campaign, in the place of an initial dataset. Of what is made of one structure in one way the same
    shares train, validate and test, and of what is given of one system; inputs, isolated atoms and dimers always train.
    """

    augment: AugmentSettings | None = Field(
        None, description="What to make, by source. Needed where no structures are given."
    )
    structures: ExistingFiles | None = Field(
        None,
        description="Files of structures that are labelled as they are, beside what is made. Each belongs to the "
        "starting structure of its atoms, or else of its elements. Labels in them are not read.",
    )
    valid_ratio: Fraction = Field(0.1, description="Fraction of the structures that is used for validation.")
    test_ratio: Annotated[float, Ge(0), Lt(1)] = Field(
        0.1, description="Fraction of the structures that is learned by nobody, and tests the models at the end."
    )
    max_force_ev_per_ang: Positive | None = Field(
        None,
        description="Largest force on an atom that a label of this stage may hold to be learned, eV/Å. As REFERENCE "
        "says when not given; distorted structures and clusters may need more than the MD.",
    )
    ensemble_size: Annotated[int, Ge(2), Le(1000), Whole] | None = Field(
        None, description="Models of the committee. As a later stage says, or 4, when not given."
    )
    max_consecutive_failures: Count = Field(
        20, description="Structures that fail in a row, after which the campaign stops, and tries them again next time."
    )

    @property
    def seed(self) -> int:
        """Of the shares: that of augment, or its usual one."""
        return int(AugmentSettings.model_fields["seed"].default) if self.augment is None else self.augment.seed

    def contradictions(self) -> Iterator[Contradiction]:
        if self.augment is None and self.structures is None:
            found = "augment is missing, and no structures are given: there is nothing to label."
            yield Contradiction("augment", found, "Say what to make, or name files of structures by structures.")
        if self.valid_ratio + self.test_ratio >= 1:
            said = f"valid_ratio ({self.valid_ratio:g}) and test_ratio ({self.test_ratio:g})"
            found = f"{said} leave nothing to train on."
            yield Contradiction("test_ratio", found, "Lower one of them.")
