"""What the members of a committee are built from."""

from dataclasses import dataclass

import torch

from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.build import build_model
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.statistics import DatasetStatistics
from aims_pax.settings.mace import MaceSettings


@dataclass(frozen=True, slots=True)
class Design:
    """What the members of a committee are built from; statistics by member."""

    settings: MaceSettings
    seeds: tuple[int, ...]
    elements: Elements
    statistics: tuple[DatasetStatistics, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The one name that each member has in the log, in files and in figures: ``{name_exp}_{seed}``."""
        return tuple(f"{self.settings.general.name_exp}_{seed}" for seed in self.seeds)

    def models(self, dtype: torch.dtype) -> list[MaceModel]:
        """The members, untrained."""
        architecture = self.settings.architecture
        return [
            build_model(architecture, self.elements, statistics, dtype=dtype, seed=seed)
            for seed, statistics in zip(self.seeds, self.statistics, strict=True)
        ]

    def skeleton(self, dtype: torch.dtype) -> MaceModel:
        """What PyTorch's compiler follows in the place of any member."""
        architecture = self.settings.architecture
        return build_model(architecture, self.elements, self.statistics[0], dtype=dtype, seed=0, traceable=True)
