"""Relaxation: downhill with inertia, with or without the cell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import torch
from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase
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

FIRST_STEP: Final = 0.1
LARGEST_STEP: Final = 1.0
"""Of time, in units in which a coordinate of unit mass feels eV and moves by Å."""

_PATIENCE, _GROWTH, _CUT, _MIXING, _LESS_MIXING = 5, 1.1, 0.5, 0.1, 0.99
_STEP, _MIX, _DOWNHILL, _VELOCITY = 0, 1, 2, 3
"""Columns of `own`: step of time, mixing, steps downhill, and six of the velocity of the cell."""


@dataclass(frozen=True, slots=True)
class Fire:
    """Relaxation of atoms, and of the cell where a shape is given.

    Parameters
    ----------
    max_force_ev_per_ang : float, eV/Å
        Where every force is below, and every component of stress beyond the pressure below the next limit, it ends.
    max_stress_ev_per_ang3 : float, eV/Å³
    shape : Shape or None
        None: the cell stays.
    max_move_ang : float, Å
        How far an atom goes in a step at most.
    """

    max_force_ev_per_ang: float = 0.01
    max_stress_ev_per_ang3: float = 1e-4
    shape: Shape | None = None
    max_move_ang: float = 0.2

    ensemble = StatisticalEnsemble.RELAXATION
    keeps_momentum = True
    is_stochastic = False
    n_own = 9
    relaxation_fs = None

    @property
    def wants_stress(self) -> bool:
        return self.shape is not None

    @classmethod
    def together(cls, each: Sequence[Self], crowd: Crowd) -> "FireSteps":
        relaxes_cell = torch.tensor([one.shape is not None for one in each], device=crowd.masses.device)
        # Of those that leave the cell alone any directions will do, also for molecules.
        shapes = Shapes.of([one.shape or Shape(isotropic=True, directions=(True, True, True)) for one in each], crowd)
        return FireSteps(
            crowd,
            shapes,
            relaxes_cell,
            max_force=crowd.column([one.max_force_ev_per_ang for one in each]),
            max_stress=crowd.column([one.max_stress_ev_per_ang3 for one in each]),
            max_move=crowd.column([one.max_move_ang for one in each]),
            pressure=crowd.pressure,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FireSteps:
    """An :class:`aims_pax.protocols.Integrator` without physical time: momenta are velocities of unit masses.

    Notes
    -----
    Bitzek, Koskinen, Gähler, Moseler & Gumbsch, Phys. Rev. Lett. 97, 170201 (2006). The cell is one more coordinate:
    its strain times the number of atoms, as in Tadmor, Smith, Bernstein & Miller, Phys. Rev. B 59, 235 (1999). After
    the last step atoms have no velocity, so that MD that follows draws no heat from it.
    """

    crowd: Crowd
    shapes: Shapes
    relaxes_cell: Tensor
    max_force: Tensor
    max_stress: Tensor
    max_move: Tensor
    pressure: Tensor

    n_own = 9
    wants_cell_noise = False

    def fresh(self) -> Tensor:
        own = self.pressure.new_zeros((len(self.pressure), self.n_own))
        own[:, _STEP], own[:, _MIX] = FIRST_STEP, 0.0
        return own

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        return replace(self, pressure=pressure)

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        crowd, own = self.crowd, phase.own
        step, mixing, downhill = own[:, _STEP], own[:, _MIX], own[:, _DOWNHILL]
        is_first = mixing == 0  # momenta of MD before it mean nothing here
        velocity = torch.where(crowd.of_atoms(is_first.to(step.dtype)) > 0, 0.0, phase.momenta)
        cell_velocity = torch.where(is_first[:, None, None], 0.0, matrices_of(own[:, _VELOCITY:]))
        forces, cell_force = crowd.moved(felt.forces, held=0.0), self._cell_force(phase.cells, felt)

        def products(left: Tensor, right: Tensor, cell_left: Tensor, cell_right: Tensor) -> Tensor:
            return crowd.sums((left * right).sum(dim=1)) + traces(times(cell_left, cell_right))

        power = products(forces, velocity, cell_force, cell_velocity)
        is_downhill = (power > 0) & ~is_first
        steepness = products(forces, forces, cell_force, cell_force).sqrt().clamp(min=torch.finfo(step.dtype).tiny)
        speed = products(velocity, velocity, cell_velocity, cell_velocity).sqrt()
        mixing = torch.where(is_first, _MIXING, mixing)
        along = torch.where(is_downhill, mixing * speed / steepness, 0.0)
        kept = torch.where(is_downhill, 1 - mixing, 0.0)
        long_enough = is_downhill & (downhill > _PATIENCE)
        grown = torch.where(long_enough, (step * _GROWTH).clamp(max=LARGEST_STEP), step)
        new_step = torch.where(is_downhill | is_first, grown, step * _CUT)
        new_mixing = torch.where(long_enough, mixing * _LESS_MIXING, torch.where(is_downhill, mixing, _MIXING))
        downhill = torch.where(is_downhill, downhill + 1, 0.0)
        push = along + new_step
        velocity = crowd.of_atoms(kept) * velocity + crowd.of_atoms(push) * forces
        cell_velocity = kept[:, None, None] * cell_velocity + push[:, None, None] * cell_force
        brake = self._brake(velocity, cell_velocity, new_step)
        move = crowd.of_atoms(brake * new_step) * velocity
        strain = (brake * new_step / crowd.n_atoms)[:, None, None] * cell_velocity
        grow = exponentials(strain)
        positions = rows_times(phase.positions + move, grow[crowd.structure])
        own = torch.cat((torch.stack((new_step, new_mixing, downhill), dim=1), components(cell_velocity)), dim=1)
        return Phase(positions, velocity, times(phase.cells, grow), own)

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        at_rest = self.at_rest(phase, felt)
        momenta = torch.where(self.crowd.of_atoms(at_rest.to(phase.own.dtype)) > 0, 0.0, phase.momenta)
        return Phase(phase.positions, momenta, phase.cells, phase.own)

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        """Nothing is."""
        return torch.full_like(felt.energies, torch.nan)

    def at_rest(self, phase: Phase, felt: Felt) -> Tensor:
        crowd = self.crowd
        size = crowd.moved(felt.forces, held=0.0).square().sum(dim=1).sqrt()
        too_large = crowd.sums((size > self.max_force[crowd.structure]).to(size.dtype)) > 0
        volume = volumes(phase.cells).clamp(min=torch.finfo(size.dtype).tiny)
        stress = self._cell_force(phase.cells, felt) * (crowd.n_atoms / volume)[:, None, None]
        is_strained = stress.abs().amax(dim=(1, 2)) > self.max_stress
        return ~too_large & ~(is_strained & self.relaxes_cell)

    def _cell_force(self, cells: Tensor, felt: Felt) -> Tensor:
        """On the strain times the number of atoms, (B, 3, 3), eV/Å; 0 where the cell stays."""
        if felt.stress is None or not bool(self.relaxes_cell.any()):
            return torch.zeros_like(cells)
        one = torch.eye(3, dtype=cells.dtype, device=cells.device)
        pull = -volumes(cells)[:, None, None] * (felt.stress + self.pressure[:, None, None] * one)
        allowed = self.shapes.allowed(pull, self.shapes.projectors(cells)) / self.crowd.n_atoms[:, None, None]
        return torch.where(self.relaxes_cell[:, None, None], allowed, 0.0)

    def _brake(self, velocity: Tensor, cell_velocity: Tensor, step: Tensor) -> Tensor:
        """The factor (B,) by which a step is shortened so that nothing goes too far."""
        far = self.crowd.of_atoms(step) * velocity
        squared = far.square().sum(dim=1)
        longest = squared.new_zeros(len(step)).scatter_reduce(0, self.crowd.structure, squared, "amax").sqrt()
        cell = step * cell_velocity.square().sum(dim=2).amax(dim=1).sqrt()
        most = torch.maximum(longest, cell)
        return torch.where(most > self.max_move, self.max_move / most, 1.0)
