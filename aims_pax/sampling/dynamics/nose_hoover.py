"""Constant temperature by chains of thermostats, without noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase
from aims_pax.sampling.dynamics.chains import Chains
from aims_pax.trajectory import StatisticalEnsemble
from aims_pax.units import BOLTZMANN_EV_PER_K


@dataclass(frozen=True, slots=True)
class NoseHoover:
    """A chain of thermostats for each structure.

    Parameters
    ----------
    time_fs : float, fs
        Within which kinetic energy is exchanged: `tdamp`.
    n_links : int
        `tchain`.
    n_loops : int
        Parts into which its step is cut: `tloop`.
    """

    time_fs: float
    n_links: int = 3
    n_loops: int = 1

    ensemble = StatisticalEnsemble.NVT
    keeps_momentum = True
    is_stochastic = False
    wants_stress = False

    @property
    def n_own(self) -> int:
        return 2 * self.n_links

    @property
    def relaxation_fs(self) -> float:
        return self.time_fs

    @classmethod
    def together(cls, each: Sequence[Self], crowd: Crowd) -> "NoseHooverSteps":
        chains = Chains.of(
            crowd.kt,
            crowd.n_degrees,
            times_fs=crowd.column([one.time_fs for one in each]),
            lengths=[one.n_links for one in each],
            loops=[one.n_loops for one in each],
        )
        return NoseHooverSteps(crowd, chains)


@dataclass(frozen=True, slots=True, eq=False)
class NoseHooverSteps:
    """An :class:`aims_pax.protocols.Integrator`: velocity Verlet between two half steps of the chains.

    Notes
    -----
    Martyna, Tuckerman, Tobias & Klein, Mol. Phys. 87, 1117 (1996), Eq. 29. Not ergodic for a few harmonic modes.
    """

    crowd: Crowd
    chains: Chains

    wants_cell_noise = False

    @property
    def n_own(self) -> int:
        return self.chains.n_own

    def fresh(self) -> Tensor:
        return self.chains.kt.new_zeros((len(self.chains.kt), self.n_own))

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        return replace(self, chains=self.chains.at(BOLTZMANN_EV_PER_K * temperature_k))

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        momenta, own = self._thermostatted(phase.momenta, phase.own)
        momenta = self.crowd.kicked(momenta, felt.forces)
        return Phase(phase.positions + self.crowd.drift * momenta, momenta, phase.cells, own)

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        momenta, own = self._thermostatted(self.crowd.kicked(phase.momenta, felt.forces), phase.own)
        return Phase(phase.positions, momenta, phase.cells, own)

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        return felt.energies + self.crowd.kinetic_energies(phase.momenta) + self.chains.energies(phase.own)

    def at_rest(self, phase: Phase, felt: Felt) -> None:
        """Never."""

    def _thermostatted(self, momenta: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        twice_kinetic = 2 * self.crowd.kinetic_energies(momenta)
        own, factor = self.chains.propagated(own, twice_kinetic, self.crowd.timestep_fs / 2)
        return self.crowd.moved(self.crowd.of_atoms(factor), held=1.0) * momenta, own
