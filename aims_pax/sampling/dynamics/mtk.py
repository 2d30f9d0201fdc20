"""Constant pressure and temperature by a barostat with inertia, and chains of thermostats for both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import torch
from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase
from aims_pax.sampling.dynamics.chains import Chains
from aims_pax.sampling.dynamics.shape import (
    Shape,
    Shapes,
    components,
    exponentials,
    matrices_of,
    rows_times,
    times,
    traces,
    volumes,
)
from aims_pax.trajectory import StatisticalEnsemble
from aims_pax.units import BOLTZMANN_EV_PER_K

_CELL: Final = 6
"""Columns of `own` for the momentum of the cell."""


@dataclass(frozen=True, slots=True)
class MartynaTobiasKlein:
    """Nosé-Hoover chains for atoms and cell.

    Parameters
    ----------
    shape : Shape
        `barostat: mtk` is flexible, `isomtk` isotropic.
    time_fs : float, fs
        Of the thermostat: `tdamp`.
    pressure_time_fs : float, fs
        Of the barostat: `pdamp`.
    n_links, n_pressure_links : int
        `tchain`, `pchain`.
    n_loops, n_pressure_loops : int
        `tloop`, `ploop`.
    """

    shape: Shape
    time_fs: float
    pressure_time_fs: float
    n_links: int = 3
    n_pressure_links: int = 3
    n_loops: int = 1
    n_pressure_loops: int = 1

    ensemble = StatisticalEnsemble.NPT
    keeps_momentum = True
    is_stochastic = False
    wants_stress = True

    @property
    def n_own(self) -> int:
        return _CELL + 4 * max(self.n_links, self.n_pressure_links)

    @property
    def relaxation_fs(self) -> float:
        return self.time_fs

    @classmethod
    def together(cls, each: Sequence[Self], crowd: Crowd) -> "MartynaTobiasKleinSteps":
        shapes = Shapes.of([one.shape for one in each], crowd)
        slow_fs = crowd.column([one.pressure_time_fs for one in each])
        atoms = Chains.of(
            crowd.kt,
            crowd.n_degrees,
            times_fs=crowd.column([one.time_fs for one in each]),
            lengths=[one.n_links for one in each],
            loops=[one.n_loops for one in each],
        )
        cell = Chains.of(
            crowd.kt,
            shapes.n_degrees,
            times_fs=slow_fs,
            lengths=[one.n_pressure_links for one in each],
            loops=[one.n_pressure_loops for one in each],
        )
        return MartynaTobiasKleinSteps(crowd, shapes, atoms, cell, crowd.pressure, slow_fs)


@dataclass(frozen=True, slots=True, eq=False)
class MartynaTobiasKleinSteps:
    """An :class:`aims_pax.protocols.Integrator` with the momentum of the cell as a symmetric matrix: no cell rotates.

    Parameters
    ----------
    crowd : Crowd
    shapes : Shapes
    atoms, cell : Chains
        Of the atoms, and of the cell.
    pressure : (B,), eV/Å³
    slow_fs : (B,), fs
        Within which cells answer.

    Notes
    -----
    Martyna, Tobias & Klein, J. Chem. Phys. 101, 4177 (1994), Eqs. 2.9 and 2.16; steps after Tuckerman, Alejandre,
    López-Rendón, Jochim & Martyna, J. Phys. A 39, 5629 (2006). An isotropic cell is a flexible one whose momentum is
    projected on the unit matrix; one that is strained along some directions, on their span.
    """

    crowd: Crowd
    shapes: Shapes
    atoms: Chains
    cell: Chains
    pressure: Tensor
    slow_fs: Tensor

    wants_cell_noise = False

    @property
    def n_own(self) -> int:
        return _CELL + 2 * max(self.atoms.n_own, self.cell.n_own)

    def fresh(self) -> Tensor:
        return self.pressure.new_zeros((len(self.pressure), self.n_own))

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        kt = BOLTZMANN_EV_PER_K * temperature_k
        return replace(self, atoms=self.atoms.at(kt), cell=self.cell.at(kt), pressure=pressure)

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        cell_momenta, atom_links, cell_links = self._parts(phase.own)
        momenta = phase.momenta
        cell_momenta, cell_links = self._cell_thermostatted(cell_momenta, cell_links)
        momenta, atom_links = self._thermostatted(momenta, atom_links)
        cell_momenta = self._cell_kicked(cell_momenta, phase.cells, momenta, felt)
        momenta = self._kicked(momenta, cell_momenta, felt)
        half = exponentials(cell_momenta * self._per_mass(self.crowd.timestep_fs / 2))
        of_atoms = half[self.crowd.structure]
        positions = rows_times(rows_times(phase.positions, of_atoms) + self.crowd.drift * momenta, of_atoms)
        cells = times(times(phase.cells, half), half)
        return Phase(positions, momenta, cells, self._own(cell_momenta, atom_links, cell_links))

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        cell_momenta, atom_links, cell_links = self._parts(phase.own)
        momenta = self._kicked(phase.momenta, cell_momenta, felt)
        cell_momenta = self._cell_kicked(cell_momenta, phase.cells, momenta, felt)
        momenta, atom_links = self._thermostatted(momenta, atom_links)
        cell_momenta, cell_links = self._cell_thermostatted(cell_momenta, cell_links)
        return Phase(phase.positions, momenta, phase.cells, self._own(cell_momenta, atom_links, cell_links))

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        cell_momenta, atom_links, cell_links = self._parts(phase.own)
        energies = felt.energies + self.crowd.kinetic_energies(phase.momenta) + self.pressure * volumes(phase.cells)
        energies = energies + 0.5 * self._twice_cell_kinetic(cell_momenta)
        return energies + self.atoms.energies(atom_links) + self.cell.energies(cell_links)

    def at_rest(self, phase: Phase, felt: Felt) -> None:
        """Never."""

    @property
    def _mass(self) -> Tensor:
        """Of a component of the strain, (B,), eV fs²."""
        return (self.crowd.n_degrees + 3) * self.atoms.kt * self.slow_fs.square() / 3

    def _per_mass(self, values: Tensor) -> Tensor:
        return (values / self._mass)[:, None, None]

    def _twice_cell_kinetic(self, cell_momenta: Tensor) -> Tensor:
        return traces(times(cell_momenta, cell_momenta)) / self._mass

    def _cell_kicked(self, cell_momenta: Tensor, cells: Tensor, momenta: Tensor, felt: Felt) -> Tensor:
        """After half a step in which the pressure inside works against that outside."""
        assert felt.stress is not None
        kinetic, volume = self.crowd.kinetic_tensors(momenta), volumes(cells)[:, None, None]
        one = torch.eye(3, dtype=cells.dtype, device=cells.device)
        inside = kinetic - volume * (felt.stress + self.pressure[:, None, None] * one)
        force = inside + (traces(kinetic) / self.crowd.n_degrees)[:, None, None] * one
        allowed = self.shapes.allowed(force, self.shapes.projectors(cells))
        return cell_momenta + (self.crowd.timestep_fs / 2)[:, None, None] * allowed

    def _kicked(self, momenta: Tensor, cell_momenta: Tensor, felt: Felt) -> Tensor:
        """After half a step of forces in a cell that moves."""
        one = torch.eye(3, dtype=momenta.dtype, device=momenta.device)
        rate = cell_momenta + (traces(cell_momenta) / self.crowd.n_degrees)[:, None, None] * one
        brake = exponentials(-rate * self._per_mass(self.crowd.timestep_fs / 4))[self.crowd.structure]
        half_kick = self.crowd.of_atoms(self.crowd.timestep_fs / 2)
        return rows_times(rows_times(momenta, brake) + half_kick * felt.forces, brake)

    def _thermostatted(self, momenta: Tensor, links: Tensor) -> tuple[Tensor, Tensor]:
        twice_kinetic = 2 * self.crowd.kinetic_energies(momenta)
        links, factor = self.atoms.propagated(links, twice_kinetic, self.crowd.timestep_fs / 2)
        return self.crowd.of_atoms(factor) * momenta, links

    def _cell_thermostatted(self, cell_momenta: Tensor, links: Tensor) -> tuple[Tensor, Tensor]:
        twice_kinetic = self._twice_cell_kinetic(cell_momenta)
        links, factor = self.cell.propagated(links, twice_kinetic, self.crowd.timestep_fs / 2)
        return factor[:, None, None] * cell_momenta, links

    def _parts(self, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Momenta of cells (B, 3, 3), links of atoms and of cells."""
        links = own[:, _CELL:].reshape(len(own), -1, 4)
        atoms, cell = links[:, :, :2].flatten(1), links[:, :, 2:].flatten(1)
        return matrices_of(own[:, :_CELL]), atoms[:, : self.atoms.n_own], cell[:, : self.cell.n_own]

    def _own(self, cell_momenta: Tensor, atom_links: Tensor, cell_links: Tensor) -> Tensor:
        """The same as one row: first the cell, then link by link of both."""
        n_links = (self.n_own - _CELL) // 4
        both = [
            torch.nn.functional.pad(links, (0, 2 * n_links - links.shape[1])).view(-1, n_links, 2)
            for links in (atom_links, cell_links)
        ]
        return torch.cat((components(cell_momenta), torch.cat(both, dim=2).flatten(1)), dim=1)
