"""What the members of a committee are built from."""

from dataclasses import dataclass

import torch

from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.build import build_model
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.statistics import DatasetStatistics
from aims_pax.committee.mace.trained.adapting import adapt
from aims_pax.committee.mace.trained.network import Network
from aims_pax.settings.committee.mace import MaceSettings


@dataclass(frozen=True, slots=True)
class Design:
    """What the members of a committee are built from; statistics by member.

    With fine-tuning, the network is that of the foundation model, and the settings' ARCHITECTURE what they can say of
    it.
    """

    settings: MaceSettings
    seeds: tuple[int, ...]
    elements: Elements
    statistics: tuple[DatasetStatistics, ...]
    network: Network | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The one name that each member has in the log, in files and in figures: ``{name_exp}_{seed}``."""
        return tuple(f"{self.settings.general.name_exp}_{seed}" for seed in self.seeds)

    @property
    def remembers(self) -> bool:
        """Whether members have a second head that keeps what the foundation model knew."""
        return self.network is not None and self.settings.training.finetuning_choice == "multihead"

    def models(self, dtype: torch.dtype) -> list[MaceModel]:
        """The members, untrained."""
        found = []
        for seed, statistics in zip(self.seeds, self.statistics, strict=True):
            model = self._model(statistics, dtype, seed=seed)
            if self.network is not None:
                adapt(model, self.settings.training, seed=seed)
            found.append(model)
        return found

    def skeleton(self, dtype: torch.dtype) -> MaceModel:
        """What PyTorch's compiler follows in the place of any member."""
        return self._model(self.statistics[0], dtype, seed=0, traceable=True)

    def _model(
        self, statistics: DatasetStatistics, dtype: torch.dtype, *, seed: int, traceable: bool = False
    ) -> MaceModel:
        return build_model(
            self.settings.architecture,
            self.elements,
            statistics,
            dtype=dtype,
            seed=seed,
            traceable=traceable,
            network=self.network,
            remembers=self.remembers,
        )
