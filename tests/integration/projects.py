"""The smallest projects that make a whole campaign: four atoms of copper by EMT, or one water molecule by GFN2-xTB."""

import copy
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.build import molecule
from ase.io import write

from aims_pax.campaign import Summary, run_campaign
from aims_pax.dataset.records import StoredJob
from aims_pax.dataset.store import RunStore
from aims_pax.frame import LabelledFrame, Stage
from aims_pax.protocols import Observer, Status
from aims_pax.settings import Project, load_project

from .engines import PLAIN, reference_section

Changes = Mapping[str, Mapping[str, Any] | None]

TINY_MACE: dict[str, dict[str, Any]] = {
    "GENERAL": {"name_exp": "tiny", "seed": 1, "default_dtype": "float64"},
    "ARCHITECTURE": {
        "num_channels": 4,
        "max_L": 0,
        "max_ell": 1,
        "correlation": 1,
        "r_max": 4.0,
        "num_interactions": 1,
        "num_radial_basis": 4,
        "radial_MLP": [8],
        "MLP_irreps": "4x0e",
    },
    "MISC": {"device": "cpu"},
}

COPPER: dict[str, Any] = {
    "REFERENCE": reference_section(),
    "INITIAL_DATASET_GENERATION": {
        "foundational_model": PLAIN,
        "n_points_per_sampling_step_idg": 2,
        "ensemble_size": 2,
        "skip_step_initial": 5,
        "intermediate_epochs_idg": 2,
        "max_initial_set_size": 2,
        "valid_ratio": 0.4,
    },
    "ACTIVE_LEARNING": {
        "num_trajectories": 2,
        "ensemble_size": 2,
        "max_train_set_size": 4,
        "skip_step_mlff": 2,
        "valid_ratio": 0.4,
        "epochs_per_worker": 2,
        "converge_al": False,
        "save_trajectories": False,
    },
    "MD": {"stat_ensemble": "nvt", "temperature": 300, "timestep": 1.0, "friction": 0.02},
    "MISC": {"verdict_ps": False, "probe": False},
}
"""Two members, two rounds of four labels, two trajectories; some two seconds. No verdict, which would take longer, and
no probe, so that labels are counted as the stages ask for them; what a probe adds, test_probing.py counts."""

WATER: dict[str, Any] = {
    **COPPER,
    "REFERENCE": {"type": "tblite"},
    "INITIAL_DATASET_GENERATION": {
        key: value for key, value in COPPER["INITIAL_DATASET_GENERATION"].items() if key != "foundational_model"
    },
    "MD": {"stat_ensemble": "nvt", "temperature": 300, "timestep": 0.5, "friction": 0.01},
}
"""The same with GFN2-xTB, which also drives the MD of the initial dataset."""


def copper() -> Atoms:
    """A tetrahedron near the equilibrium of EMT."""
    return Atoms("Cu4", positions=0.83 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))


def water() -> Atoms:
    return molecule("H2O")


class Watcher(Observer):
    """Keeps every status, and lets a test act at each."""

    def __init__(self, act: Callable[[Status], None] | None = None) -> None:
        self.seen: list[Status] = []
        self._act = act

    def show(self, status: Status) -> None:
        self.seen.append(status)
        if self._act is not None:
            self._act(status)

    def close(self) -> None:
        pass


NOTHING_SEEN = Watcher()


def write_project(folder: Path, settings: Mapping[str, Any], mace: Mapping[str, Any] = TINY_MACE) -> None:
    """Write aims_PAX.yaml and mace.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(dict(settings), sort_keys=False), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump(dict(mace), sort_keys=False), encoding="utf-8")


def changed(settings: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Settings with some keys of some sections changed; None takes a key or a section away."""
    result = copy.deepcopy(dict(settings))
    for section, keys in changes.items():
        if keys is None:
            result.pop(section, None)
            continue
        result[section] = {**result.get(section, {}), **keys}
        for key in [key for key, value in keys.items() if value is None]:
            del result[section][key]
    return result


def stages_of(folder: Path) -> tuple[Stage, ...]:
    """The stages that a project has settings for."""
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    sections = {Stage.INITIAL: "INITIAL_DATASET_GENERATION", Stage.ACTIVE: "ACTIVE_LEARNING"}
    return tuple(stage for stage, section in sections.items() if section in settings)


def copper_project(folder: Path, geometry: Atoms | None = None, changes: Changes | None = None) -> Path:
    """Write a project of copper with some settings changed."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.xyz", copper() if geometry is None else geometry)
    settings = changed(COPPER, {"MISC": {"path_to_geometry": "copper.xyz"}, **(changes or {})})
    write_project(folder, settings)
    return folder


def water_project(folder: Path, changes: Changes | None = None) -> Path:
    """Write a project of water with some settings changed."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "water.xyz", water())
    write_project(folder, changed(WATER, {"MISC": {"path_to_geometry": "water.xyz"}, **(changes or {})}))
    return folder


def active_project(folder: Path, initial: Path, changes: Changes | None = None) -> Path:
    """A project of copper that has its initial dataset already, from another folder, and goes on from there."""
    shutil.copytree(initial, folder, dirs_exist_ok=True)
    settings = changed(COPPER, {"MISC": {"path_to_geometry": "copper.xyz"}, **(changes or {})})
    write_project(folder, settings)
    return folder


def loaded(folder: Path) -> Project:
    return load_project(folder, stages=stages_of(folder))


def run(folder: Path, *, stages: tuple[Stage, ...] | None = None, observer: Observer | None = None) -> Summary:
    """Run a project, all stages that it has settings for when none are given."""
    chosen = stages_of(folder) if stages is None else stages
    project = load_project(folder, stages=chosen)
    return run_campaign(project, stages=chosen, observer=Watcher() if observer is None else observer)


def labels_of(folder: Path) -> list[LabelledFrame]:
    """The dataset of a run in the order in which it grew."""
    with RunStore.open_readonly(folder) as store:
        return list(store.labelled())


def jobs_of(folder: Path, stage: str) -> list[StoredJob]:
    """All labels that one stage has asked for."""
    with RunStore.open_readonly(folder) as store:
        return [job for job in store.jobs() if job.stage == stage]


def in_child(work: Callable[[], object]) -> int:
    """Do something in a child process; its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
