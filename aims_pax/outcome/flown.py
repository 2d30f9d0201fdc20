"""How flights have gone: each comparison with the reference, a figure, and a line for a person."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.learner.checks import Differences, learns, next_interval
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.report.flight import MEASURES, draw_flight
from aims_pax.selection import differences
from aims_pax.settings import Project
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.fly.comparison import Check, observed
from aims_pax.stages.labelled.limits import LABELS_RETURNED

CHECKS: Final = "checks"


def checks_of(store: RunStore, plan: StagePlan) -> Iterator[Check]:
    """Each check of a stage, in the order in which labels were asked for; those without a label are none.

    What the models had said before they learned from it is compared; intervals follow from that by the rules of now.
    A check whose label was kept out was made again: its label is no second one where a higher limit has let it in.
    """
    settings = plan.read_as(FlyStageSettings)
    rules, early = settings.rules(with_models=True), settings.early_check
    entries = (one.payload["label_ids"] for one in store.journal() if one.kind == LABELS_RETURNED)
    returned = {label_id for label_ids in entries for label_id in label_ids}
    predicted = {
        one.label_id: one for one in store.predicted() if one.stage == plan.name and one.label_id not in returned
    }
    last, intervals = dict[int, int](), dict[int, int]()
    for job in store.jobs():
        if str(job.stage) != plan.name or job.source != CheckIntervals.NAME or job.status is JobStatus.SUBMITTED:
            continue
        index, step = job.frame.trajectory, job.frame.md_step
        interval = intervals.get(index, rules.check_interval)
        is_early = early is not None and step - last.get(index, 0) < interval
        last[index] = step
        if (one := predicted.get(job.label_id)) is None:
            continue
        said = one.prediction
        found = differences(one.label, one.frame, energy=said.energy, forces=said.forces, stress=said.stress)
        broken = rules.tolerances.broken(found)
        intervals[index] = next_interval(interval, rules, passed=not broken)
        learned = learns(rules, passed=not broken)
        yield Check(step, found, broken, intervals[index], learned, is_early, index)


def write_flights(project: Project, store: RunStore, results: Path) -> list[dict[str, Any]]:
    """Write ``fly.json`` and draw ``fly.png``, by the names of the stages; what summary.json says of them."""
    said = []
    for plan in project.settings.flying:
        if not (checks := list(checks_of(store, plan))):
            continue
        record = record_of(plan, checks)
        with replacing(results / f"{plan.name}.json") as file:
            json.dump(record, file, indent=2)
        draw_flight(results / f"{plan.name}.png", checks, record["tolerances"])
        said.append({key: value for key, value in record.items() if key != CHECKS})
    return said


def record_of(plan: StagePlan, checks: Sequence[Check]) -> dict[str, Any]:
    """All checks as plain values; energies and virials in eV/atom, forces in eV/Å."""
    settings = plan.read_as(FlyStageSettings)
    return {
        "stage": plan.name,
        "n_trajectories": settings.num_trajectories,
        "n_checks": len(checks),
        "n_failed": sum(not check.passed for check in checks),
        "n_early": sum(check.is_early for check in checks),
        "tolerances": settings.tolerances.model_dump(),
        "observed": {name: asdict(one) for name, one in observed(checks).items()},
        CHECKS: [asdict(check) for check in checks],
    }


def checks_in(record: Mapping[str, Any]) -> list[Check]:
    """The checks of a record."""
    return [
        Check(**{**one, "differences": Differences(**one["differences"]), "broken": tuple(one["broken"])})
        for one in record[CHECKS]
    ]


def lines_of(said: Sequence[dict[str, Any]]) -> list[str]:
    """What a person wants to know of them when a run ends."""
    lines = []
    for one in said:
        early = f", {one['n_early']} called by the deviation" if one["n_early"] else ""
        lines.append(f"{one['stage']}: {one['n_checks']} checks{early}; {one['n_failed']} beyond a tolerance")
        for name, mean in one["observed"].items():
            words, unit = MEASURES[name]
            between = "" if mean["low"] is None else f" ({1000 * mean['low']:.3g} to {1000 * mean['high']:.3g})"
            limit = one["tolerances"][name]
            against = "" if limit is None else f"; tolerance {1000 * limit:.3g}"
            lines.append(f"  at checks, {words}: {1000 * mean['value']:.3g}{between} {unit}{against}")
    return lines
