"""Grids of strains and displacements: how many, which, and what they are called."""

import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.errors import UserError
from aims_pax.frame import Frame
from aims_pax.settings.augmentation.grid import StrainGridSettings
from aims_pax.settings.augmentation.reading import augment_argument
from aims_pax.structures.augmentation.grids import name_of, points, strained, tensor
from aims_pax.structures.collection import Collected

from .starts import graphene, made, of, salt, silicon

CASES = os.environ.get("AIMS_PAX_CASES")

STUDY = [round(0.01 * step, 2) for step in range(-10, 11)] + [-0.0015, -0.0005, 0.0005, 0.0015]
"""Strains of AtomProNet's alumina: 25 of them."""


def names(collected: Collected) -> tuple[str, ...]:
    return tuple(str(facts["name"]) for _, facts in collected.told_frames())


def test_hydrostatic_grid_has_eleven_cells_by_default_and_zero_has_no_sign() -> None:
    found = made([salt()], strain_grid=True)
    assert len(found.frames) == 11
    assert names(found)[0] == "strain_XX_-0.0500/strain_YY_-0.0500/strain_ZZ_-0.0500"
    assert names(found)[5] == "strain_XX_0.0000/strain_YY_0.0000/strain_ZZ_0.0000"
    assert not any("-0.0000" in name for name in names(found))
    lengths = [frame.cell[0, 0] / salt().cell[0, 0] for frame in found.frames]
    np.testing.assert_allclose(lengths, np.arange(0.95, 1.055, 0.01), atol=1e-12)


def test_cell_without_strain_is_the_cell_to_its_last_bit() -> None:
    unstrained = made([silicon()], strain_grid=True).frames[5]
    assert (unstrained.cell == silicon().cell).all()
    assert (unstrained.positions == silicon().positions).all()


@pytest.mark.parametrize(
    ("settings", "n"),
    [
        ({}, 11),
        ({"mode": "axes"}, 1331),
        ({"mode": "components"}, 61),
        ({"mode": "components", "values": [0.01, 0.02]}, 12),
        ({"mode": "full", "values": [-0.01, 0, 0.01]}, 729),
        ({"values": STUDY}, 25),
        ({"start": -0.1, "stop": 0.1}, 21),
        ({"start": 0, "stop": 0.3, "step": 0.1}, 4),  # 0.3 is no multiple of 0.1 in binary
        ({"start": 0.01, "stop": 0.02, "step": 0.004}, 3),
    ],
)
def test_grid_has_each_point_once(settings: dict[str, object], n: int) -> None:
    written = StrainGridSettings.model_validate(settings)
    found = list(points(written.mode, written.strains))
    assert len(set(found)) == len(found) == written.n_points == n


def test_fractional_coordinates_stay_and_rows_of_the_lattice_are_strained() -> None:
    start = frame_of(bulk("NaCl", "rocksalt", 5.64), system="primitive")
    point = tuple(Decimal(one) for one in ("0.01", "-0.02", "0.03", "0.04", "-0.05", "0.06"))
    frame = strained(start, point)
    e = np.array([[0.01, 0.03, -0.025], [0.03, -0.02, 0.02], [-0.025, 0.02, 0.03]])
    np.testing.assert_allclose(tensor(point), e, atol=1e-15)
    np.testing.assert_allclose(frame.cell, start.cell @ (np.eye(3) + e), atol=1e-14)
    np.testing.assert_allclose(scaled(frame), scaled(start), atol=1e-14)


def scaled(frame: Frame) -> np.ndarray:
    found: np.ndarray = atoms_of(frame).get_scaled_positions(wrap=False)
    return found


def test_names_have_as_many_decimals_as_strains_need() -> None:
    found = names(made([salt()], strain_grid=[0, 0.00025]))
    assert found[1] == "strain_XX_0.00025/strain_YY_0.00025/strain_ZZ_0.00025"
    assert name_of((Decimal("-0.0"),) * 6, n_decimals=2, n_shown=6).endswith(
        "strain_YZ_0.00/strain_XZ_0.00/strain_XY_0.00"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "full"}, "mode full with 11 strains makes 1771561 of each structure"),
        ({"step": 1e-12}, "makes 100000000001 of each"),
        ({"start": 0.1}, "start is 0.1, and stop is 0.05"),
        ({"values": [0.1], "step": 0.1}, "values and step both say"),
        ({"values": [0.1, 0.1]}, "holds a strain twice"),
        ({"values": [-1.0]}, "is not between -1 and 1"),
        ({"values": []}, "is an empty list"),
        ({"mode": "volumetric"}, "volumetric"),
    ],
)
def test_grids_that_can_not_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        augment_argument({"strain_grid": settings})


def test_layers_have_no_grid_of_three_directions() -> None:
    with pytest.raises(UserError, match="not periodic in three directions"):
        made([graphene()], strain_grid=True)


def test_each_atom_goes_forward_and_back_along_each_axis() -> None:
    start, found = salt(), made([salt()], displace=0.02)
    assert len(found.frames) == 6 * start.n_atoms
    assert names(found)[:2] == ("atom_1_X_+0.0200", "atom_1_X_-0.0200")
    moves = np.array([frame.positions - start.positions for frame in found.frames])
    np.testing.assert_allclose(np.abs(moves).sum(axis=(1, 2)), 0.02, atol=1e-12)
    np.testing.assert_allclose(moves.sum(axis=0), 0.0, atol=1e-12)


def test_unique_atoms_are_one_of_those_that_symmetry_makes_alike() -> None:
    pytest.importorskip("spglib", reason="needs the extra properties")
    found = made([salt()], displace={"atoms": "unique"})
    assert {name.split("_")[1] for name in names(found)} == {"1", "2"}


def test_without_spglib_unique_atoms_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_pax.structures.augmentation.displacements.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"pip install 'aims-pax\[properties\]'"):
        made([salt()], displace={"atoms": "unique"})


@pytest.mark.skipif(CASES is None, reason="AIMS_PAX_CASES names no folder of reference cases")
def test_grid_gives_the_cells_and_names_of_atompronet() -> None:
    home = Path(str(CASES)) / "atompronet" / "vasp_strain"
    folders = {
        value: home.joinpath(*(f"strain_{axis}_{value:.4f}" for axis in ("XX", "YY", "ZZ")))
        for value in (-0.1, 0.0, 0.1)
    }
    start = frame_of(read(folders[0.0] / "CONTCAR"), system="alumina")
    found = made([start], strain_grid=STUDY)
    cells = dict(zip(names(found), of(found, "strain_grid"), strict=True))
    for folder in folders.values():
        theirs = read(folder / "CONTCAR")
        ours = cells[str(folder.relative_to(home))]
        np.testing.assert_allclose(ours.cell, theirs.cell.array, atol=1e-12)
        np.testing.assert_allclose(scaled(ours), theirs.get_scaled_positions(wrap=False), atol=1e-9)
