"""A driver with London dispersion laid over it."""

from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame
from aims_pax.protocols import Driver, ExplainsFailures
from aims_pax.reference.calculation import ENGINE_ERRORS, Observables, raised_words
from aims_pax.reference.dispersion import Dispersion
from aims_pax.sampling.asking import Question, answer_of
from aims_pax.sampling.calculator import failed, frames_of, tensors_of


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
        more_energy, more_forces, _ = self._added(batch, want_stress=False)
        energies, forces = self._model.energies_forces(batch)
        return energies + more_energy, forces + more_forces

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³; NaN for one that is not periodic along three directions."""
        said = answer_of(self._model, Question(batch, want_stress=True))
        assert said.stress is not None
        more_energy, more_forces, more_stress = self._added(batch, want_stress=True)
        return said.energies + more_energy, said.forces + more_forces, said.stress + more_stress

    def failure_of(self, trajectory: int) -> str | None:
        """Why the newest structure of a trajectory got no forces: the model's reason, or the correction's."""
        own = self._model.failure_of(trajectory) if isinstance(self._model, ExplainsFailures) else None
        return own or self._failures.get(trajectory)

    def _added(self, batch: AtomBatch, *, want_stress: bool) -> tuple[Tensor, Tensor, Tensor]:
        each = [self._correction_of(frame, want_stress=want_stress) for frame in frames_of(batch)]
        return tensors_of(each, batch.device)

    def _correction_of(self, frame: Frame, *, want_stress: bool) -> Observables:
        self._failures.pop(frame.trajectory, None)
        try:
            return self._correction.observables(frame, want_stress=want_stress)
        except ENGINE_ERRORS as error:
            self._failures[frame.trajectory] = f"dispersion: {raised_words(error)}"
            return failed(frame)
