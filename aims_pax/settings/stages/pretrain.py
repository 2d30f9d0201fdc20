"""`pretrain` in STAGES: before its first labels the committee learns those of a method that costs next to nothing."""

from collections.abc import Iterator
from math import ceil
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge
from pydantic import Field

from aims_pax.settings.methods.reference import XtbMethod
from aims_pax.settings.reading.kinds import Count, Fraction, Whole
from aims_pax.settings.section import Contradiction, Section

LEAST_LABELS: Final = 10
"""With fewer, nothing would be known beforehand."""

USUAL_STEPS: Final = 20_000
"""Optimizer steps of each member where `epochs` says nothing."""

LEAST_EPOCHS, MOST_EPOCHS = 20, 500
"""Bounds of the epochs that these make: of many labels each is seen again, and few are not learned by heart."""


class CheapReference(Section):
    """What labels at a price of next to nothing. It has the charge and multiplicity of REFERENCE for each system."""

    type: Literal["tblite"] = Field(
        description="Only tight binding, for thousands of its labels are computed in the campaign's own process."
    )
    method: XtbMethod = Field("GFN2-xTB", description="Parametrisation.")


class PretrainSettings(Section):
    """The committee learns labels of a cheap method, from its MD of the starting structures, before it asks for others.

    These are no labels of the run: they are in none of its sets, counts and budgets. With the first labels by REFERENCE
    atomic energies are fitted anew; the weights go on.
    """

    ALIASES: ClassVar = {"reference": "REFERENCE"}

    REFERENCE: CheapReference = Field(
        description="The cheap method, as {type: tblite, method: GFN2-xTB}. Charge and multiplicity of each system are "
        "those that REFERENCE has for it."
    )
    n: Annotated[int, Ge(LEAST_LABELS), Whole] = Field(2000, description="Labels by it, of all systems together.")
    num_trajectories: Count = Field(
        8, description="Trajectories of its MD, of all systems together; at least one of each."
    )
    skip_step: Count = Field(10, description="MD steps between two labels of a trajectory.")
    valid_ratio: Fraction = Field(
        0.05, description="Fraction of these labels that are not trained on, and tell which weights were the best."
    )
    epochs: Count | None = Field(
        None,
        description="Epochs on them, in the second half of which the learning rate falls. When not given, so many that "
        f"each member makes {USUAL_STEPS} steps: {LEAST_EPOCHS} at least, and {MOST_EPOCHS} at most.",
    )

    def n_epochs(self, batch_size: int) -> int:
        """Epochs of each member."""
        if self.epochs is not None:
            return self.epochs
        n_steps = ceil((self.n - self.n_valid) / batch_size)
        return min(MOST_EPOCHS, max(LEAST_EPOCHS, round(USUAL_STEPS / n_steps)))

    @property
    def n_valid(self) -> int:
        """Labels that are not trained on."""
        return int(self.n * self.valid_ratio)

    def validates(self, index: int) -> bool:
        """Whether the label of this number, from 0, is not trained on: these lie evenly among all."""
        return int((index + 1) * self.valid_ratio) > int(index * self.valid_ratio)

    def contradictions(self) -> Iterator[Contradiction]:
        if self.num_trajectories > self.n:
            found = f"num_trajectories ({self.num_trajectories}) is more than n ({self.n}), so that some give no label."
            yield Contradiction("num_trajectories", found, "Lower the first or raise the second.")
