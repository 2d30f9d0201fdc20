"""What the disagreement of a committee tells of its error on structures that are labelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.evaluation.detection import (
    LEAST_STRUCTURES,
    Detection,
    detect,
    detect_worst,
    rank_correlation,
    tau_of,
)
from aims_pax.evaluation.parity import Matched, Method
from aims_pax.frame import FloatArray
from aims_pax.outcome.assessment.tables import plain_number
from aims_pax.protocols import FramePrediction
from aims_pax.report.paper.rates import RatesPanel, draw_detections
from aims_pax.report.table import Table
from aims_pax.selection.calibration import Quantity, deviation_of, error_of_mean, together


@dataclass(frozen=True, slots=True, eq=False)
class Disagreement:
    """Deviation and error of a committee in one quantity.

    Parameters
    ----------
    quantity : Quantity
    score : (n_structures,)
        Root mean square of what the members differ from their mean, in the unit of the quantity.
    error : (n_structures,)
        Root mean square of what their mean differs from the labels.
    detection : Detection
        Of the quarter of the structures with the largest errors.
    tau : float
        The deviation that goes with the least of these errors, see :func:`~aims_pax.evaluation.detection.tau_of`.
    """

    quantity: Quantity
    score: FloatArray
    error: FloatArray
    detection: Detection
    tau: float

    @property
    def shown_unit(self) -> str:
        """A thousandth of the quantity's unit, which a person reads."""
        return f"m{self.quantity.unit}"

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of deviations and errors."""
        return rank_correlation(self.score, self.error)

    @property
    def at_tau(self) -> Detection:
        """What a threshold of tau flags."""
        return detect(self.score, self.error, tolerance=self.detection.tolerance, thresholds=np.array([self.tau]))

    def sentence(self) -> str:
        """For a person."""
        found, unit, rank = self.at_tau, self.shown_unit, self.rank_correlation
        told = "unknown" if rank is None else format(rank, ".2f")
        hits, right = _percent(found.true_positive_rate()[0]), _percent(found.predictive_value()[0])
        return (
            f"{self.quantity}: of the quarter with the largest errors (above {plain_number(1000 * found.tolerance)} "
            f"{unit}) {hits} lie above a deviation of {plain_number(1000 * self.tau)} {unit},\n"
            f"    and of what lies above it {right} has such an error; of all, {100 * found.base_rate:.0f} %. "
            f"Rank correlation {told}."
        )

    def record(self) -> dict[str, Any]:
        """Plain values, in the unit of the quantity."""
        found = self.at_tau
        names = ("value", "low", "high")
        return {
            "quantity": str(self.quantity),
            "unit": self.quantity.unit,
            "n_structures": len(self.score),
            "tolerance": found.tolerance,
            "tau": self.tau,
            "true_positive_rate": dict(zip(names, _or_none(found.true_positive_rate()[0]), strict=True)),
            "predictive_value": dict(zip(names, _or_none(found.predictive_value()[0]), strict=True)),
            "rank_correlation": self.rank_correlation,
        }


def committee_of(matched: Matched) -> Method | None:
    """The method that is the mean of several, where there is one."""
    return next((method for method in matched.methods if len(method.members) > 1), None)


def disagreements(matched: Matched) -> tuple[Disagreement, ...]:
    """Of each quantity that labels and members tell of enough structures, and in which they differ."""
    committee = committee_of(matched)
    if committee is None:
        return ()
    rows = list(committee.members)
    pairs = []
    for label, said in zip(matched.labels, matched.predictions, strict=True):
        stress = None if said.stress is None else said.stress[rows]
        one = together(FramePrediction(said.energies[rows], said.forces[rows], stress))
        pairs.append((deviation_of(one), error_of_mean(one, label)))
    found = []
    for quantity in Quantity:
        amounts = np.array([[one.of(quantity) for one in pair] for pair in pairs], dtype=np.float64)
        score, error = amounts[np.isfinite(amounts).all(axis=1)].T
        if len(score) >= LEAST_STRUCTURES and np.ptp(score) > 0 and error.any():
            detection = detect_worst(score, error)
            tau = tau_of(score, error, tolerance=detection.tolerance)
            found.append(Disagreement(quantity, score, error, detection, tau))
    return tuple(found)


def disagreement_lines(matched: Matched, found: Sequence[Disagreement]) -> list[str]:
    """What the members' disagreement tells, a line for each quantity; or why nothing is told."""
    committee = committee_of(matched)
    if committee is None:
        return []
    if not found:
        n = len(matched.labels)
        why = (
            f"{n} structures are fewer than {LEAST_STRUCTURES}" if n < LEAST_STRUCTURES else "all members say the same"
        )
        return [f"Nothing is told of what disagreement says of errors: {why}."]
    heading = f"Disagreement of the {len(committee.members)} members, and errors of their mean"
    return [heading, *(f"  {one.sentence()}" for one in found)]


def write_disagreement(found: Sequence[Disagreement], stem: Path) -> list[Path]:
    """The figure as PNG and PDF, and its numbers as CSV, in the unit of the axes; nothing where there is none."""
    if not found:
        return []
    draw_detections([_panel(one) for one in found], stem)
    tables = [_columns(one) for one in found]
    Table({name: np.concatenate([one[name] for one in tables]) for name in tables[0]}).write_csv(
        stem.with_suffix(".csv")
    )
    return [stem.with_suffix(ending) for ending in (".png", ".pdf", ".csv")]


def _columns(one: Disagreement) -> dict[str, Any]:
    n, columns = len(one.detection.thresholds), one.detection.columns()
    columns |= {name: 1000 * columns[name] for name in ("tolerance", "threshold")}
    said = {"quantity": str(one.quantity), "unit": one.shown_unit}
    return {**{name: np.full(n, word) for name, word in said.items()}, **columns}


def _panel(one: Disagreement) -> RatesPanel:
    found, unit = one.detection, one.shown_unit
    return RatesPanel(
        title=f"{str(one.quantity).capitalize()}: errors above\n{plain_number(1000 * found.tolerance)} {unit}",
        x_label=f"threshold of the deviation ({unit})",
        thresholds=1000 * found.thresholds,
        true_positive_percent=100 * found.true_positive_rate(),
        predictive_percent=100 * found.predictive_value(),
        base_percent=100 * found.base_rate,
        tau=1000 * one.tau,
    )


def _percent(rate: FloatArray) -> str:
    if np.isnan(rate[0]):
        return "none"
    value, low, high = (f"{100 * one:.0f}" for one in rate)
    return f"{value} % ({low} to {high})"


def _or_none(rate: FloatArray) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in rate]
