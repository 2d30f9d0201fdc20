"""What a plan says to a person: one campaign on different numbers of workers, and how many are worth having."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.forecast.outcome import WELL_USED, Outcome, worth_having
from aims_pax.forecast.simulation import Pace, Workload, crowded, mean_outcome
from aims_pax.report.workers import PlanCurve, draw_plan
from aims_pax.times import duration

MORE_TRAJECTORIES: Final = (1.5, 2.0, 3.0)
"""How many times the trajectories are tried, to keep idle workers busy."""

FEW_WAVES: Final = 8
"""With fewer labels than this for each worker, the beginning and the end weigh too much for any of them to be busy."""

FEW_LABELS: Final = 0.05
"""Workers that compute on average, below which labels take next to no time."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Outcomes of one workload, ascending in their number of workers."""

    workload: Workload[Pace]
    outcomes: tuple[Outcome, ...]

    @property
    def recommended(self) -> Outcome:
        """The largest number of workers that are well used."""
        return worth_having(self.outcomes)

    @property
    def are_labels_negligible(self) -> bool:
        """Whether one worker, or the fewest that were looked at, would hardly ever compute."""
        return self.outcomes[0].busy_workers < FEW_LABELS

    def advice(self) -> str:
        """How many workers, why not more, and what would help."""
        chosen = self.recommended
        text = (
            f"{_workers(chosen.n_workers)} {'is' if chosen.n_workers == 1 else 'are'} worth having: "
            f"{duration(chosen.makespan_s)}, {chosen.efficiency:.0%} busy."
        )
        further = next((outcome for outcome in self.outcomes if outcome.n_workers > chosen.n_workers), None)
        if further is None:
            return f"{text} More were not looked at."
        gain = chosen.makespan_s / further.makespan_s
        text += (
            f" {_workers(further.n_workers)} would finish in {duration(further.makespan_s)} "
            f"({gain:.2f} times as fast), {further.efficiency:.0%} busy."
        )
        return f"{text} {self._remedy(further)}"

    def crowded(self, factor: float) -> "Forecast":
        """The same with so many times the trajectories."""
        workload = crowded(self.workload, round(factor * self.workload.n_trajectories))
        return forecast(workload, [outcome.n_workers for outcome in self.outcomes])

    def curve(self) -> PlanCurve:
        """What a figure shows of it."""
        return PlanCurve(
            name=f"{self.workload.n_trajectories} trajectories",
            n_workers=np.array([outcome.n_workers for outcome in self.outcomes], dtype=np.int64),
            makespan_h=np.array([outcome.makespan_s / 3600 for outcome in self.outcomes]),
            ideal_h=np.array([outcome.labels_s / outcome.n_workers / 3600 for outcome in self.outcomes]),
            busy=np.array([outcome.efficiency for outcome in self.outcomes]),
        )

    def draw(self, path: Path) -> None:
        """Write the figure: this one, and the same with more trajectories."""
        pace = self.workload.pace
        title = (
            f"{self.outcomes[-1].n_labels} labels of {duration(float(np.mean(pace.label_s)))}, simulated; dashed: the "
            f"labels alone; dotted: {WELL_USED:.0%}"
        )
        curves = [self.curve(), *(self.crowded(factor).curve() for factor in (1.5, 2.0))]
        draw_plan(curves, path, title=title, well_used=WELL_USED)

    def _remedy(self, idle: Outcome) -> str:
        """What would keep these workers busy."""
        for factor in MORE_TRAJECTORIES:
            crowd = crowded(self.workload, round(factor * self.workload.n_trajectories))
            outcome = mean_outcome(crowd, n_workers=idle.n_workers)
            if outcome.efficiency >= WELL_USED:
                return (
                    f"With {crowd.n_trajectories} trajectories instead of {self.workload.n_trajectories} they would be "
                    f"{outcome.efficiency:.0%} busy."
                )
        if idle.n_labels < FEW_WAVES * idle.n_workers:
            return "There are too few labels for so many: the first and the last of them weigh too much."
        return "MD and training are the limit there: a faster device for the models would help."


def forecast(workload: Workload[Pace], n_workers: Sequence[int]) -> Forecast:
    """Simulate a workload on each of these numbers of workers."""
    return Forecast(workload, tuple(mean_outcome(workload, n_workers=n) for n in sorted(set(n_workers))))


def doubled(limit: int) -> list[int]:
    """1, 2, 4, ... up to a limit, and the limit itself."""
    return sorted({*(2**power for power in range(limit.bit_length())), limit})


def _workers(n: int) -> str:
    return "1 worker" if n == 1 else f"{n} workers"
