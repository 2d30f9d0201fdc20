"""Constant pressure by straining cells a little at every step, with noise as it must be, or without, to get there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase
from aims_pax.sampling.dynamics.bussi import VelocityRescaling
from aims_pax.sampling.dynamics.shape import Shape, Shapes, exponentials, rows_times, times, volumes
from aims_pax.trajectory import StatisticalEnsemble


@dataclass(frozen=True, slots=True)
class CellRescaling:
    """Stochastic cell rescaling with stochastic velocity rescaling; without noise, Berendsen's weak coupling.

    Parameters
    ----------
    shape : Shape
    time_fs : float, fs
        Of the thermostat: `tdamp`.
    pressure_time_fs : float, fs
        Of the barostat: `pdamp`.
    compressibility : float, Å³/eV
        Of the material, roughly: with it, the time of the barostat is what it is called.
    is_stochastic : bool
        False: Berendsen's, which comes to pressure and temperature but has no right fluctuations.
    """

    shape: Shape
    time_fs: float
    pressure_time_fs: float
    compressibility: float
    is_stochastic: bool = True

    ensemble = StatisticalEnsemble.NPT
    keeps_momentum = True
    wants_stress = True
    n_own = 0

    @property
    def relaxation_fs(self) -> float:
        return self.time_fs

    @classmethod
    def together(cls, each: Sequence[Self], crowd: Crowd) -> "CellRescalingSteps":
        device = crowd.masses.device
        times_fs = crowd.column([one.time_fs for one in each])
        return CellRescalingSteps(
            crowd=crowd,
            rescaling=VelocityRescaling.of(crowd, times_fs),
            weak=-torch.expm1(-crowd.timestep_fs / times_fs),
            shapes=Shapes.of([one.shape for one in each], crowd),
            softness=crowd.column([one.compressibility / one.pressure_time_fs for one in each]),
            is_stochastic=torch.tensor([one.is_stochastic for one in each], device=device),
            pressure=crowd.pressure,
        )


@dataclass(frozen=True, slots=True, eq=False)
class CellRescalingSteps:
    """An :class:`aims_pax.protocols.Integrator`: thermostat, and velocity Verlet with a strain in its drift.

    Parameters
    ----------
    crowd : Crowd
    rescaling : VelocityRescaling
    weak : (B,)
        The share of what lacks to the temperature that Berendsen's thermostat gives in a step.
    shapes : Shapes
    softness : (B,), Å³/(eV fs)
        Compressibility over the time of the barostat.
    is_stochastic : (B,) bool
    pressure : (B,), eV/Å³

    Notes
    -----
    Isotropic: Bernetti & Bussi, J. Chem. Phys. 153, 114107 (2020), Eq. 5; all components: del Tatto, Raiteri, Bernetti
    & Bussi, Appl. Sci. 12, 1139 (2022). The strain is symmetric and enters as an exponential, which turns the term
    kT/V of its drift into nothing, and cells do not rotate. Weak coupling: Berendsen, Postma, van Gunsteren, DiNola &
    Haak, J. Chem. Phys. 81, 3684 (1984).
    """

    crowd: Crowd
    rescaling: VelocityRescaling
    weak: Tensor
    shapes: Shapes
    softness: Tensor
    is_stochastic: Tensor
    pressure: Tensor

    n_own = 0
    wants_cell_noise = True

    def fresh(self) -> Tensor:
        return self.pressure.new_empty((len(self.pressure), 0))

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        return replace(self, rescaling=self.rescaling.at(temperature_k), pressure=pressure)

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        crowd = self.crowd
        momenta = crowd.kicked(self._thermostatted(phase.momenta, noise), felt.forces)
        half_drift = crowd.drift / 2
        positions = phase.positions + half_drift * momenta
        strain = self._strain(phase, momenta, felt, noise)
        grown, shrunk = exponentials(strain), exponentials(-strain)
        positions = rows_times(positions, grown[crowd.structure])
        momenta = rows_times(momenta, shrunk[crowd.structure])
        return Phase(positions + half_drift * momenta, momenta, times(phase.cells, grown), phase.own)

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        return Phase(phase.positions, self.crowd.kicked(phase.momenta, felt.forces), phase.cells, phase.own)

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        """Nothing that is known at the end of a step."""
        return torch.full_like(felt.energies, torch.nan)

    def at_rest(self, phase: Phase, felt: Felt) -> None:
        """Never."""

    def _thermostatted(self, momenta: Tensor, noise: Noise) -> Tensor:
        drawn, _ = self.rescaling.scaled(momenta, noise)
        kinetic = self.crowd.kinetic_energies(momenta)
        wanted = 0.5 * self.rescaling.kt * self.crowd.n_degrees
        factor = torch.where(kinetic > 0, (1 + self.weak * (wanted / kinetic - 1)).sqrt(), 1.0)
        pulled = self.crowd.of_atoms(factor) * momenta
        return torch.where(self.is_stochastic[self.crowd.structure].unsqueeze(1), drawn, pulled)

    def _strain(self, phase: Phase, momenta: Tensor, felt: Felt, noise: Noise) -> Tensor:
        """By which cells are multiplied, as its logarithm, (B, 3, 3)."""
        assert felt.stress is not None
        assert noise.cells is not None
        timestep_fs, volume = self.crowd.timestep_fs, volumes(phase.cells)
        one = torch.eye(3, dtype=momenta.dtype, device=momenta.device)
        # Kinetic energy on the way from one step to the next: that of both half kicks in the mean.
        inside = self.crowd.kinetic_tensors(momenta) / volume[:, None, None] - felt.stress
        lacking = inside - self.pressure[:, None, None] * one
        drift = (self.softness * timestep_fs / 3)[:, None, None] * lacking
        symmetric = (noise.cells + noise.cells.transpose(1, 2)) / 2
        spread = (2 * self.softness * self.rescaling.kt * timestep_fs / (3 * volume)).sqrt()
        spread = torch.where(self.is_stochastic, spread, 0.0)[:, None, None]
        return self.shapes.allowed(drift + spread * symmetric, self.shapes.projectors(phase.cells))
