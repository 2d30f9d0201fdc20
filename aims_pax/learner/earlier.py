"""States of earlier versions, as plain data, brought to the form of the present one.

Version 1 of the run store had a learner for each of its two stages. Rules stood in their states (`c_x`, `ratio`), and
the labels in flight of the initial stage were only counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aims_pax.learner.selectors import EveryStructure, MovingThreshold

InFlight = Sequence[tuple[int, int]]
"""Trajectory and MD step of each label that was asked for and is not answered, in the order of asking."""

STOPPED_INITIALLY = {
    "the validation force MAE has reached desired_acc times desired_acc_scale_idg": (
        "the validation force MAE has reached desired_acc"
    ),
    "max_initial_epochs have been trained": "max_epochs have been trained",
    "the training set has reached max_initial_set_size": "the training set has reached max_train_set_size",
}
"""Why the initial stage had stopped, by the words of version 1."""


def is_present(data: Mapping[str, Any]) -> bool:
    """Whether a stored state has the form of this version."""
    return "memories" in data


def of_active_learning(data: Mapping[str, Any]) -> dict[str, Any]:
    """The state of active learning of version 1."""
    threshold, quota = data["threshold"], data["quota"]
    picks = [
        {"trajectory": index, "md_step": one["md_step"], "selector": MovingThreshold.NAME}
        for index, one in enumerate(data["trajectories"])
        if one["phase"] == "waiting"
    ]
    return {
        "trajectories": data["trajectories"],
        "memories": [
            {
                "selector": MovingThreshold.NAME,
                "scores": threshold["scores"],
                "n_scores": threshold["n_checks"],
                "frozen_at": threshold["frozen_at"],
            }
        ],
        "counts": [{"n_train": quota["n_train"], "n_valid": quota["n_valid"]}],
        "in_flight": picks,
        **{
            key: data[key]
            for key in ("n_initial_train", "n_received", "n_failed", "n_epochs", "force_mae", "turn", "stopping")
        },
    }


def of_initial_dataset(
    data: Mapping[str, Any], shares: Mapping[str, Any] | None, *, md_steps: Sequence[int], in_flight: InFlight
) -> dict[str, Any]:
    """The state of initial dataset generation of version 1, and of its split, which was stored beside it.

    Parameters
    ----------
    md_steps : sequence of int
        That each starting structure had made.
    """
    quotas = [] if shares is None else shares["quotas"]
    next_system = 0 if shares is None else shares["next_system"]
    stopping = data["stopping"]
    phase = "running" if stopping is None else "finished"
    return {
        "trajectories": [{"phase": phase, "md_step": md_step} for md_step in md_steps],
        "memories": [{"selector": EveryStructure.NAME}],
        "counts": [{"n_train": quota["n_train"], "n_valid": quota["n_valid"]} for quota in quotas] or [{}],
        "in_flight": [_due(index, md_step) for index, md_step in in_flight],
        "offered": [_due(index, md_steps[index]) for index in range(next_system, len(md_steps))] if next_system else [],
        "n_received": sum(quota["n_train"] + quota["n_valid"] for quota in quotas) + data["n_received"],
        "n_in_round": data["n_received"],
        "n_equilibrated": data.get("n_equilibrated", 0),
        "stopping": None if stopping is None else STOPPED_INITIALLY[stopping],
        **{key: data[key] for key in ("n_failed", "n_failed_in_row", "n_round", "epochs_due", "n_epochs", "force_mae")},
    }


def _due(trajectory: int, md_step: int) -> dict[str, Any]:
    return {"trajectory": trajectory, "md_step": md_step, "selector": EveryStructure.NAME}
