"""Force models that are formulas: what the dynamics is checked against, and what it can be tried out with."""

import torch
from torch import Tensor

from aims_pax.batch import AtomBatch


class Springs:
    """Every atom is tied to the origin by a spring of its own.

    Parameters
    ----------
    stiffness : float, eV/Å²
    generation : int
    """

    cutoff: float | None = None

    def __init__(self, stiffness: float, *, generation: int = 0) -> None:
        self.stiffness = stiffness
        self.generation = generation

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å."""
        energies = torch.zeros(batch.n_structures, dtype=torch.float64, device=batch.device)
        energies.index_add_(0, batch.structure, 0.5 * self.stiffness * batch.positions.square().sum(dim=1))
        return energies, -self.stiffness * batch.positions


class LennardJones:
    """Pairs of one kind of noble-gas atom, which end smoothly at the cutoff.

    Parameters
    ----------
    depth_ev, diameter_ang : float
        Of argon, when not given.
    cutoff : float, Å

    Notes
    -----
    E(r) = 4 depth ((d/r)^12 - (d/r)^6) (1 - r²/cutoff²)³: two derivatives are continuous at the cutoff, so that
    nothing but the time step disturbs the total energy.
    """

    generation = 0

    def __init__(self, *, depth_ev: float = 0.0104, diameter_ang: float = 3.4, cutoff: float = 7.0) -> None:
        self.cutoff: float | None = cutoff
        self._squared_cutoff = cutoff**2
        self._depth, self._squared_diameter = depth_ev, diameter_ang**2

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å."""
        vectors = batch.edge_vectors()
        squared = vectors.square().sum(dim=1)
        sixth = (self._squared_diameter / squared) ** 3
        switch = (1 - squared / self._squared_cutoff).clamp(min=0.0)
        pair = 4 * self._depth * (sixth**2 - sixth)
        slope = -24 * self._depth * (2 * sixth**2 - sixth) / squared  # of the pair energy, divided by the distance
        slope = slope * switch**3 - 6 * pair * switch**2 / self._squared_cutoff
        energies = torch.zeros(batch.n_structures, dtype=torch.float64, device=batch.device)
        energies.index_add_(0, batch.structure[batch.edges[0]], 0.5 * pair * switch**3)
        forces = torch.zeros_like(batch.positions).index_add_(0, batch.edges[0], slope.unsqueeze(1) * vectors)
        return energies, forces
