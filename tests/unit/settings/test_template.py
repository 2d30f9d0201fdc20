"""New projects load as they are written."""

from pathlib import Path

import pytest

from aims_pax.errors import SettingsError, StructureError
from aims_pax.settings import PyscfSettings, TbliteSettings, TeacherSettings, load_project
from aims_pax.settings.template import write_project

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"


@pytest.mark.parametrize(
    ("reference", "expected"), [("tblite", TbliteSettings), ("pyscf", PyscfSettings), ("teacher", TeacherSettings)]
)
def test_new_project_loads_with_its_reference(tmp_path: Path, reference: str, expected: type) -> None:
    written = write_project(tmp_path / "a" / "b", reference=reference)
    project = load_project(tmp_path / "a" / "b")
    assert isinstance(project.settings.reference, expected)
    assert project.elements == (1, 6, 8)
    assert sorted(path.name for path in written) == ["aims_PAX.yaml", "geometry.in", "mace.yaml"]


def test_geometry_is_copied_and_named(tmp_path: Path) -> None:
    source = tmp_path / 'my "odd": {name} é.xyz'
    source.write_text(HYDROGEN * 9)
    write_project(tmp_path / "new", geometry=source)
    project = load_project(tmp_path / "new")
    assert len(project.systems) == 9
    assert project.active.num_trajectories == 9
    assert project.mace.general.name_exp == "my_odd_name_"


def test_geometry_that_lies_in_the_folder_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "h2.xyz"
    source.write_text(HYDROGEN)
    written = write_project(tmp_path, geometry=source)
    assert source not in written
    assert load_project(tmp_path).systems[0].name == "h2"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("mine")
    (tmp_path / "geometry.in").write_text("mine")
    with pytest.raises(SettingsError, match=r"model.yaml: This file exists already(.|\n)*geometry.in"):
        write_project(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["geometry.in", "model.yaml"]


def test_wrong_wishes_are_said_and_nothing_is_written(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(SettingsError, match=r"Allowed: tblite \| pyscf \| teacher"):
        write_project(target, reference="vasp")
    with pytest.raises(StructureError, match="there is no such file"):
        write_project(target, geometry=tmp_path / "gone.xyz")
    with pytest.raises(StructureError, match="This is a folder"):
        write_project(target, geometry=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="can't be written here"):
        write_project(tmp_path / "file" / "project")
    assert not target.exists()
