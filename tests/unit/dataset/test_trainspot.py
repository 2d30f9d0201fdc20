"""Datasets of AiiDA-TrainsPot, as its PESData writes them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import read_dataset
from aims_pax.dataset.stock import Fault, Stock
from aims_pax.errors import StructureError
from aims_pax.frame import Split


def item(number: int, *, n_atoms: int = 4, **others: Any) -> dict[str, Any]:
    """A structure as the tool holds it: lists, numbers and text."""
    rng = np.random.default_rng(number)
    plain = {
        "cell": (10.0 * np.eye(3)).tolist(),
        "symbols": ["C"] * n_atoms,
        "positions": rng.normal(size=(n_atoms, 3)).tolist(),
        "pbc": [True, True, False],
        "gen_method": "RATTLE_STRAIN_DEFECTS",
        "rattle_fraction": 0.6,
        "set": "TRAINING",
        "dft_energy": -100.0 - number,
        "dft_forces": rng.normal(size=(n_atoms, 3)).tolist(),
        "dft_stress": (rng.normal(size=(3, 3)) / 100).tolist(),
        "pot_1_energy": -99.0,
    }
    return {key: value for key, value in (plain | others).items() if value is not None}


def written(path: Path, items: Sequence[Mapping[str, Any]]) -> Path:
    """As PESData.set_list does: lists as datasets, all else as attributes."""
    with h5py.File(path, "w") as file:
        for number, one in enumerate(items):
            group = file.create_group(f"item_{number}")
            for key, value in one.items():
                if isinstance(value, list | np.ndarray):
                    group.create_dataset(key, data=value)
                else:
                    group.attrs[key] = value
    return path


ATOM = item(
    *(99,),
    n_atoms=1,
    gen_method="ISOLATED_ATOM",
    dft_energy=-140.0,
    dft_forces=[[0.0, 0.0, 0.0]],
    pbc=[False] * 3,
    dft_stress=None,
)


def test_labels_places_and_kinds_are_read(tmp_path: Path) -> None:
    sets = ["TRAINING", "VALIDATION", "TEST", "TRAINING", *["TRAINING"] * 8]
    items = [item(number, set=name) for number, name in enumerate(sets)]
    found = read_dataset(written(tmp_path / "set.h5", [*items, ATOM]))
    assert found.splits == tuple(Split(name.lower()) for name in sets)
    assert dict(found.free_atoms_ev) == {6: -140.0}
    assert [frame.md_step for frame, _ in found.structures] == list(range(12)), "item_10 comes after item_9"
    for one, (frame, label) in zip(items, found.structures, strict=True):
        assert frame.numbers.tolist() == [6] * 4
        np.testing.assert_array_equal(frame.positions, one["positions"])
        np.testing.assert_array_equal(frame.cell, one["cell"])
        assert frame.pbc.tolist() == [True, True, False]
        assert frame.config_type == "RATTLE_STRAIN_DEFECTS"
        assert label.energy == one["dft_energy"]
        np.testing.assert_array_equal(label.forces, one["dft_forces"])
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = one["dft_stress"]
        assert label.stress is not None
        assert label.stress.tolist() == [xx, yy, zz, yz, xz, xy]


def test_cell_and_symbols_of_the_other_writer_are_read(tmp_path: Path) -> None:
    """PESData.set_ase: the cell is an attribute, pbc an array, and the stress may have six numbers."""
    path = written(tmp_path / "set.h5", [item(0, dft_stress=list(range(6)), set=None, gen_method=None)])
    with h5py.File(path, "r+") as file:
        cell = file["item_0/cell"][()]
        del file["item_0/cell"]
        file["item_0"].attrs["cell"] = cell
    ((frame, label),) = read_dataset(path).structures
    np.testing.assert_array_equal(frame.cell, 10.0 * np.eye(3))
    assert frame.config_type == ""
    assert label.stress is not None
    assert label.stress.tolist() == list(range(6))
    assert read_dataset(path).splits == ()


def test_a_file_of_the_repository_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = written(tmp_path / "psedata_0b5c.npz", [item(0)])
    assert len(read_dataset(path).structures) == 1
    assert len(Stock([path], Keys())) == 1


def test_structures_that_nobody_has_labelled_are_left_out_and_told(tmp_path: Path) -> None:
    bare = item(1, dft_energy=None, dft_forces=None, dft_stress=None, set=None)
    path = written(tmp_path / "set.h5", [item(0), bare, item(2)])
    found = read_dataset(path)
    assert (len(found.structures), found.n_unlabelled) == (2, 1)
    (told,) = found.left_out_remarks()
    assert "1 structures have neither energy nor forces, beside 2" in str(told)
    fault = Stock([path], Keys()).entry(1)
    assert isinstance(fault, Fault)
    assert fault.found == "has no dft_energy and no dft_forces"


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"dft_forces": None}, "has no dft_forces (item_1)"),
        ({"dft_energy": None}, "has no dft_energy (item_1)"),
        ({"dft_energy": float("nan")}, "has dft_energy that is not finite (item_1)"),
        ({"dft_forces": [[0.0, 0.0, float("inf")]] * 4}, "has dft_forces that is not finite (item_1)"),
        ({"dft_forces": [[0.0, 0.0, 0.0]] * 3}, "has dft_forces of shape (3, 3) where (4, 3) was expected (item_1)"),
        ({"dft_stress": [[1.0, 2.0]]}, "has dft_stress of shape (1, 2) where (6,) or (9,) or (3, 3) was expected"),
        ({"positions": [[0.0, 0.0, 0.0]]}, "has positions of shape (1, 3) where (4, 3) was expected (item_1)"),
        ({"cell": None}, "has no cell (item_1)"),
        ({"symbols": ["C", "C", "C", "Q"]}, "has the symbol Q, which is no element (item_1)"),
        ({"set": "TRAIN"}, "has set = TRAIN, which is none of TRAINING, VALIDATION, TEST (item_1)"),
        ({"dft_forces": [[2e4, 0.0, 0.0]] * 4}, "which can't be eV/Å"),
    ],
)
def test_what_is_wrong_with_an_item_is_told_with_its_name(others: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "set.h5", [item(0), item(1, **others)])
    with pytest.raises(StructureError, match=re.escape(said)) as raised:
        read_dataset(path)
    (problem,) = raised.value.problems
    assert problem.where == f"{path}, structure 2"


def test_file_with_other_things_besides_items_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "set.h5", [item(0)])
    with h5py.File(path, "r+") as file:
        file.create_group("notes")
    with pytest.raises(StructureError, match="it has items of AiiDA-TrainsPot, and notes besides"):
        read_dataset(path)


def test_file_without_labels_is_refused(tmp_path: Path) -> None:
    bare = item(0, dft_energy=None, dft_forces=None, dft_stress=None)
    with pytest.raises(StructureError, match="holds no labels"):
        read_dataset(written(tmp_path / "set.h5", [bare]))
