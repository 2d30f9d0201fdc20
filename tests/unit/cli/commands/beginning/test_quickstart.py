"""What ``aims-pax quickstart`` writes, keeps and starts."""

import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aims_pax.cli.commands.beginning import quickstart as command
from aims_pax.cli.program import program
from aims_pax.settings import load_project
from aims_pax.settings.words.example import FILES, example_folder

ROOT = Path(__file__).parents[5]


def quickstart(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["quickstart", *arguments])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders of the campaigns that would have been run."""
    folders: list[Path] = []
    monkeypatch.setattr(command, "launch", lambda folder, *stages, named: folders.append(folder))
    return folders


def test_example_is_written_and_not_run(tmp_path: Path, started: list[Path]) -> None:
    done = quickstart(str(tmp_path / "new"), "--no-run")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES)
    assert [name for name in FILES if name not in done.output] == []
    assert done.output.endswith(f"Next: aims-pax run {tmp_path / 'new'}\n")
    assert load_project(tmp_path / "new").systems[0].name == "ethanol"
    assert started == []


def test_the_same_command_goes_on(tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert quickstart().exit_code == 0
    again = quickstart()
    assert again.exit_code == 0, again.output
    assert "found the example in quickstart" in again.output
    assert started == [Path("quickstart")] * 2
    assert "aims-pax verify quickstart" in again.output


def test_files_of_others_are_not_touched(tmp_path: Path, started: list[Path]) -> None:
    (tmp_path / "mace.yaml").write_text("GENERAL: {name_exp: mine}\n")
    done = quickstart(str(tmp_path))
    assert done.exit_code == 2
    assert "There is another file of this name already." in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mace.yaml"]
    assert started == []


def test_without_pytorch_the_command_for_a_build_for_cpus_is_printed(
    tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = quickstart(str(tmp_path / "new"))
    assert done.exit_code == 1
    assert "\n  python -m pip install torch --index-url https://download.pytorch.org/whl/cpu\n" in done.stderr
    assert f"\n  aims-pax quickstart {tmp_path / 'new'}\n" in done.stderr
    assert (tmp_path / "new" / "mace.yaml").is_file()
    assert started == []


def test_the_wheel_has_every_file_from_the_one_place_where_it_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    inside = {Path(target).name for target in included.values() if target.startswith("aims_pax/examples/quickstart/")}
    assert inside == set(FILES)
    assert all((ROOT / source).exists() for source in included)
    assert all((example_folder() / name).is_file() for name in FILES)
