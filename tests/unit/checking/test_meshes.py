"""Cells of unequal size with equally many k points."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from aims_pax.atoms import frame_of
from aims_pax.checking.asked import Asked
from aims_pax.checking.meshes import meshes, spacing_of
from aims_pax.errors import Doubt
from aims_pax.frame import Stage
from aims_pax.settings import load_project

BOTH = (Stage.INITIAL, Stage.ACTIVE)
DIAMOND = bulk("C", "diamond", a=3.57, cubic=True)
GPAW = {"type": "gpaw", "parameters": {"mode": {"name": "pw", "ecut": 300}}}
STRAINED = {"inputs": True, "distort": {"n": 10, "strain": [-0.2, 0.6]}, "clusters": 5}


def told(folder: Path, reference: dict[str, Any], *cells: Atoms, augment: dict[str, Any] | None = None) -> list[Doubt]:
    return list(meshes(asked_of(folder, reference, *cells, augment=augment)))


def asked_of(folder: Path, reference: dict[str, Any], *cells: Atoms, augment: dict[str, Any] | None = None) -> Asked:
    """A campaign that begins with structures made of these cells."""
    systems = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, atoms in enumerate(cells):
        write(folder / f"c{number}.extxyz", atoms)
        systems[f"c{number}"] = {"geometry": f"c{number}.extxyz", "num_trajectories": 1}
    stages = [
        {"collect": {"augment": augment or {"inputs": True}}},
        {"converge": {}},
        {"learn": {"max_train_set_size": 50}},
    ]
    settings = {"REFERENCE": reference, "SYSTEMS": systems, "STAGES": stages}
    settings["MD"] = {"stat_ensemble": "nvt", "temperature": 300}
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: m}\nMISC: {device: cpu}\n", encoding="utf-8")
    return Asked(load_project(folder, stages=BOTH), BOTH)


def with_parameters(**parameters: Any) -> dict[str, Any]:
    return {**GPAW, "parameters": {**GPAW["parameters"], **parameters}}  # type: ignore[dict-item]


def test_one_grid_for_cells_of_different_size_is_told_with_the_spacing_of_each(tmp_path: Path) -> None:
    (doubt,) = told(tmp_path, with_parameters(kpts=[4, 4, 4]), DIAMOND, DIAMOND * (2, 2, 2))
    # 2π / 3.57 Å / 4, and half of it.
    assert "0.22 1/Å apart in c1 (64 atoms, 4 x 4 x 4)" in doubt.found
    assert "0.44 1/Å apart in c0 (8 atoms, 4 x 4 x 4)" in doubt.found
    assert "Write REFERENCE.kspacing: 0.22 in the place of kpts" in doubt.advice
    assert doubt.where.startswith("aims_PAX.yaml, line ")


@pytest.mark.parametrize(
    "reference",
    [
        {**GPAW, "kspacing": 0.3},
        {"type": "gpaw", "protocol": "balanced"},
        with_parameters(kpts={"density": 3.0, "gamma": True}),
        with_parameters(kpts=[[0, 0, 0], [0.5, 0.5, 0.5]]),
    ],
    ids=["kspacing", "protocol", "density", "points"],
)
def test_k_points_that_follow_from_the_cell_or_are_not_a_grid_are_left_alone(
    reference: dict[str, Any], tmp_path: Path
) -> None:
    assert told(tmp_path, reference, DIAMOND, DIAMOND * (2, 2, 2)) == []


def test_one_grid_beside_a_protocol_wins_over_it_and_is_told(tmp_path: Path) -> None:
    reference = {"type": "gpaw", "protocol": "stringent", "parameters": {"kpts": [4, 4, 4]}}
    (doubt,) = told(tmp_path, reference, DIAMOND, DIAMOND * (2, 2, 2))
    assert "0.44 1/Å apart in c0 (8 atoms, 4 x 4 x 4)" in doubt.found
    assert "Leave kpts out of REFERENCE.parameters" in doubt.advice


def test_cells_of_like_size_may_share_a_grid(tmp_path: Path) -> None:
    strained = DIAMOND.copy()
    strained.set_cell(DIAMOND.cell * 1.1, scale_atoms=True)
    assert told(tmp_path, with_parameters(kpts={"size": [4, 4, 4], "gamma": True}), DIAMOND, strained) == []


def test_gamma_alone_is_told_where_nothing_was_said(tmp_path: Path) -> None:
    (doubt,) = told(tmp_path, GPAW, DIAMOND)
    assert "Nothing is said of k points" in doubt.found
    assert "1.8 1/Å apart in c0 (8 atoms)" in doubt.found
    assert "Write REFERENCE.protocol or kspacing" in doubt.advice
    assert told(tmp_path / "large", GPAW, DIAMOND * (4, 4, 4)) == []


def test_tight_binding_at_gamma_does_not_mix_cell_sizes(tmp_path: Path) -> None:
    reference = {"type": "tblite", "method": "GFN1-xTB"}
    (doubt,) = told(tmp_path, reference, DIAMOND, DIAMOND * (2, 2, 2))
    assert "The Γ point alone is sampled" in doubt.found
    assert "c1 (64 atoms)" in doubt.found
    assert "choose a reference that has kspacing" in doubt.advice
    assert told(tmp_path / "alike", reference, DIAMOND, DIAMOND) == []
    assert told(tmp_path / "molecules", reference, molecule("H2O"), molecule("CH3OH")) == []


def test_made_cells_are_looked_at_and_clusters_are_not(tmp_path: Path) -> None:
    (doubt,) = told(tmp_path, with_parameters(kpts=[4, 4, 4]), DIAMOND * (2, 2, 2), augment=STRAINED)
    assert doubt.found.count("c0, distorted") == 2
    assert "cluster" not in doubt.found


def test_spacing_is_that_of_periodic_directions() -> None:
    sheet = Atoms("C2", positions=[[0, 0, 0], [0, 1.42, 0]], cell=[2.46, 4.26, 10.0], pbc=(True, True, False))
    # 2π / 2.46 / 4 = 0.639 and 2π / 4.26 / 2 = 0.737; along the vacuum there is no spacing.
    assert spacing_of(frame_of(sheet, system="sheet"), (4, 2, 1)) == pytest.approx(0.737, abs=1e-3)
