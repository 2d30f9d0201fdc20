"""A committee, or one of its members, as what drives molecular dynamics."""

from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.protocols import Prediction, Predictor


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

    def follow(self, models: Predictor) -> None:
        """Let others drive from now on, in the place of those before."""
        self._models = models

    @property
    def generation(self) -> int:
        return self._models.generation

    @property
    def cutoff(self) -> float | None:
        return self._models.cutoff

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å."""
        said = self._said(batch, want_stress=False)
        return said.energies.mean(dim=0), said.forces.mean(dim=0)

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³, in one pass; NaN where no volume is defined."""
        said = self._said(batch, want_stress=True)
        assert said.stress is not None
        return said.energies.mean(dim=0), said.forces.mean(dim=0), said.stress.mean(dim=0)

    def _said(self, batch: AtomBatch, *, want_stress: bool) -> Prediction:
        if self._member is None:
            return self._models.opinions(batch, want_stress=want_stress)
        return self._models.evaluate(batch, members=(self._member,), want_stress=want_stress)
