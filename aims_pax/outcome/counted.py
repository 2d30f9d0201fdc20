"""What a run has counted on its way, as its summary tells it."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from aims_pax.dataset.store import RunStore
from aims_pax.labelling.desk import SLOW_LABEL, WORKERS_LOST
from aims_pax.learner.state import State
from aims_pax.learner.transition import threshold
from aims_pax.outcome.datasets import relabelled_by
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.settings.stages.uncertainty import FORCE_UNIT, kind_named
from aims_pax.stages.assembly import active_rules
from aims_pax.stages.loop.parts import PICKING_PAUSED
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import PRIORS


def labels_by_reference(store: RunStore) -> list[dict[str, Any]]:
    """Labels of each reference that a run has had, in their order; the last one's are those that were learned from."""
    return [
        {
            "stage": name or None,
            **{"received": counts.n_received, "failed": counts.n_failed},
            **{"training": counts.n_train, "validation": counts.n_valid},
        }
        for name in ("", *relabelled_by(store))
        if (counts := store.counts(reference=name)).n_requested
    ]


def learned_first(project: Project, memory: Memory) -> dict[str, Any] | None:
    """What the committee had learned of a cheap method before its first labels; None where it began without."""
    for plan in project.settings.stages:
        if isinstance(plan.settings, PretrainSettings):
            done = memory.recall_json(f"{PRIORS}{plan.name}")
            return {"method": plan.settings.REFERENCE.method, **done} if isinstance(done, dict) else None
    return None


def fault_counts(store: RunStore) -> dict[str, Any]:
    """What went wrong with labels: counts of attempts and of labels."""
    counts, journal = store.counts(), list(store.journal())
    return {
        "attempts_failed": {str(reason): n for reason, n in store.failed_attempts().items()},
        "labels_given_up": {str(reason): n for reason, n in store.given_up().items()},
        "asked_again": counts.n_failures - counts.n_failed,
        "attempts_lost_with_workers": sum(entry.payload["n"] for entry in journal if entry.kind == WORKERS_LOST),
        "slow_labels": sum(entry.kind == SLOW_LABEL for entry in journal),
        "pauses": sum(entry.kind == PICKING_PAUSED for entry in journal),
    }


def last_threshold(project: Project, learning: tuple[StagePlan, State] | None) -> dict[str, Any]:
    """The last threshold, of what and in which unit; and by its earlier name where it is one of forces."""
    if learning is None:
        return {"threshold_ev_per_ang": None, "threshold": None}
    plan, state = learning
    of, value = plan.read_as(ActiveLearningSettings).uncertainty_type, threshold(state, active_rules(project, plan))
    said, unit = value if np.isfinite(value) else None, kind_named(of).unit
    of_forces = said if unit == FORCE_UNIT else None
    return {"threshold_ev_per_ang": of_forces, "threshold": {"of": of, "value": said, "unit": unit}}


def labels_spared(states: Iterable[State]) -> dict[str, int]:
    """Structures that were not asked for because another one nearly alike was, and requests that were withdrawn."""
    found = list(states)
    return {
        "passed_over": sum(state.n_passed_over for state in found),
        "withdrawn": sum(state.n_withdrawn for state in found),
    }
