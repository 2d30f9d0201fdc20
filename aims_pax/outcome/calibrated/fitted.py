"""Estimates of errors fitted to structures that models have not learned from, and what is told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.blocks import blocks_of
from aims_pax.evaluation.detection import coverage_interval, rank_correlation
from aims_pax.frame import Frame, Label
from aims_pax.protocols import FramePrediction
from aims_pax.selection.calibration import (
    LEAST_STRUCTURES,
    LEVELS,
    Calibration,
    Chosen,
    Constant,
    Evidence,
    Quantity,
    Rule,
    ThroughZero,
    calibrated,
    together,
)

WORDS: Final = {Quantity.ENERGY: "energies", Quantity.FORCES: "forces", Quantity.STRESS: "stresses"}
"""Several errors of a quantity."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Estimates for the mean of some models, and what they were fitted to.

    Parameters
    ----------
    chosen : mapping of Quantity to Chosen
        Of what there was enough.
    evidence : Evidence
    on : str
        What structures these are: ``60 test structures``.
    caution : str
        What may be wrong with these structures for this purpose; empty where nothing is.
    """

    chosen: Mapping[Quantity, Chosen]
    evidence: Evidence
    on: str
    caution: str = ""

    @property
    def calibration(self) -> Calibration:
        """What tells the errors of further structures."""
        return Calibration({quantity: Rule(one.estimate, one.by) for quantity, one in self.chosen.items()})

    def sentence(self) -> str:
        """How well it holds, in one line."""
        held = []
        for quantity, one in self.chosen.items():
            share, low, high = coverage_interval(one.trial.is_within[-1])
            interval = f"95 %: {100 * low:.0f} to {100 * high:.0f}"
            held.append(f"{100 * share:.0f} % of {WORDS[quantity]} ({interval}; {one.words})")
        return f"intervals for 90 % held {', '.join(held)} of {self.on}, each told without its neighbours"

    def text(self) -> str:
        """A line for each quantity and estimate: coverage in percent of each level, and the loss."""
        header = ["", "estimate", "deviation of", *(f"{100 * level:.0f} %" for level in LEVELS), "loss", ""]
        rows = [header]
        for quantity, one in self.chosen.items():
            for trial in sorted(one.trials, key=lambda trial: trial.loss):
                shares = [f"{100 * share:.1f}" for share in trial.coverage]
                mark = f"chosen: {one.why}" if trial is one.trial else ""
                loss = f"{1000 * trial.loss:.3g} m{quantity.unit}"
                by = "" if trial.name == Constant.NAME else str(trial.by)
                rows.append([str(quantity), trial.name, by, *shares, loss, mark])
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        heading = f"Errors told by how much the models disagree; {self.on}; percent of the errors within each interval"
        return "\n".join([heading, "", *lines, *([f"\n{self.caution}"] if self.caution else [])])

    def record(self) -> dict[str, Any]:
        """Plain values: what it was fitted to, and by quantity the estimate, its parameters and how all did."""
        return {
            "evidence": {
                "structures": self.on,
                "caution": self.caution,
                "n_structures": len(self.evidence.labels),
                "n_blocks": len(np.unique(self.evidence.block)),
                "n_atoms": _ends([len(label.forces) for label in self.evidence.labels]),
            },
            "levels": list(LEVELS),
            "quantities": {name: one | self._checks(Quantity(name)) for name, one in self.calibration.record().items()},
        }

    def _checks(self, quantity: Quantity) -> dict[str, Any]:
        chosen, residuals = self.chosen[quantity], self.evidence.residuals(quantity)
        score, error = (
            np.sqrt(residuals.mean_by_structure(values**2)) for values in (residuals.score, residuals.error)
        )
        line = ThroughZero.fit(residuals)
        covered = {
            f"{100 * level:.0f}": dict(zip(("value", "low", "high"), coverage_interval(shares), strict=True))
            for level, shares in zip(LEVELS, chosen.trial.is_within, strict=True)
        }
        return {
            "unit": quantity.unit,
            "why": chosen.why,
            "n_structures": chosen.n_structures,
            "coverage": covered,
            "rank_correlation": rank_correlation(score, error),
            "deviation_over_error": None if line is None else line.slope,
            "tried": [trial.record() for trial in chosen.trials],
        }


def evidence_of(frames: Sequence[Frame], labels: Sequence[Label], said: Sequence[FramePrediction]) -> Evidence:
    """Labels beside what some members say of their structures; what resembles each other are pieces of trajectories.

    Raises
    ------
    ShapeError
        There is one member: it can't disagree.
    """
    block = np.zeros(len(frames), dtype=np.int64)
    for number, indices in enumerate(blocks_of(frames)):
        block[indices] = number
    return Evidence([together(one) for one in said], labels, block)


def fit(evidence: Evidence, *, on: str, caution: str = "") -> Fitted | None:
    """The best estimates; None where there are too few structures for any."""
    chosen = calibrated(evidence) if len(evidence.labels) >= LEAST_STRUCTURES else {}
    return Fitted(chosen, evidence, on, caution) if chosen else None


def of_members(said: FramePrediction, members: Sequence[int]) -> FramePrediction:
    """What some of the members say."""
    chosen = list(members)
    stress = None if said.stress is None else said.stress[chosen]
    return FramePrediction(said.energies[chosen], said.forces[chosen], stress)


def _ends(numbers: Sequence[int]) -> list[int]:
    return [min(numbers), max(numbers)]
