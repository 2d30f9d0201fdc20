"""Errors with their uncertainty, from structures that come in trajectories.

Structures of one trajectory resemble each other; a hundred of them are no hundred measurements. Pieces of trajectories
are, and the spread of the error among them says how well it is known (Flyvbjerg & Petersen, J. Chem. Phys. 91, 461,
1989).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, sqrt
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.intervals import mean_interval
from aims_pax.evaluation.metrics import MemberPrediction
from aims_pax.frame import FloatArray, Frame, IntArray, Label

LEAST_BLOCKS: Final = 6
"""Blocks that are wanted: with fewer, Student's t makes of any spread an interval without use."""

SAME: Final = 1e-6
"""Differences below this are those of numbers that are the same."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and its 95 % interval; low and high are None where a single block says nothing of it."""

    value: float
    low: float | None
    high: float | None


class Likeness(StrEnum):
    """Whether two methods differ in a number."""

    ALIKE = "alike"
    """Zero is within the 95 % interval of the difference."""
    DIFFERENT = "different"
    """It is not."""
    UNKNOWN = "not known"
    """One of them has a single block, which says nothing of its spread."""


@dataclass(frozen=True, slots=True)
class BlockedErrors:
    """Errors of one model on labelled structures.

    Parameters
    ----------
    n_structures, n_blocks : int
    energy_mae_ev_per_atom, force_mae_ev_per_ang, force_rmse_ev_per_ang : Interval
        Means over blocks, so that a long trajectory counts no more than a short one.
    """

    n_structures: int
    n_blocks: int
    energy_mae_ev_per_atom: Interval
    force_mae_ev_per_ang: Interval
    force_rmse_ev_per_ang: Interval

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        kept: dict[str, Any] = {"n_structures": self.n_structures, "n_blocks": self.n_blocks}
        for name in ("energy_mae_ev_per_atom", "force_mae_ev_per_ang", "force_rmse_ev_per_ang"):
            interval = getattr(self, name)
            kept[name] = {"value": interval.value, "low": interval.low, "high": interval.high}
        return kept


def mean_of(values: FloatArray) -> Interval:
    """The mean of independent values (n,), with its interval by Student's t; NaN of none."""
    if len(values) < 2:
        return Interval(float(values[0]) if len(values) else float("nan"), None, None)
    return Interval(*mean_interval(values))


def difference_of(first: FloatArray, second: FloatArray) -> Interval:
    """Of the means of independent values, (n,) and (m,), with its 95 % interval.

    Notes
    -----
    Welch, Biometrika 34, 28 (1947).
    """
    from scipy.stats import t

    if not len(first) or not len(second):
        return Interval(float("nan"), None, None)
    value = float(first.mean() - second.mean())
    if len(first) < 2 or len(second) < 2:
        return Interval(value, None, None)
    errors = [float(some.var(ddof=1)) / len(some) for some in (first, second)]
    total = sum(errors)
    if total == 0.0:
        return Interval(value, value, value)
    freedom = total**2 / sum(e**2 / (len(s) - 1) for e, s in zip(errors, (first, second), strict=True))
    half = float(t.ppf(0.975, freedom)) * sqrt(total)
    return Interval(value, value - half, value + half)


def half_width(interval: Interval) -> float | None:
    """Of a symmetric interval; None where a single block says nothing."""
    return None if interval.low is None or interval.high is None else (interval.high - interval.low) / 2


def likeness_by(difference: Interval) -> Likeness:
    """Whether two methods differ, by the interval of what they differ by."""
    if difference.low is None or difference.high is None:
        return Likeness.UNKNOWN
    is_alike = difference.low <= 0.0 <= difference.high or abs(difference.value) < SAME
    return Likeness.ALIKE if is_alike else Likeness.DIFFERENT


def in_widths(difference: Interval) -> float:
    """How far a difference is from zero, in half widths of its interval."""
    half = half_width(difference)
    return 0.0 if half is None else abs(difference.value) / max(half, 1e-12)


def blocks_of(frames: Sequence[Frame]) -> list[IntArray]:
    """Indices of the structures of each block: trajectories, cut into equal pieces where there are few of them.

    A trajectory is what has one system and one number; its structures are taken in the order of their MD steps.
    """
    trajectories: dict[tuple[str, int], list[int]] = {}
    for index, frame in enumerate(frames):
        trajectories.setdefault((frame.system, frame.trajectory), []).append(index)
    n_pieces = ceil(LEAST_BLOCKS / len(trajectories)) if trajectories else 1
    found = []
    for indices in trajectories.values():
        ordered = sorted(indices, key=lambda index: frames[index].md_step)
        found += [np.array(piece) for piece in np.array_split(ordered, min(n_pieces, len(ordered)))]
    return found


def blocked_errors(
    frames: Sequence[Frame], labels: Sequence[Label], predictions: Sequence[MemberPrediction], *, member: int | None
) -> BlockedErrors:
    """Errors of one member, or of the mean of all where `member` is None, with their intervals by blocks.

    The error of each structure is averaged over its components or atoms first.
    """

    def said(values: FloatArray) -> FloatArray:
        chosen: FloatArray = values.mean(axis=0) if member is None else values[member]
        return chosen

    pairs = list(zip(labels, predictions, strict=True))
    energy = np.array([abs(float(said(p.energies)) - label.energy) / len(label.forces) for label, p in pairs])
    absolute = np.array([np.abs(said(p.forces) - label.forces).mean() for label, p in pairs])
    squared = np.array([np.square(said(p.forces) - label.forces).mean() for label, p in pairs])
    blocks = blocks_of(frames)
    mean_square = _interval(squared, blocks)
    rmse = Interval(
        sqrt(mean_square.value),
        None if mean_square.low is None else sqrt(max(0.0, mean_square.low)),
        None if mean_square.high is None else sqrt(mean_square.high),
    )
    return BlockedErrors(len(frames), len(blocks), _interval(energy, blocks), _interval(absolute, blocks), rmse)


def blocked_table(errors: Mapping[str, BlockedErrors]) -> str:
    """A row for each model: force MAE and RMSE in meV/Å, energy MAE in meV/atom, with their 95 % intervals."""
    header = ["", "force MAE (meV/Å)", "force RMSE (meV/Å)", "energy MAE (meV/atom)"]
    rows = [
        [name, _cell(one.force_mae_ev_per_ang), _cell(one.force_rmse_ev_per_ang), _cell(one.energy_mae_ev_per_atom)]
        for name, one in errors.items()
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)


def _interval(values: FloatArray, blocks: Sequence[IntArray]) -> Interval:
    means = np.array([values[block].mean() for block in blocks])
    if len(means) < 2:
        return Interval(float(means.mean()), None, None)
    return Interval(*mean_interval(means))


def _cell(interval: Interval) -> str:
    value = f"{1000 * interval.value:.2f}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value}  ({1000 * max(0.0, interval.low):.2f} to {1000 * interval.high:.2f})"
