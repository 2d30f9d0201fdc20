"""Where the error goes: what was foretold of it on the way, against what came."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.forecast.curves.error import (
    FROM_SHARE,
    LEAST_POINTS,
    MOST_FACTOR,
    LearningCurve,
    is_foretold,
    laws_of,
)
from aims_pax.frame import FloatArray
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREY, INK, ORANGE, PALE_BLUE, counting, legend_above, log_axis, plain, plain_log
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME: Final = "error_forecast"
TITLE: Final = "Where the error goes"

MOST_FORECASTS: Final = 24
"""Moments at which is looked back."""

BEYOND: Final = 1.5
"""How far the curve is carried on, in structures of the goal or of now."""

WHAT_IT_IS: Final = (
    "The error on validation structures while the models learn, carried on as a power of the training structures; \
that of the converged models is lower. Bands hold four of five."
)


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """What was foretold of the error at one size, on the way there.

    Parameters
    ----------
    at : float
        Training structures of a member that the forecasts are for.
    n_train : (n_forecasts,)
        Training structures when it was foretold.
    maes : (n_forecasts, 3), eV/Å
        Low, likely, high.
    """

    at: float
    n_train: FloatArray
    maes: FloatArray

    @property
    def shown(self) -> "Forecasts":
        """Those that were told on the way: the others would have been too wide."""
        is_shown = self.maes[:, 2] <= MOST_FACTOR * self.maes[:, 0]
        return Forecasts(self.at, self.n_train[is_shown], self.maes[is_shown])


def error_forecast(material: Material) -> Figure | Absent | None:
    """The learning curve carried on, and how the forecast has come along."""
    if material.has_rounds_alone:
        return None
    curve, goal = material.learning, material.train_goal
    if len(curve.n_train) < LEAST_POINTS:
        why = f"The error was measured with {len(curve.n_train)} sizes of the training set; {LEAST_POINTS} are needed."
        return Absent(NAME, TITLE, why)
    if goal is not None and not is_foretold(curve, goal):
        return Absent(NAME, TITLE, f"It is foretold from a third of the {goal} training structures on, up to them.")
    at = float(curve.n_train[-1] if goal is None else goal)
    found = forecasts_on_the_way(curve, at)
    shown = found.shown
    if not len(shown.n_train):
        why = f"Every interval was wider than a factor of {MOST_FACTOR:g}: the error does not follow a power yet."
        return Absent(NAME, TITLE, why)
    return Figure(
        name=NAME,
        title=TITLE,
        good="In a good one the curve is straight, and the forecasts change by less than their intervals as the run "
        "goes on.",
        table=Table(
            foretold_with_training_structures=found.n_train,
            force_mae_low_ev_per_ang=found.maes[:, 0],
            force_mae_likely_ev_per_ang=found.maes[:, 1],
            force_mae_high_ev_per_ang=found.maes[:, 2],
            for_training_structures=np.full(len(found.n_train), at),
        ),
        panels=(
            Panel(lambda axes: _carried_on(axes, curve, at, is_over=goal is None)),
            Panel(lambda axes: _course(axes, shown, truth=None if goal is not None else float(curve.maes[-1]))),
        ),
        note=f"{_words(curve, shown, goal)} {WHAT_IT_IS}",
    )


def forecasts_on_the_way(curve: LearningCurve, at: float) -> Forecasts:
    """What was foretold for `at` structures with a third of them, and with each size that came until now."""
    wanted = [n for n in range(LEAST_POINTS, len(curve.n_train) + 1) if FROM_SHARE * at <= curve.n_train[n - 1] < at]
    if len(wanted) > MOST_FORECASTS:
        wanted = [wanted[round(place)] for place in np.linspace(0, len(wanted) - 1, MOST_FORECASTS)]
    laws = [one for n in wanted if (one := laws_of(curve.until(n))) is not None]
    return Forecasts(
        at, np.array([one.n_now for one in laws]), np.array([one.errors(at) for one in laws]).reshape(len(laws), 3)
    )


def _words(curve: LearningCurve, shown: Forecasts, goal: int | None) -> str:
    if goal is None:
        n_held = int(((shown.maes[:, 0] <= curve.maes[-1]) & (curve.maes[-1] <= shown.maes[:, 2])).sum())
        return (
            f"Of {len(shown.n_train)} forecasts for the newest error, looked back at, {n_held} held: it is "
            f"{plain(1000 * curve.maes[-1])} meV/Å, with {curve.n_train[-1]:.0f} structures."
        )
    low, likely, high = (plain(1000 * mae) for mae in shown.maes[-1])
    return f"Foretold with {shown.n_train[-1]:.0f} structures: {likely} meV/Å ({low} to {high}) at the goal, {goal}."


def _carried_on(axes: "Axes", curve: LearningCurve, at: float, *, is_over: bool) -> None:
    """The curve and how it may go on: of a run that is over as it looked with half of its structures."""
    half = int(np.searchsorted(curve.n_train, at / 2, side="right"))
    seen = curve.until(max(LEAST_POINTS, half)) if is_over else curve
    laws = laws_of(seen)
    assert laws is not None, "there are enough points"
    sizes = np.geomspace(laws.n_now, at if is_over else BEYOND * at, 40)
    low, likely, high = 1000 * np.array([laws.errors(float(n)) for n in sizes]).T
    axes.fill_between(sizes, low, high, color=PALE_BLUE, alpha=0.6, lw=0, label="four of five")
    axes.plot(sizes, likely, color=BLUE, lw=1.6, label=f"foretold with {laws.n_now:.0f}")
    axes.plot(curve.n_train, 1000 * curve.maes, color=INK, lw=0, marker="o", ms=3, label="measured")
    axes.axvline(at, color=GREY, lw=0.9, ls="--")
    axes.set(xlabel="training structures of a member", ylabel="force MAE on validation (meV/Å)", xscale="log")
    plain_log(axes.xaxis)
    if sizes[-1] < 10 * curve.n_train[0]:  # which has two or three of a logarithmic axis's places at most
        counting(axes.xaxis)
    log_axis(axes, np.concatenate([1000 * curve.maes, low, high]))
    legend_above(axes)


def _course(axes: "Axes", shown: Forecasts, *, truth: float | None) -> None:
    low, likely, high = 1000 * shown.maes.T
    off = np.array([likely - low, high - likely])
    axes.errorbar(shown.n_train, likely, yerr=off, color=BLUE, ecolor=PALE_BLUE, elinewidth=3, fmt="o", ms=4)
    if truth is not None:
        axes.axhline(1000 * truth, color=ORANGE, lw=1.2, label="as it came")
        legend_above(axes)
    axes.set(
        xlabel="training structures when it was foretold",
        ylabel=f"foretold for {shown.at:.0f} structures (meV/Å)",
        ylim=(0, None),
    )
