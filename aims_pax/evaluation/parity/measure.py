"""Errors in numbers: R², MAE, RMSE, what 50 to 95 % of them are below, and how sure these are.

Labels and predictions pass by in blocks of structures; of each quantity the absolute errors alone are kept, for their
percentiles, while it is measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.intervals import ratio_interval
from aims_pax.evaluation.parity.group import Grouping
from aims_pax.evaluation.parity.matched import Matched, Method
from aims_pax.evaluation.parity.quantity import QUANTITIES, Quantity, Values
from aims_pax.frame import FloatArray, IntArray

MARKS: Final = (50, 80, 90, 95)
"""Percent of the absolute errors that are below what is told."""

SAME: Final = 1e-12
"""Relative spread of labels that is but their rounding: no R² is made of it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How far predictions are from labels, in the unit of the quantity.

    Parameters
    ----------
    n_values : int
        Structures, atoms or components.
    r2 : float or None
        1 - sum of squared errors / sum of squared deviations of the labels from their mean; None where these are all
        the same, or where the quantity is a difference.
    mae, rmse, largest : float
        Of absolute errors.
    mean_error : float
        Prediction minus label.
    below : mapping of int to float
        What this many percent of the absolute errors are below (:data:`MARKS`), interpolated linearly.
    mae_interval, rmse_interval : tuple of float, or None
        95 %, by blocks; None where one block says nothing of it.
    """

    n_values: int
    r2: float | None
    mae: float
    rmse: float
    largest: float
    mean_error: float
    below: Mapping[int, float]
    mae_interval: tuple[float, float] | None = None
    rmse_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One measure, and of what it is.

    Parameters
    ----------
    method, kind, group : str
        See :class:`Grouping`; of the whole set both kind and group are ``all``.
    quantity : Quantity
    measure : Measure
    """

    method: str
    quantity: Quantity
    kind: str
    group: str
    measure: Measure

    def record(self) -> dict[str, Any]:
        """Plain values: what stands in a line of a table for programs."""
        one = self.measure
        (mae_low, mae_high), (rmse_low, rmse_high) = (
            interval or (None, None) for interval in (one.mae_interval, one.rmse_interval)
        )
        told = {"method": self.method, "quantity": self.quantity.key, "unit": self.quantity.unit}
        told |= {"group_kind": self.kind, "group": self.group}
        return {
            **told,
            "n_values": one.n_values,
            "r2": one.r2,
            "mae": one.mae,
            "mae_low": mae_low,
            "mae_high": mae_high,
            "rmse": one.rmse,
            "rmse_low": rmse_low,
            "rmse_high": rmse_high,
            **{f"below_{mark}_percent": one.below[mark] for mark in MARKS},
            "largest": one.largest,
            "mean_error": one.mean_error,
        }


def measured_rows(
    matched: Matched, groupings: Sequence[Grouping], quantities: Sequence[Quantity] = QUANTITIES
) -> list[Row]:
    """Measures of all methods by all groups; what neither labels nor methods tell is left out."""
    return [
        row
        for quantity in quantities
        for method in matched.methods
        for row in _rows(matched, method, quantity, groupings)
    ]


def curve_of(matched: Matched, method: Method, quantity: Quantity, shares: FloatArray) -> FloatArray:
    """What these shares (k,) in percent of the absolute errors are below (k,); empty where there are none."""
    errors = [np.abs(one.predicted - one.reference) for one in values_of(matched, method, quantity)]
    pooled = np.concatenate(errors) if errors else np.zeros(0)
    if not len(pooled):
        return np.zeros(0)
    found: FloatArray = np.percentile(pooled, shares, overwrite_input=True)
    return found


def values_of(matched: Matched, method: Method, quantity: Quantity) -> Iterator[Values]:
    """Known labels and predictions, some structures at a time."""
    for block in matched.blocks(method):
        yield quantity.values(block).known()


