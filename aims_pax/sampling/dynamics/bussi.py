"""Constant temperature by scaling all momenta of a structure with one random factor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase
from aims_pax.trajectory import StatisticalEnsemble
from aims_pax.units import BOLTZMANN_EV_PER_K


@dataclass(frozen=True, slots=True)
class Bussi:
    """Stochastic velocity rescaling: the kinetic energy is drawn, the directions of motion stay.

    Parameters
    ----------
    time_fs : float, fs
        Within which the kinetic energy forgets: `tdamp`.
    """

    time_fs: float

    ensemble = StatisticalEnsemble.NVT
    keeps_momentum = True
    is_stochastic = True
    wants_stress = False
    n_own = 1

    @property
    def relaxation_fs(self) -> float:
        return self.time_fs

    @classmethod
    def together(cls, each: Sequence[Self], crowd: Crowd) -> "BussiSteps":
        rescaling = VelocityRescaling.of(crowd, crowd.column([one.time_fs for one in each]))
        return BussiSteps(crowd, rescaling)


@dataclass(frozen=True, slots=True, eq=False)
class VelocityRescaling:
    """What draws kinetic energies.

    Parameters
    ----------
    crowd : Crowd
    kt : (B,), eV
    kept : (B,)
        exp(-dt / time): what is left of a kinetic energy after a step.
    first : (B,) int64
        The first atom of each structure: its first number of noise is the one that has a sign.
    counted : (N, 3)
        1 for the numbers of noise that stand for the other degrees of freedom, else 0.

    Notes
    -----
    Bussi, Donadio & Parrinello, J. Chem. Phys. 126, 014101 (2007), Eq. A7; the sign: Bussi & Parrinello, Comput. Phys.
    Commun. 179, 26 (2008), Eq. 9. The sum of squares is that of as many normal numbers as there are degrees of
    freedom, which the noise of a step has.
    """

    crowd: Crowd
    kt: Tensor
    kept: Tensor
    first: Tensor
    counted: Tensor

    @classmethod
    def of(cls, crowd: Crowd, times_fs: Tensor) -> Self:
        """Within times (B,) in fs."""
        first = crowd.n_atoms.cumsum(0) - crowd.n_atoms
        atom = torch.arange(len(crowd.masses), device=first.device) - first[crowd.structure]
        number = 3 * atom.unsqueeze(1) + torch.arange(3, device=first.device)
        counted = (number > 0) & (number < crowd.n_degrees[crowd.structure].unsqueeze(1))
        return cls(crowd, crowd.kt, torch.exp(-crowd.timestep_fs / times_fs), first, counted.to(crowd.masses.dtype))

    def at(self, temperature_k: Tensor) -> Self:
        """At other temperatures (B,), K."""
        return replace(self, kt=BOLTZMANN_EV_PER_K * temperature_k)

    def scaled(self, momenta: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Momenta (N, 3) after a step, and the heat (B,) in eV that came in."""
        kinetic = self.crowd.kinetic_energies(momenta)
        wanted = 0.5 * self.kt  # of one degree of freedom
        share = (1 - self.kept) * wanted / kinetic.clamp(min=torch.finfo(kinetic.dtype).tiny)
        signed = noise.atoms[self.first, 0]
        others = self.crowd.sums((noise.atoms.square() * self.counted).sum(dim=1))
        squared = self.kept + share * (signed.square() + others) + 2 * signed * (self.kept * share).sqrt()
        sign = torch.where(signed + (self.kept / share).sqrt() < 0, -1.0, 1.0)
        factor = torch.where(kinetic > 0, sign * squared.clamp(min=0).sqrt(), 1.0)
        scaled = self.crowd.moved(self.crowd.of_atoms(factor), held=1.0) * momenta
        return scaled, torch.where(kinetic > 0, (squared - 1) * kinetic, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class BussiSteps:
    """An :class:`aims_pax.protocols.Integrator`: the drawing, then velocity Verlet."""

    crowd: Crowd
    rescaling: VelocityRescaling

    n_own = 1
    wants_cell_noise = False

    def fresh(self) -> Tensor:
        return self.crowd.timestep_fs.new_zeros((len(self.crowd.n_atoms), 1))

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        return replace(self, rescaling=self.rescaling.at(temperature_k))

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        momenta, heat = self.rescaling.scaled(phase.momenta, noise)
        momenta = self.crowd.kicked(momenta, felt.forces)
        return Phase(phase.positions + self.crowd.drift * momenta, momenta, phase.cells, phase.own + heat.unsqueeze(1))

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        return Phase(phase.positions, self.crowd.kicked(phase.momenta, felt.forces), phase.cells, phase.own)

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        return felt.energies + self.crowd.kinetic_energies(phase.momenta) - phase.own[:, 0]

    def at_rest(self, phase: Phase, felt: Felt) -> None:
        """Never."""
