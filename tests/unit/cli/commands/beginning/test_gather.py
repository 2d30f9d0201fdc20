"""What ``aims-pax gather`` writes, says and refuses."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aims_pax.calculations import registry
from aims_pax.cli.program import program

from ....gathering.fake import READERS, Settings, path_of, step, write


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "READERS", READERS)
    for number in range(4):
        write(tmp_path / "md" / f"run_{number}" / "FAKEOUT", path_of(3, moved=0.2, seed=number))


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["gather", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_sets_are_written_and_the_campaign_that_goes_on_is_told() -> None:
    words = said("md", "--split", "0.5,0.5", "--out", "set.extxyz")
    assert "Si2              2          12      4       4" in words
    assert "wrote set_train.extxyz" in words
    keys = {"initial_train_dataset": "set_train.extxyz", "initial_valid_dataset": "set_valid.extxyz"}
    assert all(re.search(rf"{key}: \S*{name}\n", words) for key, name in keys.items())


def test_one_file_says_how_a_campaign_gets_two() -> None:
    words = said("md")
    assert "wrote gathered.extxyz" in words
    assert "--split 0.9,0.1 writes both" in words


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    words = said("md", "--dry-run", "--steps", "last")
    assert "nothing was written; without --dry-run: 4 structures in gathered.extxyz" in words
    assert [path.name for path in tmp_path.iterdir()] == ["md"]


def test_the_table_is_shown_before_two_methods_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "md" / "other" / "FAKEOUT", [step()], settings=Settings(aspects={"functional": "LDA"}))
    words = said("md", code=2)
    assert words.index("composition") < words.index("LDA: 1 structure of other/FAKEOUT")
    assert "--mixed keeps them together" in words
    assert "wrote gathered.extxyz" in said("md", "--mixed")


def test_all_that_is_wrong_with_the_words_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "set.json").touch()
    words = said("md", "--out", "set.extxyz", "--steps", "some", "--split", "1,1,1,1", "--max-force", "0", code=2)
    for known in ("set.json exists", "some is no choice of steps", "1,1,1,1 is no division", "0 eV/Å leaves nothing"):
        assert known in words
    assert "wide is no format" in said("md", "--format", "wide", code=2)
    assert "This name tells no format" in said("md", "--out", "set.dat", code=2)
    assert "no folder to write it into" in said("md", "--out", "no/set.extxyz", code=2)


def test_folders_without_outputs_say_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "INCAR").write_text("ENCUT = 400\n")
    words = said("empty", code=2)
    assert "None of 1 files is an output that is known" in words
    assert "outputs of FAKE (FAKEOUT; fakerun.xml)" in words
    assert "There is no such file or folder" in said("missing", code=2)


def test_a_seed_without_anything_to_divide_is_refused() -> None:
    assert "Nothing is divided without --split." in said("md", "--seed", "1", code=2)
