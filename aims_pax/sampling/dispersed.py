"""A force model with London dispersion laid over it."""

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch, ForceModel
from aims_pax.reference.dispersion import Dispersion
from aims_pax.sampling.calculator import frames_of


class DispersedForces:
    """Forces of a model plus a dispersion correction, for models of functionals that know none.

    Parameters
    ----------
    model : ForceModel
    correction : Dispersion
    """

    def __init__(self, model: ForceModel, correction: Dispersion) -> None:
        self._model = model
        self._correction = correction

    @property
    def generation(self) -> int:
        """The model's: the correction never changes."""
        return self._model.generation

    @property
    def cutoff(self) -> float | None:
        """The model's: the correction finds its own pairs."""
        return self._model.cutoff

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å; NaN where the model gives NaN."""
        energies, forces = self._model.energies_forces(batch)
        added = [self._correction.observables(frame, want_stress=False) for frame in frames_of(batch)]
        more_energy = torch.tensor([one.energy for one in added], dtype=energies.dtype, device=energies.device)
        more_forces = torch.as_tensor(np.concatenate([one.forces for one in added]), device=forces.device)
        return energies + more_energy, forces + more_forces
