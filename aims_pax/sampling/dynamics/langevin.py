"""Langevin dynamics by the BAOAB splitting, with velocity Verlet as its limit without friction."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from aims_pax.units import BOLTZMANN_EV_PER_K


@dataclass(frozen=True, slots=True)
class Langevin:
    """An :class:`aims_pax.protocols.Integrator` in which each atom may have a thermostat of its own.

    Parameters
    ----------
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

    half_kick: Tensor
    half_drift: Tensor
    damping: Tensor
    noise: Tensor

    @classmethod
    def of(cls, masses: Tensor, *, timestep_fs: Tensor, temperature_k: Tensor, friction_per_fs: Tensor) -> Self:
        """That of atoms with masses (N,) in eV fs²/Å²; the other tensors are (N,), too. NVE: friction 0."""
        damping = torch.exp(-friction_per_fs * timestep_fs)
        # expm1 keeps the noise exact where 1 - exp(-2 friction dt) would cancel.
        variance = -torch.expm1(-2.0 * friction_per_fs * timestep_fs) * masses * BOLTZMANN_EV_PER_K * temperature_k
        columns = (timestep_fs / 2, timestep_fs / (2 * masses), damping, variance.sqrt())
        return cls(*(column.unsqueeze(1) for column in columns))

    def select(self, atoms: Tensor) -> Self:
        return type(self)(self.half_kick[atoms], self.half_drift[atoms], self.damping[atoms], self.noise[atoms])

    def before_forces(self, positions: Tensor, momenta: Tensor, forces: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        momenta = torch.addcmul(momenta, self.half_kick, forces)
        positions = torch.addcmul(positions, self.half_drift, momenta)
        momenta = torch.addcmul(self.damping * momenta, self.noise, noise)
        return torch.addcmul(positions, self.half_drift, momenta), momenta

    def after_forces(self, momenta: Tensor, forces: Tensor) -> Tensor:
        return torch.addcmul(momenta, self.half_kick, forces)


def maxwell_boltzmann(noise: Tensor, masses: Tensor, *, temperature_k: float) -> Tensor:
    """Momenta of one structure at a temperature, without motion of its centre of mass.

    Parameters
    ----------
    noise : (n_atoms, 3)
        Standard normal numbers.
    masses : (n_atoms,), eV fs²/Å²
    temperature_k : float, K

    Returns
    -------
    (n_atoms, 3) tensor, eV fs/Å
        A single atom keeps its momentum: it has no other motion.
    """
    momenta = (masses * BOLTZMANN_EV_PER_K * temperature_k).sqrt().unsqueeze(1) * noise
    if len(masses) == 1:
        return momenta
    return momenta - masses.unsqueeze(1) / masses.sum() * momenta.sum(dim=0)
