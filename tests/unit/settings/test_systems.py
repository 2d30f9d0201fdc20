"""Starting structures: where they are found, and which are refused."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import StructureError
from aims_pax.settings.systems import read_systems

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"
CRYSTAL = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nNa 0 0 0\nCl 2 2 2\n'


def test_geometry_in_is_read_in_the_syntax_of_fhi_aims(folder: Any) -> None:
    folder.file(
        "geometry.in", "lattice_vector 4 0 0\nlattice_vector 0 4 0\nlattice_vector 0 0 4\natom_frac 0 0 .5 Na\n"
    )
    (system,) = read_systems(folder.path, None)
    assert system.name == "geometry"
    assert system.frame.pbc.all()
    assert system.frame.positions.tolist() == [[0, 0, 2]]


def test_folder_of_structures_is_read_in_order_of_names(folder: Any) -> None:
    folder.file("geometry/b.xyz", HYDROGEN)
    folder.file("geometry/a.extxyz", CRYSTAL)
    folder.file("geometry/.hidden", "no structure")
    systems = read_systems(folder.path, None)
    assert [(system.name, system.frame.trajectory) for system in systems] == [("a", 0), ("b", 1)]
    assert systems[0].frame.md_step == 0


def test_file_with_several_structures_gives_several_systems(folder: Any) -> None:
    path = folder.file("some.xyz", HYDROGEN * 3)
    assert [system.name for system in read_systems(folder.path, path)] == ["some-0", "some-1", "some-2"]


def test_compressed_file_is_read(folder: Any) -> None:
    path = folder.path / "some.xyz.gz"
    path.write_bytes(gzip.compress(HYDROGEN.encode() * 2))
    assert len(read_systems(folder.path, path)) == 2


def test_structures_by_trajectory_come_in_order_of_the_index(folder: Any) -> None:
    paths = {1: folder.file("one.xyz", HYDROGEN), 0: folder.file("zero.xyz", HYDROGEN)}
    assert [system.name for system in read_systems(folder.path, paths)] == ["zero", "one"]


def test_geometry_mapping_of_settings_is_honoured(folder: Any) -> None:
    folder.write(structure=None)
    folder.file("one.xyz", HYDROGEN)
    text = (folder.path / "aims_PAX.yaml").read_text()
    folder.file("aims_PAX.yaml", text + "MISC:\n  path_to_geometry: {0: one.xyz, 1: one.xyz}\n")
    assert [system.name for system in folder.load().systems] == ["one-0", "one-1"]
    folder.file("aims_PAX.yaml", text + "MISC:\n  path_to_geometry: {0: one.xyz, 2: one.xyz}\n")
    assert "leaves out an index" in folder.complaint()
    folder.file("aims_PAX.yaml", text + "MISC:\n  path_to_geometry: {0: gone.xyz}\n")
    assert "gone.xyz, which can't be opened" in folder.complaint()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xyz", "", "No structure can be read here"),
        ("a.xyz", "not a structure", "No structure can be read here"),
        ("a.xyz", b"\x00\xff\x00\xff", "No structure can be read here"),
        ("a.cif", "garbage", "a.cif: "),
        ("a.json", "{", "No structure can be read here"),
        ("a.unknown", "garbage", "No structure can be read here"),
        ("a.in", "atom 0 0 O\n", "No structure can be read here"),
        ("a.in", "atom 0 0 0 Qq\n", "No structure can be read here"),
        ("a.in", "# nothing\n", "a.in: "),
        ("a.xyz", "0\n\n", "a.xyz: "),
        ("a.xyz", "2\n\nH 0 0 0\nH 0 0 0.3\n", r"Atoms 1 \(H\) and 2 \(H\) are 0.30 Å apart."),
        ("a.xyz", "1\n\nX 0 0 0\n", "atoms without an element"),
        ("a.xyz", "1\n\nH nan 0 0\n", "not finite"),
        ("a.xyz", CRYSTAL.replace("Cl 2 2 2", "Cl 3.9 0 0"), "0.10 Å apart"),
        ("a.xyz", CRYSTAL.replace("4 0 0 0 4 0 0 0 4", "4 0 0 4 0 0 0 0 4"), "its cell has no volume"),
        ("a.in", "atom 0 0 0 H\nconstrain_relaxation .true.\n", "constraints, which MD would not keep"),
    ],
)
def test_unusable_structure_is_said_with_its_file(folder: Any, name: str, text: str | bytes, message: str) -> None:
    path = folder.file(name, text)
    with pytest.raises(StructureError, match=message) as caught:
        read_systems(folder.path, path)
    assert str(caught.value).startswith(name)


def test_all_unusable_files_are_said_at_once(folder: Any) -> None:
    folder.file("geometry/a.xyz", "garbage")
    folder.file("geometry/b.xyz", "2\n\nH 0 0 0\nH 0 0 0.3\n")
    with pytest.raises(StructureError, match=r"geometry/a.xyz(.|\n)*geometry/b.xyz"):
        read_systems(folder.path, None)


def test_missing_structures_are_said(folder: Any) -> None:
    with pytest.raises(StructureError, match="The project has no starting structure"):
        read_systems(folder.path, None)
    (folder.path / "geometry").mkdir()
    with pytest.raises(StructureError, match="holds no files"):
        read_systems(folder.path, None)
    folder.file("geometry.in", "atom 0 0 0 H\n")
    with pytest.raises(StructureError, match=r"There is geometry\.in and geometry/"):
        read_systems(folder.path, None)


def test_wrong_structure_in_a_right_project_is_a_structure_error(folder: Any) -> None:
    folder.write(structure="garbage")
    with pytest.raises(StructureError, match=r"geometry/water.xyz: No structure can be read here"):
        folder.load()


def test_example_structures_are_accepted(tmp_path: Path) -> None:
    # H2 at its equilibrium distance is the shortest bond there is.
    path = tmp_path / "h2.xyz"
    path.write_text(HYDROGEN)
    assert read_systems(tmp_path, path)[0].frame.n_atoms == 2


def test_structures_after_an_empty_line_are_not_lost(folder: Any) -> None:
    path = folder.file("some.xyz", HYDROGEN + "\n" + HYDROGEN)
    assert len(read_systems(folder.path, path)) == 2


def test_file_that_ends_within_a_structure_is_refused_at_once(folder: Any) -> None:
    path = folder.file("some.xyz", HYDROGEN.replace("2", "2000000000", 1))
    with pytest.raises(StructureError, match="ends within this structure of 2000000000 atoms"):
        read_systems(folder.path, path)


def test_announced_columns_that_are_not_there_are_refused_at_once(folder: Any) -> None:
    path = folder.file("some.xyz", CRYSTAL.replace("pos:R:3", "pos:R:3:x:R:900000000"))
    with pytest.raises(StructureError, match="announce 900000004 columns, and the first atom has 4"):
        read_systems(folder.path, path)


def test_name_with_an_at_sign_is_a_name(folder: Any) -> None:
    (system,) = read_systems(folder.path, folder.file("water@300K.xyz", HYDROGEN))
    assert system.name == "water@300K"


@pytest.mark.parametrize(
    ("lattice", "message"), [("4 0 0 0 4 0 0 0 0.1", "its cell is 0.1 Å high"), ("4e7 0 0 0 4 0 0 0 4", "reach 4e")]
)
def test_impossible_cells_are_refused(folder: Any, lattice: str, message: str) -> None:
    path = folder.file("some.xyz", CRYSTAL.replace("4 0 0 0 4 0 0 0 4", lattice))
    with pytest.raises(StructureError, match=message):
        read_systems(folder.path, path)
