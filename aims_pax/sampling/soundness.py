"""What tells sound structures from wrecked ones while they move."""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.sampling.dynamics import Felt
from aims_pax.sampling.neighbours import symbol

MOST_EXPANDED: Final = 4.0
"""A cell that has grown, or shrunk, by such a factor of its volume is no longer the same phase of anything."""

MOST_STRETCHED: Final = 2.5
"""The same of a height of it. A liquid resists no shear: under a flexible barostat its cell drifts."""


class Soundness:
    """Limits of forces and cells, and words for what is beyond them.

    Parameters
    ----------
    cells : (B, 3, 3), Å
        At the beginning of each trajectory.
    max_force_ev_per_ang : float, eV/Å
    explain : callable
        Why a trajectory got no forces, if its driver knows.
    """

    def __init__(self, cells: Tensor, *, max_force_ev_per_ang: float, explain: Callable[[int], str | None]) -> None:
        self._volumes, self._heights = _volumes_and_heights(cells)
        self._max_force = max_force_ev_per_ang
        self._explain = explain

    def of_cells(self, batch: AtomBatch, cells: Tensor) -> dict[int, str]:
        """Problems by trajectory, if the structures of a batch had these cells (B, 3, 3)."""
        if cells is batch.cells:
            return {}
        first, volumes = self._volumes[batch.trajectory], _volumes_and_heights(cells)
        ratio = torch.where(first > 0, volumes[0] / first, 1.0)
        heights = torch.where(first[:, None] > 0, volumes[1] / self._heights[batch.trajectory], 1.0)
        same_phase = (ratio < MOST_EXPANDED) & (ratio > 1 / MOST_EXPANDED)  # NaN compares false
        same_shape = ((heights < MOST_STRETCHED) & (heights > 1 / MOST_STRETCHED)).all(dim=1)
        if bool((same_phase & same_shape).all()):
            return {}
        drifted = "the cell has drifted out of shape, as that of a liquid does where lengths and angles are free; "
        drifted += "barostat isomtk or iso-c-rescale keeps it"
        return {
            int(batch.trajectory[b]): drifted
            if bool(same_phase[b])
            else f"the cell has {float(ratio[b]):.3g} times the volume that it began with"
            for b in (~(same_phase & same_shape)).nonzero().flatten().tolist()
        }

    def of_forces(self, batch: AtomBatch, felt: Felt, moves_cell: Sequence[bool]) -> dict[int, str]:
        """Problems by trajectory of what the structures of a batch feel; stress matters where a cell moves by it."""
        # Strictly less, so that an infinite limit still stops infinite forces; NaN compares false.
        tame = (felt.forces.square().sum(dim=1) < self._max_force**2) & felt.energies.isfinite()[batch.structure]
        if felt.stress is not None:
            moving = torch.as_tensor(moves_cell, device=batch.device)
            tame &= (felt.stress.isfinite().all(dim=2).all(dim=1) | ~moving)[batch.structure]
        if bool(tame.all()):
            return {}
        wrecked = sorted(set(batch.structure[~tame].tolist()))
        return {int(batch.trajectory[b]): self._words(batch, felt, b) for b in wrecked}

    def _words(self, batch: AtomBatch, felt: Felt, structure: int) -> str:
        failure = self._explain(int(batch.trajectory[structure]))
        if failure is not None:
            return f"no forces: {failure}"
        atoms = (batch.structure == structure).nonzero().flatten()
        size = felt.forces[atoms].norm(dim=1)
        if not bool(size.isfinite().all()):
            return f"forces on {int((~size.isfinite()).sum())} of {len(atoms)} atoms are not finite"
        worst = int(size.argmax())
        if float(size[worst]) < self._max_force:
            lacks_energy = not bool(felt.energies[structure].isfinite())
            return "the energy is not finite" if lacks_energy else "there is no stress, by which its cell should move"
        name = f"atom {worst} ({symbol(batch, int(atoms[worst]))})"
        return f"the force on {name} is {float(size[worst]):.1f} eV/Å; the limit is {self._max_force:g} eV/Å"


def _volumes_and_heights(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Volumes (B,), Å³, and heights above the faces (B, 3), Å, of cells (B, 3, 3)."""
    areas = torch.linalg.cross(cells.roll(-1, dims=1), cells.roll(-2, dims=1))
    volumes = (cells[:, 0] * areas[:, 0]).sum(dim=1).abs()
    return volumes, volumes[:, None] / areas.norm(dim=2)
