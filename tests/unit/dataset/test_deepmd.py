"""Folders of DeePMD-kit: what stands where, in which order and unit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.dataset.deepmd import MARGIN_ANG, box_of, write_deepmd
from aims_pax.errors import ShapeError, UserError
from aims_pax.frame import Frame, Label

STRESS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) * 1e-3


def frame_of(atoms: Atoms) -> Frame:
    numbers, positions = np.array(atoms.numbers, dtype=np.int64), atoms.positions
    return Frame("any", 0, 0, 0, numbers, positions, np.array(atoms.cell), np.array(atoms.pbc))


def label_of(frame: Frame, energy: float = -1.0, stress: np.ndarray | None = None) -> Label:
    return Label(energy, np.arange(3.0 * frame.n_atoms).reshape(-1, 3), stress, "any", 0.0)


def array_of(system: Path, name: str) -> np.ndarray:
    found: np.ndarray = np.load(system / "set.000" / f"{name}.npy")
    return found


def test_molecules_of_one_composition_are_one_folder_whatever_the_order_of_their_atoms(tmp_path: Path) -> None:
    water = frame_of(molecule("H2O"))
    turned = replace(water, numbers=water.numbers[::-1], positions=water.positions[::-1])
    pairs = [(water, label_of(water, -1.0)), (turned, label_of(turned, -2.0))]
    [system] = write_deepmd(tmp_path / "data", pairs)
    assert system.name == "H2O1-molecule"
    assert (system / "type.raw").read_text() == "0\n0\n1\n"
    assert (system / "type_map.raw").read_text() == "H\nO\n"
    assert (system / "nopbc").is_file()
    assert array_of(system, "energy").tolist() == [-1.0, -2.0]
    assert array_of(system, "box").tolist() == [[0.0] * 9] * 2
    coordinates, forces = (array_of(system, name).reshape(2, 3, 3) for name in ("coord", "force"))
    assert np.array_equal(coordinates[0], water.positions[[1, 2, 0]])
    assert np.array_equal(coordinates[1], water.positions[[2, 1, 0]])
    assert np.array_equal(forces[1], label_of(turned).forces[[0, 1, 2]])
    assert not (system / "set.000" / "virial.npy").exists()


def test_types_follow_the_type_map_that_is_given(tmp_path: Path) -> None:
    water = frame_of(molecule("H2O"))
    [system] = write_deepmd(tmp_path / "data", [(water, label_of(water))], type_map=("C", "O", "H"))
    assert (system / "type.raw").read_text() == "1\n2\n2\n"
    assert (system / "type_map.raw").read_text() == "C\nO\nH\n"
    assert system.name == "O1H2-molecule"


def test_a_virial_is_minus_stress_times_volume_and_has_a_folder_of_its_own(tmp_path: Path) -> None:
    copper = frame_of(bulk("Cu", cubic=True))
    pairs = [(copper, label_of(copper, stress=STRESS)), (copper, label_of(copper))]
    without, with_stress = write_deepmd(tmp_path / "data", pairs)
    assert (without.name, with_stress.name) == ("Cu4-periodic", "Cu4-stress")
    xx, yy, zz, yz, xz, xy = -STRESS * 3.61**3
    np.testing.assert_allclose(array_of(with_stress, "virial"), [[xx, xy, xz, xy, yy, yz, xz, yz, zz]])
    assert not (without / "set.000" / "virial.npy").exists()
    assert not (without / "nopbc").exists()


def test_stress_of_a_molecule_is_no_virial(tmp_path: Path) -> None:
    water = frame_of(molecule("H2O"))
    [system] = write_deepmd(tmp_path / "data", [(water, label_of(water, stress=STRESS))])
    assert system.name == "H2O1-molecule"


def test_a_layer_lies_in_a_box_that_no_cutoff_spans_and_keeps_its_virial(tmp_path: Path) -> None:
    layer = replace(frame_of(bulk("Cu", cubic=True)), pbc=np.array([True, True, False]))
    box = box_of(layer.positions, layer.cell, layer.pbc)
    assert np.array_equal(box[:2], layer.cell[:2])
    np.testing.assert_allclose(box[2], [0.0, 0.0, 3.61 / 2 + MARGIN_ANG])
    [system] = write_deepmd(tmp_path / "data", [(layer, label_of(layer, stress=STRESS))])
    np.testing.assert_allclose(array_of(system, "virial")[0, 0], -STRESS[0] * 3.61**3)


def test_nothing_is_written_over_and_elements_must_be_known(tmp_path: Path) -> None:
    water = frame_of(molecule("H2O"))
    write_deepmd(tmp_path / "data", [(water, label_of(water))])
    with pytest.raises(UserError, match="There is something in this folder"):
        write_deepmd(tmp_path / "data", [(water, label_of(water))])
    with pytest.raises(ShapeError, match=r"lacks \['O'\]"):
        write_deepmd(tmp_path / "more", [(water, label_of(water))], type_map=("H",))
    with pytest.raises(ShapeError, match="no structures"):
        write_deepmd(tmp_path / "more", [])
