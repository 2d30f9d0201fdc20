"""Drivers that are formulas: what dynamics is checked against, and what it is tried out with."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self

import torch
from ase.data import covalent_radii
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.protocols import Driver

_RADII: Final = torch.as_tensor(covalent_radii, dtype=torch.float64)
"""By atomic number, Å."""

_VOIGT: Final = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)
"""Rows and columns of the six components, in ASE's order."""


class SpringField(Driver, Protocol):
    """Springs of which there can be others, a little stiffer or longer: what the members of a committee differ by."""

    def varied(self, *, stiffness: float, length: float) -> Self:
        """The same springs with their stiffness and their length times these factors."""
        ...

    def virials(self, batch: AtomBatch) -> Tensor:
        """Derivative of the energy by a strain of the cell, (B, 3, 3), eV."""
        ...


@dataclass(slots=True)
class Tethers:
    """Every atom is held at a place of its own by a spring. Who changes a value while it drives changes `generation`.

    Parameters
    ----------
    stiffness : float, eV/Å²
    places : (n_atoms, 3) tensor, Å, or None
        The same for each structure of a batch, which must have so many atoms; None: the origin for all atoms.
    generation : int
    """

    stiffness: float
    places: Tensor | None = None
    generation: int = 0

    @property
    def cutoff(self) -> float | None:
        """They need no pairs."""
        return None

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å."""
        stretched = self._stretched(batch)
        energies = torch.zeros(batch.n_structures, dtype=torch.float64, device=batch.device)
        energies.index_add_(0, batch.structure, 0.5 * self.stiffness * stretched.square().sum(dim=1))
        return energies, -self.stiffness * stretched

    def virials(self, batch: AtomBatch) -> Tensor:
        """NaN: places do not move along with a cell."""
        return torch.full((batch.n_structures, 3, 3), torch.nan, dtype=torch.float64, device=batch.device)

    def varied(self, *, stiffness: float, length: float) -> Self:
        """Stiffer tethers, to places that are so many times as far from the origin."""
        places = None if self.places is None else self.places * length
        return replace(self, stiffness=self.stiffness * stiffness, places=places)

    def _stretched(self, batch: AtomBatch) -> Tensor:
        if self.places is None:
            return batch.positions
        return batch.positions - self.places.to(batch.device).repeat(batch.n_structures, 1)


@dataclass(slots=True)
class Bonds:
    """Springs between neighbours of any elements, in molecules and crystals: Morse's, ending smoothly at the cutoff.

    Parameters
    ----------
    stiffness : float, eV/Å²
        Second derivative at the bottom of a free pair; with `softness` it tells the depth.
    length : float
        Of a free pair, in units of the sum of both covalent radii.
    softness : float, 1/Å
    cutoff : float, Å
    generation : int

    Notes
    -----
    E(r) = D ((1 - exp(-a (r - l)))² - 1) (1 - r²/cutoff²)³ with D = stiffness / 2 a²: P. M. Morse, Phys. Rev. 34, 57
    (1929), Eq. 4, times what makes two derivatives continuous at the cutoff.
    """

    stiffness: float = 4.0
    length: float = 0.9
    softness: float = 1.5
    cutoff: float = 4.0
    generation: int = 0

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å."""
        vectors, pair, slope = self._pairs(batch)
        energies = torch.zeros(batch.n_structures, dtype=torch.float64, device=batch.device)
        energies.index_add_(0, batch.structure[batch.edges[0]], 0.5 * pair)
        forces = torch.zeros_like(batch.positions).index_add_(0, batch.edges[0], slope.unsqueeze(1) * vectors)
        return energies, forces

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³."""
        return *self.energies_forces(batch), stress_of(self.virials(batch), batch)

    def virials(self, batch: AtomBatch) -> Tensor:
        """Derivative of the energy by a strain of the cell, (B, 3, 3), eV."""
        vectors, _, slope = self._pairs(batch)
        return _virials(vectors, slope, batch)

    def varied(self, *, stiffness: float, length: float) -> Self:
        """Stiffer and longer bonds."""
        return replace(self, stiffness=self.stiffness * stiffness, length=self.length * length)

    def _pairs(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Vector (Å), energy (eV), and derivative by the distance over the distance (eV/Å²) of each edge."""
        vectors = batch.edge_vectors()
        squared = vectors.square().sum(dim=1)
        distance = squared.sqrt()
        radii = _RADII.to(batch.device)[batch.numbers]
        length = self.length * (radii[batch.edges[0]] + radii[batch.edges[1]])
        depth = self.stiffness / (2 * self.softness**2)
        fading = torch.exp(-self.softness * (distance - length))
        morse = depth * ((1 - fading) ** 2 - 1)
        switch = (1 - squared / self.cutoff**2).clamp(min=0.0)
        slope = 2 * depth * self.softness * (1 - fading) * fading * switch**3 / distance
        return vectors, morse * switch**3, slope - 6 * morse * switch**2 / self.cutoff**2


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
        vectors, pair, slope = self._pairs(batch)
        energies = torch.zeros(batch.n_structures, dtype=torch.float64, device=batch.device)
        energies.index_add_(0, batch.structure[batch.edges[0]], 0.5 * pair)
        forces = torch.zeros_like(batch.positions).index_add_(0, batch.edges[0], slope.unsqueeze(1) * vectors)
        return energies, forces

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³."""
        vectors, _, slope = self._pairs(batch)
        return *self.energies_forces(batch), stress_of(_virials(vectors, slope, batch), batch)

    def _pairs(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Vector (Å), energy (eV), and derivative by the distance over the distance (eV/Å²) of each edge."""
        vectors = batch.edge_vectors()
        squared = vectors.square().sum(dim=1)
        sixth = (self._squared_diameter / squared) ** 3
        switch = (1 - squared / self._squared_cutoff).clamp(min=0.0)
        pair = 4 * self._depth * (sixth**2 - sixth)
        slope = -24 * self._depth * (2 * sixth**2 - sixth) / squared  # of the pair energy, divided by the distance
        slope = slope * switch**3 - 6 * pair * switch**2 / self._squared_cutoff
        return vectors, pair * switch**3, slope


