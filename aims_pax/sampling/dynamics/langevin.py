"""Langevin dynamics by the BAOAB splitting, with velocity Verlet as its limit without friction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase
from aims_pax.trajectory import StatisticalEnsemble
from aims_pax.units import BOLTZMANN_EV_PER_K


@dataclass(frozen=True, slots=True)
class Langevin:
    """Constant temperature by friction and noise on every atom; without friction constant energy.

    Parameters
    ----------
    friction_per_fs : float, 1/fs
        0 is velocity Verlet.
    """

    friction_per_fs: float

    @property
    def ensemble(self) -> StatisticalEnsemble:
        return StatisticalEnsemble.NVT if self.friction_per_fs else StatisticalEnsemble.NVE

    @property
    def keeps_momentum(self) -> bool:
        return not self.friction_per_fs

    @property
    def is_stochastic(self) -> bool:
        return bool(self.friction_per_fs)

    @property
    def relaxation_fs(self) -> float | None:
        return 1 / self.friction_per_fs if self.friction_per_fs else None

    wants_stress = False
    n_own = 0

    @classmethod
    def together(cls, each: Sequence[Self], crowd: Crowd) -> "LangevinSteps":
        return LangevinSteps.of(crowd, crowd.column([one.friction_per_fs for one in each]))


VELOCITY_VERLET = Langevin(0.0)


@dataclass(frozen=True, slots=True)
class LangevinSteps:
    """An :class:`aims_pax.protocols.Integrator` in which each atom may have a thermostat of its own.

    Parameters
    ----------
    crowd : Crowd
    half_kick : (N, 1), fs
        dt / 2.
    half_drift : (N, 1), Å/(eV fs/Å)
        dt / (2 m).
    damping : (N, 1)
        exp(-friction dt): what the thermostat leaves of a momentum; 1 in NVE.
    noise : (N, 1), eV fs/Å
        sqrt(m k T (1 - damping²)): what it adds; 0 in NVE.

    Notes
    -----
    B, A, O, A and, after the new forces, B of BAOAB: Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34,
    doi:10.1093/amrx/abs010. Its averages over positions are exact for harmonic forces at any stable time step; the
    kinetic temperature of a mode of frequency w comes out low by the factor 1 - (w dt)²/4.
    """

    crowd: Crowd
    friction_per_fs: Tensor
    half_kick: Tensor
    half_drift: Tensor
    damping: Tensor
    noise: Tensor

    n_own = 0
    wants_cell_noise = False

    @classmethod
    def of(cls, crowd: Crowd, friction_per_fs: Tensor) -> Self:
        """That of some structures with frictions (B,)."""
        timestep_fs, friction_per_fs = crowd.timestep_fs[crowd.structure], friction_per_fs[crowd.structure]
        damping = torch.exp(-friction_per_fs * timestep_fs).unsqueeze(1)
        half_kick, half_drift = (timestep_fs / 2).unsqueeze(1), (timestep_fs / (2 * crowd.masses)).unsqueeze(1)
        half_kick, damping = crowd.moved(half_kick, held=0.0), crowd.moved(damping, held=1.0)
        steps = cls(crowd, friction_per_fs, half_kick, half_drift, damping, half_kick)
        return steps.at(crowd.temperature_k, crowd.pressure)

    def fresh(self) -> Tensor:
        return self.half_kick.new_empty((len(self.crowd.n_atoms), 0))

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        crowd = self.crowd
        # expm1 keeps the noise exact where 1 - exp(-2 friction dt) would cancel.
        left = -torch.expm1(-2.0 * self.friction_per_fs * crowd.timestep_fs[crowd.structure])
        variance = left * crowd.masses * BOLTZMANN_EV_PER_K * temperature_k[crowd.structure]
        return replace(self, noise=crowd.moved(variance.sqrt().unsqueeze(1), held=0.0))

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        momenta = torch.addcmul(phase.momenta, self.half_kick, felt.forces)
        positions = torch.addcmul(phase.positions, self.half_drift, momenta)
        momenta = torch.addcmul(self.damping * momenta, self.noise, noise.atoms)
        return Phase(torch.addcmul(positions, self.half_drift, momenta), momenta, phase.cells, phase.own)

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        momenta = torch.addcmul(phase.momenta, self.half_kick, felt.forces)
        return Phase(phase.positions, momenta, phase.cells, phase.own)

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        """Its energy, in NVE; NaN with a thermostat, whose heat is not counted."""
        energies = felt.energies + self.crowd.kinetic_energies(phase.momenta)
        friction = self.crowd.sums(self.friction_per_fs)
        return torch.where(friction == 0, energies, torch.nan)

    def at_rest(self, phase: Phase, felt: Felt) -> None:
        """Never."""
