"""Campaigns in several ensembles at once: a crystal under pressure and a molecule without a cell."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.io import write

from aims_pax.campaign import run_campaign
from aims_pax.dataset.store import RunStore
from aims_pax.frame import LabelledFrame, Stage
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.stages.beginnings.starts import starting_frames

from .engines import PLAIN
from .projects import COPPER, Watcher, copper, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of

pytestmark = pytest.mark.usefixtures("springs")

BOTH = (Stage.INITIAL, Stage.ACTIVE)
CRYSTAL = bulk("Cu", cubic=True, a=3.6)


def project_of(folder: Path, **md: Any) -> Path:
    """A crystal in NPT and a cluster in NVT."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "cluster.xyz", copper())
    write(folder / "crystal.xyz", CRYSTAL, format="extxyz")
    pressed = {"stat_ensemble": "npt", "timestep": 2.0, "tdamp": 50.0, "pdamp": 100.0, **md}
    settings = {
        **{name: dict(section) for name, section in COPPER.items()},
        "REFERENCE": {**COPPER["REFERENCE"], "calculator": PLAIN},
        "SYSTEMS": {
            "crystal": {"geometry": "crystal.xyz", "num_trajectories": 2, "MD": pressed},
            "cluster": {
                "geometry": "cluster.xyz",
                "num_trajectories": 1,
                "MD": {"stat_ensemble": "nvt", "thermostat": "bussi"},
            },
        },
    }
    del settings["ACTIVE_LEARNING"]["num_trajectories"]
    settings["ACTIVE_LEARNING"]["max_train_set_size"] = 8
    settings["MD"] = {"temperature": 300, "timestep": 1.0}
    write_project(folder, settings, {"GENERAL": {"name_exp": "tiny", "seed": 1, "compute_stress": True}})
    return folder


def run(folder: Path, observer: Watcher | None = None) -> None:
    project = load_project(folder)
    run_campaign(project, stages=project.asked(BOTH), observer=Watcher() if observer is None else observer)


def killing(stage: str) -> Watcher:
    """Ends the process the fourth time that a stage is heard of."""
    seen: list[str] = []

    def kill(now: Status) -> None:
        seen.append(now.stage)
        if now.stage == stage and seen.count(stage) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    return Watcher(kill)


def of_system(folder: Path, name: str) -> list[LabelledFrame]:
    return [one for one in labels_of(folder) if one.frame.system == name]


@pytest.mark.parametrize("barostat", ["mtk", "iso-c-rescale"])
def test_labels_are_taken_in_the_cells_of_their_moments(barostat: str, tmp_path: Path) -> None:
    run(project_of(tmp_path, barostat=barostat))
    crystals, clusters = of_system(tmp_path, "crystal"), of_system(tmp_path, "cluster")
    assert {one.stage for one in crystals} == {"initial", "active"}
    cells = np.array([one.frame.cell for one in crystals])
    assert len({cell.tobytes() for cell in cells}) == len(cells), "no two moments have the same cell"
    is_cubic = np.abs(cells - cells[:, :1, :1] * np.eye(3)).max() < 1e-9
    assert is_cubic == (barostat == "iso-c-rescale")
    assert all(one.label.stress is not None for one in crystals)
    assert clusters
    assert not any(one.frame.cell.any() for one in clusters)


@pytest.mark.parametrize("stage", ["initial", "active"])
def test_a_campaign_in_npt_that_is_killed_comes_to_the_same(stage: str, tmp_path: Path) -> None:
    whole, killed = project_of(tmp_path / "whole"), project_of(tmp_path / "killed")
    run(whole)
    assert in_child(lambda: run(killed, killing(stage))) == -signal.SIGKILL
    run(killed)
    assert_same(outcome_of(killed), outcome_of(whole))


