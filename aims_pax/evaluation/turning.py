"""Whether two models turn a molecule alike: dihedrals of independent runs of both, compared.

Structures of one run resemble each other, and a run may never leave the well that it began in. So runs are what is
counted: intervals come from drawing whole runs anew, and a difference is one only if it is larger than what exchanging
whole runs between the two models makes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import comb
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.blocks import Interval
from aims_pax.evaluation.conformers import NOWHERE, Conformers, counts_of
from aims_pax.evaluation.intervals import wilson
from aims_pax.frame import FloatArray

N_DRAWS: Final = 2000
"""Drawings of runs, and exchanges of them where there are more than this."""

LEAST_RUNS: Final = 4
"""Of each model: four and four can be exchanged in 70 ways, and with three the rarest way is one of 20."""

FEW_PASSAGES: Final = 10
"""With fewer of them in all runs, how often each conformer is seen is what the runs began with: the relative error of
their ratio is a third or more."""

SURE: Final = 95.0
"""Per cent."""

Samples = Sequence[FloatArray]
"""Of one model: dihedrals of each run, (n, D), rad."""


class Likeness(StrEnum):
    """What two distributions are to each other."""

    ALIKE = "alike"
    """They differ by no more than runs of one model do among each other."""
    DIFFERENT = "different"
    """They differ by more than that, with 95 % confidence."""
    UNKNOWN = "can't be told"
    """There were too few runs, or too few passages from well to well."""


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """One dihedral of two models.

    Parameters
    ----------
    shares : (2, 36)
        Of the looks, by bins of ten degrees from -180°, first those of the models that are tried.
    low, high : (2, 36)
        95 % interval of each.
    divergence : Interval
        Jensen-Shannon, bit: 0 for the same distribution, 1 for two that have nothing in common. The interval is that of
        drawing runs anew, and lies too high rather than too low: drawing adds to it.
    noise : float or None
        What 95 % of all exchanges of runs between the models stay below; None with too few runs.
    wells : int
        Conformers that it has by itself.
    passages : tuple of two int
        From one of them to another, in all runs of each model.
    """

    shares: FloatArray
    low: FloatArray
    high: FloatArray
    divergence: Interval
    noise: float | None
    wells: int
    passages: tuple[int, int]

    @property
    def is_too_short(self) -> bool:
        """Whether there are several wells, and one of the models has hardly gone from one to another."""
        return self.wells > 1 and min(self.passages) < FEW_PASSAGES

    @property
    def likeness(self) -> Likeness:
        """Too few passages hide a difference; one that is there all the same is one."""
        if self.noise is None:
            return Likeness.UNKNOWN
        if self.divergence.value > self.noise:
            return Likeness.DIFFERENT
        return Likeness.UNKNOWN if self.is_too_short else Likeness.ALIKE

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "likeness": str(self.likeness),
            "jensen_shannon_bit": _interval_json(self.divergence),
            "noise_bit": None if self.noise is None else round(self.noise, 5),
            "wells": self.wells,
            "passages": list(self.passages),
            "shares": [[round(float(share), 5) for share in one] for one in self.shares],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """The clusters of one or two dihedrals, with their populations by both models.

    Parameters
    ----------
    conformers : Conformers
        Found in what both have sampled together.
    populations : tuple of (Interval, Interval)
        Of each cluster by each model; their 95 % intervals by drawing runs anew, or by their number (Wilson) where all
        runs say the same.
    assigned : tuple of two float
        Share of the looks that is in any cluster.
    passages : tuple of two int
        From cluster to cluster, in all runs of each model.
    """

    conformers: Conformers
    populations: tuple[tuple[Interval, Interval], ...]
    assigned: tuple[float, float]
    passages: tuple[int, int]

    @property
    def is_too_short(self) -> bool:
        """Whether there are several clusters, and one of the models has hardly gone from one to another."""
        return self.conformers.n > 1 and min(self.passages) < FEW_PASSAGES

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        clusters = [
            {
                "center_degrees": [round(float(angle), 1) for angle in np.degrees(center)],
                "populations": [_interval_json(one) for one in both],
            }
            for center, both in zip(self.conformers.centers, self.populations, strict=True)
        ]
        passages = {"passages": list(self.passages), "too_few_passages": self.is_too_short}
        return {"clusters": clusters, "assigned": [round(one, 5) for one in self.assigned], **passages}


def turning(mine: Samples, theirs: Samples, *, dihedral: int, seed: int = 1) -> Turning:
    """One dihedral of two models, each with one run or more that was looked at.

    Parameters
    ----------
    dihedral : int
        Which column.
    seed : int
        Of the drawing.
    """
    samples = [[run[:, [dihedral]] for run in some if len(run)] for some in (mine, theirs)]
    counts = [np.array([counts_of(run) for run in some]) for some in samples]
    rng = np.random.default_rng(seed)
    drawn = [_shares(_drawn(len(some), rng) @ some) for some in counts]
    shares = np.array([_shares(some.sum(axis=0)) for some in counts])
    bounds = np.array([np.percentile(some, [2.5, 97.5], axis=0) for some in drawn])
    conformers = Conformers.of(*(np.concatenate(some) for some in samples))
    return Turning(
        shares=shares,
        low=bounds[:, 0],
        high=bounds[:, 1],
        divergence=_bounded(float(divergence(*shares)), divergence(*drawn), n_runs=min(map(len, counts))),
        noise=_noise(*counts, rng=rng),
        wells=conformers.n,
        passages=_passages(conformers, samples),
    )


def map_of(mine: Samples, theirs: Samples, *, dihedrals: Sequence[int], seed: int = 1) -> Map:
    """The clusters of one or two dihedrals of two models, each with one run or more that was looked at.

    Parameters
    ----------
    dihedrals : sequence of one or two int
        Which columns.
    seed : int
        Of the drawing.
    """
    samples = [[run[:, list(dihedrals)] for run in some if len(run)] for some in (mine, theirs)]
    conformers = Conformers.of(*(np.concatenate(some) for some in samples))
    rng = np.random.default_rng(seed)
    populations, assigned = [], []
    for some in samples:
        found = [conformers.of_each(run) for run in some]
        counts = np.array([np.bincount(one - NOWHERE, minlength=conformers.n + 1) for one in found], dtype=np.float64)
        shares, drawn = _shares(counts.sum(axis=0)), _shares(_drawn(len(counts), rng) @ counts)
        assigned.append(float(1 - shares[0]))
        populations.append([_population(counts, shares, drawn, column=cluster + 1) for cluster in range(conformers.n)])
    return Map(
        conformers=conformers,
        populations=tuple(zip(*populations, strict=True)),
        assigned=(assigned[0], assigned[1]),
        passages=_passages(conformers, samples),
    )


def divergence(first: FloatArray, second: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence of distributions (..., n), bit: from 0, where they are the same, to 1.

    Notes
    -----
    Lin, IEEE Trans. Inf. Theory 37, 145 (1991), Eq. 4.1: the entropy of their mean less the mean of their entropies.
    """

    def entropy(shares: FloatArray) -> FloatArray:
        logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
        bits: FloatArray = -(shares * logs).sum(axis=-1)
        return bits

    found: FloatArray = np.clip(entropy((first + second) / 2) - (entropy(first) + entropy(second)) / 2, 0.0, 1.0)
    return found


