"""A committee, or one of its members, as what drives molecular dynamics."""

from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.protocols import Predictor


class CommitteeForces:
    """Forces of a committee for a sampler.

    Parameters
    ----------
    models : Predictor
    member : int or None
        The member that drives; the mean of all when None.
    """

    def __init__(self, models: Predictor, *, member: int | None = None) -> None:
        self._models = models
        self._member = member

    @property
    def generation(self) -> int:
        return self._models.generation

    @property
    def cutoff(self) -> float | None:
        return self._models.cutoff

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å."""
        if self._member is None:
            prediction = self._models.opinions(batch)
        else:
            prediction = self._models.evaluate(batch, members=(self._member,))
        return prediction.energies.mean(dim=0), prediction.forces.mean(dim=0)
