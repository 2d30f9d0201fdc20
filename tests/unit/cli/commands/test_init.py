"""What ``aims-pax init`` takes and says."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.settings import load_project

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["init", *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a.xyz", "b.xyz", "c.xyz")]
    for path in paths:
        path.write_text(HYDROGEN)
    return [str(path) for path in paths]


def test_every_geometry_counts_however_it_is_named(files: list[str], tmp_path: Path) -> None:
    a, b, c = files
    for number, words in enumerate(
        (["--geometry", a, "--geometry", b, "--geometry", c], ["--geometry", a, b, c], files)
    ):
        folder = tmp_path / str(number)
        output = said(str(folder), *words)
        assert [f"wrote {folder / 'geometry' / name}.xyz" in output for name in "abc"] == [True] * 3
        assert [system.name for system in load_project(folder).systems] == ["a", "b", "c"]


def test_placeholder_is_said(tmp_path: Path) -> None:
    assert "No --geometry was given: placeholder_ethanol.xyz is a placeholder." in said(str(tmp_path / "new"))


def test_what_a_program_still_needs_is_said(tmp_path: Path) -> None:
    output = said(str(tmp_path / "new"), "--reference", "siesta")
    assert "Before it can run, see to:\n- REFERENCE.command" in output
    assert "- the folder pseudo: a pseudopotential Element.psml of each element" in output


def test_unknown_reference_is_answered_like_any_other_mistake(tmp_path: Path) -> None:
    output = said(str(tmp_path / "new"), "--reference", "vapsi", code=2)
    assert output.startswith("One problem; nothing was started.\n\n--reference: 'vapsi' is not a reference")
    assert "Value error" not in output
