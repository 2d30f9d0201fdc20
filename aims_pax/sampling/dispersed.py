"""A driver with London dispersion laid over it."""

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import Driver, ExplainsFailures
from aims_pax.reference.calculation import ENGINE_ERRORS, raised_words
from aims_pax.reference.dispersion import Dispersion
from aims_pax.sampling.calculator import failed, frames_of


class DispersedForces:
    """Forces of a model plus a dispersion correction, for models of functionals that know none.

    Parameters
    ----------
    model : Driver
    correction : Dispersion
    """

    def __init__(self, model: Driver, correction: Dispersion) -> None:
        self._model = model
        self._correction = correction
        self._failures: dict[int, str] = {}

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
        added = [self._added(frame) for frame in frames_of(batch)]
        more_energy = torch.tensor([energy for energy, _ in added], dtype=energies.dtype, device=energies.device)
        more_forces = torch.as_tensor(np.concatenate([forces for _, forces in added]), device=forces.device)
        return energies + more_energy, forces + more_forces

    def failure_of(self, trajectory: int) -> str | None:
        """Why the newest structure of a trajectory got no forces: the model's reason, or the correction's."""
        own = self._model.failure_of(trajectory) if isinstance(self._model, ExplainsFailures) else None
        return own or self._failures.get(trajectory)

    def _added(self, frame: Frame) -> tuple[float, FloatArray]:
        self._failures.pop(frame.trajectory, None)
        try:
            seen = self._correction.observables(frame, want_stress=False)
        except ENGINE_ERRORS as error:
            self._failures[frame.trajectory] = f"dispersion: {raised_words(error)}"
            return failed(frame)
        return seen.energy, seen.forces