def _shares(counts: FloatArray) -> FloatArray:
    """Of counts (..., n)."""
    shares: FloatArray = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0)
    return shares


def _drawn(n_runs: int, rng: np.random.Generator) -> FloatArray:
    """How often each run is in each drawing of as many of them, (n_draws, n_runs)."""
    return rng.multinomial(n_runs, np.full(n_runs, 1 / n_runs), size=N_DRAWS).astype(np.float64)


def _bounded(value: float, drawn: FloatArray, *, n_runs: int) -> Interval:
    """A number with the interval of its drawings; with a single run of either model there is none."""
    if n_runs < 2:
        return Interval(value, None, None)
    low, high = np.percentile(drawn, [(100 - SURE) / 2, (100 + SURE) / 2])
    return Interval(value, float(low), float(high))


def _population(counts: FloatArray, shares: FloatArray, drawn: FloatArray, *, column: int) -> Interval:
    each = _shares(counts)[:, column]
    value = float(shares[column])
    if np.ptp(each) == 0 and value in (0.0, 1.0):  # drawing runs that all say the same would be sure of it
        return Interval(value, *wilson(round(value * len(each)), len(each)))
    return _bounded(value, drawn[:, column], n_runs=len(each))


def _noise(first: FloatArray, second: FloatArray, *, rng: np.random.Generator) -> float | None:
    """What the divergence stays below in 95 % of all exchanges of runs, whose counts are (n, 36); None: too few."""
    n_first, n_runs = len(first), len(first) + len(second)
    if min(n_first, len(second)) < LEAST_RUNS:
        return None
    if comb(n_runs, n_first) <= N_DRAWS:
        chosen = np.zeros((comb(n_runs, n_first), n_runs))
        for row, runs in enumerate(combinations(range(n_runs), n_first)):
            chosen[row, list(runs)] = 1.0
    else:
        order = rng.permuted(np.tile(np.arange(n_runs), (N_DRAWS, 1)), axis=1)
        chosen = (order < n_first).astype(np.float64)
    counts = np.concatenate([first, second])
    exchanged = divergence(_shares(chosen @ counts), _shares((1 - chosen) @ counts))
    return float(np.percentile(exchanged, SURE))


def _passages(conformers: Conformers, samples: Sequence[Samples]) -> tuple[int, int]:
    mine, theirs = (sum(conformers.n_passages(run) for run in some) for some in samples)
    return mine, theirs


def _interval_json(interval: Interval) -> dict[str, float | None]:
    low, high = (None if one is None else round(one, 5) for one in (interval.low, interval.high))
    return {"value": round(interval.value, 5), "low": low, "high": high}
