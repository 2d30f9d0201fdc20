"""What a run will take, or what is left of it, by stage: time, labels, MD steps, epochs."""

from dataclasses import dataclass, replace
from math import isinf
from statistics import fmean
from typing import Any, Final

import numpy as np

from aims_pax.forecast.amounts import (
    NOTHING,
    Amounts,
    Outset,
    Span,
    StageForecaster,
    amounts_ahead,
    verdict_steps,
    walk,
)
from aims_pax.forecast.crew import OWN_PROCESS
from aims_pax.forecast.pace import NO_WISHES, Wishes
from aims_pax.forecast.speed import Measured, Speed, measured_speed
from aims_pax.forecast.standing import Standing
from aims_pax.frame import Stage
from aims_pax.report.titles import titles_of
from aims_pax.settings import InlineCluster, LocalCluster, Project, SlurmCluster
from aims_pax.settings.cluster import labels_at_a_time
from aims_pax.settings.misc import VERDICT_LIMIT_S, VERDICT_LIMIT_SHARE, VERDICT_SHARE
from aims_pax.settings.project import BOTH_STAGES
from aims_pax.settings.stage import ACTIVE
from aims_pax.settings.stages.kinds import PRETRAIN
from aims_pax.stages import assembly
from aims_pax.stages.activities import Part
from aims_pax.times import duration

POOL_S: Final = 4.0
"""Until workers on this machine have shown that they can label, s. An estimate: 18 s on two cores that six shared."""

RESULTS_S: Final = 3.0
"""Exporting models and datasets, measuring errors, drawing figures, s. For small sets: 2 s, and 10 s under load."""

VERDICT_EFFORT: Final = 1.0
"""Time of a step of the trial over one of active learning. Measured on the quickstart: 0.85. Files are in double
precision, all members are asked now and then, and a fifth more is run at constant energy; but one member drives."""

WIDTH: Final = 80
NAME_WIDTH: Final = 20
"""Of a table, and of the names in it, columns."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a forecast is asked for.

    Parameters
    ----------
    standing : Standing or None
        Of the run in the folder: what is left of it is foretold then.
    n_workers : int or None
        None: those of CLUSTER.
    """

    stages: tuple[Stage, ...] = BOTH_STAGES
    standing: Standing | None = None
    n_workers: int | None = None
    wishes: Wishes = NO_WISHES


WHOLE_RUN: Final = Outlook()
"""Both stages, from their beginning, on the workers of CLUSTER."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How fast everything goes.

    Parameters
    ----------
    n_workers : int
        :data:`aims_pax.forecast.crew.OWN_PROCESS` where the campaign labels by itself.
    """

    measured: Measured
    speed: Speed
    n_workers: int
    wishes: Wishes = NO_WISHES

    def n_at_once(self, project: Project) -> int:
        """Steps of AIMD that are computed at a time; workers of this machine share its cores."""
        n_workers = max(1, self.n_workers)
        is_here = isinstance(project.settings.cluster, LocalCluster)
        return min(n_workers, assembly.n_cores()) if is_here else n_workers

    @property
    def label_s(self) -> float:
        """Mean time of a label of the starting structures, s, unless another one is wished for; 0: not known."""
        known = [seconds for times in self.measured.label_s.values() for seconds in times]
        return self.wishes.label_s or (fmean(known) if known else 0.0)

    def seconds(self, amounts: Amounts, *, n_at_once: int, n_moving: int, n_train: int) -> Span:
        """How long labels, MD and epochs take one after the other, s.

        Parameters
        ----------
        n_at_once : int
            Labels that are computed at a time.
        n_moving : int
            Trajectories that move in one batch.
        n_train : int
            Training structures, in the mean.
        """
        step_s = self.speed.batch_step_s / n_moving + self.speed.trajectory_step_s
        time_s = amounts.labels.times(self.label_s / n_at_once) + amounts.md_steps.times(step_s)
        return time_s + amounts.epochs.times(self.speed.epoch_s(n_train))


@dataclass(frozen=True, slots=True)
class StageForecast:
    """One part of a run: its amounts, and how long it takes, s."""

    amounts: Amounts
    time_s: Span

    @property
    def part(self) -> str:
        """Which part."""
        return self.amounts.part


