"""Structures that two methods have moved: the same functions of both, and whether they differ by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.blocks import (
    LEAST_BLOCKS,
    Interval,
    Likeness,
    difference_of,
    in_widths,
    likeness_by,
    mean_of,
)
from aims_pax.evaluation.intervals import half_widths
from aims_pax.evaluation.structure.angles import bond_angles
from aims_pax.evaluation.structure.coordination import coordination
from aims_pax.evaluation.structure.function import Curve, Number, Run, Shells, pair_words
from aims_pax.evaluation.structure.radial import Radial, bonds_of, curves_of, numbers_of, radial_of, shells_of
from aims_pax.evaluation.structure.rings import rings

RING_STRUCTURES: Final = 10
"""Of a run that rings are looked for in, evenly taken: that takes longest, and they change slowest."""


@dataclass(frozen=True, slots=True)
class Comparing:
    """One number by two methods.

    Parameters
    ----------
    key, words, unit : str
        As in :class:`~aims_pax.evaluation.structure.function.Number`.
    first, second : Interval
        Means over blocks.
    difference : Interval
        First less second.
    """

    key: str
    words: str
    unit: str
    first: Interval
    second: Interval
    difference: Interval

    @property
    def likeness(self) -> Likeness:
        """By the interval of the difference."""
        return likeness_by(self.difference)


@dataclass(frozen=True, slots=True, eq=False)
class StructureComparison:
    """What two methods make of a structure.

    Parameters
    ----------
    methods : tuple of two str
    n_runs, n_structures, n_blocks : tuple of two int
    shells : mapping of Pair to float
        Up to which distance atoms are neighbours, Å.
    bonds : mapping of Pair to float
        Those of these that are bonds, which angles and rings are made of.
    curves : tuple of two Curve each
        By both methods, over blocks; of the same places.
    numbers : tuple of Comparing
    is_relative : bool
        Whether radial distributions are relative to atoms without order.
    """

    methods: tuple[str, str]
    n_runs: tuple[int, int]
    n_structures: tuple[int, int]
    n_blocks: tuple[int, int]
    shells: Shells
    bonds: Shells
    curves: tuple[tuple[Curve, Curve], ...]
    numbers: tuple[Comparing, ...]
    is_relative: bool

    @property
    def different(self) -> list[Comparing]:
        """Numbers in which they differ."""
        return [one for one in self.numbers if one.likeness is Likeness.DIFFERENT]

    def sentence(self) -> str:
        """Whether they differ, in how many numbers, and in which the most."""
        first, second = self.methods
        known = [one for one in self.numbers if one.likeness is not Likeness.UNKNOWN]
        if not known:
            return f"{first} and {second}: too few runs to tell a difference of methods from one of runs."
        if not self.different:
            return f"{first} and {second} are alike in all {len(known)} numbers, within their 95 % intervals."
        worst = max(self.different, key=lambda one: in_widths(one.difference))
        chance = " one in twenty does by chance." if len(known) >= 20 else ""
        return (
            f"{first} and {second} differ in {len(self.different)} of {len(known)} numbers, most clearly in "
            f"{worst.words}: {worst.first.value:.4g} against {worst.second.value:.4g}"
            f"{f' {worst.unit}' if worst.unit else ''}.{chance}"
        )

    def lines(self) -> list[str]:
        """A table of all numbers with their 95 % intervals, and the sentence."""
        header = ["", "", *self.methods, "difference", ""]
        rows = [header]
        for one in self.numbers:
            cells = [_said(interval) for interval in (one.first, one.second, one.difference)]
            rows.append([one.words, one.unit, *cells, str(one.likeness)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        table = ["   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        within = ", ".join(f"{pair_words(pair)} {end_ang:.2f} Å" for pair, end_ang in self.shells.items())
        bonded = ", ".join(map(pair_words, self.bonds)) or "none"
        return [*table, f"neighbours up to: {within}; bonds: {bonded}", self.sentence()]

    def record(self) -> dict[str, Any]:
        """Plain values, units in the keys; pairs are in the order of `methods`."""
        return {
            "methods": list(self.methods),
            "runs": list(self.n_runs),
            "structures": list(self.n_structures),
            "blocks": list(self.n_blocks),
            "shells_ang": {pair_words(pair): round(end_ang, 4) for pair, end_ang in self.shells.items()},
            "bonds": [pair_words(pair) for pair in self.bonds],
            "numbers": {
                one.key: {
                    "words": one.words,
                    "unit": one.unit,
                    "first": _plain(one.first),
                    "second": _plain(one.second),
                    "difference": _plain(one.difference),
                    "likeness": str(one.likeness),
                }
                for one in self.numbers
            },
            "curves": [_plain_curves(first, second) for first, second in self.curves],
            "sentence": self.sentence(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Functions:
    """Functions of one structure by several methods, all of which were asked the same.

    Parameters
    ----------
    shells, bonds : mapping of Pair to float
        As in :class:`StructureComparison`.
    curves : tuple of tuples of Curve
        By method, over blocks.
    numbers : tuple of tuples of Number
        The same; what a method never makes, such as rings of a size, it has no number of.
    n_blocks : tuple of int
        By method.
    is_relative : bool
    """

    shells: Shells
    bonds: Shells
    curves: tuple[tuple[Curve, ...], ...]
    numbers: tuple[tuple[Number, ...], ...]
    n_blocks: tuple[int, ...]
    is_relative: bool


def functions_of(sides: Sequence[Sequence[Run]]) -> Functions:
    """Radial distributions, bond angles, coordination and rings by several methods.

    Runs are cut into pieces where there are fewer than six of them. Neighbours are what is nearer than the first
    minimum after the first peak of the radial distribution of all methods together, so that all are asked the same.

    Parameters
    ----------
    sides : sequence of sequences of Run
        By method; not empty, of the same elements.
    """
    cut = [_cut(runs) for runs in sides]
    radials = [[radial_of(run) for run in runs] for runs in cut]
    together = [one for some in radials for one in some]
    shells = shells_of(together)
    bonds = bonds_of(together, shells)
    found = [_functions(runs, radial, shells, bonds) for runs, radial in zip(cut, radials, strict=True)]
    return Functions(
        shells,
        bonds,
        tuple(tuple(curves) for curves, _ in found),
        tuple(tuple(numbers) for _, numbers in found),
        tuple(map(len, cut)),
        radials[0][0].is_relative,
    )


def compare(mine: Sequence[Run], theirs: Sequence[Run], *, methods: tuple[str, str]) -> StructureComparison:
    """The functions of :func:`functions_of` by two methods, and in which numbers they differ.

    Parameters
    ----------
    mine, theirs : sequence of Run
        Not empty, of the same elements; structures at whose beginning a run still remembers its start are not among
        them.
    methods : tuple of two str
    """
    found = functions_of((mine, theirs))
    (first_curves, second_curves), (first_numbers, second_numbers) = found.curves, found.numbers
    n_blocks = found.n_blocks[0], found.n_blocks[1]
    curves = {one.key: one for one in second_curves}
    numbers = {one.key: one for one in second_numbers}
    return StructureComparison(
        methods,
        (len(mine), len(theirs)),
        (sum(map(len, mine)), sum(map(len, theirs))),
        n_blocks,
        found.shells,
        found.bonds,
        tuple((one, curves[one.key]) for one in first_curves if one.key in curves),
        tuple(
            _comparing(one, numbers.get(one.key, _none_of(one, n_runs=n_blocks[1])))
            for one in _of_both(first_numbers, second_numbers, n_runs=n_blocks[0])
        ),
        found.is_relative,
    )


def _of_both(first: Sequence[Number], second: Sequence[Number], *, n_runs: int) -> list[Number]:
    """Those of the first, and as zeros what the second alone has: rings of a size that the first never makes."""
    known = {one.key for one in first}
    return [*first, *(_none_of(one, n_runs=n_runs) for one in second if one.key not in known)]


def _none_of(one: Number, *, n_runs: int) -> Number:
    return Number(one.key, one.words, one.unit, np.zeros(n_runs))


def _functions(
    runs: Sequence[Run], radials: Sequence[Radial], shells: Shells, bonds: Shells
) -> tuple[list[Curve], list[Number]]:
    thinned = [run[:: max(1, ceil(len(run) / RING_STRUCTURES))] for run in runs]
    parts = [
        (curves_of(radials), numbers_of(radials, shells)),
        coordination(runs, shells),
        bond_angles(runs, bonds),
        rings(thinned, bonds),
    ]
    return [curve for some, _ in parts for curve in some], [number for _, some in parts for number in some]


def _cut(runs: Sequence[Run]) -> list[Run]:
    """Pieces of runs, six at least where there are as many structures."""
    n_pieces = ceil(LEAST_BLOCKS / len(runs))
    cut: list[Run] = []
    for run in runs:
        borders = np.linspace(0, len(run), min(n_pieces, len(run)) + 1).round().astype(int)
        cut += [run[low:high] for low, high in pairwise(borders)]
    return cut


def _comparing(one: Number, other: Number) -> Comparing:
    first, second = (values[np.isfinite(values)] for values in (one.values, other.values))
    difference = difference_of(first, second)
    return Comparing(one.key, one.words, one.unit, mean_of(first), mean_of(second), difference)


def _said(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.value:.4g}"
    return f"{interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})"


def _plain_curves(first: Curve, second: Curve) -> dict[str, Any]:
    """A function by both methods, with half of its 95 % intervals, six digits each."""
    said: dict[str, Any] = {"key": first.key, "title": first.title, "x_label": first.x_label, "y_label": first.y_label}
    said["x"] = [float(f"{one:.6g}") for one in first.x]
    for name, curve in (("first", first), ("second", second)):
        values = {"values": curve.y.mean(axis=0), "half_widths": half_widths(curve.y)}
        said[name] = {key: [float(f"{one:.6g}") for one in some] for key, some in values.items()}
    return said


def _plain(interval: Interval) -> Mapping[str, float | None]:
    values = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {key: None if one is None or not np.isfinite(one) else float(one) for key, one in values.items()}
