"""Repetitions of cells, so that atoms are far from their own images."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import ceil, prod
from typing import Final

import numpy as np

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.frame import BoolArray, FloatArray, Frame
from aims_pax.settings.augmentation.sources import SupercellSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft

Repeats = tuple[int, int, int]

_ONCE: Final[Repeats] = (1, 1, 1)
_STEPS: Final = np.array(list(product(range(-3, 4), repeat=3)))
"""Combinations of lattice vectors among which a short one is looked for before it is looked for for certain."""
_NEXT: Final = tuple(steps for steps in product((-1, 0, 1), repeat=3) if any(steps))


class Supercells(Augmentation[SupercellSettings]):
    """Gives the supercell of each structure; of what is periodic nowhere, or can't be larger, the structure itself."""

    key, kind = "supercell", "supercell"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """One: the structure, repeated along its periodic directions."""
        repeats = repeats_of(start, self.settings)
        if repeats == _ONCE:
            yield Draft(replace(self.finished(start), config_type=""))
            return
        atoms = atoms_of(start).repeat(repeats)
        yield Draft(self.finished(frame_of(atoms, system=start.system)))


def shortest_image(cell: FloatArray, pbc: BoolArray) -> float:
    """Length of the shortest sum of lattice vectors along periodic directions, Å; inf where there is none.

    Notes
    -----
    A cell reduced in the sense of Minkowski has the shortest lattice vector as one of its own: Nguyen & Stehlé, ACM
    Trans. Algorithms 5, 46 (2009); ASE's reduction follows it.
    """
    from ase.geometry import minkowski_reduce

    if not pbc.any():
        return float("inf")
    reduced, _ = minkowski_reduce(np.array(cell), pbc)
    return float(np.linalg.norm(reduced[pbc], axis=1).min())


def repeats_of(frame: Frame, settings: SupercellSettings) -> Repeats:
    """How often a cell is repeated along each of its vectors."""
    if not frame.pbc.any() or frame.n_atoms > settings.max_atoms:
        return _ONCE
    find = _by_turns if settings.rule == "trainspot" else _largest
    return find(frame, settings)


def _largest(frame: Frame, settings: SupercellSettings) -> Repeats:
    """The fewest atoms with the wanted distance of images; where there are not enough, the largest distance.

    Distances of candidates are those among small multiples of their vectors, which are never below the true ones; what
    is taken is looked at for certain.
    """
    n_cells, pbc = settings.max_atoms // frame.n_atoms, frame.pbc
    along = [range(1, n_cells + 1) if periodic else (1,) for periodic in pbc]
    every = np.array(
        [(a, b, c) for a in along[0] for b in along[1][: n_cells // a] for c in along[2][: n_cells // (a * b)]]
    )
    steps = _STEPS[(_STEPS[:, ~pbc] == 0).all(axis=1) & _STEPS.any(axis=1)]
    vectors = np.einsum("sk,nk,kx->nsx", steps, every, frame.cell)
    bounds = np.linalg.norm(vectors, axis=-1).min(axis=1)
    sizes = every.prod(axis=1)
    best, best_image = _ONCE, shortest_image(frame.cell, pbc)
    for index in np.lexsort((-bounds, sizes)):
        if best_image >= settings.shortest_image:
            break
        if bounds[index] > best_image * (1 + 1e-9):
            repeats = tuple(every[index].tolist())
            image = shortest_image(every[index][:, None] * frame.cell, pbc)
            if image > best_image * (1 + 1e-9):
                best, best_image = repeats, image
    return best


def _by_turns(frame: Frame, settings: SupercellSettings) -> Repeats:
    """As AiiDA-TrainsPot does (982e9e6): by lengths of vectors, or from one cell on, a direction at a time.

    While a sum of neighbouring lattice vectors is too short, one of those that the first such sum holds is repeated
    once more, in turns, until that would be too many atoms.
    """
    lengths = np.linalg.norm(frame.cell, axis=1)
    repeats = [
        ceil(settings.shortest_image / length) if periodic else 1
        for length, periodic in zip(lengths, frame.pbc, strict=True)
    ]
    if prod(repeats) * frame.n_atoms > settings.max_atoms:
        repeats = list(_ONCE)
    steps = [one for one in _NEXT if not np.array(one)[~frame.pbc].any()]
    last = -1
    while True:
        cell = np.array(repeats)[:, None] * frame.cell
        short = next((one for one in steps if np.linalg.norm(np.array(one) @ cell) < settings.shortest_image), None)
        if short is None:
            break
        last = next(axis % 3 for axis in range(last + 1, last + 4) if short[axis % 3])
        if prod(repeats) // repeats[last] * (repeats[last] + 1) * frame.n_atoms > settings.max_atoms:
            break
        repeats[last] += 1
    a, b, c = repeats
    return a, b, c
