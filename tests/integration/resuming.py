"""What a run leaves behind, to the last bit, and the moments at which it is killed."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.protocols import Status
from aims_pax.testing.springs import holds_springs

from .engines import emt
from .projects import Watcher, jobs_of, labels_of

CHANGES = {
    "INITIAL_DATASET_GENERATION": {"intermediate_epochs_idg": 3},
    "ACTIVE_LEARNING": {
        "max_train_set_size": 6,
        "epochs_per_worker": 4,
        "margin": 0.0,
        "converge_al": True,
        "converge_best": False,
        "max_convergence_epochs": 4,
    },
}


N_INITIAL = 8
"""Labels of the initial dataset: two rounds, two members, two points each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a run leaves behind, in a form in which every bit counts."""

    labels: list[tuple[Any, ...]]
    checks: bytes
    epochs: bytes
    states: dict[str, bytes | None]
    weights: dict[str, bytes]


def outcome_of(folder: Path, *, stage: str = Stage.ACTIVE) -> Outcome:
    """That of a run whose last loop is that of a stage."""
    with RunStore.open_readonly(folder) as store:
        labels = [
            (
                *(one.label_id, one.split, one.member, one.frame.trajectory, one.frame.md_step, one.frame.generation),
                *(one.frame.positions.tobytes(), one.label.energy, one.label.forces.tobytes()),
            )
            for one in store.labelled()
        ]
        loop = (f"learner.{stage}", "stagnations", f"sampler.{stage}", f"checkpoints.{stage}")
        keys = (f"learner.{Stage.INITIAL}", *loop)
        states = {key: store.load_state(key) for key in keys}
        return Outcome(labels, store.scores().tobytes(), store.epochs().tobytes(), states, weights_of(folder))


def weights_of(folder: Path) -> dict[str, bytes]:
    """All weights of the models of a run: tensors of MACE's, whole files of springs."""
    weights = {}
    for path in sorted((folder / "results").rglob("*.model")):
        if holds_springs(path):
            weights[path.name] = path.read_bytes()
            continue
        model = torch.load(path, weights_only=False)
        for name, value in model.state_dict().items():
            weights[f"{path.name}: {name}"] = value.numpy().tobytes()
    assert weights
    return weights


def assert_same(found: Outcome, expected: Outcome) -> None:
    assert [one[:6] for one in found.labels] == [one[:6] for one in expected.labels]
    assert found.labels == expected.labels
    assert found.checks == expected.checks
    assert found.epochs == expected.epochs
    for key, value in expected.states.items():
        assert found.states[key] == value, key
    assert found.weights == expected.weights


def assert_labels_conserved(folder: Path, calculated: Path) -> None:
    """Every label was asked for once, computed once, belongs to its structure, and has its place."""
    jobs = [job for stage in Stage for job in jobs_of(folder, stage)]
    dataset = labels_of(folder)
    assert {job.status for job in jobs} == {JobStatus.DONE}
    assert sorted(one.label_id for one in dataset) == sorted(job.label_id for job in jobs)
    identities = {(job.stage, job.frame.trajectory, job.frame.md_step) for job in jobs}
    assert len(identities) == len(jobs)
    computed = calculated.read_text(encoding="utf-8").split()
    assert sorted(computed) == sorted(job.frame.positions.tobytes().hex() for job in jobs)
    for one in dataset:
        energy, forces = emt(one.frame.positions, "Cu4")
        assert one.label.energy == energy
        assert np.array_equal(one.label.forces, forces)


Moment = Callable[[Status], bool]


def in_initial(activity: str, n_received: int) -> Moment:
    return lambda now: (now.stage, now.activity, now.n_labels_received) == (Stage.INITIAL, activity, n_received)


def in_active(activity: str, *, n_received: int = 0) -> Moment:
    return lambda now: now.stage == Stage.ACTIVE and now.activity == activity and now.n_labels_received >= n_received


def validating(now: Status) -> bool:
    """A validation point arrived that the committee is about to learn of, after some training."""
    return in_active("training")(now) and now.n_valid >= 4 and now.epochs > 0


def converging(now: Status) -> bool:
    return now.stage == "convergence" and "epoch 2 of" in now.activity


IN_INITIAL: dict[str, Moment] = {
    "first structure": in_initial("sampling and labelling", 1),
    "round complete": in_initial("training", 4),
    "second round": in_initial("sampling and labelling", 6),
}


IN_ACTIVE: dict[str, Moment] = {
    "active learning begins": in_active("sampling"),
    "first label to learn": in_active("training"),
    "validation label to learn": validating,
    "labels learned": in_active("sampling", n_received=4),
    "convergence": converging,
}


def killing(moment: Moment) -> Watcher:
    def kill(now: Status) -> None:
        if moment(now):
            os.kill(os.getpid(), signal.SIGKILL)

    return Watcher(kill)
