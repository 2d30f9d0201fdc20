"""The verdict on the models of a run: a short trial at the run's own conditions, and what else is known of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aims_pax.committee import devices_of, load_models
from aims_pax.departure import Departure
from aims_pax.evaluation.metrics import evaluate
from aims_pax.evaluation.verdict import Evidence, Learned, Measured, Verdict, judge
from aims_pax.frame import LabelledFrame, Split
from aims_pax.outcome.conditions import Grounds, conditions_of, trial_runs
from aims_pax.outcome.provenance import deviation_of
from aims_pax.outcome.results import Summary, wall_times
from aims_pax.outcome.stability import Stability
from aims_pax.outcome.trial import Moment, Span
from aims_pax.protocols import Predictor
from aims_pax.selection import SCORES
from aims_pax.settings import Project
from aims_pax.settings.misc import (
    VERDICT_LEAST_PS,
    VERDICT_LIMIT_S,
    VERDICT_LIMIT_SHARE,
    VERDICT_MOST_PS,
    VERDICT_SHARE,
)
from aims_pax.stages.activities import Stopwatch


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What a verdict is asked on.

    Parameters
    ----------
    project : Project
    models : tuple of Path
        The product first, then the other members: the first moves the atoms, all together give the deviation.
    labelled : tuple of LabelledFrame
        All labels of the run: starts are drawn from them, and the error is measured on those for validation.
    learned : Learned or None
        How the models came to be.
    run_s : float, s
        What the run has taken until now.
    """

    project: Project
    models: tuple[Path, ...]
    labelled: tuple[LabelledFrame, ...]
    learned: Learned | None = None
    run_s: float = 0.0
    departure: Departure = field(default_factory=Departure)


def give_verdict(case: Case, *, show: Callable[[str], None] = lambda _words: None) -> Verdict | None:
    """The verdict on the models of a run; None when MISC.verdict_ps is 0.

    Parameters
    ----------
    case : Case
    show : callable
        Told now and then where the trial stands: ``verdict: 0.42 ps of at most 50, 8 runs, none failed``.

    Raises
    ------
    Departed
        The campaign was asked to leave; the trial is made anew when it goes on.
    """
    span = span_of(case.project.settings.misc.verdict_ps, run_s=case.run_s)
    if span is None:
        return None
    ensemble = load_models(case.models, device=devices_of(case.project.mace.misc.device))
    grounds = Grounds.of(case.project.systems, case.labelled)
    conditions = conditions_of(case.project)
    misc, general = case.project.settings.misc, case.project.mace.general
    runs = trial_runs(grounds, conditions, n_runs=misc.verdict_runs, seed=general.seed)
    stability = Stability(
        tuple(runs),
        span,
        score=SCORES[deviation_of(case.project)],
        departure=case.departure,
        show=lambda moment: show(f"verdict: {said(moment)}"),
    )
    with case.departure.cooperating():
        records = stability.validate(ensemble).records
    measured = measured_on(case.labelled, ensemble)
    return judge(Evidence(records, measured, case.learned))


def with_verdict(summary: Summary, verdict: Verdict | None, stopwatch: Stopwatch) -> Summary:
    """The summary with a verdict and the time that it took, also in its file; None: there was none to be."""
    content = {
        **summary.content,
        **wall_times(stopwatch),
        "verdict": None if verdict is None else verdict.as_json(),
    }
    judged = Summary(summary.folder, content)
    judged.write()
    return judged


def span_of(verdict_ps: float | str, *, run_s: float) -> Span | None:
    """How long a trial is, from MISC.verdict_ps; None when there is to be none."""
    if isinstance(verdict_ps, str):
        limit_s = max(VERDICT_LIMIT_SHARE * run_s, VERDICT_LIMIT_S)
        return Span(VERDICT_LEAST_PS, VERDICT_MOST_PS, budget_s=VERDICT_SHARE * run_s, limit_s=limit_s)
    return None if verdict_ps == 0 else Span(verdict_ps, verdict_ps)


def measured_on(labelled: Sequence[LabelledFrame], ensemble: Predictor) -> Measured | None:
    """Errors of the first model on test structures, or on those for validation; None when there are none."""
    by_split = {
        split: [point for point in labelled if point.split is split] for split in (Split.TEST, Split.VALIDATION)
    }
    split = next((split for split, points in by_split.items() if points), None)
    if split is None:
        return None
    points = by_split[split]
    labels = [point.label for point in points]
    errors = evaluate(labels, ensemble.predict([point.frame for point in points])).members[0]
    forces = np.concatenate([label.forces.ravel() for label in labels])
    return Measured(
        n_structures=len(points),
        what=f"{split} structures",
        force_mae_ev_per_ang=errors.force_mae_ev_per_ang,
        force_rmse_ev_per_ang=errors.force_rmse_ev_per_ang,
        rms_force_ev_per_ang=float(np.sqrt(np.mean(forces**2))),
    )


def said(moment: Moment) -> str:
    """``1.20 of at most 50 ps with thermostat, 8 runs, 1 failed, deviation 0.051 eV/Å``"""
    failed = f"{moment.n_failed} failed" if moment.n_failed else "none failed"
    words = f"{moment.time_ps:.2f} of at most {moment.of_ps:g} ps {moment.words}, {moment.n_runs} runs, {failed}"
    deviation = moment.deviation_ev_per_ang
    return words if deviation is None else f"{words}, deviation {deviation:.3f} eV/Å"
