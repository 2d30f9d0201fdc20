"""Every integrator, by the suite that ships."""

import torch
from torch import Tensor

from aims_pax.protocols import Integrator
from aims_pax.sampling.dynamics import Langevin
from aims_pax.testing.contracts import IntegratorContract


def langevin(masses: Tensor, *, timestep_fs: float, temperature_k: float, friction_per_fs: float) -> Langevin:
    ones = torch.ones_like(masses)
    return Langevin.of(
        masses,
        timestep_fs=timestep_fs * ones,
        temperature_k=temperature_k * ones,
        friction_per_fs=friction_per_fs * ones,
    )


class TestLangevin(IntegratorContract):
    TEMPERATURE_K = 350.0

    def make(self, masses: Tensor, *, timestep_fs: float) -> Integrator:
        return langevin(masses, timestep_fs=timestep_fs, temperature_k=350.0, friction_per_fs=0.05)


class TestVelocityVerlet(IntegratorContract):
    """Langevin dynamics without friction."""

    def make(self, masses: Tensor, *, timestep_fs: float) -> Integrator:
        return langevin(masses, timestep_fs=timestep_fs, temperature_k=350.0, friction_per_fs=0.0)
