"""Which bonds of a molecule the rest of it turns about, and which two of them belong on one map."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from ase.data import covalent_radii

from aims_pax.evaluation.bonds import BondGraph

Quad = tuple[int, int, int, int]
"""Four atoms, counted from 0; what turns is the last bond about the one between the second and the third."""

STIFF: Final = 0.94
"""A bond shorter than this times the sum of covalent radii is more than a single one, and turns in no simulation: C=C
(0.88), C-N of amides (0.91), bonds of aromatic rings (0.92). C-C between two double bonds (0.96) turns."""

IN_LINE_DEGREES: Final = 170.0
"""Three atoms at a larger angle than this have no plane that could turn."""


def rotatable(graph: BondGraph) -> tuple[Quad, ...]:
    """A dihedral for each bond of molecules that turns, ordered by its atoms.

    Not in rings and endless networks; not what is stiff; and not what turns into itself by a third or a half turn for
    its ends are hydrogens alone, as CH3, NH2 and NH3. At each end the dihedral goes on where the larger branch is: φ
    and ψ of a peptide are as IUPAC has them but at its ends.

    Parameters
    ----------
    graph : BondGraph
        Of a structure near its rest: lengths of bonds say which of them are stiff.
    """
    numbers, positions = graph.start.numbers, graph.start.positions
    partners: dict[int, list[int]] = {}
    for first, second in graph.pairs[~graph.in_network].tolist():
        partners.setdefault(first, []).append(second)
        partners.setdefault(second, []).append(first)
    vectors = positions[graph.pairs[:, 1]] - positions[graph.pairs[:, 0]] + graph.shifts
    lengths = np.linalg.norm(vectors, axis=1) / covalent_radii[numbers[graph.pairs]].sum(axis=1)
    way = {tuple(pair): vector for pair, vector in zip(graph.pairs.tolist(), vectors, strict=True)}
    way |= {(second, first): -vector for (first, second), vector in way.items()}
    found: list[Quad] = []
    for (j, k), length, is_endless in zip(graph.pairs.tolist(), lengths, graph.in_network, strict=True):
        j, k = sorted((j, k))
        if is_endless or length < STIFF or j in _branch(partners, k, without=j):
            continue
        i, m = (_end(partners, numbers.tolist(), at=at, across=across) for at, across in ((j, k), (k, j)))
        if i is None or m is None:
            continue
        if max(_degrees(way[j, i], way[j, k]), _degrees(way[k, j], way[k, m])) <= IN_LINE_DEGREES:
            found.append((i, j, k, m))
    return tuple(sorted(found, key=lambda quad: (quad[1], quad[2])))


def maps_of(dihedrals: Sequence[Quad]) -> tuple[tuple[int, int], ...]:
    """Pairs of dihedrals, by their places, whose bonds meet at an atom, such as φ and ψ; where there are two, these."""
    if len(dihedrals) == 2:
        return ((0, 1),)
    return tuple(
        (first, second)
        for first, second in combinations(range(len(dihedrals)), 2)
        if len(set(dihedrals[first][1:3]) & set(dihedrals[second][1:3])) == 1
    )


def _end(partners: dict[int, list[int]], numbers: list[int], *, at: int, across: int) -> int | None:
    """The atom at which a dihedral about a bond ends on this side; None where nothing is turned."""
    others = [atom for atom in partners[at] if atom != across]
    if not others or (len(others) > 1 and all(numbers[atom] == 1 for atom in others)):
        return None
    return max(others, key=lambda atom: (len(_branch(partners, atom, without=at)), numbers[atom], -atom))


def _branch(partners: dict[int, list[int]], start: int, *, without: int) -> set[int]:
    """Atoms that bonds lead to from one of them, not by its bond to another one."""
    found, waiting = {start}, [atom for atom in partners[start] if atom != without]
    while waiting:
        atom = waiting.pop()
        if atom not in found:
            found.add(atom)
            waiting += partners[atom]
    return found


def _degrees(first: np.ndarray, second: np.ndarray) -> float:
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
