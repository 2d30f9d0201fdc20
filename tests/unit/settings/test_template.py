"""New projects load as they are written."""

from pathlib import Path

import pytest

from aims_pax.errors import SettingsError, StructureError
from aims_pax.settings import PyscfSettings, TbliteSettings, TeacherSettings, load_project
from aims_pax.settings.fhi_aims import FhiAimsInput
from aims_pax.settings.template import write_project

from ...aims.standin import write_species

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"


def test_new_project_for_fhi_aims_says_what_it_still_needs(tmp_path: Path) -> None:
    written = write_project(tmp_path, reference="fhi-aims")
    assert sorted(path.name for path in written) == ["aims_PAX.yaml", "control.in", "geometry.in", "mace.yaml"]
    with pytest.raises(SettingsError, match=r"REFERENCE.species_dir names /path/to/FHIaims"):
        load_project(tmp_path)
    settings = tmp_path / "aims_PAX.yaml"
    species = write_species(tmp_path / "light")
    settings.write_text(settings.read_text().replace("/path/to/FHIaims/species_defaults/defaults_2020/light", "light"))
    reference = load_project(tmp_path).reference
    assert isinstance(reference, FhiAimsInput)
    assert reference.species_dir == species
    assert "\nxc                 pbe\n" in reference.control_text


def test_new_project_for_fhi_aims_has_k_points_for_a_crystal(tmp_path: Path) -> None:
    source = tmp_path / "diamond.xyz"
    source.write_text('1\nLattice="0 1.8 1.8 1.8 0 1.8 1.8 1.8 0"\nC 0 0 0\n')
    write_project(tmp_path / "new", reference="fhi-aims", geometry=source)
    assert "\nk_grid             4 4 4\n" in (tmp_path / "new" / "control.in").read_text()


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
