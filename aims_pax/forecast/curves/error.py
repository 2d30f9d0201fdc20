"""The error while a run learns, carried on: as a power of the training structures, with what it may be wrong by.

It is the validation error of the members as they are while they learn, not that of what comes out of the convergence
at the end, which is lower.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.dataset.store import RunStore
from aims_pax.forecast.curves.power import drawn_in_blocks, lines_through
from aims_pax.frame import FloatArray
from aims_pax.protocols import ErrorAhead
from aims_pax.stages.states import recall_state

FROM_SHARE: Final = 1 / 3
"""Nothing is foretold before this part of the training structures is there."""

LEAST_POINTS: Final = 8
"""Sizes of the training set with a measured error that a forecast needs."""

MOST_POINTS: Final = 60
"""More of them are thinned out, evenly in the logarithm of their size."""

LEAST_FITTED: Final = 5
"""Points of the shortest end of the curve that a law is fitted to."""

BLOCK: Final = 4
"""Neighbouring points whose residuals are drawn together: validation sets, and so errors, change now and then."""

N_LAWS: Final = 2000

POWER_SPREAD: Final = 0.3
"""By what the power may change from now on, standard deviation; an assumption. What it and the next are worth is
measured by benchmarks/error_forecast.py (docs/status.md)."""

LEAST_NOISE: Final = 0.1
"""Standard deviation of the logarithm of one measured error, at least: validation sets are small, and one more
structure in them has changed errors by as much."""

BOUNDS: Final = (0.1, 0.5, 0.9)
"""Quantiles of a forecast: four of five lie between the first and the last."""

MOST_FACTOR: Final = 3.0
"""An interval whose upper end is more than so many times its lower end says nothing, and is not shown."""

MOST_REACH: Final = 10.0
"""Structures to a wanted error are told up to so many times those of now."""


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """The error by the size of the training set, in one stage of learning.

    Parameters
    ----------
    n_train : (n_points,)
        Training structures of a member, ascending.
    maes : (n_points,), eV/Å
        Validation force MAE, mean of the members, at the last measurement with so many.
    """

    n_train: FloatArray
    maes: FloatArray

    def until(self, n_points: int) -> "LearningCurve":
        """As it was with its first points."""
        return LearningCurve(self.n_train[:n_points], self.maes[:n_points])


@dataclass(frozen=True, slots=True, eq=False)
class Laws:
    """Power laws that may hold from now on, equally likely.

    Parameters
    ----------
    n_now : float
        Training structures of now.
    powers, now : (n_laws,)
        The power of each, and the logarithm of its error (eV/Å) with the structures of now.
    noise : (n_laws,)
        What one measurement is off by, in the logarithm.
    """

    n_now: float
    powers: FloatArray
    now: FloatArray
    noise: FloatArray

    def errors(self, n_train: float) -> tuple[float, ...]:
        """Low, likely and high error that is measured with so many training structures, eV/Å."""
        found = np.exp(self.now + self.powers * np.log(n_train / self.n_now) + self.noise)
        return tuple(np.quantile(found, BOUNDS).tolist())

    def sizes(self, mae: float) -> tuple[float, ...]:
        """Low, likely and high number of training structures at which this error is reached; empty: not known.

        Parameters
        ----------
        mae : float, eV/Å
        """
        to_fall = self.now - np.log(mae)
        away = np.full(len(to_fall), np.inf)
        np.divide(to_fall, -self.powers, out=away, where=self.powers < 0)
        away[to_fall <= 0] = 0.0
        low, likely, high = np.quantile(away, BOUNDS, method="lower")  # some laws never reach it: infinite
        if not likely <= np.log(MOST_REACH) or not high - low <= np.log(MOST_FACTOR):
            return ()
        return tuple(float(self.n_now * np.exp(one)) for one in (low, likely, high))


def learning_curve(store: RunStore, stage: str, *, until_generation: int | None = None) -> LearningCurve:
    """The error in a loop of a run until now; without points where it has not learned yet, or is none.

    Parameters
    ----------
    until_generation : int or None
        Of the committee when it had learned; None: the stage is under way.
    """
    state = recall_state(store, stage)
    rows = []
    if state is not None:
        rows = store.learning_course(after_n_train=state.n_initial_train, until_generation=until_generation)
    return LearningCurve(np.array([n for n, _ in rows], dtype=float), np.array([mae for _, mae in rows], dtype=float))


def laws_of(curve: LearningCurve) -> Laws | None:
    """How the curve may go on; None where it has too few points.

    Notes
    -----
    Which end of the curve is a power law is not known: it is drawn for each law, from the last :data:`LEAST_FITTED`
    points to all. Residuals of the fit to it are drawn again in blocks, and fitted again (a bootstrap of residuals,
    Künsch, Ann. Stat. 17, 1217 (1989)); the power then varies by :data:`POWER_SPREAD`.
    """
    curve = _thinned(curve)
    n_points = len(curve.n_train)
    if n_points < LEAST_POINTS:
        return None
    rng = np.random.default_rng(0)  # the same curve has the same forecast
    x, y = np.log(curve.n_train / curve.n_train[-1]), np.log(curve.maes)
    powers, now, noise = [], [], []
    starts, counts = np.unique(rng.integers(0, n_points - LEAST_FITTED + 1, N_LAWS), return_counts=True)
    for start, count in zip(starts, counts, strict=True):
        own_x, own_y = x[start:], y[start:]
        slope, middle = lines_through(own_x, own_y[None])
        line = middle[0] + slope[0] * (own_x - own_x.mean())
        residuals = (own_y - line) * np.sqrt(len(own_x) / (len(own_x) - 2))
        slopes, middles = lines_through(own_x, line + drawn_in_blocks(residuals, count, block=BLOCK, rng=rng))
        powers.append(slopes)
        now.append(middles - slopes * own_x.mean())
        noise.append(rng.normal(0.0, max(LEAST_NOISE, float(residuals.std())), count))
    changed = rng.normal(0.0, POWER_SPREAD, N_LAWS)
    return Laws(float(curve.n_train[-1]), np.concatenate(powers) + changed, np.concatenate(now), np.concatenate(noise))


def error_ahead(curve: LearningCurve, *, goal: int | None, wanted: float | None = None) -> ErrorAhead | None:
    """The error at the goal, and the structures to a wanted one; None where neither means anything.

    Parameters
    ----------
    goal : int or None
        Training structures of a member; None: the stage ends by something else.
    wanted : float or None, eV/Å
    """
    if not is_foretold(curve, goal) or (laws := laws_of(curve)) is None:
        return None
    errors = () if goal is None else laws.errors(goal)
    if errors and errors[-1] > MOST_FACTOR * errors[0]:
        errors = ()
    sizes = () if wanted is None else laws.sizes(wanted)
    return ErrorAhead(goal, errors, wanted, sizes) if errors or sizes else None


def is_foretold(curve: LearningCurve, goal: int | None) -> bool:
    """Whether enough is behind it, and something ahead."""
    return len(curve.n_train) >= LEAST_POINTS and (goal is None or FROM_SHARE * goal <= curve.n_train[-1] < goal)


def _thinned(curve: LearningCurve) -> LearningCurve:
    if len(curve.n_train) <= MOST_POINTS:
        return curve
    wanted = np.geomspace(curve.n_train[0], curve.n_train[-1], MOST_POINTS)
    places = np.unique(np.searchsorted(curve.n_train, wanted).clip(0, len(curve.n_train) - 1))
    return LearningCurve(curve.n_train[places], curve.maes[places])
