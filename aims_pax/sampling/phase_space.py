"""Where all trajectories of a sampler stand, and what they felt there."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor

from aims_pax.errors import StoreError
from aims_pax.sampling.dynamics import Felt, Phase, Rows

SAVED: Final = ("positions", "momenta", "forces", "energies")

SAVED_LATER: Final = ("cells", "own", "stress")
"""What version 0.3 did not write, for nothing of it ever changed."""


class PhaseSpace:
    """B structures with N atoms, as float64 on one device; read and written by rows.

    Parameters
    ----------
    positions : (N, 3), Å
    momenta : (N, 3), eV fs/Å
    cells : (B, 3, 3), Å
    n_own : int
        Numbers that integrators keep for a structure, at most.
    """

    def __init__(self, positions: Tensor, momenta: Tensor, cells: Tensor, *, n_own: int) -> None:
        self.positions, self.momenta, self.cells = positions.clone(), momenta, cells.clone()
        self.own = positions.new_zeros((len(cells), n_own))
        self.forces = torch.zeros_like(positions)
        self.energies = positions.new_zeros(len(cells))
        self.stress = torch.full_like(cells, torch.nan)

    def phase(self, rows: Rows, *, n_own: int) -> Phase:
        """Where some structures stand, with so many of their own numbers."""
        at = rows.structures
        return Phase(self.positions[rows.atoms], self.momenta[rows.atoms], self.cells[at], self.own[at, :n_own])

    def felt(self, rows: Rows) -> Felt:
        """What they felt there, if their forces were computed."""
        return Felt(self.energies[rows.structures], self.forces[rows.atoms], self.stress[rows.structures])

    def put(self, rows: Rows, phase: Phase) -> None:
        """Let some structures stand there."""
        at = rows.structures
        self.positions[rows.atoms], self.momenta[rows.atoms], self.cells[at] = (
            phase.positions,
            phase.momenta,
            phase.cells,
        )
        self.own[at, : phase.own.shape[1]] = phase.own

    def feel(self, rows: Rows, felt: Felt) -> None:
        """Remember what they felt; a stress that was not computed is not known any more."""
        self.forces[rows.atoms], self.energies[rows.structures] = felt.forces, felt.energies
        self.stress[rows.structures] = torch.nan if felt.stress is None else felt.stress

    def save(self) -> dict[str, NDArray[Any]]:
        """All of it, by name."""
        return {name: getattr(self, name).cpu().numpy() for name in (*SAVED, *SAVED_LATER)}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what :meth:`save` gave, of these structures."""
        for name in (*SAVED, *SAVED_LATER):
            if name in arrays:
                there: Tensor = getattr(self, name)
                if arrays[name].size != there.numel():
                    raise StoreError(f"the saved sampling state has other {name} than this project asks for")
                there.copy_(torch.as_tensor(arrays[name], dtype=torch.float64).view(there.shape))
