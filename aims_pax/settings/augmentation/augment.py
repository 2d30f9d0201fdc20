"""`augment`: which sources make structures of those that there are."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import Field

from aims_pax.settings.augmentation.grid import DisplaceSettings, StrainGridSettings
from aims_pax.settings.augmentation.sources import (
    AlloySettings,
    ClusterSettings,
    DimerSettings,
    DistortSettings,
    InputSettings,
    IsolatedSettings,
    Room,
    SlabSettings,
    StrainSettings,
    SubstituteSettings,
    SupercellSettings,
    VacancySettings,
)
from aims_pax.settings.augmentation.words import source
from aims_pax.settings.reading.kinds import Kind, Seed
from aims_pax.settings.section import Contradiction

_PLAIN: Final = Kind("true, or a mapping of settings")
_NUMBER: Final = Kind("true, a number of structures, or a mapping of settings")

PREPARING: Final = ("supercell",)
"""What changes the structures that sources begin with, and gives none itself."""

PUBLISHED: Final[Mapping[str, object]] = dict.fromkeys(
    ("inputs", "supercell", "isolated", "distort", "clusters", "slabs", "substitute"), True
)
"""What the TrainsPot paper makes of any structures, with its defaults: all sources that need not be told species."""

UNCHANGED: Final[Mapping[str, object]] = {"inputs": True, "vacuum": 0}
"""What gives structures as they are, in the cells that they have."""


class AugmentSettings(Room):
    """Structures that are made from those that there are, without MD: what to make, and how many.

    A source that is not named does not run. `true` takes its defaults.
    """

    inputs: Annotated[InputSettings | None, source(), _PLAIN] = Field(
        None, description="The structures themselves: with vacuum, and as supercells where supercell is named."
    )
    supercell: Annotated[SupercellSettings | None, source("max_atoms"), _PLAIN] = Field(
        None, description="Larger cells, which other sources begin with. inputs gives them."
    )
    isolated: Annotated[IsolatedSettings | None, source(), _PLAIN] = Field(
        None, description="One atom of each element, alone in a box."
    )
    distort: Annotated[DistortSettings | None, source("n"), _NUMBER] = Field(
        None, description="Atoms moved at random, in cells of random size, some with atoms missing."
    )
    strain: Annotated[StrainSettings | None, source("range"), Kind("true, [from, to], or a mapping of settings")] = (
        Field(None, description="Strained cells, their atoms moved along.")
    )
    strain_grid: Annotated[
        StrainGridSettings | None, source("values"), Kind("true, a list of strains, or a mapping of settings")
    ] = Field(None, description="Cells strained by each point of a grid: by equal lengths, three axes, six components.")
    displace: Annotated[
        DisplaceSettings | None, source("distance"), Kind("true, a distance in Å, or a mapping of settings")
    ] = Field(None, description="One atom at a time displaced along x, y and z, forward and back.")
    vacancies: Annotated[VacancySettings | None, source("n"), _NUMBER] = Field(
        None, description="Structures that lack atoms."
    )
    clusters: Annotated[ClusterSettings | None, source("n"), _NUMBER] = Field(
        None, description="Atoms put together at random."
    )
    slabs: Annotated[SlabSettings | None, source("miller"), Kind("true, Miller indices, or a mapping of settings")] = (
        Field(None, description="Surfaces of crystals that are periodic in three directions.")
    )
    substitute: Annotated[
        SubstituteSettings | None, source("structures"), Kind("true, a share of structures, or a mapping of settings")
    ] = Field(None, description="Species exchanged between atoms of inputs, distorted structures and slabs.")
    alloys: Annotated[AlloySettings | None, source(), Kind("a mapping of settings")] = Field(
        None, description="Species given to sites by fractions."
    )
    dimers: Annotated[DimerSettings | None, source("n"), _NUMBER] = Field(
        None, description="Two atoms, over their distance."
    )
    seed: Seed = Field(
        42, description="Seed of everything random; each source and each structure has a stream of its own."
    )

    @property
    def named(self) -> tuple[str, ...]:
        """The sources that run."""
        return tuple(key for key in SOURCE_KEYS if getattr(self, key) is not None)

    def contradictions(self) -> Iterator[Contradiction]:
        if not self.named:
            only = " but supercell, which gives none itself" if self.supercell is not None else ""
            found = f"No source of structures is named{only}."
            yield Contradiction("", found, f"Name one: {', '.join(SOURCE_KEYS)}. inputs gives supercells.")


SOURCE_KEYS: Final = tuple(
    key for key in AugmentSettings.model_fields if key not in (*Room.model_fields, *PREPARING, "seed")
)
