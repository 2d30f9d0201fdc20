"""Which atoms are bonded in a starting structure, and whether they still are.

A bond is a pair of the start, in the periodic image that it had there: atoms that wander through a box, turn around, or
change places with atoms of their kind leave their bonds whole. What a molecule is to another molecule is no bond.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from scipy.sparse.csgraph import connected_components

from aims_pax.batch import neighbour_list, shifts_of
from aims_pax.evaluation.covalent import BONDED, COVALENT
from aims_pax.frame import FloatArray, Frame, IntArray

APART: Final = 2.0
"""Atoms of a cluster farther from each other than this times the sum of their radii no longer hold each other."""

ACCEPTORS: Final = frozenset({7, 8, 9, 15, 16, 17, 35, 53})
"""Elements between which a proton can pass without anything being torn."""


@dataclass(frozen=True, slots=True, eq=False)
class BondGraph:
    """The bonds of a starting structure, and what else should stay together.

    Parameters
    ----------
    start : Frame
    pairs : (n_bonds, 2) int
        Atoms of each covalent bond.
    shifts : (n_bonds, 3), Å
        Displacement of the second atom by its periodic image.
    lengths : (n_bonds,), Å
        What a strain is measured by: the length at the start, or the sum of the radii where that is more.
    in_network : (n_bonds,) bool
        Bonds of an endless network (diamond, silica), in which single bonds may break and form.
    clusters : tuple of (n,) int arrays
        Atoms that hold together without bonds of their own, such as a cluster of metal.
    unfolded : (n_atoms, 3), Å
        Displacement that puts each atom into the image in which it is next to the others of its cluster.
    sites : (n_atoms, 3), Å, or None
        Where the atoms of a crystal started; None for everything that is not one.
    neighbour_ang : float, Å
        Distance of nearest neighbours at the start; 0 for a single atom.
    """

    start: Frame
    pairs: IntArray
    shifts: FloatArray
    lengths: FloatArray
    in_network: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    clusters: tuple[IntArray, ...]
    unfolded: FloatArray
    sites: FloatArray | None
    neighbour_ang: float

    @classmethod
    def of(cls, start: Frame) -> "BondGraph":
        """The bonds of a structure that is known to be sound."""
        radii = covalent_radii[start.numbers]
        edges, images = neighbour_list(start.positions, start.cell, start.pbc, cutoff=2 * BONDED * float(radii.max()))
        shifts = shifts_of(images, start.cell)
        distances = np.linalg.norm(start.positions[edges[1]] - start.positions[edges[0]] + shifts, axis=1)
        sums = radii[edges].sum(axis=0)
        once = _each_once(edges, images)
        bonded = once & (distances < BONDED * sums)
        kind = np.isin(start.numbers, list(COVALENT))
        covalent = bonded & kind[edges].all(axis=0)
        every = _Components.of(start.n_atoms, edges[:, bonded], images[bonded])
        own = _Components.of(start.n_atoms, edges[:, covalent], images[covalent])
        metallic = sorted(set(every.labels[edges[0, bonded & ~covalent]].tolist()) - every.endless)
        return cls(
            start=start,
            pairs=edges[:, covalent].T,
            shifts=shifts[covalent],
            lengths=np.maximum(distances, sums)[covalent],
            in_network=np.isin(own.labels[edges[0, covalent]], list(own.endless)),
            clusters=tuple(np.flatnonzero(every.labels == component) for component in metallic),
            unfolded=shifts_of(every.cells, start.cell),
            sites=start.positions if every.endless and start.pbc.sum() > 1 else None,
            neighbour_ang=float(distances.min()) if len(distances) else 0.0,
        )

    def in_cell(self, cell: FloatArray) -> "BondGraph":
        """The same in another cell (3, 3), Å, as a barostat makes it: images and sites move along."""
        periodic = self.start.pbc
        before, now = self.start.cell[periodic], cell[periodic]
        if np.array_equal(now, before):
            return self
        # What lies across the periodic lattice vectors stays: those of vacuum may be zero, or anything.
        forth = np.eye(3) + np.linalg.pinv(before) @ (now - before)
        return replace(
            self,
            start=replace(self.start, cell=cell),
            shifts=self.shifts @ forth,
            unfolded=self.unfolded @ forth,
            sites=None if self.sites is None else self.sites @ forth,
        )

    def strains(self, positions: FloatArray) -> FloatArray:
        """Length of each bond over its length at the start, (..., n_bonds), for positions (..., n_atoms, 3) in Å."""
        first, second = self.pairs.T
        vectors = positions[..., second, :] - positions[..., first, :] + self.shifts
        strains: FloatArray = np.linalg.norm(vectors, axis=-1) / self.lengths
        return strains

    def displacement(self, positions: FloatArray) -> float:
        """Root mean square displacement from the sites of a crystal over the distance of nearest neighbours.

        The motion of the whole is taken out. 0 for what is no crystal.
        """
        if self.sites is None or not self.neighbour_ang:
            return 0.0
        moved = positions - self.sites
        moved -= moved.mean(axis=0)
        return float(np.sqrt(np.square(moved).sum(axis=1).mean()) / self.neighbour_ang)

    def is_whole(self, positions: FloatArray, *, most: float = BONDED) -> bool:
        """Whether no bond outside of networks is longer than this times its length at the start."""
        return not (self.strains(positions)[~self.in_network] > most).any()

    def torn_cluster(self, positions: FloatArray) -> IntArray | None:
        """The atoms of the smaller part of a cluster that has come apart; None while all clusters hold."""
        for cluster in self.clusters:
            places = positions[cluster] + self.unfolded[cluster]
            vectors = places[:, None] - places[None]
            radii = covalent_radii[self.start.numbers[cluster]]
            near = np.linalg.norm(vectors, axis=-1) < APART * (radii[:, None] + radii)
            n_parts, part = connected_components(near, directed=False)
            if n_parts > 1:
                smallest = int(np.bincount(part).argmin())
                atoms: IntArray = cluster[part == smallest]
                return atoms
        return None

    def new_home(self, bond: int, positions: FloatArray) -> int | None:
        """The atom that the hydrogen of a broken bond has passed to, as protons do; None when it has torn.

        Only from and to atoms such as N, O and S.
        """
        numbers, (first, second) = self.start.numbers, (int(atom) for atom in self.pairs[bond])
        hydrogen, left = (first, second) if numbers[first] == 1 else (second, first)
        if numbers[hydrogen] != 1 or numbers[left] not in ACCEPTORS:
            return None
        cell, pbc = self.start.cell, self.start.pbc
        cutoff = BONDED * float(covalent_radii[numbers].max() + covalent_radii[1])
        edges, images = neighbour_list(positions, cell, pbc, cutoff=cutoff)
        vectors = positions[edges[1]] - positions[edges[0]] + shifts_of(images, cell)
        near = np.linalg.norm(vectors, axis=1) < BONDED * (covalent_radii[numbers[edges[1]]] + covalent_radii[1])
        homes = edges[1, near & (edges[0] == hydrogen) & (edges[1] != left)]
        homes = homes[np.isin(numbers[homes], list(ACCEPTORS))]
        return int(homes[0]) if len(homes) else None

    def name(self, atom: int) -> str:
        """``H 5``: an atom as messages call it, counted from 1 as in the file."""
        return f"{chemical_symbols[int(self.start.numbers[atom])]} {atom + 1}"


def _each_once(edges: IntArray, images: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which of the directed pairs to keep so that each pair is there once, an atom and its own images included."""
    forward = np.zeros(edges.shape[1], dtype=np.bool_)
    undecided = np.ones(edges.shape[1], dtype=np.bool_)
    for difference in (edges[1] - edges[0], *images.T):
        forward |= undecided & (difference > 0)
        undecided &= difference == 0
    return forward


