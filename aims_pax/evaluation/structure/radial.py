"""Radial distribution functions, by pairs of elements, and their first peaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.evaluation.covalent import BONDED, COVALENT
from aims_pax.evaluation.structure.function import (
    Curve,
    Number,
    Pair,
    Run,
    Shells,
    neighbours_within,
    pair_words,
    pairs_of,
)
from aims_pax.frame import FloatArray

REACH_ANG: Final = 8.0
BIN_ANG: Final = 0.05

SMOOTH_ANG: Final = 0.1
"""Width of the Gaussian with which curves are smoothed before a peak is looked for."""

LEAST_PEAK: Final = 0.02
"""Of the largest value: what is lower before the first peak is no peak."""

NEAREST: Final = 1.3
"""Where an element is no nonmetal, atoms farther than this times its nearest neighbours are no bond: of rock salt the
like ions are 1.41 times as far, of bcc the second shell 1.15 times."""


@dataclass(frozen=True, slots=True, eq=False)
class Radial:
    """Distances of one run.

    Parameters
    ----------
    counts : mapping of Pair to (n_bins,)
        Atoms of the second element around one of the first, in each bin, mean over structures.
    g : mapping of Pair to (n_bins,)
        What is drawn: see :func:`radial_of`.
    is_relative : bool
        Whether `g` is relative to atoms without order.
    """

    counts: dict[Pair, FloatArray]
    g: dict[Pair, FloatArray]
    is_relative: bool


def edges_ang() -> FloatArray:
    """Borders of the bins, (n_bins + 1,)."""
    return np.linspace(0.0, REACH_ANG, round(REACH_ANG / BIN_ANG) + 1)


def radial_of(run: Run) -> Radial:
    """Distances in the structures of one run, up to 8 Å.

    Notes
    -----
    Where a structure is periodic in three directions, g(r) = n(r) V / (N_b v(r)): n(r) atoms of the second element in
    the shell between two radii around one of the first, v(r) the volume of this shell, V that of the cell, whatever its
    angles. All images count, those of the atom itself, too, so that the reach is not bounded by half of the cell. Atoms
    without order have 1; those of one element 1 - 1/N up to the nearest image of the atom itself. Where it is not, no
    volume belongs to the structure, and n(r) divided by the width of a shell is told: neighbours of an atom per Å.
    """
    edges = edges_ang()
    widths, volumes = np.diff(edges), 4 / 3 * np.pi * np.diff(edges**3)
    pairs = pairs_of(run[0].numbers)
    counts = {pair: np.zeros(len(widths)) for pair in pairs}
    g = {pair: np.zeros(len(widths)) for pair in pairs}
    is_relative = all(bool(frame.pbc.all()) for frame in run)
    for frame in run:
        found = neighbours_within(frame, REACH_ANG)
        of_first, of_second = frame.numbers[found.first], frame.numbers[found.second]
        for one, other in pairs:
            chosen = (of_first == one) & (of_second == other)
            n_first, n_second = int((frame.numbers == one).sum()), int((frame.numbers == other).sum())
            seen = np.histogram(found.distance_ang[chosen], bins=edges)[0] / n_first / len(run)
            counts[one, other] += seen
            if is_relative:
                density = n_second / abs(float(np.linalg.det(frame.cell)))
                g[one, other] += seen / (density * volumes)
            else:
                g[one, other] += seen / widths
    return Radial(counts, g, is_relative)


def shells_of(runs: Sequence[Radial]) -> Shells:
    """Where the first shell of each pair ends, Å: the first minimum after the first peak of all runs together.

    Where no minimum follows it is 1.25 times the sum of the covalent radii. Pairs that are never near have none.
    """
    found: dict[Pair, float] = {}
    for pair in runs[0].g:
        mean = _smooth(np.mean([run.g[pair] for run in runs], axis=0))
        peak = _first_peak(mean)
        if peak is not None:
            found[pair] = _end_of_shell(mean, peak, pair)
    return found


def bonds_of(runs: Sequence[Radial], shells: Shells) -> Shells:
    """The shells that are bonds: what angles are made of, and rings.

    First peaks that are no farther than 1.25 times the sum of the covalent radii; and of other than nonmetals those
    that are no farther than 1.3 times the nearest neighbours of both elements, since ions of one kind do not bind.
    """
    from ase.data import covalent_radii

    x = (edges_ang()[1:] + edges_ang()[:-1]) / 2
    peaks = {
        pair: float(x[peak])
        for pair in shells
        if (peak := _first_peak(_smooth(np.mean([run.g[pair] for run in runs], axis=0)))) is not None
    }
    nearest = {number: min(at for pair, at in peaks.items() if number in pair) for pair in peaks for number in pair}
    found = {}
    for pair, at in peaks.items():
        is_covalent = COVALENT.issuperset(pair)
        is_near = at <= NEAREST * min(nearest[number] for number in pair)
        if at <= BONDED * float(covalent_radii[list(pair)].sum()) and (is_covalent or is_near):
            found[pair] = shells[pair]
    return found


def curves_of(runs: Sequence[Radial]) -> list[Curve]:
    """The functions of all pairs that are seen."""
    x = (edges_ang()[1:] + edges_ang()[:-1]) / 2
    label = "g(r)" if runs[0].is_relative else "neighbours of an atom (1/Å)"
    return [
        Curve(f"radial_{pair_words(pair)}", pair_words(pair), "distance (Å)", label, x, np.array(y))
        for pair in runs[0].g
        if np.any(y := [run.g[pair] for run in runs])
    ]


def numbers_of(runs: Sequence[Radial], shells: Shells) -> list[Number]:
    """Position and height of the first peak of each pair, within its shell."""
    x = (edges_ang()[1:] + edges_ang()[:-1]) / 2
    found = []
    for pair, end_ang in shells.items():
        inside = x <= end_ang
        peaks = [_top(x, _smooth(run.g[pair]), inside) for run in runs]
        name, unit = pair_words(pair), "" if runs[0].is_relative else "1/Å"
        key = f"{name.lower()}_first_peak"
        found.append(Number(f"{key}_ang", f"{name}, first peak", "Å", np.array([place for place, _ in peaks])))
        height = f"{key}_height" if not unit else f"{key}_height_per_ang"
        found.append(Number(height, f"{name}, its height", unit, np.array([top for _, top in peaks])))
    return found


def _smooth(values: FloatArray) -> FloatArray:
    reach = round(3 * SMOOTH_ANG / BIN_ANG)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * BIN_ANG / SMOOTH_ANG) ** 2)
    smoothed: FloatArray = np.convolve(values, kernel / kernel.sum(), mode="same")
    return smoothed


def _first_peak(values: FloatArray) -> int | None:
    """The bin of the first maximum that counts."""
    least = LEAST_PEAK * float(values.max())
    if least == 0.0:
        return None
    rising = np.diff(values, append=values[-1])
    tops = [n for n in range(1, len(values)) if rising[n - 1] > 0 >= rising[n] and values[n] > least]
    return tops[0] if tops else None


def _end_of_shell(values: FloatArray, peak: int, pair: Pair) -> float:
    from ase.data import covalent_radii

    edges = edges_ang()
    after = np.diff(values[peak:])
    turns = np.flatnonzero((after[:-1] <= 0) & (after[1:] > 0))
    flat = np.flatnonzero(values[peak:] < 1e-9 * values[peak])
    ends = [int(some[0]) + 1 for some in (turns, flat) if len(some)]
    if not ends:
        return max(BONDED * float(covalent_radii[list(pair)].sum()), float(edges[peak + 1]))
    if len(flat) and ends[-1] == min(ends):  # nothing is there until the next peak: the middle of the gap
        beyond = np.flatnonzero(values[peak + ends[-1] :] > 1e-9 * values[peak])
        width = int(beyond[0]) if len(beyond) else 0
        return float(edges[peak + ends[-1] + width // 2])
    return float(edges[peak + min(ends)] + BIN_ANG / 2)


def _top(
    x: FloatArray, values: FloatArray, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> tuple[float, float]:
    """Place and height of the largest value, by a parabola through it and its neighbours; NaN where there is none."""
    chosen = np.where(inside, values, 0.0)
    top = int(np.argmax(chosen))
    if chosen[top] <= 0.0:
        return float("nan"), float("nan")
    if not 0 < top < len(x) - 1:
        return float(x[top]), float(values[top])
    left, middle, right = values[top - 1 : top + 2]
    bend = left - 2 * middle + right
    shift = 0.0 if bend == 0.0 else 0.5 * (left - right) / bend
    return float(x[top] + shift * BIN_ANG), float(middle - 0.25 * (left - right) * shift)
