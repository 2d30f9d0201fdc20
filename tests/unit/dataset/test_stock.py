"""Labelled structures in files of several formats, each read alone."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.stock import Fault, Stock
from aims_pax.errors import StructureError

KEYS = Keys()


def water(number: int) -> Atoms:
    """A molecule with a label, all its numbers its own."""
    rng = np.random.default_rng(number)
    atoms = Atoms("OH2", positions=rng.normal(size=(3, 3)), cell=[8, 8, 8], pbc=number % 2 == 0)
    atoms.info |= {"REF_energy": -470.0 - number, "REF_stress": rng.normal(size=6) / 100}
    atoms.info["config_type"] = "Default" if number % 2 else "surface"
    atoms.arrays["REF_forces"] = rng.normal(size=(3, 3))
    return atoms


def as_xyz(path: Path, images: list[Atoms]) -> Path:
    write(path.with_suffix(".extxyz"), images, format="extxyz")
    return path.with_suffix(".extxyz")


def as_ase(path: Path, images: list[Atoms]) -> Path:
    computed = []
    for one in images:
        atoms = Atoms(one.numbers, positions=one.positions, cell=one.cell, pbc=one.pbc)
        results = {
            "energy": one.info["REF_energy"],
            "forces": one.arrays["REF_forces"],
            "stress": one.info["REF_stress"],
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info["config_type"] = one.info["config_type"]
        computed.append(atoms)
    write(path.with_suffix(".traj"), computed)
    return path.with_suffix(".traj")


def as_mace(path: Path, images: list[Atoms]) -> Path:
    """As mace_prepare_data writes it, in batches of two."""
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for number, one in enumerate(images):
            group = file.require_group(f"config_batch_{number // 2}").create_group(f"config_{number % 2}")
            group["atomic_numbers"], group["positions"] = one.numbers, one.positions
            group["cell"], group["pbc"], group["config_type"] = np.array(one.cell), one.pbc, one.info["config_type"]
            properties = group.create_group("properties")
            properties["energy"], properties["forces"] = one.info["REF_energy"], one.arrays["REF_forces"]
            properties["stress"], properties["dipole"] = one.info["REF_stress"], "None"
    return path.with_suffix(".h5")


def as_columns(path: Path, images: list[Atoms]) -> Path:
    """As so3krates-torch writes it, version 2.0."""
    with h5py.File(path.with_suffix(".hdf5"), "w") as file:
        file.attrs["format_version"], file.attrs["num_configs"] = "2.0", len(images)
        file["offsets"] = np.cumsum([0, *(len(one) for one in images)])
        file["atomic_numbers"] = np.concatenate([one.numbers for one in images])
        file["positions"] = np.concatenate([one.positions for one in images])
        file["cell"] = np.stack([np.array(one.cell) for one in images])
        file["pbc"] = np.stack([one.pbc for one in images])
        file["properties/info/REF_energy"] = [one.info["REF_energy"] for one in images]
        file["properties/info/REF_stress"] = np.stack([one.info["REF_stress"] for one in images])
        file["properties/info/REF_dipole"] = np.full((len(images), 3), np.nan)
        file["properties/arrays/REF_forces"] = np.concatenate([one.arrays["REF_forces"] for one in images])
        file["config_metadata/config_type"] = [one.info["config_type"] for one in images]
    return path.with_suffix(".hdf5")


FORMATS: dict[str, Callable[[Path, list[Atoms]], Path]] = {
    "xyz": as_xyz,
    "ase": as_ase,
    "mace": as_mace,
    "columns": as_columns,
}


@pytest.mark.parametrize("name", FORMATS)
def test_structures_are_read_as_they_were_written(name: str, tmp_path: Path) -> None:
    images = [water(number) for number in range(5)]
    stock = Stock([FORMATS[name](tmp_path / "pool", images)], KEYS)
    assert len(stock) == 5
    for one in stock.labelled([4, 0, 2]):
        image = images[one.number]
        np.testing.assert_allclose(one.frame.positions, image.positions, atol=1e-7)
        np.testing.assert_allclose(one.frame.cell, image.cell, atol=1e-7)
        assert one.frame.pbc.tolist() == image.pbc.tolist()
        assert one.frame.config_type == ("" if one.number % 2 else "surface")
        assert one.label.energy == pytest.approx(image.info["REF_energy"])
        np.testing.assert_allclose(one.label.forces, image.arrays["REF_forces"], atol=1e-7)
        assert one.label.stress is not None
        np.testing.assert_allclose(one.label.stress, image.info["REF_stress"], atol=1e-7)


def test_structures_of_several_files_have_numbers_and_places_of_their_own(tmp_path: Path) -> None:
    first = as_xyz(tmp_path / "first", [water(number) for number in range(3)])
    second = as_mace(tmp_path / "second", [water(number) for number in range(3, 5)])
    stock = Stock([first, second], KEYS)
    found = list(stock.labelled(range(5)))
    assert [one.label.energy for one in found] == [-470.0 - number for number in range(5)]
    assert [one.place for one in found[2:4]] == ["first.extxyz, structure 3", "second.h5, structure 1"]
    assert [stock.number_of(one.frame) for one in found] == list(range(5))
    assert len({(one.frame.trajectory, one.frame.md_step) for one in found}) == 5


def test_blank_lines_and_other_spellings_are_those_of_any_extended_xyz(tmp_path: Path) -> None:
    path = as_xyz(tmp_path / "pool", [water(0), water(1)])
    text = path.read_text(encoding="utf-8")
    path.write_text("\ufeff\n" + text.replace('pbc="T T T"', "pbc=T T T") + "\n\n", encoding="utf-8")
    stock, read = Stock([path], KEYS), read_extxyz(path)
    assert len(stock) == len(read) == 2
    for one, (frame, label) in zip(stock.labelled([0, 1]), read, strict=True):
        np.testing.assert_array_equal(one.frame.positions, frame.positions)
        assert one.frame.pbc.tolist() == frame.pbc.tolist()
        assert one.label.energy == label.energy


def test_free_atoms_and_what_can_not_be_learned_are_left_out(tmp_path: Path) -> None:
    lame = water(1)
    del lame.arrays["REF_forces"]
    atom = Atoms("O")
    atom.info |= {"REF_energy": -400.0, "config_type": "IsolatedAtom"}
    stock = Stock([as_xyz(tmp_path / "pool", [water(0), lame, atom])], KEYS)
    assert [one.number for one in stock.labelled([0, 1, 2])] == [0]
    fault = stock.entry(1)
    assert isinstance(fault, Fault)
    assert (fault.place, fault.found) == ("pool.extxyz, structure 2", "has no REF_forces")
    assert "give them as MISC.energy_key" in stock.problem(fault).advice


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("pool.xyz", "two\n", "line 1: a number of atoms should stand here"),
        ("pool.xyz", "2\n\nH 0 0 0\n", "the file ends within this structure of 2 atoms"),
        ("pool.xyz", "\n", "it holds no structure"),
        ("pool.h5", "no HDF5", "can't be read"),
        ("pool.what", "nothing that ASE knows", "can't be read"),
    ],
)
def test_files_that_are_none_are_refused(name: str, content: str, found: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(StructureError, match=r"missing\.xyz") as caught:
        Stock([tmp_path / name, tmp_path / "missing.xyz"], KEYS)
    assert found in str(caught.value), "all of them are told"


def test_hdf5_of_another_kind_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "pool.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(
        StructureError, match="not those of MACE, and neither items of AiiDA-TrainsPot nor columns of SO3krates"
    ):
        Stock([tmp_path / "pool.h5"], KEYS)
