"""How sure a count or a mean is."""

from math import sqrt
from typing import Final

import numpy as np

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray

Z_95: Final = 1.959963984540054
"""Standard normal quantile of 97.5 %."""


def wilson(n_hits: int, n_trials: int) -> tuple[float, float]:
    """The 95 % interval of a fraction that was seen n_hits times in n_trials > 0.

    Notes
    -----
    Wilson, J. Am. Stat. Assoc. 22, 209 (1927); right also where all or none are hits: 12 of 12 is 76 to 100 %.
    """
    p, z2 = n_hits / n_trials, Z_95**2
    centre = (p + z2 / (2 * n_trials)) / (1 + z2 / n_trials)
    half = Z_95 * sqrt(p * (1 - p) / n_trials + z2 / (4 * n_trials**2)) / (1 + z2 / n_trials)
    low = 0.0 if n_hits == 0 else max(0.0, centre - half)
    high = 1.0 if n_hits == n_trials else min(1.0, centre + half)
    return low, high


def rate_interval(n_events: int, time: float) -> tuple[float, float]:
    """The 95 % interval of a rate of which n_events were seen in a time > 0, in events per unit of that time.

    Without any event it is one-sided: 3.0 / time, the rule of three.

    Notes
    -----
    Garwood, Biometrika 28, 437 (1936): exact for a Poisson process.
    """
    from scipy.stats import chi2

    if n_events == 0:
        return 0.0, float(chi2.ppf(0.95, 2)) / 2 / time
    low, high = chi2.ppf(0.025, 2 * n_events) / 2, chi2.ppf(0.975, 2 * (n_events + 1)) / 2
    return float(low) / time, float(high) / time


def mean_interval(values: FloatArray) -> tuple[float, float, float]:
    """The mean of some independent values (n,), n > 1, and its 95 % interval by Student's t.

    Raises
    ------
    ShapeError
        Fewer than two values: they say nothing of their spread.
    """
    from scipy.stats import t

    if values.ndim != 1 or len(values) < 2:
        raise ShapeError(f"an interval needs two values or more, not an array of shape {values.shape}")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values))
    half = float(t.ppf(0.975, len(values) - 1)) * error
    return mean, mean - half, mean + half


def half_widths(values: FloatArray) -> FloatArray:
    """Half of the 95 % intervals of means of independent values (n, k), by Student's t, (k,); zeros of a single one."""
    from scipy.stats import t

    if len(values) < 2:
        return np.zeros(values.shape[1])
    errors: FloatArray = values.std(axis=0, ddof=1) / sqrt(len(values))
    return float(t.ppf(0.975, len(values) - 1)) * errors


def blocks_of(labels: FloatArray) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Indices of the values of each block, blocks in the order of their labels."""
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def ratio_interval(sums: FloatArray, counts: FloatArray) -> tuple[float, float] | None:
    """The 95 % interval of the mean of positive values that come in blocks; None of fewer than two blocks.

    Parameters
    ----------
    sums : (n_blocks,)
        Of the values of each block.
    counts : (n_blocks,)
        How many values each has, > 0.

    Notes
    -----
    The mean is a ratio of two sums over blocks, with the standard error of Cochran, Sampling Techniques (1977), Eq. 6.4
    and Student's t; for blocks of one size it is that of :func:`mean_interval`.
    """
    from scipy.stats import t

    n_blocks = len(sums)
    if n_blocks < 2:
        return None
    mean = float(sums.sum() / counts.sum())
    square = float(np.square(sums - mean * counts).sum()) * n_blocks / (n_blocks - 1) / float(counts.sum()) ** 2
    half = float(t.ppf(0.975, n_blocks - 1)) * sqrt(square)
    return max(0.0, mean - half), mean + half
