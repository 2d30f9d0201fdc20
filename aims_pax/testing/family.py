"""What builds, loads and reads springs where a campaign builds, loads and reads MACE models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from aims_pax.committee.device import AS_IT_IS, Handling, Where, as_devices
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.testing.committee import SpringCommittee
from aims_pax.testing.drivers import Bonds, SpringField
from aims_pax.testing.springs import SPREAD, Nature, Springs, read_springs


class SpringFamily:
    """Committees of springs from the settings of a campaign: their name and seeds; nothing else of mace.yaml matters.

    Parameters
    ----------
    truth : SpringField or None
        What the springs come to learn.
    spread : float
        How wrong they are in the beginning.
    """

    def __init__(self, truth: SpringField | None = None, *, spread: float = SPREAD) -> None:
        self._truth, self._spread = truth or Bonds(), spread

    def build(
        self,
        settings: MaceSettings,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> SpringCommittee:
        """Untrained members for a first set of points, which they also receive, and whose mean energy they know."""
        isolated = dict(atomic_energies_ev or {})
        numbers = {*isolated, *(int(z) for point in labelled for z in point.frame.numbers)}
        nature = Nature(self._truth, self._spread, tuple(sorted(numbers)), isolated)
        committee = SpringCommittee(seeds, nature=nature, name=settings.general.name_exp, device=_first(device))
        committee.add(labelled)
        committee.know_mean_energy()
        return committee

    def load(
        self,
        path: Path,
        *,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> SpringCommittee:
        """The committee that was saved, without its points. ModelError when it can't be read."""
        return SpringCommittee.load(path, device=_first(device))

    def from_models(
        self,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> SpringCommittee:
        """Members that go on from exported ones, each from its own, or all from one; without points."""
        return SpringCommittee.from_models(paths, seeds=seeds, name=settings.general.name_exp, device=_first(device))

    def load_models(self, paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> Springs:
        """Models for prediction. ModelError when one can't be read."""
        return read_springs(paths, device=_first(device))


def _first(device: Where) -> torch.device:
    return as_devices(device)[0]
