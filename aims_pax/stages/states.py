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
from aims_pax.learner.state import State, StopReason
from aims_pax.stages.memory import recalling

STOPPED_INITIALLY: Final[Mapping[StopReason, str]] = {
    StopReason(present): words for words, present in earlier.STOPPED_INITIALLY.items()
}
"""Why the initial stage stopped, by the names of its settings."""

INITIAL_CONVERGENCE: Final = "convergence.initial"
FINAL_CONVERGENCE: Final = "convergence.active"
"""Names of the states of both convergences in the store."""


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
    return f"learner.{stage}"


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
