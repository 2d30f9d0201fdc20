"""A committee that drives towards what it does not know."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame
from aims_pax.protocols import Prediction, Predictor


class PushedForces:
    """Forces of a committee's mean energy less τ times what its members differ by, for a sampler.

    Parameters
    ----------
    models : Predictor
    strengths : sequence of float
        τ of each trajectory, by its number; not negative. Where it is 0 the mean drives, to the last bit.
    starts : sequence of Frame
        Where each trajectory begins: what members differ by there does not count.

    Notes
    -----
    The biased energy is Ē - τ u with u = sqrt(sum over M members of (D_m - D̄)² / M), eV, where D_m is the energy by
    member m less that of the start: Zaverkin and others, arXiv 2312.01416, with the deviation of a committee in the
    place of their gradient-based uncertainty; van der Oord and others, arXiv 2210.04225, for committees. Its derivative
    needs the members' own derivatives and no second ones,

        F = F̄ - (τ / M u) sum over m of (D_m - D̄) (F_m - F̄),

    and likewise for the stress. By the inequality of Cauchy and Schwarz a component of a force changes by no more than
    τ times its own deviation, however small u is.

    While members learn, their energies are apart by constants that are far larger than what they differ by from
    structure to structure. The deviation of energies as they are is that of these constants, and leads nowhere.
    """

    def __init__(self, models: Predictor, strengths: Sequence[float], starts: Sequence[Frame]) -> None:
        self._models = models
        self._strengths = torch.as_tensor(strengths, dtype=torch.float64, device=models.device)
        self._batch = AtomBatch.from_frames(starts, models.cutoff, device=models.device)
        self._at_starts: tuple[int, Tensor] | None = None

    @property
    def generation(self) -> int:
        return self._models.generation

    @property
    def cutoff(self) -> float | None:
        return self._models.cutoff

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Biased energies (B,) in eV and forces (N, 3) in eV/Å, in one pass of all members."""
        said = self._models.opinions(batch)
        energies, leanings = self._energies(said, batch)
        return energies, _biased(said.forces, leanings[:, batch.structure, None])

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³; NaN where no volume is defined."""
        said = self._models.opinions(batch, want_stress=True)
        assert said.stress is not None
        energies, leanings = self._energies(said, batch)
        forces = _biased(said.forces, leanings[:, batch.structure, None])
        return energies, forces, _biased(said.stress, leanings[:, :, None])

    def _energies(self, said: Prediction, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Biased energies (B,), and how much more than 1 / M each member counts in each structure, (M, B)."""
        mean = said.energies.mean(dim=0)
        apart = said.energies - mean - self._constants()[:, batch.trajectory]
        deviation = apart.square().mean(dim=0).sqrt()
        strengths = self._strengths[batch.trajectory]
        # Where all say the same there is no direction to go to.
        leanings = -apart * torch.where(deviation > 0, strengths / (len(apart) * deviation), 0.0)
        return mean - strengths * deviation, leanings

    def _constants(self) -> Tensor:
        """What each member is apart from the mean where trajectories begin, (M, n_trajectories), eV."""
        generation = self._models.generation
        if self._at_starts is None or self._at_starts[0] != generation:
            energies = self._models.evaluate(self._batch).energies
            self._at_starts = generation, energies - energies.mean(dim=0)
        return self._at_starts[1]


def _biased(values: Tensor, leanings: Tensor) -> Tensor:
    """The mean of what members say (M, ...), with more of some and less of others."""
    mean = values.mean(dim=0)
    return mean + (leanings * (values - mean)).sum(dim=0)
