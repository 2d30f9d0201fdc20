"""How right the forecast of the error was in runs that are over: what it would have said, against what came.

    python benchmarks/error_forecast.py RUN_FOLDER...

Of each run its last loop is taken, as it was with every number of training structures from a third of the last one to
nine tenths. The runs are only read.
"""

import json
import sys
from pathlib import Path

import numpy as np

from aims_pax.dataset.store import RunStore
from aims_pax.forecast.curves.error import MOST_FACTOR, LearningCurve, laws_of, learning_curve
from aims_pax.stages.states import LOOPS

NEARLY_THERE = 0.9
"""Forecasts from further on are too easy to count."""


def main(folders: list[Path]) -> None:
    """Print a line for each run, and one for all."""
    everything = []
    for folder in folders:
        curve = curve_of(folder)
        found = backward(curve)
        everything += found
        if found:
            print(f"{folder}: {int(curve.n_train[-1])} structures, {words(found)}")
        else:
            print(f"{folder}: {len(curve.n_train)} sizes, too few to foretell anything")
    if everything:
        print(f"all: {words(everything)}")


def curve_of(folder: Path) -> LearningCurve:
    """The error in the last loop of a run."""
    with RunStore.open_readonly(folder) as store:
        stages = [name.removeprefix(LOOPS) for name in store.state_names(LOOPS)]
        kept = store.load_state("before_convergence")
        until = None if kept is None else int(json.loads(kept))
        curves = [learning_curve(store, name, until_generation=until) for name in stages]
    return max(curves, key=lambda one: one.n_train.max(initial=0.0), default=LearningCurve(np.zeros(0), np.zeros(0)))


def backward(curve: LearningCurve, *, from_share: float = 1 / 3) -> list[tuple[float, float, float]]:
    """Low, likely and high forecast, each as a multiple of the error that came."""
    found = []
    for n_points in range(1, len(curve.n_train)):
        share = curve.n_train[n_points - 1] / curve.n_train[-1]
        laws = laws_of(curve.until(n_points)) if from_share <= share <= NEARLY_THERE else None
        if laws is not None:
            low, likely, high = laws.errors(float(curve.n_train[-1]))
            found.append((low / curve.maes[-1], likely / curve.maes[-1], high / curve.maes[-1]))
    return found


def words(found: list[tuple[float, float, float]]) -> str:
    """How many were shown, held, and how far they were off."""
    shown = [one for one in found if one[2] <= MOST_FACTOR * one[0]]
    if not shown:
        return f"none of {len(found)} forecasts would be shown"
    held = sum(low <= 1 <= high for low, _, high in shown)
    off = np.exp(np.abs(np.log([likely for _, likely, _ in shown])))
    width = np.median([high / low for low, _, high in shown])
    return (
        f"{len(shown)} of {len(found)} forecasts would be shown; {held} ({100 * held / len(shown):.0f} %) held; "
        f"off by a factor of {np.median(off):.2f} (median), {np.quantile(off, 0.9):.2f} (nine of ten); "
        f"width of the interval {width:.2f}"
    )


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])
