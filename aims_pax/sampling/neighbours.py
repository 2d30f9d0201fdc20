"""Neighbour lists that hold for many steps, because they reach a skin further than the forces; cells may change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from ase.data import chemical_symbols, covalent_radii
from torch import Tensor

from aims_pax.batch import AtomBatch, join_edges, neighbour_list, shifts_of
from aims_pax.frame import FloatArray, Frame, IntArray


@dataclass(frozen=True, slots=True)
class NeighbourList:
    """The pairs of one structure, and where its atoms and its cell were when they were found.

    Parameters
    ----------
    edges : (2, n_edges) int
    images : (n_edges, 3) int
    shifts : (n_edges, 3), Å
        Displacement of each receiver by its periodic image.
    built_at : (n_atoms, 3), Å
    built_in : (3, 3), Å
        The cell.
    close : (W,) int
        The edges that two moves of half a skin can bring to overlap.
    least : (W,), Å
        Distance below which their atoms overlap.
    """

    edges: IntArray
    images: IntArray
    shifts: FloatArray
    built_at: FloatArray
    built_in: FloatArray
    close: IntArray
    least: FloatArray


@dataclass(frozen=True, slots=True)
class ClosePairs:
    """The few pairs of a batch that could come to overlap before their neighbour list is built again.

    Parameters
    ----------
    chosen : (W,) int64
        Which of the edges of the batch they are.
    edges : (2, W) int64
        Indices into the N atoms.
    shifts : (W, 3), Å
        Displacement of each receiver by its periodic image.
    least : (W,), Å
        Distance below which the two atoms overlap.
    """

    chosen: Tensor
    edges: Tensor
    shifts: Tensor
    least: Tensor

    @classmethod
    def of(cls, batch: AtomBatch, lists: Sequence[NeighbourList]) -> Self:
        """The close pairs of the lists that a batch was joined from."""
        first = np.cumsum([0, *(one.edges.shape[1] for one in lists)])
        close = np.concatenate([one.close + start for one, start in zip(lists, first[:-1], strict=True)])
        chosen = torch.as_tensor(close, device=batch.device)
        least = torch.as_tensor(np.concatenate([one.least for one in lists]), device=batch.device)
        return cls(chosen, batch.edges[:, chosen], batch.shifts[chosen], least)

    def shifted(self, batch: AtomBatch) -> Self:
        """The same pairs with the images as they are in a batch whose cells have changed."""
        return type(self)(self.chosen, self.edges, batch.shifts[self.chosen], self.least)

    def distances(self, positions: Tensor) -> Tensor:
        """Distance of each pair, (W,), Å, with the atoms at positions (N, 3)."""
        senders, receivers = self.edges
        vectors = positions[receivers] - positions[senders] + self.shifts
        return vectors.square().sum(dim=1).sqrt()


@dataclass(frozen=True, slots=True)
class NearBatch:
    """Structures with neighbour lists that are known to hold at their positions.

    Parameters
    ----------
    batch : AtomBatch
    lists : list of B NeighbourList
    built_at : (N, 3), Å
    built_in : (B, 3, 3), Å
    close : ClosePairs
    """

    batch: AtomBatch
    lists: list[NeighbourList]
    built_at: Tensor
    built_in: Tensor
    close: ClosePairs

    def at(self, positions: Tensor, cells: Tensor) -> Self:
        """The same with other positions (N, 3) and cells (B, 3, 3) at which the lists still hold."""
        batch, close = self.batch.at(positions), self.close
        if cells is not batch.cells:
            batch = batch.in_cells(cells)
            close = close.shifted(batch)
        return type(self)(batch, self.lists, self.built_at, self.built_in, close)

    def overlaps(self) -> dict[int, str]:
        """The structures (indices into B) that hold overlapping atoms, each with its worst pair in words."""
        ratios = self.close.distances(self.batch.positions) / self.close.least
        if not bool((ratios < 1.0).any()):
            return {}
        structures = self.batch.structure[self.close.edges[0]]
        found = sorted(set(structures[ratios < 1.0].tolist()))
        return {b: self._overlap_in_words(torch.where(structures == b, ratios, torch.inf)) for b in found}

    def _overlap_in_words(self, ratios: Tensor) -> str:
        pair, batch = ratios.argmin(), self.batch
        atoms = self.close.edges[:, pair].tolist()
        first = int((batch.structure < batch.structure[atoms[0]]).sum())
        names = " and ".join(f"{atom - first} ({symbol(batch, atom)})" for atom in atoms)
        least = float(self.close.least[pair])
        return f"atoms {names} are {float(ratios[pair]) * least:.2f} Å apart; at least {least:.2f} Å is sound"


def symbol(batch: AtomBatch, atom: int) -> str:
    """Chemical symbol of an atom (index into N)."""
    return str(chemical_symbols[int(batch.numbers[atom])])


class SkinLists:
    """The neighbour lists of all trajectories.

    A list is built with a radius of cutoff plus skin, and built again as soon as an atom of its structure has moved
    by half the skin: until then no pair can have come within the cutoff unseen (Verlet, Phys. Rev. 159, 98, 1967).
    Where the cell has been strained since, atoms are compared in the cell of the list: a strain of size e brings pairs
    closer by no more than the factor 1 - e, which leaves the moves of atoms so much less room.
    Each structure has its own list, so that what one trajectory does has no effect on the others.

    Parameters
    ----------
    frames : sequence of Frame
        Where the trajectories start; trajectory k is the k-th of them.
    cutoff : float or None, Å
        Of the forces; None when they need no pairs, and lists serve the overlap check alone.
    skin_ang : float, Å
    min_distance_factor : float
        Two atoms overlap when they are closer than this times the sum of their covalent radii.
    device : torch.device
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        cutoff: float | None,
        *,
        skin_ang: float,
        min_distance_factor: float,
        device: torch.device,
    ) -> None:
        self.structures = AtomBatch.from_frames(frames, None, device=device)
        self._frames = tuple(frames)
        self._radii = [min_distance_factor * covalent_radii[frame.numbers] for frame in frames]
        largest = max(float(radii.max()) for radii in self._radii)
        self._need = max(cutoff or 0.0, 2 * largest)
        self._skin = skin_ang
        self._lists = [self._build(k, frame.positions, frame.cell) for k, frame in enumerate(frames)]

    def gather(self, trajectories: Sequence[int], positions: Tensor, cells: Tensor) -> NearBatch:
        """Some trajectories at positions (N, 3) in cells (B, 3, 3), one after another, with lists that hold there.

        Cells that are those of the lists are the very tensor that the batch then has; who passes it on with new
        positions spares a comparison.
        """
        lists = [self._lists[trajectory] for trajectory in trajectories]
        return self.follow(self._near(self.structures.select(trajectories), lists), positions, cells)

    def follow(self, near: NearBatch, positions: Tensor, cells: Tensor) -> NearBatch:
        """The same at new positions (N, 3) in new cells (B, 3, 3); lists that may no longer hold are built anew."""
        if cells is not near.batch.cells and torch.equal(cells, near.built_in):
            cells = near.built_in
        far = self._far(near, positions, cells)
        if not bool(far.any()):
            return near.at(positions, cells)
        batch = near.batch.at(positions)
        lists = list(near.lists)
        trajectories = batch.trajectory.tolist()
        by_structure = np.split(positions.cpu().numpy(), np.cumsum(batch.n_atoms.cpu().numpy())[:-1])
        new_cells = cells.cpu().numpy()
        for structure in sorted(set(batch.structure[far].tolist())):
            lists[structure] = self._build(trajectories[structure], by_structure[structure], new_cells[structure])
        built = self._near(batch, lists)
        return built.at(positions, built.built_in if torch.equal(cells, built.built_in) else cells)

    def _far(self, near: NearBatch, positions: Tensor, cells: Tensor) -> Tensor:
        """The atoms (N,) that may have come where the lists do not hold."""
        if cells is near.built_in:
            return (positions - near.built_at).square().sum(dim=1) > (self._skin / 2) ** 2
        one = torch.eye(3, dtype=cells.dtype, device=cells.device)
        strained = (cells != near.built_in).any(dim=2).any(dim=1)[:, None, None]
        # Of those that stand as they were, and of molecules without a cell, nothing is computed but the unit matrix.
        now, then = torch.where(strained, cells, one), torch.where(strained, near.built_in, one)
        back = torch.where(strained, torch.linalg.solve(now, then), one)
        forth = torch.linalg.solve(then, now)
        size = (forth - one).square().sum(dim=(1, 2)).sqrt()
        room = self._skin - self._need * size / (1 - size)
        room = torch.where(size < 1, room.clamp(min=0), 0)[near.batch.structure] / 2
        x, y, z = positions.unsqueeze(2).unbind(1)
        rows = back[near.batch.structure]
        moved = x * rows[:, 0] + y * rows[:, 1] + z * rows[:, 2] - near.built_at
        return (moved.square().sum(dim=1) > room.square()) | (room <= 0)

    def keep(self, near: NearBatch) -> None:
        """Remember the lists of a batch for the next time that its trajectories are gathered."""
        for trajectory, one in zip(near.batch.trajectory.tolist(), near.lists, strict=True):
            self._lists[trajectory] = one

    @property
    def built_at(self) -> FloatArray:
        """Where the atoms of all trajectories were when their lists were built, (N, 3), Å."""
        return np.concatenate([one.built_at for one in self._lists])

    @property
    def built_in(self) -> FloatArray:
        """The cells of all trajectories when their lists were built, (B, 3, 3), Å."""
        return np.stack([one.built_in for one in self._lists])

    def rebuild(self, built_at: FloatArray, built_in: FloatArray) -> None:
        """Build the lists of all trajectories at positions (N, 3) in cells (B, 3, 3), as before an interruption."""
        ends = np.cumsum([frame.n_atoms for frame in self._frames])[:-1]
        places = zip(np.split(built_at, ends), built_in, strict=True)
        self._lists = [self._build(k, positions, cell) for k, (positions, cell) in enumerate(places)]

    def _build(self, trajectory: int, positions: FloatArray, cell: FloatArray) -> NeighbourList:
        frame = self._frames[trajectory]
        edges, images = neighbour_list(positions, cell, frame.pbc, cutoff=self._need + self._skin)
        shifts = shifts_of(images, cell)
        least = self._radii[trajectory][edges].sum(axis=0)
        vectors = positions[edges[1]] - positions[edges[0]] + shifts
        close = np.flatnonzero(np.square(vectors).sum(axis=1) < (least + self._skin) ** 2)
        return NeighbourList(edges, images, shifts, positions.copy(), cell.copy(), close, least[close])

    def _near(self, batch: AtomBatch, lists: list[NeighbourList]) -> NearBatch:
        def tensor(array: FloatArray | IntArray) -> Tensor:
            return torch.as_tensor(array, device=batch.device)

        built_in = tensor(np.stack([one.built_in for one in lists]))
        joined = replace(
            batch,
            cells=built_in,
            edges=tensor(join_edges([one.edges for one in lists], [len(one.built_at) for one in lists])),
            images=tensor(np.concatenate([one.images for one in lists]).astype(np.float64)),
            shifts=tensor(np.concatenate([one.shifts for one in lists])),
        )
        built_at = tensor(np.concatenate([one.built_at for one in lists]))
        return NearBatch(joined, lists, built_at, built_in, ClosePairs.of(joined, lists))