@dataclass(frozen=True, slots=True, eq=False)
class _Components:
    """Atoms that are connected with each other.

    Parameters
    ----------
    labels : (n_atoms,) int
        The component of each atom.
    cells : (n_atoms, 3) int
        The image in which each atom is next to the others of its component.
    endless : frozenset of int
        Components in which some way leads from an atom to another image of itself.
    """

    labels: IntArray
    cells: IntArray
    endless: frozenset[int]

    @classmethod
    def of(cls, n_atoms: int, edges: IntArray, images: IntArray) -> "_Components":
        """The components that these pairs make."""
        neighbours: dict[int, list[tuple[int, IntArray]]] = {}
        for (i, j), image in zip(edges.T.tolist(), images, strict=True):
            neighbours.setdefault(i, []).append((j, image))
            neighbours.setdefault(j, []).append((i, -image))
        labels, cells = np.full(n_atoms, -1, dtype=np.int64), np.zeros((n_atoms, 3), dtype=np.int64)
        endless = set()
        for start in range(n_atoms):
            if labels[start] >= 0:
                continue
            labels[start], waiting = start, [start]
            while waiting:
                atom = waiting.pop()
                for other, image in neighbours.get(atom, ()):
                    cell = cells[atom] + image
                    if labels[other] < 0:
                        labels[other], cells[other] = start, cell
                        waiting.append(other)
                    elif (cell != cells[other]).any():
                        endless.add(start)
        return cls(labels, cells, frozenset(endless))


def graphs_of(starts: Iterable[Frame]) -> dict[str, BondGraph]:
    """The bonds of each starting structure, by the name of its system."""
    return {start.system: BondGraph.of(start) for start in starts}


def listed(graph: BondGraph, atoms: Sequence[int] | IntArray) -> str:
    """Some atoms as messages call them, the first few."""
    names = [graph.name(int(atom)) for atom in atoms[:4]]
    return ", ".join(names) + (", ..." if len(atoms) > 4 else "")
