"""What a barostat asks of structures and drivers is asked before the start."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase import Atoms
from ase.build import bulk, fcc111
from ase.io import write

from aims_pax.errors import SettingsError
from aims_pax.settings import Project, load_project
from aims_pax.stages.assembly import committee_moves_cells

CRYSTAL = bulk("MgO", "rocksalt", a=4.21, cubic=True)
SLAB = fcc111("Al", (2, 2, 3), vacuum=8.0)
GFN1 = {"type": "tblite", "method": "GFN1-xTB"}
SHEET = Atoms("C2", [[0, 0, 0], [1.2, 0.7, 0]], cell=[[2.46, 0, 0], [1.23, 2.13, 0], [0, 0, 0]], pbc=[1, 1, 0])


def project(
    folder: Path,
    atoms: Atoms,
    *,
    driver: str | None = None,
    reference: dict[str, str] = GFN1,
    learning: dict[str, Any] | None = None,
    **md: Any,
) -> Project:
    settings: dict[str, Any] = {
        "INITIAL_DATASET_GENERATION": {"n_points_per_sampling_step_idg": 2, "max_initial_set_size": 20},
        "ACTIVE_LEARNING": {"num_trajectories": 4, "max_train_set_size": 100, **(learning or {})},
        "MD": {"stat_ensemble": "npt", **md},
        "REFERENCE": reference,
    }
    if driver is not None:
        settings["INITIAL_DATASET_GENERATION"]["initial_sampling"] = driver
    folder.mkdir(exist_ok=True)
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: m}\nMISC: {device: cpu}\n", encoding="utf-8")
    (folder / "geometry").mkdir()
    write(folder / "geometry" / "start.xyz", atoms, format="extxyz")
    return load_project(folder)


def test_a_crystal_may_be_pressed(tmp_path: Path) -> None:
    read = project(tmp_path, CRYSTAL, pressure=1.0e9, pressure_directions=["a", "c"])
    assert read.md_for(0).pressure_directions == ("a", "c")


@pytest.mark.parametrize(
    ("atoms", "md", "words"),
    [
        (SHEET, {}, "the cell of start has no volume: a lattice vector is missing"),
        (SLAB, {"pressure": 1.0e9}, "not periodic along all directions, and the pressure is 1e+09 Pa"),
        (SLAB, {"final_pressure": -2.0e9, "ramp_steps": 10}, "the pressure is -2e+09 Pa"),
        (SLAB, {"pressure_directions": ["c"]}, "names a direction in which start is not periodic"),
        (SLAB, {}, "tblite has no stress of that"),
    ],
)
def test_what_can_not_be_strained_is_told(tmp_path: Path, atoms: Atoms, md: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        project(tmp_path, atoms, **md)


def test_a_reference_knows_no_stress_of_a_slab(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="reference has no stress of that"):
        project(tmp_path, SLAB, driver="aimd")


def test_a_committee_moves_cells_where_a_stage_that_learns_has_a_barostat(tmp_path: Path) -> None:
    assert committee_moves_cells(project(tmp_path / "pressed", CRYSTAL))
    assert not committee_moves_cells(project(tmp_path / "fixed", CRYSTAL, stat_ensemble="nvt"))
    learning = {"MD": {"stat_ensemble": "npt"}}
    assert committee_moves_cells(project(tmp_path / "later", CRYSTAL, learning=learning, stat_ensemble="nvt"))


@pytest.mark.parametrize("kind", ["pyscf", "orca", "nwchem"])
def test_programs_for_molecules_move_no_cells(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SettingsError, match=f"and {kind}, which drives the initial MD, gives no stress"):
        project(tmp_path, CRYSTAL, driver="aimd", reference={"type": kind})
    assert project(tmp_path / "driven", CRYSTAL, reference={"type": kind}).settings.reference.type == kind
