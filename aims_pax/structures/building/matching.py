"""Supercells of sheets that fit on each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, hypot, sqrt

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.layers import TURNS, Filling, Layer

_FINENESS = 1000
"""Strains that differ by less than a thousandth are equal, and fewer atoms count."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a sheet becomes part of a stack.

    Parameters
    ----------
    repeats : (int, int)
    turn : int
        Which of :data:`~aims_pax.structures.building.layers.TURNS`.
    strain : float
        The largest change of any length in its plane, as a fraction.
    """

    repeats: tuple[int, int]
    turn: int
    strain: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stack may be.

    Parameters
    ----------
    max_atoms : int
    max_strain : float
        As a fraction.
    gap_ang : float, Å
        Least distance of clusters from their own images, besides.
    """

    max_atoms: int
    max_strain: float
    gap_ang: float


def fits_of(layers: Sequence[Layer | Filling], limits: Limits) -> tuple[FloatArray, dict[int, Fit]]:
    """The plane of a stack, (2, 2) Å, and how each of its sheets fits in it, by its place among the layers.

    The first sheet is repeated and never strained. Of what is allowed it is the least strain, then the fewest atoms.

    Parameters
    ----------
    layers : sequence of Layer or Filling
        At least one sheet among them.
    limits : Limits

    Raises
    ------
    NotBuilt
        Nothing is allowed; the text tells what came nearest.

    Notes
    -----
    Strain is what the singular values of the deformation of a supercell differ from 1 by, which a rotation does not
    change. Supercells are repetitions of the cells as they are, turned, and sheared by one vector.
    """
    sheets = [index for index, layer in enumerate(layers) if isinstance(layer, Layer) and layer.plane is not None]
    first = layers[sheets[0]]
    assert isinstance(first, Layer)
    assert first.plane is not None
    fewest = (10**9, 1.0)
    best: tuple[tuple[int, int, int], FloatArray, dict[int, Fit]] | None = None
    nearest: tuple[float, str] | None = None
    for repeats in _repeats(limits.max_atoms // first.n_atoms):
        plane = np.array(repeats)[:, None] * first.plane
        others = {index: _best(_sheet(layers[index]), plane) for index in sheets[1:]}
        fits = {sheets[0]: Fit(repeats, 0, 0.0), **others}
        n_atoms = _n_atoms(layers, fits, plane)
        if n_atoms is None:
            continue
        strain = max(fit.strain for fit in fits.values())
        fewest = min(fewest, (n_atoms, strain))
        if n_atoms > limits.max_atoms or not _apart(layers, plane, limits.gap_ang):
            continue
        if nearest is None or strain < nearest[0]:
            nearest = (strain, f"{repeats[0]} x {repeats[1]} cells of {first.name}, {n_atoms} atoms")
        rank = (round(strain * _FINENESS), n_atoms, repeats[0])
        if strain <= limits.max_strain and (best is None or rank < best[0]):
            best = (rank, plane, fits)
    if best is not None:
        return best[1], best[2]
    names = " and ".join(layer.name for layer in layers)
    if nearest is not None:
        found = f"{names} don't fit: their least strain is {nearest[0]:.1%} ({nearest[1]}), and Strain allows "
        raise NotBuilt(f"{found}{limits.max_strain:.1%}.", "Raise Strain or MaxAtoms, or change a Repeat.")
    if fewest[0] > limits.max_atoms:
        least = f"{fewest[0]} atoms at least" if fewest[0] < 10**9 else f"more than {limits.max_atoms} atoms"
        found = f"{names} have {least}, and MaxAtoms allows {limits.max_atoms}."
        raise NotBuilt(found, "Raise MaxAtoms, lower Thickness, Size or Radius, or change a Repeat.")
    found = f"What is carved out comes nearer than {limits.gap_ang:g} Å to its images on {first.name}"
    raise NotBuilt(f"{found}.", "Raise MaxAtoms or Repeat, or lower Size or Radius.")


def _repeats(most: int) -> Iterator[tuple[int, int]]:
    for total in range(1, most + 1):
        for one in range(1, total + 1):
            if total % one == 0:
                yield one, total // one


def _sheet(layer: Layer | Filling) -> Layer:
    assert isinstance(layer, Layer)
    return layer


def _best(layer: Layer, target: FloatArray) -> Fit:
    """Of all turns, the repetition that is strained least; of equal strains the one of fewest atoms."""
    assert layer.plane is not None
    found: list[tuple[tuple[int, int, int], Fit]] = []
    for turn, basis in enumerate(TURNS):
        vectors = basis @ layer.plane
        ratios = [hypot(*wanted) / hypot(*own) for wanted, own in zip(target.tolist(), vectors.tolist(), strict=True)]
        near = [{max(1, floor(ratio)), max(1, ceil(ratio))} for ratio in ratios]
        for repeats in product(*(sorted(one) for one in near)):
            strain = strain_between(np.array(repeats)[:, None] * vectors, target)
            rank = (round(strain * _FINENESS), repeats[0] * repeats[1], turn)
            found.append((rank, Fit((repeats[0], repeats[1]), turn, strain)))
    return min(found, key=lambda one: one[0])[1]


def strain_between(vectors: FloatArray, target: FloatArray) -> float:
    """By how much lengths change at most where two vectors become two others, as a fraction; both are (2, 2) Å."""
    (a, b), (c, d) = vectors.tolist()
    (e, f), (g, h) = target.tolist()
    # The deformation, times the area of the vectors; written out, for it is looked at tens of thousands of times.
    area = a * d - b * c
    first, second = (d * e - b * g, d * f - b * h), (a * g - c * e, a * h - c * f)
    squares = (first[0] ** 2 + first[1] ** 2 + second[0] ** 2 + second[1] ** 2) / area**2
    change = abs(e * h - f * g) / abs(area)
    # Singular values of two rows: the sum of their squares, and their product.
    total, apart = sqrt(squares + 2 * change), sqrt(max(0.0, squares - 2 * change))
    return max(abs((total + apart) / 2 - 1.0), abs((total - apart) / 2 - 1.0))


def _n_atoms(layers: Sequence[Layer | Filling], fits: dict[int, Fit], plane: FloatArray) -> int | None:
    """Atoms of a stack, at least; None: molecules have no room."""
    area, n_atoms = float(abs(np.linalg.det(plane))), 0
    for index, layer in enumerate(layers):
        if isinstance(layer, Filling):
            least = layer.least_over(area)
            if least is None:
                return None
            n_atoms += least
        else:
            one, two = fits[index].repeats if index in fits else (1, 1)
            n_atoms += layer.n_atoms * one * two
    return n_atoms


def _apart(layers: Sequence[Layer | Filling], plane: FloatArray, gap_ang: float) -> bool:
    clusters = [layer for layer in layers if isinstance(layer, Layer) and layer.plane is None]
    return all(cluster.reach_ang(plane) >= gap_ang for cluster in clusters)
