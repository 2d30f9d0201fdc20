"""Structures of several ensembles in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from aims_pax.phase import Crowd, Felt, Noise, Phase, Rows
from aims_pax.protocols import Dynamics, Integrator


def integrator_of(each: Sequence[Dynamics], crowd: Crowd) -> Integrator:
    """What moves so many structures, each by its own dynamics."""
    kinds = sorted({type(one) for one in each}, key=lambda kind: kind.__name__)
    if len(kinds) == 1:
        return kinds[0].together(each, crowd)
    parts = []
    for kind in kinds:
        chosen = [index for index, one in enumerate(each) if type(one) is kind]
        rows = _rows(crowd, chosen)
        parts.append(Part(kind.together([each[index] for index in chosen], _of_rows(crowd, rows)), rows))
    return Mixture(tuple(parts), len(each))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The structures of one kind among all.

    Parameters
    ----------
    integrator : Integrator
    rows : Rows
    """

    integrator: Integrator
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """An :class:`aims_pax.protocols.Integrator` of several: each moves its own structures.

    Parameters
    ----------
    parts : tuple of Part
        Together they have each of the structures once.
    n_structures : int
    """

    parts: tuple[Part, ...]
    n_structures: int

    @property
    def n_own(self) -> int:
        return max(part.integrator.n_own for part in self.parts)

    @property
    def wants_cell_noise(self) -> bool:
        return any(part.integrator.wants_cell_noise for part in self.parts)

    def fresh(self) -> Tensor:
        rows = [part.integrator.fresh() for part in self.parts]
        own = rows[0].new_zeros((self.n_structures, self.n_own))
        for part, fresh in zip(self.parts, rows, strict=True):
            own[part.rows.structures, : fresh.shape[1]] = fresh
        return own

    def at(self, temperature_k: Tensor, pressure: Tensor) -> Self:
        def part_at(part: Part) -> Part:
            rows = part.rows.structures
            return Part(part.integrator.at(temperature_k[rows], pressure[rows]), part.rows)

        return replace(self, parts=tuple(map(part_at, self.parts)))

    def before_forces(self, phase: Phase, felt: Felt, noise: Noise) -> Phase:
        moved = phase
        for part in self.parts:
            own = phase.select(part.rows, n_own=part.integrator.n_own)
            own = part.integrator.before_forces(own, felt.select(part.rows), noise.select(part.rows))
            moved = moved.with_rows(part.rows, own)
        return moved

    def after_forces(self, phase: Phase, felt: Felt) -> Phase:
        moved = phase
        for part in self.parts:
            own = phase.select(part.rows, n_own=part.integrator.n_own)
            moved = moved.with_rows(part.rows, part.integrator.after_forces(own, felt.select(part.rows)))
        return moved

    def conserved(self, phase: Phase, felt: Felt) -> Tensor:
        energies = torch.zeros_like(felt.energies)
        for part in self.parts:
            own = phase.select(part.rows, n_own=part.integrator.n_own)
            energies[part.rows.structures] = part.integrator.conserved(own, felt.select(part.rows))
        return energies

    def at_rest(self, phase: Phase, felt: Felt) -> Tensor | None:
        rest = None
        for part in self.parts:
            own = phase.select(part.rows, n_own=part.integrator.n_own)
            found = part.integrator.at_rest(own, felt.select(part.rows))
            if found is not None:
                rest = torch.zeros(self.n_structures, dtype=torch.bool, device=found.device) if rest is None else rest
                rest[part.rows.structures] = found
        return rest


def _rows(crowd: Crowd, chosen: Sequence[int]) -> Rows:
    structures = torch.as_tensor(chosen, dtype=torch.int64, device=crowd.masses.device)
    is_chosen = torch.zeros(len(crowd.n_atoms), dtype=torch.bool, device=crowd.masses.device)
    is_chosen[structures] = True
    return Rows(structures, is_chosen[crowd.structure].nonzero().squeeze(1))


def _of_rows(crowd: Crowd, rows: Rows) -> Crowd:
    at, n_atoms = rows.structures, crowd.n_atoms[rows.structures]
    return Crowd(
        masses=crowd.masses[rows.atoms],
        structure=torch.repeat_interleave(torch.arange(len(at), device=at.device), n_atoms),
        n_atoms=n_atoms,
        pbc=crowd.pbc[at],
        timestep_fs=crowd.timestep_fs[at],
        temperature_k=crowd.temperature_k[at],
        pressure=crowd.pressure[at],
        free=None if crowd.free is None else crowd.free[rows.atoms],
    )
