"""Coordination numbers: how many neighbours atoms have."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from aims_pax.evaluation.structure.function import Curve, Number, Run, Shells, neighbours_within, symbol
from aims_pax.frame import FloatArray

MOST: Final = 20
"""Neighbours of an atom that are told apart; more are counted as so many."""

COUNTED: Final = "neighbours"
"""What stands at an axis of whole numbers."""


def coordination_of(run: Run, shells: Shells) -> dict[tuple[int, int], FloatArray]:
    """Shares of the atoms of an element that have 0, 1, ... neighbours of an element, (MOST + 1,), by both elements.

    Parameters
    ----------
    shells : mapping
        What a neighbour is.
    """
    directed = {pair for one, other in shells for pair in ((one, other), (other, one))}
    found = {pair: np.zeros(MOST + 1) for pair in sorted(directed)}
    for frame in run:
        near = neighbours_within(frame, shells)
        for (one, other), shares in found.items():
            chosen = near.first[frame.numbers[near.second] == other]
            counts = np.bincount(chosen, minlength=frame.n_atoms)[frame.numbers == one]
            shares += np.bincount(np.minimum(counts, MOST), minlength=MOST + 1) / len(counts) / len(run)
    return found


def coordination(runs: Sequence[Run], shells: Shells) -> tuple[list[Curve], list[Number]]:
    """Distributions and means of all runs."""
    each = [coordination_of(run, shells) for run in runs]
    x = np.arange(MOST + 1, dtype=np.float64)
    curves, numbers = [], []
    for one, other in each[0] if each else ():
        shares = np.array([run[one, other] for run in each])
        name = f"{symbol(other)} around {symbol(one)}"
        key = f"coordination_{symbol(one)}_{symbol(other)}"
        curves.append(Curve(key, name, COUNTED, "share of atoms (1 in all)", x, shares))
        numbers.append(Number(key.lower(), f"neighbours {name}", "", shares @ x))
    return curves, numbers
