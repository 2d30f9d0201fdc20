"""What a gathered set is written as."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import aims_pax as ap
from aims_pax.dataset.extxyz import read_dataset
from aims_pax.errors import UserError
from aims_pax.frame import Split
from aims_pax.gathering.gathered import Picture
from aims_pax.report.gathered.overview import draw_overview

from .fake import Settings, atom, molecule, path_of, step, write
from .gathering import gathered


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        write(tmp_path / "in" / f"run_{number}" / "FAKEOUT", path_of(2, moved=0.2, seed=number))
    write(tmp_path / "in" / "water" / "FAKEOUT", [molecule(charge=-1, spin=2)])
    write(tmp_path / "in" / "atom" / "FAKEOUT", [atom(14, -100.5)], settings=Settings(mesh=(1, 1, 1)))
    write(tmp_path / "in" / "bad" / "FAKEOUT", [step(convergence="not reached")])
    return tmp_path / "in"


def test_extended_xyz_is_read_back_as_it_was_printed(folder: Path, tmp_path: Path) -> None:
    found = gathered(folder, out=str(tmp_path / "set.extxyz"))
    assert [path.name for path in found.written] == ["set.csv", "set.extxyz", "set.json", "set.png"]
    dataset = read_dataset(tmp_path / "set.extxyz")
    assert len(dataset.structures) == 21
    assert dataset.free_atoms_ev == {14: -100.5}
    frame, label = dataset.structures[3]
    known = path_of(2, moved=0.2, seed=1)[1]
    assert (frame.system, frame.trajectory, frame.md_step) == ("Si2", 4, 2)
    assert dataset.sources[3] == "run_1/FAKEOUT, step 2"
    np.testing.assert_array_equal(frame.positions, known["positions"])
    np.testing.assert_array_equal(label.forces, known["forces"])
    np.testing.assert_array_equal(label.stress, known["stress"])
    assert label.energy == known["energy"]
    assert label.reference.startswith("FAKE 1.0, PBE, 400 eV (fake-")
    water, _ = next(one for one in dataset.structures if one[0].n_atoms == 3)
    assert (water.charge, water.pbc.any(), water.cell.any()) == (-1, False, False)


def test_each_structure_tells_its_file_and_its_method(folder: Path, tmp_path: Path) -> None:
    from ase.io import read

    gathered(folder, out=str(tmp_path / "set.extxyz"))
    info = read(tmp_path / "set.extxyz", "1").info
    assert (info["source"], info["origin"]) == ("run_0/FAKEOUT, step 1", "run_0/FAKEOUT")
    assert (info["md_step"], info["program"]) == (1, "FAKE 1.0")
    known = json.loads((tmp_path / "set.json").read_text())["methods"]
    assert known[info["method"]]["settings"] == {"functional": "PBE", "basis": "400 eV"}


def test_files_beside_the_set_tell_how_it_was_made(folder: Path, tmp_path: Path) -> None:
    gathered(folder, out=str(tmp_path / "set.extxyz"), steps="last", max_force=9.0)
    facts = json.loads((tmp_path / "set.json").read_text())
    assert facts["asked"] == {"steps": "last", "max_force_ev_per_ang": 9.0, "mixed": False, "seed": None}
    assert facts["structures"] == 12
    assert facts["left_out"] == {"not converged": 1}
    assert facts["compositions"] == {"Si2": 10, "H2O": 1}
    rows = list(csv.DictReader((tmp_path / "set.csv").open()))
    assert rows[0] == {"file": "bad/FAKEOUT", "step": "1", "what": "left out", "reason": "not converged", "detail": ""}


def test_sets_are_files_of_their_own_and_say_what_they_are(folder: Path, tmp_path: Path) -> None:
    gathered(folder, out=str(tmp_path / "set.extxyz"), split="0.6,0.2,0.2")
    sets = {name: read_dataset(tmp_path / f"set_{name}.extxyz") for name in ("train", "valid", "test")}
    assert sum(len(one.structures) for one in sets.values()) == 21
    assert set(sets["valid"].splits) == {Split.VALIDATION}
    homes = [{source.partition(",")[0] for source in one.sources} for one in sets.values()]
    assert sum(map(len, homes)) == len(set().union(*homes))
    assert sets["train"].free_atoms_ev == {14: -100.5}
    assert not (tmp_path / "set.extxyz").exists()


def test_hdf5_holds_the_same(folder: Path, tmp_path: Path) -> None:
    gathered(folder, out=str(tmp_path / "set.h5"))
    gathered(folder, out=str(tmp_path / "other.extxyz"))
    one, other = read_dataset(tmp_path / "set.h5"), read_dataset(tmp_path / "other.extxyz")
    assert one.free_atoms_ev == other.free_atoms_ev
    for (frame, label), (frame_too, label_too) in zip(one.structures, other.structures, strict=True):
        np.testing.assert_array_equal(frame.positions, frame_too.positions)
        np.testing.assert_array_equal(label.forces, label_too.forces)
        assert (label.energy, frame.system, frame.charge) == (label_too.energy, frame_too.system, frame_too.charge)


def test_arrays_stand_in_the_layout_of_atompronet(folder: Path, tmp_path: Path) -> None:
    gathered(folder, out=str(tmp_path / "set"), form="npz")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["counts_1", "counts_1_2", "counts_2"]
    home = tmp_path / "set" / "counts_2"
    names = ("positions", "lattice", "symbols", "energies", "forces", "pressures")
    arrays = {name: np.load(home / f"{name}.npz")[name] for name in names}
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {
        "positions": (20, 2, 3),
        "lattice": (20, 9),
        "symbols": (20, 2),
        "energies": (20, 1),
        "forces": (20, 2, 3),
        "pressures": (20, 6),
    }
    known = path_of(2, moved=0.2, seed=0)[0]
    np.testing.assert_array_equal(arrays["forces"][0], known["forces"])
    assert arrays["symbols"][0].tolist() == ["Si", "Si"]
    volume = abs(np.linalg.det(np.array(known["cell"])))
    np.testing.assert_allclose(arrays["pressures"][0] / -volume, [0.01, 0.02, 0.03, 0.003, 0.001, 0.002])
    together = np.load(home / "Converted.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(together[name], array)
    assert not (tmp_path / "set" / "counts_1_2" / "pressures.npz").exists()


def test_compositions_of_equal_counts_have_folders_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a" / "FAKEOUT", [step()])
    write(tmp_path / "in" / "b" / "FAKEOUT", [step(symbols=(32, 32))])
    write(tmp_path / "in" / "c" / "FAKEOUT", [step(0.05, symbols=(32, 32), seed=1, stress=None)])
    gathered(tmp_path / "in", out=str(tmp_path / "set"), form="npz")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["counts_2_Ge", "counts_2_Si"]
    pressures = np.load(tmp_path / "set" / "counts_2_Ge" / "pressures.npz")["pressures"]
    assert np.isnan(pressures).any(axis=1).tolist() == [False, True]


def test_deepmd_has_a_system_for_each_composition(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aims_pax.gathering.writing.writing.PART", 8)
    gathered(folder, out=str(tmp_path / "set"), form="deepmd", split="0.6,0.2,0.2")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["test", "train", "valid"]
    gathered(folder, out=str(tmp_path / "all"), form="deepmd")
    home = tmp_path / "all" / "Si2-stress"
    assert [path.name for path in sorted(home.glob("set.*"))] == ["set.000", "set.001", "set.002"]
    energies = np.concatenate([np.load(path / "energy.npy") for path in sorted(home.glob("set.*"))])
    known = [one["energy"] for number in range(10) for one in path_of(2, moved=0.2, seed=number)]
    np.testing.assert_array_equal(energies, known)
    assert not list((tmp_path / "all").glob(".*"))


def test_an_interrupt_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, **_: object) -> None:
        raise KeyboardInterrupt("Ctrl-C")

    monkeypatch.setattr("aims_pax.report.gathered.overview.draw_overview", interrupt)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        gathered(folder, out=str(tmp_path / "set.extxyz"))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_nothing_that_is_there_is_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "set.json").touch()
    with pytest.raises(UserError, match=r"set\.json exists, and nothing is overwritten"):
        gathered(folder, out=str(tmp_path / "set.extxyz"))


def test_an_ending_that_contradicts_the_format_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"This ending is that of hdf5, and --format is npz"):
        gathered(folder, out=str(tmp_path / "set.h5"), form="npz")
    assert gathered(folder, out=str(tmp_path / "set.xyz"), form="extxyz").written


def test_mixed_methods_are_drawn_about_the_median_of_each(tmp_path: Path) -> None:
    for zero, functional in ((0.0, "PBE"), (-7000.0, "LDA")):
        steps = [step(0.05, seed=seed) for seed in range(3)]
        steps = [one | {"energy": one["energy"] + zero} for one in steps]
        write(tmp_path / functional / "FAKEOUT", steps, settings=Settings(aspects={"functional": functional}))
    [energies] = gathered(tmp_path, mixed=True).picture.energies_ev_per_atom.values()
    assert len(energies) == 6
    assert np.abs(energies).max() < 1


def test_a_set_of_two_methods_is_not_written(folder: Path, tmp_path: Path) -> None:
    write(folder / "other" / "FAKEOUT", [step(0.3, seed=99)], settings=Settings(aspects={"functional": "LDA"}))
    with pytest.raises(UserError, match="LDA: 1 structure of other/FAKEOUT"):
        ap.gather(folder, tmp_path / "set.extxyz")
    assert not (tmp_path / "set.extxyz").exists()
    assert ap.gather(folder, dry_run=True).is_refused


def test_python_gives_what_is_printed(folder: Path, tmp_path: Path) -> None:
    found = ap.gather(folder, tmp_path / "set.h5", split=(0.6, 0.2, 0.2))
    assert found.n_structures == 22
    words = str(found)
    assert "Si2              2          20     10      10" in words
    assert "free atoms, which tell E0: Si -100.5000 eV" in words
    assert [path.name for path in found.written][-1] == "set_valid.h5"


def test_the_figure_is_drawn_of_little_and_of_much(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    much = Picture({f"Si{n}": rng.normal(size=5000) for n in range(12)}, {"Si2": rng.random(5000)}, {"a" * 80: 3})
    for name, picture in (("little", Picture({}, {}, {})), ("much", much)):
        path = tmp_path / f"{name}.png"
        draw_overview(
            path,
            energies=picture.energies_ev_per_atom,
            forces=picture.max_forces_ev_per_ang,
            left_out=picture.left_out,
        )
        assert path.stat().st_size > 5000
