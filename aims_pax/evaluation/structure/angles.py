"""Bond angles: what two neighbours of an atom make at it."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from aims_pax.evaluation.structure.function import Curve, Number, Run, Shells, neighbours_within, symbol
from aims_pax.frame import FloatArray, Frame

BIN_DEG: Final = 2.0


def angles_in(frame: Frame, shells: Shells) -> dict[int, FloatArray]:
    """Angles at the atoms of each element, (n,), degrees; of each two neighbours one."""
    near = neighbours_within(frame, shells)
    units = near.vectors / near.distance_ang[:, None]
    found: dict[int, list[FloatArray]] = {int(number): [] for number in np.unique(frame.numbers)}
    order = np.argsort(near.first, kind="stable")
    starts = np.searchsorted(near.first[order], np.arange(frame.n_atoms + 1))
    for atom in range(frame.n_atoms):
        own = units[order[starts[atom] : starts[atom + 1]]]
        if len(own) > 1:
            first, second = np.triu_indices(len(own), k=1)
            cosines = np.clip(np.einsum("na,na->n", own[first], own[second]), -1.0, 1.0)
            found[int(frame.numbers[atom])].append(np.degrees(np.arccos(cosines)))
    return {number: np.concatenate(some) for number, some in found.items() if some}


def bond_angles(runs: Sequence[Run], shells: Shells) -> tuple[list[Curve], list[Number]]:
    """Distributions, whose integrals are 1, with means and standard deviations, by the element in the middle."""
    edges = np.arange(0.0, 180.0 + BIN_DEG, BIN_DEG)
    each = [_collected(run, shells) for run in runs]
    curves, numbers = [], []
    for number in sorted({number for run in each for number in run}):
        angles = [run.get(number, np.zeros(0)) for run in each]
        density = np.array([np.histogram(some, bins=edges)[0] / (max(1, len(some)) * BIN_DEG) for some in angles])
        name = symbol(number)
        curves.append(
            Curve(
                f"angles_{name}",
                f"angles at {name}",
                "angle (°)",
                "density (1/°)",
                (edges[1:] + edges[:-1]) / 2,
                density,
            )
        )
        means = np.array([some.mean() if len(some) else np.nan for some in angles])
        spreads = np.array([some.std() if len(some) else np.nan for some in angles])
        numbers.append(Number(f"angle_{name.lower()}_mean_deg", f"angle at {name}, mean", "°", means))
        numbers.append(Number(f"angle_{name.lower()}_spread_deg", f"angle at {name}, spread", "°", spreads))
    return curves, numbers


def _collected(run: Run, shells: Shells) -> dict[int, FloatArray]:
    found: dict[int, list[FloatArray]] = {}
    for frame in run:
        for number, angles in angles_in(frame, shells).items():
            found.setdefault(number, []).append(angles)
    return {number: np.concatenate(some) for number, some in found.items()}
