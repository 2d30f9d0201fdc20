"""`relabel` in STAGES: what is there is labelled by another reference, whose labels are learned from then on."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from aims_pax.settings.committee.mace import AtomicEnergies
from aims_pax.settings.reading.kinds import Arguments, Count
from aims_pax.settings.section import Contradiction, Section


class RelabelSettings(Section):
    """Labels of the same structures by another reference, computed like all others. Both labels stay in the store.

    What comes after it learns from the new labels, and asks this reference for further ones. Structures that it can't
    label leave the dataset.
    """

    REFERENCE: Arguments = Field(
        description="The other reference. With a type: as REFERENCE has it, with the charge and multiplicity of the "
        "first where it says none. Without: what differs from REFERENCE, as {xc: PBE0}."
    )
    which: Literal["dataset", "all"] = Field(
        "dataset",
        description="Structures that are labelled anew. dataset: those for training and validation; all: those that "
        "were labelled for analysis alone, too.",
    )
    atomic_energies: AtomicEnergies | None = Field(
        None,
        description="Energies of free atoms by this reference, eV, by atomic number. Computed by it when not given, or "
        "fitted to its labels where it does not tell; those of mace.yaml belong to the first.",
    )
    max_consecutive_failures: Count = Field(
        10, description="Structures that fail in a row, after which the campaign stops, and tries them again next time."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if not self.REFERENCE:
            found = "REFERENCE is empty, which is the reference that there was."
            yield Contradiction("REFERENCE", found, "Say what differs, as {xc: PBE0}, or a type with its settings.")
