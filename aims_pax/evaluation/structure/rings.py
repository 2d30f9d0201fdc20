"""Rings of bonds: what atoms of a network, or of a molecule, are members of."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np

from aims_pax.evaluation.structure.function import Curve, Neighbours, Number, Run, Shells, neighbours_within
from aims_pax.frame import FloatArray, Frame

MOST: Final = 8
"""Atoms of a ring, or twice as many where no two atoms of one element are bonded, as in silica: SiO2 has rings of six
tetrahedra."""

LEAST: Final = 3

COUNTED: Final = "atoms of a ring"
"""What stands at an axis of whole numbers."""

Node: TypeAlias = tuple[int, int, int, int]
"""An atom, and the cell that it is in."""


def rings_in(frame: Frame, shells: Shells, *, most: int = MOST) -> FloatArray:
    """How many rings of 0, 1, ..., `most` atoms there are, per atom, (most + 1,).

    Notes
    -----
    Rings by Guttman, J. Non-Cryst. Solids 116, 145 (1990): of each bond the shortest ways from one of its atoms to the
    other that do not take the bond, all of them; each ring is counted once, however many of its bonds find it. Ways go
    through periodic images, and one that ends in another image of the atom is no ring. (King, Nature 213, 1112 (1967),
    asks for the shortest ways between two neighbours of an atom, and finds larger ones besides.)
    """
    near = neighbours_within(frame, shells)
    bonds = _bonds(near, frame.n_atoms)
    counts = np.zeros(most + 1)
    seen: set[frozenset[Node]] = set()
    for atom, around in enumerate(bonds):
        for other in around:
            start: Node = (atom, 0, 0, 0)
            if other < start:
                continue  # the same bond from its other end
            for ring in _shortest(bonds, start, other, most=most):
                seen.add(_standing(ring))
    for found in seen:
        counts[len(found)] += 1 / frame.n_atoms
    return counts


def rings(runs: Sequence[Run], shells: Shells) -> tuple[list[Curve], list[Number]]:
    """Rings of each size per atom, in all runs; nothing where there are none."""
    most = 2 * MOST if shells and all(one != other for one, other in shells) else MOST
    each = np.array([np.mean([rings_in(frame, shells, most=most) for frame in run], axis=0) for run in runs])
    sizes = [size for size in range(LEAST, most + 1) if each[:, size].any()]
    if not sizes:
        return [], []
    x = np.arange(LEAST, most + 1, dtype=np.float64)
    curve = Curve("rings", "rings", COUNTED, "rings (1/atom)", x, each[:, LEAST:])
    numbers = [
        Number(f"rings_of_{size}_per_atom", f"rings of {size} atoms", "1/atom", each[:, size].copy()) for size in sizes
    ]
    return [curve], numbers


def _bonds(near: Neighbours, n_atoms: int) -> list[list[Node]]:
    found: list[list[Node]] = [[] for _ in range(n_atoms)]
    for first, second, image in zip(near.first.tolist(), near.second.tolist(), near.images.tolist(), strict=True):
        found[first].append((second, *image))
    return found


def _around(bonds: Sequence[Sequence[Node]], node: Node) -> Iterator[Node]:
    atom, a, b, c = node
    for other, x, y, z in bonds[atom]:
        yield other, a + x, b + y, c + z


def _shortest(bonds: Sequence[Sequence[Node]], start: Node, end: Node, *, most: int) -> Iterator[tuple[Node, ...]]:
    """The shortest ways from an end of a bond to its start that do not take the bond; each with all of its atoms."""
    before: dict[Node, list[Node]] = {end: []}
    edge, length = [end], 1
    while edge and start not in before and length < most:
        found: dict[Node, list[Node]] = {}
        for node in edge:
            for other in _around(bonds, node):
                if other not in before and not (node == end and other == start):
                    found.setdefault(other, []).append(node)
        before |= found
        edge, length = list(found), length + 1
    if start in before and length >= LEAST:
        yield from _ways_back(before, (start,))


def _ways_back(before: dict[Node, list[Node]], way: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    earlier = before[way[-1]]
    if not earlier:
        yield way
    for node in earlier:
        yield from _ways_back(before, (*way, node))


def _standing(ring: tuple[Node, ...]) -> frozenset[Node]:
    """The same ring wherever in space it was found: its first atom is in the first cell."""
    _, a, b, c = min(ring)
    return frozenset((atom, x - a, y - b, z - c) for atom, x, y, z in ring)
