"""`converge` in STAGES: what is there is trained to the end."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import Field

from aims_pax.settings.reading.kinds import ExistingFile
from aims_pax.settings.section import Contradiction, Section
from aims_pax.settings.stage import EndSettings

HANDED_OVER: Final = ("converge_best", "converge_on_validation")
"""What is said only of the training that ends a campaign."""


class ConvergeSettings(EndSettings):
    """Training as long as that helps, at a learning rate that falls in the end."""

    converge_best: bool = Field(
        True,
        description="At the end of a campaign: whether only the best member is converged. Before active learning all "
        "are, since it needs them all.",
    )
    converge_on_validation: bool = Field(
        False,
        description="At the end of a campaign: whether it is then made once more, on the validation structures, too. "
        "It has the same epochs and learning rates; the stated errors are those of the models before.",
    )

    from_scratch: bool = Field(
        False,
        description="Whether it begins with new models of random weights, which learn the dataset; all of them "
        "are trained. Else the models that there are go on.",
    )
    models: ExistingFile | None = Field(
        None,
        description="What these new models are: another mace.yaml, of which ARCHITECTURE, TRAINING and "
        "GENERAL.default_dtype are read. Those of the project when not given; needs from_scratch.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.models is not None and not self.from_scratch:
            found = "models are given, and models that were trained otherwise can't become others."
            yield Contradiction("models", found, "Set from_scratch: true, or remove it.")

    @classmethod
    def after(cls, before: Section) -> Mapping[str, Any]:
        """What the stage before it says of it."""
        return {key: getattr(before, key) for key in (*EndSettings.model_fields, *HANDED_OVER) if before.is_set(key)}

    def ahead_of_learning(self) -> Iterator[Contradiction]:
        """What can't be said of a convergence that active learning goes on from."""
        for key in HANDED_OVER:
            if self.is_set(key) and getattr(self, key):
                found = f"{key} is about the models that are handed over, and more is learned after this."
                yield Contradiction(key, found, f"Remove {key}, or write it where the campaign ends.")
