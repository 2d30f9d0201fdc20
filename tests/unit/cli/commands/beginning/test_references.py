from pathlib import Path

import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from typer.testing import CliRunner, Result

from aims_pax.cli.program import program


def references(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["references", *arguments])


def test_list_names_every_type_and_how_to_get_what_is_missing() -> None:
    result = references()
    assert result.exit_code == 0, result.output
    for kind in ("tblite", "pyscf", "teacher"):
        assert kind in result.stdout


def test_structure_and_type_are_labelled_and_timed(tmp_path: Path) -> None:
    write(tmp_path / "water.xyz", molecule("H2O"))
    result = references("--structure", str(tmp_path / "water.xyz"), "--type", "tblite")
    assert result.exit_code == 0, result.output
    for line in (
        "reference    tblite",
        "structure    water, 3 atoms",
        "wall time",
        "energy       -",
        "forces       yes",
    ):
        assert line in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["water.xyz"]


def test_project_is_labelled_with_its_own_reference_and_left_alone(tmp_path: Path) -> None:
    project = tmp_path / "project"
    assert CliRunner().invoke(program, ["init", str(project)]).exit_code == 0
    before = sorted(path.name for path in project.rglob("*"))
    result = references(str(project))
    assert result.exit_code == 0, result.output
    assert "GFN2-xTB" in result.stdout
    assert "Not found here" not in result.stdout, "the list is for those who ask for nothing in particular"
    assert "ase-calculator" not in result.stdout
    assert sorted(path.name for path in project.rglob("*")) == before


def test_failed_label_is_told_in_words_and_gives_1(tmp_path: Path) -> None:
    write(tmp_path / "squeezed.xyz", Atoms("N2", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.6]]))
    result = references("--structure", str(tmp_path / "squeezed.xyz"), "--type", "tblite")
    assert result.exit_code == 1
    assert "failed after" in result.stdout
    assert "max_force_ev_per_ang" in result.stdout
    kept = Path(result.stdout.rsplit("kept in ", 1)[1].strip())
    assert list(kept.rglob("failure.txt"))


@pytest.mark.parametrize(
    "arguments", [("--structure", "a.xyz"), ("--type", "tblite"), (".", "--structure", "a.xyz", "--type", "tblite")]
)
def test_arguments_that_do_not_belong_together_are_refused(arguments: tuple[str, ...]) -> None:
    result = references(*arguments)
    assert result.exit_code == 2
    assert "These arguments don't belong together" in result.stderr


def test_type_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "water.xyz", molecule("H2O"))
    result = references("--structure", str(tmp_path / "water.xyz"), "--type", "gaussian")
    assert result.exit_code == 2
    assert "gaussian" in result.stderr