def test_trajectories_begin_in_the_cells_of_the_structures_that_they_begin_at(tmp_path: Path) -> None:
    folder = project_of(tmp_path, barostat="isomtk")
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["ACTIVE_LEARNING"]["start_from"] = "initial_dataset"
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    run(folder)
    project = load_project(folder)
    with RunStore.open_readonly(folder) as store:
        starts = starting_frames(project, project.active, store)
    labelled = {one.frame.positions.tobytes(): one.frame.cell for one in of_system(folder, "crystal")}
    begun = [one for one in starts if one.system == "crystal"]
    assert all(np.array_equal(one.cell, labelled[one.positions.tobytes()]) for one in begun)
    assert any(not np.array_equal(one.cell, CRYSTAL.cell.array) for one in begun)


def test_a_ramp_ends_in_a_smaller_crystal(tmp_path: Path) -> None:
    ramp = {"final_pressure": 6.0e10, "ramp_steps": 12}
    run(project_of(tmp_path, barostat="isomtk", **ramp))
    volumes = [abs(np.linalg.det(one.frame.cell)) for one in of_system(tmp_path, "crystal") if one.stage == "active"]
    assert min(volumes) < 0.95 * CRYSTAL.get_volume()


def with_program(folder: Path) -> Path:
    """The same, with a cluster that is relaxed, heated and let go, under a spring and hills, with an atom held."""
    settings = yaml.safe_load((project_of(folder) / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["SYSTEMS"]["cluster"]["MD"] = {
        "stat_ensemble": "nvt",
        "hold": {"atoms": 0, "directions": ["x", "z"]},
        "restraints": {"variable": {"distance": [0, 1]}, "center": 3.0, "stiffness": 4.0},
        "metadynamics": {"variables": {"angle": [1, 2, 3]}, "widths": 5, "height": 0.05, "every": 7},
        "program": [
            {"stat_ensemble": "relax", "steps": 8},
            {"steps": HELD_STEPS - 8, "final_temperature": 500, "restraints": []},
            {"steps": 9, "stat_ensemble": "nve", "hold": []},
            {"temperature": 500, "thermostat": "bussi", "tdamp": 30.0},
        ],
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


HELD_STEPS = 30


@pytest.mark.parametrize("stage", ["initial", "active"])
def test_a_program_is_followed_to_the_same_end_after_a_kill(stage: str, tmp_path: Path) -> None:
    whole, killed = with_program(tmp_path / "whole"), with_program(tmp_path / "killed")
    run(whole)
    assert in_child(lambda: run(killed, killing(stage))) == -signal.SIGKILL
    run(killed)
    assert_same(outcome_of(killed), outcome_of(whole))
    start = copper().positions
    moved = [
        (one.frame.md_step <= HELD_STEPS, one.frame.positions - start)
        for one in of_system(whole, "cluster")
        if one.frame.md_step
    ]
    held, free = (np.array([by for is_held, by in moved if is_held is kind]) for kind in (True, False))
    np.testing.assert_allclose(held[:, 0, (0, 2)], 0.0, atol=1e-12)
    assert np.abs(held[:, 1:]).max(axis=(1, 2)).min() > 1e-3
    assert np.abs(free[:, 0, (0, 2)]).max() > 1e-5


def test_a_bias_moves_active_learning_alone_and_survives_a_kill(tmp_path: Path) -> None:
    bias = {"uncertainty_bias": 3.0}
    plain, whole, killed = (tmp_path / name for name in ("plain", "whole", "killed"))
    for folder, md in ((plain, {}), (whole, bias), (killed, bias)):
        project_of(folder, barostat="mtk", **md)

    def kill(now: Status) -> None:
        if now.stage == "active" and now.n_labels_received >= 2:
            os.kill(os.getpid(), signal.SIGKILL)

    run(plain)
    run(whole)
    assert in_child(lambda: run(killed, Watcher(kill))) == -signal.SIGKILL
    run(killed)
    assert_same(outcome_of(killed), outcome_of(whole))
    assert places(whole, "initial") == places(plain, "initial")
    assert places(whole, "active") != places(plain, "active")


def places(folder: Path, stage: str) -> list[bytes]:
    return [one.frame.positions.tobytes() for one in labels_of(folder) if one.stage == stage]
