"""The validator that lets models move atoms, and watches."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aims_pax.dataset.durable import replacing
from aims_pax.departure import Departure
from aims_pax.evaluation.stability import RunRecord, watched_ps
from aims_pax.evaluation.verdict import run_json
from aims_pax.outcome.trial import Moment, Span, Trial, TrialParts, TrialRun
from aims_pax.protocols import Predictor, Score
from aims_pax.report.stability import RunTrace, draw_stability
from aims_pax.selection import SCORES


@dataclass(frozen=True, slots=True, eq=False)
class WatchedRuns:
    """What became of some runs.

    Parameters
    ----------
    records : tuple of RunRecord
        Empty where the trial was asked to leave before it began.
    """

    records: tuple[RunRecord, ...]

    @property
    def n_stable(self) -> int:
        """Runs that nothing was wrong with."""
        return sum(record.failure is None for record in self.records)

    def record(self) -> Mapping[str, Any]:
        """How many runs held, and each run without its traces."""
        return {
            "runs": len(self.records),
            "stable": self.n_stable,
            "watched_ps": round(watched_ps(self.records), 4),
            "each_run": [run_json(record) for record in self.records],
        }

    def text(self) -> str:
        """How many runs held, and a line for each that did not."""
        failed = [
            f"{record.conditions.system} from its {record.begun_from} after {record.length_ps:.2f} ps: "
            f"{record.failure.words}"
            for record in self.records
            if record.failure is not None
        ]
        watched = f"watched for {watched_ps(self.records):.4g} ps in all"
        return "\n".join([f"{self.n_stable} of {len(self.records)} runs held, {watched}", *failed])

    def write(self, folder: Path) -> list[Path]:
        """Write stability.json, stability.txt and, where there were runs, stability.png.

        Raises
        ------
        OSError
            The folder can't be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "stability.json", folder / "stability.txt"]
        with replacing(written[0]) as file:
            json.dump(self.record(), file, indent=2)
        with replacing(written[1]) as file:
            file.write(self.text() + "\n")
        if self.records:
            written.append(folder / "stability.png")
            draw_stability(
                [trace_of(record) for record in self.records], written[-1], title=self.text().splitlines()[0]
            )
        return written


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """Moves atoms by models as a user will, and looks for what models do when they are wrong.

    Parameters
    ----------
    runs : tuple of TrialRun
    span : Span
        How long they are watched.
    driver : int or None
        The member that moves the atoms; None: the mean of all.
    score : Score
        How the deviation of the members' forces is measured, eV/Å.
    departure : Departure
        A trial that is asked to leave ends early, with what it has seen.
    show : callable
        Told of every look.
    """

    runs: tuple[TrialRun, ...]
    span: Span
    driver: int | None = 0
    score: Score = SCORES["max_atomic_sd"]
    departure: Departure = field(default_factory=Departure)
    show: Callable[[Moment], None] = lambda _moment: None

    def validate(self, models: Predictor) -> WatchedRuns:
        """What became of the runs with these models."""
        parts = TrialParts(models, driver=self.driver, score=self.score, departure=self.departure, show=self.show)
        return WatchedRuns(Trial(self.runs, parts).carry_out(self.span))


def trace_of(record: RunRecord) -> RunTrace:
    """One run as it is drawn."""
    traces, failure = record.traces, record.failure
    return RunTrace(
        time_ps=traces.time_ps,
        temperature_k=traces.temperature_k,
        strain=traces.strain,
        deviation_time_ps=traces.deviation_time_ps,
        deviation_ev_per_ang=traces.deviation_ev_per_ang,
        failure=None if failure is None else str(failure.trouble),
    )
