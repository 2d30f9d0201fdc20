"""Labelled structures written as HDF5: what is read back is what was written, here and by MACE."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import read_dataset, write_extxyz
from aims_pax.dataset.hdf5.writing import MAX_COMPACT_BYTES, UNITS, write_hdf5
from aims_pax.dataset.stock import Stock
from aims_pax.errors import StructureError
from aims_pax.frame import Frame, Label, LabelledFrame, Split

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]

SPLITS = (Split.TRAINING, Split.TRAINING, Split.VALIDATION, Split.TEST)


@pytest.fixture
def points(frame: MakeFrame, label: MakeLabel) -> list[LabelledFrame]:
    """Molecules and crystals of several sizes, of all uses, some with a charge, a kind or a member of their own."""
    frames = [
        frame(25),
        replace(frame(50, periodic=True, n_atoms=7), config_type="surface"),
        replace(frame(75, n_atoms=2), charge=-1, spin=2),
        frame(100, trajectory=3, periodic=True, n_atoms=7),
    ]
    labels = [label(3), label(7, with_stress=True), label(2, energy=-470.123456789012), label(7)]
    members = (0, None, None, None)
    return [
        LabelledFrame(10 + n, one, answer, split, member, "active", "moving threshold")
        for n, (one, answer, split, member) in enumerate(zip(frames, labels, SPLITS, members, strict=True))
    ]


def test_what_is_read_back_is_bit_for_bit_what_was_written(points: list[LabelledFrame], tmp_path: Path) -> None:
    path = tmp_path / "all.h5"
    assert write_hdf5(path, points) == 4
    found = read_dataset(path)
    assert found.splits == SPLITS
    for point, (frame, label) in zip(points, found.structures, strict=True):
        for name in ("numbers", "positions", "cell", "pbc"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(point.frame, name))
        for name in ("system", "trajectory", "md_step", "generation", "charge", "spin", "config_type"):
            assert getattr(frame, name) == getattr(point.frame, name)
        assert (label.energy, label.reference) == (point.label.energy, point.label.reference)
        np.testing.assert_array_equal(label.forces, point.label.forces)
        assert (label.stress is None) == (point.label.stress is None)
        if label.stress is not None:
            np.testing.assert_array_equal(label.stress, point.label.stress)
        for name, values in point.label.extras.items():
            np.testing.assert_array_equal(label.extras[name], values)


def test_both_formats_say_the_same(points: list[LabelledFrame], tmp_path: Path) -> None:
    write_hdf5(tmp_path / "all.h5", points)
    write_extxyz(tmp_path / "all.extxyz", points)
    by_hdf5, by_text = read_dataset(tmp_path / "all.h5"), read_dataset(tmp_path / "all.extxyz")
    assert by_hdf5.splits == by_text.splits == SPLITS
    for (frame, label), (other, of_text) in zip(by_hdf5.structures, by_text.structures, strict=True):
        np.testing.assert_array_equal(frame.positions, other.positions)
        assert (frame.system, frame.md_step, frame.charge) == (other.system, other.md_step, other.charge)
        assert (label.energy, label.reference) == (of_text.energy, of_text.reference)


def test_attributes_say_where_structures_come_from_and_in_which_units(
    points: list[LabelledFrame], tmp_path: Path
) -> None:
    write_hdf5(tmp_path / "all.h5", points)
    with h5py.File(tmp_path / "all.h5") as file:
        assert {name: file.attrs[f"unit of {name}"] for name in UNITS} == dict(UNITS)
        told = dict(file["config_batch_0/config_0"].attrs)
        assert {name: told[name].decode() for name in ("split", "stage", "source", "system", "reference")} == {
            "split": "training",
            "stage": "active",
            "source": "moving threshold",
            "system": "ethanol",
            "reference": "tblite 0.4.0 GFN2-xTB",
        }
        numbers = ("label_id", "trajectory", "md_step", "generation", "member")
        assert [int(told[name]) for name in numbers] == [10, 0, 25, 7, 0]
        assert "member" not in file["config_batch_0/config_1"].attrs


def test_attributes_of_a_structure_stand_in_its_header(points: list[LabelledFrame], tmp_path: Path) -> None:
    write_hdf5(tmp_path / "all.h5", points)
    with h5py.File(tmp_path / "all.h5") as file:
        group = file["config_batch_0/config_0"]
        kept_apart = h5py.h5o.get_info(group.id).meta_size.attr
        assert (len(group.attrs), kept_apart.heap_size, kept_apart.index_size) == (10, 0, 0)


def test_what_structures_share_is_written_once(frame: MakeFrame, label: MakeLabel, tmp_path: Path) -> None:
    def size(n: int) -> int:
        points = (LabelledFrame(i, frame(i), label(3), Split.TRAINING) for i in range(1, n + 1))
        write_hdf5(tmp_path / f"{n}.h5", points)
        return (tmp_path / f"{n}.h5").stat().st_size

    assert (size(40) - size(20)) / 20 < 2900, "bytes of a molecule of three atoms; without links it is twice that"


def test_structure_too_large_for_a_header_is_written_all_the_same(tmp_path: Path) -> None:
    n_atoms = MAX_COMPACT_BYTES // 24 + 100
    rng = np.random.default_rng(0)
    large = Frame("slab", 0, 1, 0, np.full(n_atoms, 29), rng.normal(size=(n_atoms, 3)))
    label = Label(-1.0, rng.normal(size=(n_atoms, 3)), None, "engine 1", 0.0)
    write_hdf5(tmp_path / "large.h5", [LabelledFrame(1, large, label, Split.TRAINING)])
    ((frame, found),) = read_dataset(tmp_path / "large.h5").structures
    np.testing.assert_array_equal(frame.positions, large.positions)
    np.testing.assert_array_equal(found.forces, label.forces)


def test_pool_of_an_export_is_read_structure_by_structure(points: list[LabelledFrame], tmp_path: Path) -> None:
    write_hdf5(tmp_path / "pool.h5", points)
    found = list(Stock([tmp_path / "pool.h5"], Keys()).labelled([3, 1]))
    assert [one.label.energy for one in found] == [points[3].label.energy, points[1].label.energy]


def test_file_appears_whole_or_not_at_all(points: list[LabelledFrame], tmp_path: Path) -> None:
    def cut_short() -> object:
        yield from points[:2]
        raise RuntimeError("as it was told")

    with pytest.raises(RuntimeError, match="as it was told"):
        write_hdf5(tmp_path / "all.h5", cut_short())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_other_hdf5_is_refused_with_what_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(StructureError, match=r"other\.h5.*groups are not those of MACE") as raised:
        read_dataset(tmp_path / "other.h5")
    assert "HDF5 of MACE, SO3krates or AiiDA-TrainsPot" in str(raised.value)
    (tmp_path / "text.h5").write_text("no HDF5 at all", encoding="utf-8")
    with pytest.raises(StructureError, match=r"text\.h5.*can't be read"):
        read_dataset(tmp_path / "text.h5")


@pytest.mark.torch
def test_mace_reads_structures_labels_and_weights(tmp_path: Path) -> None:
    import torch
    from mace.data import HDF5Dataset
    from mace.tools import AtomicNumberTable

    rng = np.random.default_rng(1)
    points = []
    for n in range(5):
        is_crystal = n % 2 == 1
        frame = Frame("x", 0, n, 0, np.array([8, 1, 1 + 7 * is_crystal]), rng.normal(size=(3, 3)))
        if is_crystal:
            frame = replace(frame, cell=8.0 * np.eye(3), pbc=np.ones(3, dtype=np.bool_))
        stress = rng.normal(size=6) if is_crystal else None
        label = Label(-1.0 - n, rng.normal(size=(3, 3)), stress, "engine 1", 0.0)
        points.append(LabelledFrame(n + 1, frame, label, Split.TRAINING))
    write_hdf5(tmp_path / "train.h5", points)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        dataset = HDF5Dataset(str(tmp_path / "train.h5"), r_max=4.0, z_table=AtomicNumberTable([1, 8]))
        assert len(dataset) == 5
        for point, data in zip(points, (dataset[n] for n in range(5)), strict=True):
            np.testing.assert_array_equal(data.positions.numpy(), point.frame.positions)
            np.testing.assert_array_equal(data.forces.numpy(), point.label.forces)
            assert float(data.energy) == point.label.energy
            assert float(data.stress_weight) == float(point.label.stress is not None)
            assert (float(data.energy_weight), float(data.forces_weight), float(data.virials_weight)) == (1, 1, 0)
            if point.label.stress is not None:
                xx, _, _, _, xz, xy = point.label.stress
                assert data.stress[0, 0].tolist() == [xx, xy, xz]
    finally:
        torch.set_default_dtype(before)
