"""Which settings a run was started with, and which of them may change when it goes on."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, SettingsError
from aims_pax.settings import Project

MAY_CHANGE = (
    "CLUSTER.",
    "MISC.log_dir",
    "mace.misc.",
    "max_MD_steps",
    "max_train_set_size",
    "max_epochs",
    "max_initial_epochs",
    "max_initial_set_size",
    "desired_acc",
    "desired_acc_scale_idg",
    "convergence_patience",
    "max_convergence_epochs",
    "max_consecutive_failures",
    "progress_dft_update",
    "save_trajectories",
    "save_trajectories_interval",
)
"""Settings that a run may be continued with: where labels are computed, goals, and what is shown or saved."""


def claim(store: RunStore, project: Project) -> None:
    """Note the settings of a new run; for one that goes on, see that they still hold.

    Raises
    ------
    SettingsError
        Settings have changed that a run can't change while it is under way.
    """
    present = dict(_flat(_described(project)))
    stored = store.get_meta("settings")
    if stored is not None:
        _refuse_changes(json.loads(stored), present, project)
    store.set_meta("settings", json.dumps(present))


def _refuse_changes(stored: Mapping[str, Any], present: Mapping[str, Any], project: Project) -> None:
    problems = []
    for key in sorted({*stored} & {*present}):  # a section that was added belongs to a stage that was not run yet
        before, now = stored[key], present[key]
        if before == now or key.startswith(MAY_CHANGE) or key.rsplit(".", 1)[-1] in MAY_CHANGE:
            continue
        problems.append(
            Problem(
                where=f"{project.run_folder}: {key}",
                found=f"is {now}, and the run in this folder was started with {before}",
                advice="Set it back to continue that run, or start the new one in another folder (MISC.output_dir).",
            )
        )
    if problems:
        raise SettingsError(problems)


def _described(project: Project) -> dict[str, Any]:
    settings = project.settings
    md = settings.md if isinstance(settings.md, Mapping) else {"all": settings.md}
    described: dict[str, Any] = {
        "MD": {str(index): one.model_dump(mode="json") for index, one in md.items()},
        "CLUSTER": settings.cluster.model_dump(mode="json"),
        "REFERENCE": settings.reference.model_dump(mode="json"),
        "MISC": {"log_dir": str(settings.misc.log_dir)},
        "mace": project.mace.model_dump(mode="json"),
        "structures": {system.name: _digest(system.frame) for system in project.systems},
    }
    if settings.initial is not None:
        described["INITIAL_DATASET_GENERATION"] = settings.initial.model_dump(mode="json")
    if settings.active is not None:
        described["ACTIVE_LEARNING"] = settings.active.model_dump(mode="json")
    return described


def _digest(frame: Any) -> str:
    arrays = (frame.numbers, frame.positions, frame.cell, frame.pbc)
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:12]


def _flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, name)
        else:
            yield name, value
