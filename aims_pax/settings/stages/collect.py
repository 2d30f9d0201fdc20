"""`collect` in STAGES: structures made from the starting structures are labelled, and are the first dataset."""

from collections.abc import Iterator
from typing import Annotated

from annotated_types import Ge, Le, Lt
from pydantic import Field

from aims_pax.settings.augmentation.augment import AugmentSettings
from aims_pax.settings.reading.kinds import Count, Fraction, Positive, Whole
from aims_pax.settings.section import Contradiction, Section


class CollectSettings(Section):
    """Structures are made from the starting structures without MD and labelled; all members learn them.

    It begins a campaign, in the place of an initial dataset. Of what is made of one structure in one way the same
    shares train, validate and test; inputs, isolated atoms and dimers always train.
    """

    augment: AugmentSettings = Field(description="What to make, by source.")
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

    def contradictions(self) -> Iterator[Contradiction]:
        if self.valid_ratio + self.test_ratio >= 1:
            said = f"valid_ratio ({self.valid_ratio:g}) and test_ratio ({self.test_ratio:g})"
            found = f"{said} leave nothing to train on."
            yield Contradiction("test_ratio", found, "Lower one of them.")
