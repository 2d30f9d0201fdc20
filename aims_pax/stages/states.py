"""The states of loops as the store of a run keeps them, also those of earlier versions."""

import io
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.learner import earlier
from aims_pax.learner.journal import from_text, to_text
from aims_pax.learner.state import Phase, State, StopReason
from aims_pax.settings import Project
from aims_pax.settings.reading.stages import convergence_after
from aims_pax.settings.stages.kinds import KINDS, LEARN
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.memory import recalling

STOPPED_INITIALLY: Final[Mapping[StopReason, str]] = {
    StopReason(present): words for words, present in earlier.STOPPED_INITIALLY.items()
}
"""Why the initial stage stopped, by the names of its settings."""

LETTERS: Final[Mapping[Phase, str]] = {
    Phase.RUNNING: "r",
    Phase.WAITING: "w",
    Phase.TRAINING: "t",
    Phase.FINISHED: "d",
    Phase.FAILED: "f",
}
"""Phases of trajectories in :attr:`aims_pax.protocols.Status.phases`."""

N_SCORES: Final = 30
"""Scores that are shown."""

LOOPS: Final = "learner."
CONVERGENCES: Final = "convergence."
SELECTIONS: Final = "passes."
RELABELS: Final = "relabel."
PRIORS: Final = "prior."
COLLECTS: Final = "collect."
EXPLORATIONS: Final = "exploration."
MOTIONS: Final = "motion."
PLAYS: Final = "play."
"""What the names of the states of loops, of trainings to the end, of selections, of relabellings, of what is learned
first, of what is made, of explorations, of their MD and of workflows begin with in the store."""


BEFORE_CONVERGENCE: Final = "before_convergence"
"""Under which a run remembers the generation of the committee as learning left it."""


def convergence_key(name: str) -> str:
    """Name of the state of a convergence in the store: by the stage that it is called by, or by a name of its own."""
    if name == convergence_after(KINDS[LEARN].first):
        return f"{CONVERGENCES}{KINDS[LEARN].first}"
    before = name.removesuffix(" convergence")
    return f"{CONVERGENCES}{before}" if before != name else f"{CONVERGENCES}named.{name}"


def keep_state(store: RunStore, stage: str, state: State) -> None:
    """Remember where the loop of a stage stands."""
    store.save_state(_key(stage), to_text(state).encode())


def recall_state(store: RunStore, stage: str) -> State | None:
    """Where the loop of a stage stands; None when it has not begun."""
    stored = store.load_state(_key(stage))
    if stored is None:
        return None
    with recalling(_key(stage)):
        data = json.loads(stored)
        if earlier.is_present(data):
            return from_text(State, stored.decode())
        return from_text(State, json.dumps(_brought_forward(store, stage, data)))


def _key(stage: str) -> str:
    return f"{LOOPS}{stage}"


def newest_learning(project: Project, store: RunStore) -> tuple[StagePlan, State] | None:
    """The last stage of active learning that has begun, and where it stands."""
    for plan in reversed(project.settings.learning):
        if (state := recall_state(store, plan.name)) is not None:
            return plan, state
    return None


def has_begun(store: RunStore, stage: str) -> bool:
    """Whether a stage has done anything that the store knows of."""
    others = (f"{kind}{stage}" for kind in (SELECTIONS, RELABELS, PRIORS, COLLECTS, EXPLORATIONS, PLAYS))
    keys = (_key(stage), convergence_key(stage), *others)
    return any(store.load_state(key) is not None for key in keys)


def _brought_forward(store: RunStore, stage: str, data: dict[str, Any]) -> dict[str, Any]:
    if "threshold" in data:
        return earlier.of_active_learning(data)
    sampler, shares = store.load_state(f"sampler.{stage}"), store.load_state("shares")
    in_flight = [
        (job.frame.trajectory, job.frame.md_step)
        for job in store.jobs(JobStatus.SUBMITTED)
        if str(job.stage) == stage and job.frame.trajectory >= 0
    ]
    return earlier.of_initial_dataset(
        data,
        None if shares is None else json.loads(shares),
        md_steps=[] if sampler is None else _md_steps(sampler),
        in_flight=in_flight,
    )


def _md_steps(sampler: bytes) -> list[int]:
    """That each trajectory has made, by the state of a sampler; read here so that nothing imports PyTorch for it."""
    with np.load(io.BytesIO(sampler), allow_pickle=False) as arrays:
        return [int(step) for step in arrays["md_steps"]]
