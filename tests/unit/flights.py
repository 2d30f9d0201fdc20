"""Small projects whose MD is checked against the reference on the way, to be loaded or to be refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ase import Atoms
from ase.io import write

from aims_pax.checking.check import check_project
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project
from aims_pax.settings.stages.plan import StagePlan

BOTH = (Stage.INITIAL, Stage.ACTIVE)
FLY: dict[str, Any] = {"tolerances": {"ediff": 0.02, "frmse": 0.2}, "max_MD_steps": 100, "check_interval": 10}
ADAPTIVE = {"n_min": 5, "n_max": 40, "factor": 2.0}
INITIAL: dict[str, Any] = {
    "initial": {
        "n_points_per_sampling_step_idg": 2,
        "ensemble_size": 2,
        "max_initial_set_size": 4,
        "foundational_model": "ase.calculators.emt:EMT",
    }
}
CONVERGE: dict[str, Any] = {"converge": {"max_convergence_epochs": 7}}


def fly(**changes: Any) -> dict[str, Any]:
    """The stage; None takes a setting away."""
    return {"fly": {key: value for key, value in (FLY | changes).items() if value is not None}}


def flight_project(
    folder: Path,
    *stages: Any,
    n_systems: int = 1,
    is_crystal: bool = False,
    mace: Mapping[str, Any] | None = None,
    sections: Mapping[str, Any] | None = None,
) -> Project:
    """A project of copper by EMT with these stages, one of flying where none is given."""
    folder.mkdir(parents=True, exist_ok=True)
    box = {"cell": [4.0, 4.0, 5.0], "pbc": True} if is_crystal else {}
    structures = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4 + 0.1 * k]], **box) for k in range(n_systems)]
    write(folder / "copper.extxyz", structures)
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"},
        "STAGES": list(stages) or [fly()],
        "MD": {"stat_ensemble": "nvt", "timestep": 2.0},
        "MISC": {"path_to_geometry": "copper.extxyz", "probe": False, "verdict_ps": False},
        **(sections or {}),
    }
    models = {"GENERAL": {"name_exp": "tiny", "seed": 1, **(mace or {})}, "MISC": {"device": "cpu"}}
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump(models), encoding="utf-8")
    return load_project(folder, stages=BOTH)


def flying(project: Project) -> StagePlan:
    """Its last stage that flies."""
    return project.settings.flying[-1]


def told_by_check(project: Project) -> str:
    """All that is wrong with it."""
    return "\n".join(map(str, check_project(project, project.stages).problems))
