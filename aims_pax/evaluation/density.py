"""Mass densities of crystals and liquids, and bins that hold about as many structures each."""

from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray

AMU_PER_ANG3_G_PER_CM3: Final = 1.66053906660
"""One u/Å³ in g/cm³ (CODATA 2018)."""

MOST_BINS: Final = 6
LEAST_IN_BIN: Final = 3
"""Structures, on average, for which a further bin is made."""

MOST_VALUES: Final = 12
"""Distinct ones that have a bin each, as in MD of fixed cells."""

SAME: Final = 1e-3
"""Values that differ by less than this share of them are one."""


def has_density(frame: Frame) -> bool:
    """Whether a structure fills space: it is periodic in three directions, in a cell with a volume."""
    return bool(frame.pbc.all()) and abs(float(np.linalg.det(frame.cell))) > 0


def density_of(frame: Frame) -> float:
    """g/cm³."""
    from ase.data import atomic_masses

    volume_ang3 = abs(float(np.linalg.det(frame.cell)))
    return float(atomic_masses[frame.numbers].sum()) / volume_ang3 * AMU_PER_ANG3_G_PER_CM3


def edges_of(values: FloatArray) -> FloatArray:
    """Borders (n_bins + 1,) of bins: between values where these are few and come again, else with as many in each."""
    ordered = np.sort(values)
    apart = np.flatnonzero(np.diff(ordered) > SAME * ordered.mean())
    if (len(apart) < MOST_VALUES and (len(apart) + 1) * LEAST_IN_BIN <= len(values)) or not len(apart):
        middles = (ordered[apart] + ordered[apart + 1]) / 2
        return np.array([ordered[0] * (1 - SAME), *middles, ordered[-1] * (1 + SAME)])
    n_bins = max(1, min(MOST_BINS, len(values) // LEAST_IN_BIN))
    edges: FloatArray = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    return edges


def places_in(edges: FloatArray, values: FloatArray) -> IntArray:
    """The bin (n,) of each value (n,)."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def words_of(edges: FloatArray, values: FloatArray) -> tuple[str, ...]:
    """What the bins hold: ``2.5``, or ``1.48 to 1.62``."""
    place = places_in(edges, values)
    return tuple(_words(values[place == number], edges[number : number + 2]) for number in range(len(edges) - 1))


def _words(values: FloatArray, edges: FloatArray) -> str:
    low, high = (float(values.min()), float(values.max())) if len(values) else (float(edges[0]), float(edges[1]))
    return _plain(low) if high - low <= SAME * low else f"{_plain(low)} to {_plain(high)}"


def _plain(value: float) -> str:
    """Four digits, so that two bins have two names, and no power of ten."""
    return f"{value:.4g}" if value < 1000 else f"{value:.0f}"
