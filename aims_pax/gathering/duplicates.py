"""Structures that are there more than once, and structures of one geometry with two energies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.frame import BoolArray, FloatArray
from aims_pax.gathering.nearness import inverse_of
from aims_pax.gathering.spool import Kind, Numbers, Spool

SAME_ANG: Final = 2e-5
"""How far atoms and lattice vectors of one structure may lie apart: outputs print five decimals of Å, or six of lattice
vectors, and rounding moves an atom by half of the last one, and the shift of all atoms as much."""

SAME_ENERGY_EV, SAME_ENERGY_EV_PER_ATOM = 1e-3, 1e-4
"""Energies of one structure that are farther apart, by the larger of the two, are not those of one calculation."""

SAME_STEP_EV: Final = 1e-6
"""Energies of two steps of one output that are farther apart are those of two steps, whose atoms have hardly moved."""

N_FEATURES: Final = 3
"""Complex numbers by which structures are compared before their atoms are."""

_SEED: Final = 11


@dataclass(frozen=True, slots=True)
class Twin:
    """A structure that is there already.

    Parameters
    ----------
    index, of : int
        Its place among the rows, and that of the one that stays.
    energy_apart_ev : float
        Its energy minus that of the other; beyond :data:`SAME_ENERGY_EV` another state or another setting.
    is_contrary : bool
        Whether its energy is another one.
    """

    index: int
    of: int
    energy_apart_ev: float
    is_contrary: bool


def twins(spool: Spool, settings: Sequence[str]) -> Iterator[Twin]:
    """Structures that are earlier ones again: the same atoms in the same order at the same places, by one method.

    Whole lattice vectors, and a shift of all atoms together, make no difference. The first of several stays.

    Parameters
    ----------
    spool : Spool
    settings : sequence of str
        Names of the methods, by their numbers; equal ones are one method.
    """
    alike: dict[tuple[int, str, int | None], list[int]] = {}
    for index, row in enumerate(spool.rows):
        if not row.is_free_atom:
            alike.setdefault((row.kind, settings[row.method], row.charge), []).append(index)
    for (kind, *_), members in alike.items():
        if len(members) > 1:
            yield from _twins_among(spool, spool.kinds[kind], members)


def _twins_among(spool: Spool, kind: Kind, members: Sequence[int]) -> Iterator[Twin]:
    from scipy.spatial import cKDTree

    weights = _weights(len(kind.numbers))
    features = np.array([_features(spool.numbers_of(spool.rows[index]), kind.pbc, weights) for index in members])
    first_of: dict[bytes, int] = {}
    singles: list[int] = []
    for place, row in enumerate(np.round(features, 2)):  # copies to the last digit, which may be any number
        earlier = first_of.setdefault(row.tobytes(), place)
        found = None if earlier == place else _twin(spool, kind, members[earlier], members[place])
        if found is None:
            singles.append(place)
        else:
            yield found
    close = cKDTree(features[singles]).query_pairs(1.0, p=np.inf, output_type="ndarray")
    gone: set[int] = set()
    for second, first in sorted((max(pair), min(pair)) for pair in close.tolist()):
        if first in gone or second in gone:
            continue
        found = _twin(spool, kind, members[singles[first]], members[singles[second]])
        if found is not None:
            gone.add(second)
            yield found


def _twin(spool: Spool, kind: Kind, first: int, second: int) -> Twin | None:
    earlier, later = spool.rows[first], spool.rows[second]
    if not _is_same(spool.numbers_of(earlier), spool.numbers_of(later), kind.pbc):
        return None
    apart = later.energy - earlier.energy
    limit = max(SAME_ENERGY_EV, SAME_ENERGY_EV_PER_ATOM * len(kind.numbers))
    if earlier.file == later.file and SAME_STEP_EV < abs(apart) <= limit:
        return None
    return Twin(second, first, apart, is_contrary=abs(apart) > limit)


def _weights(n_atoms: int) -> FloatArray:
    """Random weights of atoms, (N_FEATURES, n_atoms), whose absolute values add up to one."""
    drawn = np.random.default_rng(_SEED).uniform(0.5, 1.5, size=(N_FEATURES, n_atoms))
    signed = drawn * np.random.default_rng(_SEED + 1).choice([-1.0, 1.0], size=drawn.shape)
    weights: FloatArray = signed / np.abs(signed).sum(axis=1, keepdims=True)
    return weights


def _features(numbers: Numbers, pbc: BoolArray, weights: FloatArray) -> FloatArray:
    """Numbers that differ by less than one between two copies of a structure.

    Along periodic directions absolute values of structure factors, elsewhere weighted sums of distances from the
    centre: continuous, and the same for shifted atoms and atoms in other cells.

    Notes
    -----
    A factor with weights w of \\|w\\| summed to one changes by at most 2 pi \\|b\\| d when atoms move by d, with b the
    reciprocal vector; positions printed in fractions move with the cell, which is why each bound is doubled.
    """
    found = [np.abs(numbers.cell).sum() / (18 * SAME_ANG)]
    if pbc.any():
        inverse = inverse_of(numbers.cell[pbc])
        places = numbers.positions @ inverse
        for row, axis in enumerate(np.resize(np.arange(places.shape[1]), N_FEATURES).tolist()):
            factor = abs(complex((weights[row] * np.exp(2j * np.pi * places[:, axis])).sum()))
            found.append(factor / (4 * np.pi * np.linalg.norm(inverse[:, axis]) * SAME_ANG))
    else:
        apart = np.linalg.norm(numbers.positions - numbers.positions.mean(axis=0), axis=1)
        found += ((weights @ apart) / (4 * SAME_ANG)).tolist()
    return np.array(found)


def _is_same(first: Numbers, second: Numbers, pbc: BoolArray) -> bool:
    if np.abs(first.cell - second.cell).max() > SAME_ANG:
        return False
    return bool(moved_apart(first, second, pbc).max(initial=0.0) <= SAME_ANG)


def moved_apart(first: Numbers, second: Numbers, pbc: BoolArray) -> FloatArray:
    """How far each atom lies from its place in another structure of the same cell, (n_atoms,) Å, without a shift of
    all atoms together."""
    moved = second.positions - first.positions
    moved = moved - moved[0]
    if pbc.any():
        vectors = first.cell[pbc]
        moved = moved - np.round(moved @ inverse_of(vectors)) @ vectors
    apart: FloatArray = np.linalg.norm(moved - moved.mean(axis=0), axis=1)
    return apart


def lesser_free_atoms(spool: Spool, settings: Sequence[str]) -> Iterator[Twin]:
    """Free atoms beside the one of the same element that tells its E0: an element has one.

    That is the one with the lowest energy, its ground state, by the method of most structures that has one.
    """
    n_rows = Counter(settings[row.method] for row in spool.rows)
    by_element: dict[int, list[int]] = {}
    for index, row in enumerate(spool.rows):
        if row.is_free_atom:
            by_element.setdefault(int(spool.kind_of(row).numbers[0]), []).append(index)
    for members in by_element.values():
        names = {index: settings[spool.rows[index].method] for index in members}
        ranks = {index: (-n_rows[name], name, spool.rows[index].energy) for index, name in names.items()}
        best = min(members, key=ranks.__getitem__)
        for index in (one for one in members if one != best):
            apart = spool.rows[index].energy - spool.rows[best].energy
            yield Twin(index, best, apart, is_contrary=names[index] == names[best] and apart > SAME_ENERGY_EV)
