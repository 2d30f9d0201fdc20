"""Small runs on disk, of which every number is known."""

import json
from pathlib import Path

import numpy as np

from aims_pax.dataset.records import EpochRow, ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, FailureReason, Frame, Label, LabelFailure, Split
from aims_pax.learner.state import State
from aims_pax.outcome.errors.sets import Places
from aims_pax.outcome.predictions import SavedPredictions
from aims_pax.protocols import FramePrediction, MemberErrors
from aims_pax.stages.states import keep_state

N_LABELS, N_TRAJECTORIES = 24, 3

HOSTILE = "<script>alert('ice & \"water\"')</script>"
"""The name of a system, as nobody should call one."""

ERRORS = (
    *("energy_mae_ev_per_atom", "energy_rmse_ev_per_atom"),
    *("force_mae_ev_per_ang", "force_rmse_ev_per_ang"),
    *("stress_mae_ev_per_ang3", "stress_rmse_ev_per_ang3"),
)

SPLITS = {0: Split.VALIDATION, 1: Split.TEST}


class Clock:
    """A time that goes on by ten seconds whenever it is asked."""

    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


def write_run(folder: Path, *, finished: bool = True, system: str = "ethanol", seed: int = 0) -> Path:
    """A run with a third of its labels at random, stress, one failed attempt, and predictions of a finished model."""
    rng = np.random.default_rng(seed)
    saved: dict[int, FramePrediction] = {}
    with RunStore.open(folder, clock=Clock()) as store:
        store.begin_session(versions={"aims_pax": "0.1.0"}, inputs={"aims_PAX.yaml": "MD: {temperature: 300} # <&>"})
        settings = {f"MD.{n}.temperature": 300.0 + 100 * n for n in range(N_TRAJECTORIES)}
        store.set_meta("settings", json.dumps(settings))
        for n in range(N_LABELS):
            trajectory, step = n % N_TRAJECTORIES, 10 * (n // N_TRAJECTORIES + 1)
            positions = np.array([[0.0, 0, 0], [1.4, 0, 0], [0, 1.1, 0]]) + rng.normal(0, 0.05, (3, 3))
            frame = Frame(system, trajectory, step, n, np.array([6, 8, 1]), positions, 6 * np.eye(3), np.ones(3, bool))
            is_random = n % 3 == 0
            label_id = store.add_job(frame, "active", source="random share" if is_random else "moving threshold")
            label = Label(-10.0 + 0.1 * rng.normal(), rng.normal(size=(3, 3)), 0.01 * rng.normal(size=6), "none", 5.0)
            off = 0.3 / (1 + n) * (1 + rng.random())
            said = CommitteePrediction(
                n, label.energy + 0.01, 0.02, label.forces + off, np.full((3, 3), 0.5 * off), label.stress, np.zeros(6)
            )
            store.add_prediction(label_id, said)
            if n == 5:
                store.add_failure(label_id, LabelFailure(FailureReason.CRASHED, "signal 11", wall_s=2.0))
                store.resubmit(label_id)
            store.add_label(label_id, label)
            split = SPLITS[n // 3 % 2] if is_random else Split.TRAINING
            store.assign(label_id, split)
            if split is not Split.TRAINING:
                assert label.stress is not None
                offsets = np.array([0.02, 0.04])
                saved[label_id] = FramePrediction(
                    label.energy + offsets,
                    label.forces + offsets[:, None, None],
                    label.stress + 0.001 * np.ones((2, 6)),
                )
            store.append_journal("EpochsDone", {"n_epochs": 2, "force_mae": 0.3 / (1 + n)})
            errors = MemberErrors(0.1, 0.001, 0.3 / (1 + n), None)
            store.add_epochs(EpochRow(n + 1, n, member, 0.1, errors, n + 1, 2) for member in (0, 1))
            store.append_scores(
                ScoreRow(3 * n + k, trajectory, step + k, n, 0.1 * (k + 1), np.inf if n < 4 else 0.25, k == 2)
                for k in range(3)
            )
        keep_state(store, "active", State(()))
        store.save_state("activities", json.dumps({"sampling": 60.0, "training": 120.0}).encode())
        store.save_state("parts", json.dumps({"active": 180.0}).encode())
        store.save_state("progress", json.dumps("finished" if finished else "active").encode())
    if finished:
        results = folder / "results"
        results.mkdir()
        SavedPredictions(("tiny_1", "tiny_2"), 1, saved).write(results)
        seen = np.arange(1, N_LABELS + 1)
        Places(seen, rng.normal(size=(N_LABELS, 2)), np.array([0.6, 0.2]), N_LABELS).write(results)
        (results / "summary.json").write_text(json.dumps(summary()))
    return folder


def summary() -> dict[str, object]:
    """What a finished run says of itself."""
    return {
        "name": "tiny",
        "product": {"model": "tiny.model", "member": "tiny_2", "training_structures": 16},
        "stopped_because": {"initial": None, "active": "max_train_set_size"},
        "seeds": {"members": [1, 2], "md": [42]},
        "device": "cpu",
        "training_ended": "converged after 40 epochs",
        "errors_by_set": [
            {"set": name, "model": model, "n_structures": n, **dict.fromkeys(ERRORS, 0.01 * (1 + place))}
            for place, (name, n) in enumerate({"training": 16, "validation": 4, "test": 4}.items())
            for model in ("tiny_1", "tiny_2", "committee mean")
        ],
        "verdict": {
            "word": "do not use",
            "reasons": [
                {"speaks_for": "do not use", "text": "1 of 4 runs broke <here>"},
                {"speaks_for": "believe", "text": "forces are off by 4 % of their size"},
            ],
            "runs": 4,
            "stable": 3,
            "watched_ps": 12.0,
        },
    }