@dataclass(frozen=True, slots=True)
class StageForecasts:
    """All parts that are still to come, in their order.

    Parameters
    ----------
    n_workers : int
        :data:`aims_pax.forecast.crew.OWN_PROCESS` where the campaign labels by itself.
    n_nodes : int
        Nodes that are paid for while labels are computed; 0 where none are.
    held_s : Span, s
        For how long they are held: until the last active learning is over.
    """

    rows: tuple[StageForecast, ...]
    n_workers: int
    n_nodes: int
    held_s: Span = NOTHING

    @property
    def time_s(self) -> Span:
        """Of all parts together, s."""
        return _sum([row.time_s for row in self.rows])

    @property
    def node_hours(self) -> Span:
        """Nodes times the hours for which they are held: until active learning is over."""
        return self.held_s.times(self.n_nodes / 3600)

    def lines(self) -> list[str]:
        """A table that fits a terminal of 80 columns, and what it costs."""
        if not self.rows:
            return ["nothing is left to do: the run is finished"]
        table = [_line("stage", "labels", "MD steps", "epochs", "time", "range"), "─" * WIDTH]
        words = titles_of([row.part for row in self.rows])
        table += [_row(words[row.part], row.amounts, row.time_s) for row in self.rows]
        total = Amounts(
            Part.RESULTS,
            _sum([row.amounts.labels for row in self.rows]),
            _sum([row.amounts.md_steps for row in self.rows]),
            _sum([row.amounts.epochs for row in self.rows]),
        )
        table += ["─" * WIDTH, _row("total", total, self.time_s)]
        if self.n_nodes:
            nodes = "1 node" if self.n_nodes == 1 else f"{self.n_nodes} nodes"
            table.append(f"node-hours: {_hours(self.node_hours)}; {nodes}, until active learning is over")
        return table

    def record(self) -> dict[str, Any]:
        """For a file: keys as in wall_s_by_stage of summary.json; a bound that is not known is null."""
        return {
            "n_workers": self.n_workers,
            "n_nodes": self.n_nodes,
            "stages": {
                str(row.part): {
                    "time_s": _bounds(row.time_s),
                    "labels": _bounds(row.amounts.labels),
                    "md_steps": _bounds(row.amounts.md_steps),
                    "epochs": _bounds(row.amounts.epochs),
                }
                for row in self.rows
            },
            "time_s": _bounds(self.time_s),
            "node_hours": _bounds(self.node_hours),
        }


def forecast_by_stage(project: Project, measured: Measured, *, outlook: Outlook = WHOLE_RUN) -> StageForecasts:
    """What a run of this project takes, by stage, at the speed that was measured.

    Parameters
    ----------
    measured : Measured
        Labels and, where there is an initial stage, steps of its driver; the models are timed now if it lacks them.
    outlook : Outlook
        The whole run, when not given.
    """
    if measured.speed is None:
        n_trajectories = project.settings.n_trajectories if ACTIVE in outlook.stages else 0
        measured = replace(measured, speed=measured_speed(project, n_trajectories))
    return _Timetable(project, measured, outlook).forecasts()


def workers_of(project: Project) -> int | None:
    """Labels that CLUSTER computes at a time; None where only its Parsl configuration knows."""
    return labels_at_a_time(project.settings.cluster)