def stress_of(virials: Tensor, batch: AtomBatch) -> Tensor:
    """Stress (B, 6) in eV/Å³ by derivatives of energies by a strain (B, 3, 3) in eV; NaN where there is no volume."""
    volume = torch.linalg.det(batch.cells).abs()
    defined = batch.pbc.any(dim=1) & (volume > 0)
    stress = virials / torch.where(defined, volume, torch.nan)[:, None, None]
    return stress[:, _VOIGT[0], _VOIGT[1]]


def _virials(vectors: Tensor, slope: Tensor, batch: AtomBatch) -> Tensor:
    """Of pairs with vectors (E, 3) and derivatives by the distance over the distance (E,)."""
    pairs = 0.5 * slope[:, None, None] * vectors[:, :, None] * vectors[:, None, :]
    total = torch.zeros(batch.n_structures, 3, 3, dtype=torch.float64, device=batch.device)
    return total.index_add_(0, batch.structure[batch.edges[0]], pairs)


class FailingDriver:
    """A driver that answers nonsense for one trajectory at chosen evaluations of it.

    Parameters
    ----------
    driver : Driver
        For everything else.
    trajectory : int
    calls : collection of int
        Evaluations of this trajectory, from 1.
    force_ev_per_ang : float
        What every component is then; NaN: no forces.
    words : str or None
        The reason that it gives; None: it gives none.
    """

    def __init__(
        self,
        driver: Driver,
        trajectory: int,
        *,
        calls: Collection[int],
        force_ev_per_ang: float = float("nan"),
        words: str | None = None,
    ) -> None:
        self._driver, self._trajectory, self._calls = driver, trajectory, frozenset(calls)
        self._force, self._words = force_ev_per_ang, words
        self.n_calls = 0

    @property
    def generation(self) -> int:
        """The other driver's."""
        return self._driver.generation

    @property
    def cutoff(self) -> float | None:
        """The other driver's."""
        return self._driver.cutoff

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å, or nonsense where it is time for that."""
        energies, forces = self._driver.energies_forces(batch)
        mine = batch.trajectory == self._trajectory
        self.n_calls += int(mine.any())
        if bool(mine.any()) and self.n_calls in self._calls:
            forces = forces.clone()
            forces[mine[batch.structure]] = self._force
        return energies, forces

    def failure_of(self, trajectory: int) -> str | None:
        """The words, if the newest evaluation of this trajectory was nonsense."""
        is_time = trajectory == self._trajectory and self.n_calls in self._calls
        return self._words if is_time else None
