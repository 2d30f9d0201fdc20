"""What ``aims-pax collect`` writes, says and refuses."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.io import read, write
from typer.testing import CliRunner

import aims_pax as ap
from aims_pax.cli.program import program


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("silicon.cif", bulk("Si", "diamond", 5.43, cubic=True))
    write("water.xyz", molecule("H2O"))
    return tmp_path


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["collect", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_file_holds_all_structures_with_their_origins(folder: Path) -> None:
    words = said("silicon.cif", "water.xyz", "--augment", "{inputs: true, distort: 4, isolated: true}")
    assert "wrote collected.extxyz (11 structures)" in words
    found = read("collected.extxyz", ":")
    origins = [(one.info["source"], one.info["system"], one.info["number"], one.info["config_type"]) for one in found]
    assert origins[0] == ("inputs", "silicon", 1, "input")
    assert origins[4] == ("isolated", "water", 3, "IsolatedAtom")
    assert origins[-1] == ("distort", "water", 6, "distorted")
    assert "2 of 8 structures are missing: water has 3 atoms" in words


def test_file_holds_what_python_gives() -> None:
    said("silicon.cif", "--augment", "{distort: 3, slabs: true}")
    given = ap.collect(Path("silicon.cif"), {"distort": 3, "slabs": True}).atoms()
    for one, other in zip(read("collected.extxyz", ":"), given, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.cell.array, other.cell.array)
        assert one.pbc.tolist() == other.pbc.tolist()
        assert one.info == other.info


def test_dry_run_counts_and_writes_nothing(folder: Path) -> None:
    words = said("silicon.cif", "--augment", "{strain: true}", "--dry-run")
    assert "strain     20    20" in words
    assert "nothing was written; without --dry-run: 20 structures in collected.extxyz" in words
    assert not (folder / "collected.extxyz").exists()


def test_seed_of_the_command_line_counts() -> None:
    said("silicon.cif", "--augment", "{distort: 2, seed: 5}", "--out", "a.xyz")
    said("silicon.cif", "--augment", "{distort: 2}", "--seed", "5", "--out", "b.xyz")
    said("silicon.cif", "--augment", "{distort: 2, seed: 5}", "--seed", "6", "--out", "c.xyz")
    first, same, other = (Path(f"{name}.xyz").read_text() for name in "abc")
    assert first == same != other


def test_everything_that_is_wrong_is_told_at_once_and_nothing_written(folder: Path) -> None:
    (folder / "there.xyz").write_text("mine")
    words = said("silicon.cif", "none.xyz", "--augment", "{distrot: 2}", "--out", "there.xyz", code=2)
    assert "3 problems; nothing was started." in words
    assert "--augment, line 1: augment.distrot is not a setting." in words
    assert "none.xyz: No structure can be read here: there is no such file." in words
    assert "--out there.xyz: This file exists, and is not overwritten." in words
    assert (folder / "there.xyz").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["silicon.cif", "--augment", "nope.yaml"], "--augment nope.yaml: There is no such file."),
        (["silicon.cif", "--augment", "{distort: ["], "--augment, line 1"),
        (["silicon.cif", "silicon.cif"], "silicon.cif: This file is named twice."),
        (["water.xyz", "--augment", "{slabs: true}"], "which is not periodic in three directions"),
        (["water.xyz", "--out", "none/made.xyz"], "There is no folder to write it into."),
    ],
)
def test_mistakes_are_told(words: list[str], found: str) -> None:
    assert found in said(*words, code=2)


def test_starting_structures_of_a_project_are_taken(folder: Path) -> None:
    project = folder / "project"
    (project / "geometry").mkdir(parents=True)
    write(project / "geometry" / "copper.cif", bulk("Cu", cubic=True))
    (project / "mace.yaml").write_text("GENERAL: {name_exp: copper}\n")
    initial = "initial: {n_points_per_sampling_step_idg: 2, max_initial_set_size: 4}"
    (project / "aims_PAX.yaml").write_text(f"MD: {{stat_ensemble: nvt}}\nSTAGES:\n  - {initial}\n")
    said("project", "--augment", "{inputs: true}")
    assert [one.info["system"] for one in read("collected.extxyz", ":")] == ["copper"]
    assert "Folders of projects can't be named together" in said("project", "water.xyz", code=2)


def test_structures_that_are_missing_are_told() -> None:
    words = said("water.xyz", "--augment", "{distort: {n: 10}}")
    assert "augment.distort: 3 of 10 structures are missing: water has 3 atoms, of which 2 can't be taken." in words


def test_atoms_of_python_have_their_names_and_tell_what_is_missing() -> None:
    made = ap.collect({"crystal": bulk("Cu", cubic=True)}, {"vacancies": 9})
    assert {one.info["system"] for one in made.atoms()} == {"crystal"}
    assert "5 of 9 structures are missing" in str(made)
    with pytest.raises(ap.UserError, match=r"collect, augment: augment\.vacncies is not a setting"):
        ap.collect(bulk("Cu"), {"vacncies": 9})
