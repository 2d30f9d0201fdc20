"""How far structures are from each other, by the numbers that models see of them."""

from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

_NO_SPREAD: Final = 1e-12
"""Features that differ by less are the same in all structures, and tell none of them apart."""


def spread_of(descriptors: FloatArray) -> FloatArray:
    """Standard deviation of each feature over some structures, (n_features,); infinite where they all have the same.

    Parameters
    ----------
    descriptors : (n, n_features)
    """
    spread = descriptors.std(axis=0)
    spreads: FloatArray = np.where(spread > _NO_SPREAD, spread, np.inf)
    return spreads


def distances(one: FloatArray, others: FloatArray, *, spread: FloatArray) -> FloatArray:
    """How far a structure is from each of some others, (n,), no unit.

    1 is the root mean square distance of two structures that are drawn from those that the spread is of: two numbers
    of one distribution differ by sqrt(2) standard deviations.

    Parameters
    ----------
    one : (n_features,)
    others : (n, n_features)
    spread : (n_features,)
        By :func:`spread_of`.
    """
    n_features = int(np.isfinite(spread).sum())
    if n_features == 0:
        return np.zeros(len(others))
    squared = np.square((others - one) / spread).sum(axis=1)
    found: FloatArray = np.sqrt(squared / (2 * n_features))
    return found


def farthest_points(descriptors: FloatArray, n_points: int) -> list[int]:
    """Indices of n_points structures that lie far apart, the one next to the mean first.

    Each next one is the farthest from all that were taken, in units of each feature's standard deviation.

    Parameters
    ----------
    descriptors : (n, n_features)

    Notes
    -----
    Gonzalez, Theor. Comput. Sci. 38, 293 (1985): at most twice as coarse as the best cover.
    """
    scaled = (descriptors - descriptors.mean(axis=0)) / spread_of(descriptors)
    chosen = [int(np.linalg.norm(scaled, axis=1).argmin())]
    nearest = np.linalg.norm(scaled - scaled[chosen[0]], axis=1)
    while len(chosen) < min(n_points, len(scaled)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[chosen[-1]], axis=1))
    return chosen
