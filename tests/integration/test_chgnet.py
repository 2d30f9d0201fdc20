"""A universal model of another kind, whose weights come with its package: CHGNet, by its import path.

Deng et al., Nature Machine Intelligence 5, 1031 (2023). It is none of this package's dependencies.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from aims_pax.checking.check import check_project
from aims_pax.frame import Stage

from .projects import COPPER, TINY_MACE, changed, jobs_of, labels_of, loaded, run, write_project

pytestmark = pytest.mark.skipif(find_spec("chgnet") is None, reason="needs the package chgnet, which brings weights")

CHGNET = "chgnet.model.dynamics:CHGNetCalculator"
MODEL: dict[str, Any] = {"arguments": {"use_device": "cpu"}}


def silicon_project(folder: Path, **md: Any) -> Path:
    """Eight atoms of silicon, labelled by GFN1-xTB: CHGNet drives both stages."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "silicon.xyz", bulk("Si", cubic=True), format="extxyz")
    changes: dict[str, Any] = {
        "REFERENCE": {"type": "tblite", "method": "GFN1-xTB", "calculator": None, "max_force_ev_per_ang": None},
        "INITIAL_DATASET_GENERATION": {"foundational_model": CHGNET, "foundational_model_settings": MODEL},
        "ACTIVE_LEARNING": {
            "use_foundational": True,
            "foundational_model_settings": {"model_type": CHGNET, **MODEL},
            "c_x": -0.3,
            "max_train_set_size": 7,
        },
        "MD": {"timestep": 2.0, **md},
        "MISC": {"path_to_geometry": "silicon.xyz", "probe": True},
    }
    write_project(folder, changed(COPPER, changes), changed(TINY_MACE, {"GENERAL": {"compute_stress": True}}))
    return folder


def test_chgnet_drives_a_whole_campaign(tmp_path: Path) -> None:
    folder = silicon_project(tmp_path)
    report = check_project(loaded(folder), tuple(Stage))
    assert not report.problems
    assert f"active learning: MD driven by {CHGNET}; the committee judges" in report.facts
    content = run(folder).content
    assert content["labels"]["failed"] == 0
    assert content["training_structures_of_each_member"] == [8, 8], "one more than asked for: both were learned at once"
    assert content["stopped_because"]["active"] == "the training set has reached max_train_set_size"
    assert all(one.label.stress is not None for one in labels_of(folder))
    active = jobs_of(folder, Stage.ACTIVE)
    assert {job.frame.trajectory for job in active} == {0, 1}
    # Silicon at 300 K: atoms stay near their sites.
    for job in active:
        moved = job.frame.positions - bulk("Si", cubic=True).positions
        assert 0.001 < np.sqrt(np.square(moved).mean()) < 0.5


def test_its_stress_moves_cells(tmp_path: Path) -> None:
    folder = silicon_project(tmp_path, stat_ensemble="npt", barostat="isomtk", friction=None, pdamp=200.0)
    assert not check_project(loaded(folder), tuple(Stage)).problems
    run(folder)
    cells = np.array([job.frame.cell for job in jobs_of(folder, Stage.ACTIVE)])
    assert len({cell.tobytes() for cell in cells}) == len(cells)
    volumes = np.abs(np.linalg.det(cells)) / bulk("Si", cubic=True).get_volume()
    assert np.all(np.abs(volumes - 1) < 0.1)