class _Timetable:
    """The parts of one forecast, which build on one another."""

    def __init__(self, project: Project, measured: Measured, outlook: Outlook) -> None:
        assert measured.speed is not None
        known = workers_of(project) if outlook.n_workers is None else outlook.n_workers
        self._project, self._outlook = project, outlook
        self._pacing = Pacing(measured, measured.speed, 1 if known is None else known, outlook.wishes)
        self._rows: list[StageForecast] = []

    def forecasts(self) -> StageForecasts:
        project, outlook = self._project, self._outlook
        amounts = amounts_ahead(project, outlook.stages, standing=outlook.standing)
        by_part = {one.part: one for one in amounts}
        if Part.STARTING in by_part:
            self._rows.append(self._starting(by_part[Part.STARTING]))
        self._rows += walk(project, outlook.stages, outlook.standing, self._timed)
        if Part.VERDICT in by_part:
            self._rows.append(self._verdict(by_part[Part.VERDICT]))
        if Part.RESULTS in by_part:
            self._rows.append(StageForecast(by_part[Part.RESULTS], Span.exactly(RESULTS_S)))
        held = [row.time_s for row in self._rows if row.part in self._labelling()]
        return StageForecasts(tuple(self._rows), self._pacing.n_workers, self._n_nodes(), held_s=_sum(held))

    def _n_nodes(self) -> int:
        cluster = self._project.settings.cluster
        if self._outlook.n_workers is not None:
            return self._outlook.n_workers
        if isinstance(cluster, SlurmCluster):
            return cluster.parsl_options.max_blocks * cluster.parsl_options.nodes_per_block
        return 0 if isinstance(cluster, InlineCluster | LocalCluster) else self._pacing.n_workers

    def _labelling(self) -> set[str]:
        """The stages during which workers are held: all but the training at the end, and what needs none."""
        settings = self._project.settings
        asked = self._project.plans(self._outlook.stages)
        return {plan.name for plan in asked if not settings.is_end(plan) and plan.kind != PRETRAIN}

    # -- parts ------------------------------------------------------------------------------------------------

    def _timed(self, outset: Outset, forecaster: StageForecaster) -> tuple[StageForecast, float]:
        row = forecaster.timed(outset, forecaster.amounts(outset), self._pacing)
        return row, row.amounts.labels.likely

    def _starting(self, amounts: Amounts) -> StageForecast:
        seconds = self._pacing.speed.build_s
        if self._pacing.n_workers != OWN_PROCESS:
            seconds += POOL_S
        if amounts.labels.likely:
            label_s = self._pacing.measured.label_s
            seconds += 2 * sum(float(np.mean(label_s[name])) for name in label_s)
        return StageForecast(amounts, Span.exactly(seconds))

    def _verdict(self, amounts: Amounts) -> StageForecast:
        """A tenth of what was before it, within the bounds of its length; its time is set by the steps of all runs."""
        n_runs, speed = self._project.settings.misc.verdict_runs, self._pacing.speed
        step_s = speed.batch_step_s / n_runs + speed.trajectory_step_s
        time_s = verdict_s(self._project, step_s, _sum([row.time_s for row in self._rows]))
        return StageForecast(replace(amounts, md_steps=time_s.times(1 / (step_s * VERDICT_EFFORT))), time_s)


def verdict_s(project: Project, step_s: float, before: Span) -> Span:
    """How long the trial at the end takes, s.

    Parameters
    ----------
    step_s : float, s
        An MD step of one of the trajectories of active learning that move together.
    before : Span, s
        All that comes before it.
    """
    steps = verdict_steps(project).times(step_s * VERDICT_EFFORT)
    is_open = isinstance(project.settings.misc.verdict_ps, str)

    def within_bounds(seconds: float) -> float:
        wanted = min(max(steps.low, VERDICT_SHARE * seconds), steps.high)
        return min(wanted, max(VERDICT_LIMIT_SHARE * seconds, VERDICT_LIMIT_S)) if is_open else wanted

    return Span(*(within_bounds(seconds) for seconds in (before.low, before.likely, before.high)))


# -- words ----------------------------------------------------------------------------------------------------


def _sum(spans: list[Span]) -> Span:
    return sum(spans, Span.exactly(0.0))


def _bounds(span: Span) -> dict[str, float | None]:
    return {
        "low": round(span.low, 3),
        "likely": round(span.likely, 3),
        "high": None if isinf(span.high) else round(span.high, 3),
    }


def _line(stage: str, labels: str, md_steps: str, epochs: str, time: str, span: str) -> str:
    stage = stage if len(stage) < NAME_WIDTH else f"{stage[: NAME_WIDTH - 2]}…"
    return f"{stage:<{NAME_WIDTH}}{labels:>9}{md_steps:>11}{epochs:>9}{time:>10}{span:>21}"


def _row(name: str, amounts: Amounts, time_s: Span) -> str:
    return _line(
        name,
        _count(amounts.labels),
        _count(amounts.md_steps),
        _count(amounts.epochs),
        duration(time_s.likely),
        _range(time_s),
    )


def _count(span: Span) -> str:
    """What is likely; two digits where it is not known."""
    if span.high == 0:
        return "-"
    value = span.likely if span.is_known or span.likely < 100 else float(f"{span.likely:.2g}")
    return f"{value:,.0f}".replace(",", " ")


def _range(span: Span) -> str:
    if span.is_known:
        return ""
    if isinf(span.high):
        return f"{duration(span.low)} or more"
    return f"{duration(span.low)} - {duration(span.high)}"


def _hours(span: Span) -> str:
    likely, low, high = (_hours_number(hours) for hours in (span.likely, span.low, span.high))
    return likely if low == high else f"{likely} ({low} to {high})"


def _hours_number(hours: float) -> str:
    if isinf(hours):
        return "?"
    return f"{hours:,.0f}".replace(",", " ") if hours >= 100 else f"{hours:.2g}"