def _rows(matched: Matched, method: Method, quantity: Quantity, groupings: Sequence[Grouping]) -> Iterator[Row]:
    every = [_Sums(grouping) for grouping in groupings]
    errors, structures, numbers = [], [], []
    for values in values_of(matched, method, quantity):
        for sums in every:
            sums.add(values)
        errors.append(np.abs(values.predicted - values.reference))
        structures.append(values.structure.astype(np.int32))
        if values.numbers is not None:
            numbers.append(values.numbers.astype(np.int8))
    pooled, places = np.concatenate(errors), np.concatenate(structures)
    del errors, structures
    elements = np.concatenate(numbers) if numbers else None
    for grouping, sums in zip(groupings, every, strict=True):
        codes = elements if grouping.of_structure is None else grouping.of_structure[places]
        for code in sums.present():
            own = pooled if grouping.kind == "all" else pooled[codes == code]
            yield Row(method.name, quantity, grouping.kind, grouping.names[code], sums.measure(code, own, quantity))


class _Sums:
    """Sums by group, and by group and block, of values that pass by.

    Notes
    -----
    Variances are merged as in Chan, Golub and LeVeque, Am. Stat. 37, 242 (1983): energies of -1e5 eV that differ by
    1e-3 eV keep their digits.
    """

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        shape = (len(grouping.names), grouping.n_blocks)
        self._counts, self._absolute, self._squared = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._signed, self._mean, self._spread = (np.zeros(shape[0]) for _ in range(3))

    def add(self, values: Values) -> None:
        """Add those of some structures."""
        codes = self._grouping.codes(values)
        if codes is None or not len(codes):
            return
        errors = values.predicted - values.reference
        n_groups, n_blocks = self._counts.shape
        cells = codes * n_blocks + self._grouping.block_of_structure[values.structure]
        before = self._counts.sum(axis=1)
        for kept, weights in ((self._absolute, np.abs(errors)), (self._squared, errors**2)):
            kept += np.bincount(cells, weights=weights, minlength=kept.size).reshape(kept.shape)
        self._counts += np.bincount(cells, minlength=self._counts.size).reshape(self._counts.shape)
        self._signed += np.bincount(codes, weights=errors, minlength=n_groups)
        self._spread_by(codes, values.reference, before)

    def _spread_by(self, codes: IntArray, reference: FloatArray, before: FloatArray) -> None:
        n_groups = len(before)
        counts = np.bincount(codes, minlength=n_groups)
        safe = np.maximum(counts, 1)
        mean = np.bincount(codes, weights=reference, minlength=n_groups) / safe
        spread = np.bincount(codes, weights=(reference - mean[codes]) ** 2, minlength=n_groups)
        total = np.maximum(before + counts, 1)
        apart = np.where(counts > 0, mean - self._mean, 0.0)
        self._spread += spread + apart**2 * before * counts / total
        self._mean += apart * counts / total

    def present(self) -> list[int]:
        """Groups of which there is something."""
        return np.flatnonzero(self._counts.sum(axis=1)).tolist()

    def measure(self, code: int, errors: FloatArray, quantity: Quantity) -> Measure:
        """Of one group, whose absolute errors (n,) these are."""
        counts = self._counts[code]
        n_values, own = float(counts.sum()), counts > 0
        mean_square = float(self._squared[code].sum()) / n_values
        squares = ratio_interval(self._squared[code][own], counts[own])
        spread = float(self._spread[code])
        has_r2 = quantity.has_reference and spread > n_values * (SAME * abs(float(self._mean[code]))) ** 2
        below = np.percentile(errors, MARKS)
        return Measure(
            n_values=int(n_values),
            r2=1 - mean_square * n_values / spread if has_r2 else None,
            mae=float(self._absolute[code].sum()) / n_values,
            rmse=mean_square**0.5,
            largest=float(errors.max()),
            mean_error=float(self._signed[code]) / n_values,
            below={mark: float(value) for mark, value in zip(MARKS, below, strict=True)},
            mae_interval=ratio_interval(self._absolute[code][own], counts[own]),
            rmse_interval=None if squares is None else (squares[0] ** 0.5, squares[1] ** 0.5),
        )
