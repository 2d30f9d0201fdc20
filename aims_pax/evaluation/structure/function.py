"""What functions of a structure are made of: runs of structures, pairs of elements, curves and numbers of each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.frame import FloatArray, Frame, IntArray

Run: TypeAlias = Sequence[Frame]
"""Structures of one trajectory, of the same atoms in the same order."""

Pair: TypeAlias = tuple[int, int]
"""Atomic numbers, the smaller one first."""

Shells: TypeAlias = Mapping[Pair, float]
"""Up to which distance atoms are neighbours, Å, by their elements."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A function of some runs.

    Parameters
    ----------
    key : str
        Its name in files.
    title, x_label, y_label : str
    x : (n,)
    y : (n_runs, n)
    """

    key: str
    title: str
    x_label: str
    y_label: str
    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A number of some runs.

    Parameters
    ----------
    key : str
        Its name in files, with the unit last.
    words, unit : str
    values : (n_runs,)
        NaN where a run has none.
    """

    key: str
    words: str
    unit: str
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Pairs of atoms in one structure, each from both sides, periodic images and those of an atom itself included.

    Parameters
    ----------
    first, second : (n_pairs,) int
    distance_ang : (n_pairs,), Å
    vectors : (n_pairs, 3), Å
        From the first to the second.
    images : (n_pairs, 3) int
        Cell in which the second is found.
    """

    first: IntArray
    second: IntArray
    distance_ang: FloatArray
    vectors: FloatArray
    images: IntArray


def neighbours_within(frame: Frame, shells: Shells | float) -> Neighbours:
    """Pairs up to a distance, Å: one for all, or one for each pair of elements; others are no neighbours then."""
    from ase.neighborlist import neighbor_list

    cutoff = shells if isinstance(shells, float) else max(shells.values(), default=0.0)
    first, second, distance, vectors, images = neighbor_list("ijdDS", atoms_of(frame), cutoff)
    if not isinstance(shells, float) and len(first):
        low = np.minimum(frame.numbers[first], frame.numbers[second])
        high = np.maximum(frame.numbers[first], frame.numbers[second])
        limits = np.zeros(len(first))
        for (one, other), limit in shells.items():
            limits[(low == one) & (high == other)] = limit
        near = distance <= limits
        first, second, distance, vectors, images = (
            values[near] for values in (first, second, distance, vectors, images)
        )
    return Neighbours(first, second, distance, vectors, images)


def pairs_of(numbers: IntArray) -> list[Pair]:
    """All pairs of the elements of a structure."""
    elements = sorted({int(number) for number in numbers})
    return list(combinations_with_replacement(elements, 2))


def symbol(number: int) -> str:
    """Of an element."""
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])


def pair_words(pair: Pair) -> str:
    """``Na-Cl``"""
    return "-".join(symbol(number) for number in pair)
