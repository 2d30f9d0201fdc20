"""What integrators work on: many structures as they stand, what they feel, and what is known of their atoms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from aims_pax.units import BOLTZMANN_EV_PER_K


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some of B structures with N atoms in all.

    Parameters
    ----------
    structures : (b,) int64
        Indices into B.
    atoms : (n,) int64
        Indices into N of their atoms, structure after structure.
    """

    structures: Tensor
    atoms: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """Where B structures with N atoms stand.

    Parameters
    ----------
    positions : (N, 3), Å
    momenta : (N, 3), eV fs/Å
    cells : (B, 3, 3), Å
        Zeros for molecules.
    own : (B, n_own)
        What an integrator keeps for each structure besides, in its own units.
    """

    positions: Tensor
    momenta: Tensor
    cells: Tensor
    own: Tensor

    def select(self, rows: Rows, *, n_own: int) -> Self:
        """That of some of the structures, with the first columns of `own`."""
        at = rows.structures
        return type(self)(self.positions[rows.atoms], self.momenta[rows.atoms], self.cells[at], self.own[at, :n_own])

    def with_rows(self, rows: Rows, other: "Phase") -> Self:
        """The same with some of the structures as they are in another one."""
        own = self.own.clone()
        own[rows.structures, : other.own.shape[1]] = other.own
        return type(self)(
            self.positions.index_copy(0, rows.atoms, other.positions),
            self.momenta.index_copy(0, rows.atoms, other.momenta),
            self.cells.index_copy(0, rows.structures, other.cells),
            own,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Felt:
    """What a driver says of B structures.

    Parameters
    ----------
    energies : (B,), eV
    forces : (N, 3), eV/Å
    stress : (B, 3, 3), eV/Å³, or None
        ASE's sign: a compressed crystal has a negative one. None where nobody asked for it.
    """

    energies: Tensor
    forces: Tensor
    stress: Tensor | None

    def select(self, rows: Rows) -> Self:
        """That of some of the structures."""
        stress = None if self.stress is None else self.stress[rows.structures]
        return type(self)(self.energies[rows.structures], self.forces[rows.atoms], stress)


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Standard normal numbers of one step.

    Parameters
    ----------
    atoms : (N, 3)
    cells : (B, 3, 3) or None
        None where no integrator asks for them.
    """

    atoms: Tensor
    cells: Tensor | None

    def select(self, rows: Rows) -> Self:
        """Those of some of the structures."""
        return type(self)(self.atoms[rows.atoms], None if self.cells is None else self.cells[rows.structures])


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """What is known of B structures with N atoms that one kind of integrator moves.

    Parameters
    ----------
    masses : (N,), eV fs²/Å²
    structure : (N,) int64
        The structure of each atom, an index into B; ascending.
    n_atoms : (B,) int64
    pbc : (B, 3) bool
    timestep_fs : (B,), fs
    temperature_k : (B,), K
    pressure : (B,), eV/Å³
    free : (N, 3) bool or None
        Components of atoms that forces move; the others keep the momenta that they have. None: all of them.
    """

    masses: Tensor
    structure: Tensor
    n_atoms: Tensor
    pbc: Tensor
    timestep_fs: Tensor
    temperature_k: Tensor
    pressure: Tensor
    free: Tensor | None = None

    @property
    def kt(self) -> Tensor:
        """Thermal energies (B,), eV."""
        return BOLTZMANN_EV_PER_K * self.temperature_k

    @property
    def n_degrees(self) -> Tensor:
        """Degrees of freedom (B,) where the momentum of the whole is conserved along directions without held atoms."""
        return self.n_moving - (self.conserves & (self.n_atoms > 1).unsqueeze(1)).sum(dim=1)

    @property
    def n_moving(self) -> Tensor:
        """Components of atoms that forces move, (B,)."""
        if self.free is None:
            return 3 * self.n_atoms
        return self.sums(self.free.sum(dim=1))

    @property
    def conserves(self) -> Tensor:
        """Directions (B, 3) along which no atom is held, so that forces between atoms move nothing as a whole."""
        if self.free is None:
            return torch.ones((len(self.n_atoms), 3), dtype=torch.bool, device=self.n_atoms.device)
        return self.sums((~self.free).to(torch.int64)) == 0

    def column(self, values: Sequence[float]) -> Tensor:
        """One number for each structure, (B,)."""
        return torch.as_tensor(values, dtype=torch.float64, device=self.masses.device)

    def of_atoms(self, values: Tensor) -> Tensor:
        """What structures (B,) have, for each of their atoms: (N, 1)."""
        return values[self.structure].unsqueeze(1)

    def sums(self, values: Tensor) -> Tensor:
        """What atoms (N, ...) have, summed over each structure: (B, ...)."""
        return values.new_zeros((len(self.n_atoms), *values.shape[1:])).index_add(0, self.structure, values)

    def moved(self, values: Tensor, *, held: float) -> Tensor:
        """Numbers of atoms (N, 1) or (N, 3), with another one for components that are held."""
        return values if self.free is None else torch.where(self.free, values, held)

    @property
    def drift(self) -> Tensor:
        """By which momenta are multiplied to give moves in a step, (N, 1), Å/(eV fs/Å)."""
        return self.of_atoms(self.timestep_fs) / self.masses.unsqueeze(1)

    def kicked(self, momenta: Tensor, forces: Tensor) -> Tensor:
        """Momenta (N, 3) after half a step of forces (N, 3) on what is free."""
        return momenta + self.moved(self.of_atoms(self.timestep_fs / 2), held=0.0) * forces

    def kinetic_energies(self, momenta: Tensor) -> Tensor:
        """Of momenta (N, 3), those of what is held left out: (B,), eV."""
        momenta = self.moved(momenta, held=0.0)
        return self.sums(momenta.square().sum(dim=1) / (2 * self.masses))

    def kinetic_tensors(self, momenta: Tensor) -> Tensor:
        """Sums over atoms of p p / m, without what is held: (B, 3, 3), eV."""
        momenta = self.moved(momenta, held=0.0)
        return self.sums(momenta[:, :, None] * (momenta / self.masses.unsqueeze(1))[:, None, :])
