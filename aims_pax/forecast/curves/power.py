"""Powers of a number, fitted to what was seen."""

from collections.abc import Sequence

import numpy as np

from aims_pax.frame import FloatArray, IntArray


def fitted_power(numbers: Sequence[float], values: Sequence[float], *, least: float, most: float) -> float:
    """The power of its number that a value grows by, by least squares of the logarithms; `least` if that is not known.

    Parameters
    ----------
    numbers, values : (n_points,)
        Positive.
    least, most : float
        Powers beyond these are not believed.
    """
    x, y = np.log(numbers), np.log(values)
    powers, _ = lines_through(x, y[None])
    return float(np.clip(powers[0], least, most)) if np.ptp(x) > 0 else least


def lines_through(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slopes (n,) and values at the mean of `x` (n,) of the straight lines by least squares through `y` (n, n_points).

    Parameters
    ----------
    x : (n_points,)
    """
    centred = x - x.mean()
    spread = float(centred @ centred)
    slopes: FloatArray = y @ centred / spread if spread > 0 else np.zeros(len(y))
    middles: FloatArray = y.mean(axis=1)
    return slopes, middles


def drawn_in_blocks(residuals: FloatArray, n: int, *, block: int, rng: np.random.Generator) -> FloatArray:
    """Residuals (n, n_points) that were drawn again, runs of `block` neighbours together, for they are alike."""
    n_points = len(residuals)
    block = min(block, n_points)
    n_blocks = -(-n_points // block)
    starts = rng.integers(0, n_points - block + 1, (n, n_blocks, 1))
    chosen: IntArray = (starts + np.arange(block)).reshape(n, -1)[:, :n_points]
    return residuals[chosen]
