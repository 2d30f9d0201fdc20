import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from aims_pax import __version__
from aims_pax.cli.boundary import kept_words
from aims_pax.cli.program import program

HEAVY = ("ase", "mace", "matplotlib", "numpy", "parsl", "pydantic", "pyscf", "scipy", "tblite", "torch")


def aims_pax(*arguments: str, entry: str = "run_program") -> subprocess.CompletedProcess[str]:
    code = f"from aims_pax.cli.main import {entry}; {entry}()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)


def test_help_lists_every_command() -> None:
    done = aims_pax("--help")
    assert done.returncode == 0
    for command in ("init", "check", "run", "idg", "idg-v2", "al", "evaluate", "schema"):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize("arguments", [["-h"], ["run", "-h"], ["references", "-h"], ["schema", "-h"]])
def test_short_option_asks_for_help_as_the_long_one_does(arguments: list[str]) -> None:
    short, long = aims_pax(*arguments), aims_pax(*arguments[:-1], "--help")
    assert short.returncode == 0
    assert short.stdout == long.stdout
    assert "-h, --help" in short.stdout


def test_short_option_asks_for_help_of_a_stage_program() -> None:
    assert "[FOLDER]" in aims_pax("-h", entry="run_al").stdout


def test_the_package_runs_as_the_program() -> None:
    command = [sys.executable, "-m", "aims_pax", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"aims-pax {__version__}\n")


@pytest.mark.parametrize(
    ("name", "words"), [("/opt/bin/aims-pax", "aims-pax"), ("/lib/aims_pax/__main__.py", "python -m aims_pax")]
)
def test_command_that_goes_on_is_the_one_that_was_given(name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, "run", "my project"])
    assert kept_words().endswith(f"\n  {words} run 'my project'")


def test_command_that_exports_names_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["aims-pax", "run", "project", "--aimsPAX-settings=a.yaml", "--model-settings", "b.yaml"]
    monkeypatch.setattr(sys, "argv", words)
    said = "aims-pax export --models project --aimsPAX-settings=a.yaml --model-settings b.yaml"
    assert kept_words(Path("project")).endswith(said)


def authors_project(folder: Path) -> list[str]:
    """A project whose files have names of their own, and a mistake in each; the options that name them."""
    (folder / "geometry").mkdir()
    (folder / "geometry" / "water.xyz").write_text("3\n\nO 0 0 0.1\nH 0 0.8 -0.5\nH 0 -0.8 -0.5\n")
    (folder / "first.yaml").write_text(
        "ACTIVE_LEARNING: {num_trajectories: 0, desired_acc: 0.1}\nMD: {stat_ensemble: NVT}\n"
    )
    (folder / "second.yaml").write_text("GENERAL: {name_exp: exp}\nTRAINING: {lr: 0}\n")
    return ["--aimsPAX-settings", str(folder / "first.yaml"), "--model-settings", str(folder / "second.yaml")]


@pytest.mark.parametrize(
    ("command", "n_problems"),
    [
        *(([], 3), (["run"], 3), (["idg"], 3), (["al"], 2), (["idg-v2"], 2), (["check"], 3), (["export"], 2)),
        *((["plan"], 2), (["references"], 2)),
    ],
)
def test_files_of_settings_are_those_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], n_problems: int
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(program, [*command, *authors_project(tmp_path)])
    assert done.exit_code == 2
    assert f"{n_problems} problems; nothing was started." in done.stderr
    assert "first.yaml, line 1: ACTIVE_LEARNING.num_trajectories is 0." in done.stderr
    assert "second.yaml, line 2: TRAINING.lr is 0." in done.stderr


def test_program_of_active_learning_takes_the_options_of_the_authors(tmp_path: Path) -> None:
    done = aims_pax(*authors_project(tmp_path), entry="run_al")
    assert done.returncode == 2
    assert "first.yaml, line 1: ACTIVE_LEARNING.num_trajectories is 0." in done.stderr


def test_files_are_named_behind_the_command() -> None:
    done = CliRunner().invoke(program, ["--model-settings", "model.yaml", "check"])
    assert done.exit_code == 2
    assert "name files of settings behind the command: aims-pax check" in " ".join(done.stderr.split())


@pytest.mark.parametrize("entry", ["run_idg", "run_al"])
def test_stage_programs_take_a_project_folder(entry: str) -> None:
    done = aims_pax("--help", entry=entry)
    assert done.returncode == 0
    assert "[FOLDER]" in done.stdout


def test_starting_the_program_imports_nothing_heavy() -> None:
    code = "import sys, aims_pax.cli.program; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize("entry", ["run_program", "run_idg", "run_al"])
def test_ctrl_c_during_the_imports_shows_no_traceback(entry: str) -> None:
    code = f"""
import signal, sys
from aims_pax.cli.main import {entry}

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        sys.meta_path.remove(self)
        signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupted())
{entry}()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_entry_points_import_nothing_before_they_run() -> None:
    code = "import sys, aims_pax.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not {"typer", "aims_pax.cli.boundary", "aims_pax.cli.program"} & set(done.stdout.split())


def test_ctrl_c_after_a_command_shows_no_traceback() -> None:
    code = """
import atexit, signal
from aims_pax.cli.main import run_program
atexit.register(signal.raise_signal, signal.SIGINT)
run_program()
"""
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert done.stdout == f"aims-pax {__version__}\n"


def test_version_is_that_of_the_package() -> None:
    assert aims_pax("--version").stdout == f"aims-pax {__version__}\n"


def test_unknown_command_is_a_usage_error() -> None:
    done = aims_pax("lern")
    assert done.returncode == 2
    assert "No such command 'lern'" in done.stderr


def test_every_command_explains_itself() -> None:
    for command in program.registered_commands:
        assert command.short_help
        assert command.callback is not None
        assert command.callback.__doc__


def test_bare_program_tells_a_newcomer_where_to_begin() -> None:
    done = aims_pax()
    for step in (
        "aims-pax doctor",
        "aims-pax quickstart",
        "aims-pax init my_project",
        "aims-pax check",
        "aims-pax run",
    ):
        assert f"\n    {step}" in done.stdout + done.stderr


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(program)
    return {name: command for name, command in group.commands.items() if not command.hidden}


def test_help_of_every_command_ends_with_examples_that_can_be_typed() -> None:
    group = typer.main.get_command(program)
    for name, command in commands().items():
        shown = command.get_help(typer.Context(command, info_name=name))
        examples = [line.split() for line in shown.splitlines() if line.startswith("    aims-pax ")]
        assert examples, name
        assert shown.rstrip().endswith(" ".join(examples[-1])), name
        for _, called, *arguments in examples:
            assert called == name
            command.make_context(name, arguments, parent=typer.Context(group), resilient_parsing=True)


def test_help_fits_into_80_columns() -> None:
    for name, command in commands().items():
        shown = command.get_help(typer.Context(command, info_name=name, terminal_width=80, max_content_width=80))
        assert [line for line in shown.splitlines() if len(line) > 80] == [], name


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("aims-pax re", {"references", "relabel", "report"}),
        ("aims-pax init new --reference esp", {"espresso"}),
        ("aims-pax explain max_train", {"max_train_set_size"}),
    ],
)
def test_a_shell_completes_commands_references_and_settings(line: str, words: set[str]) -> None:
    asked = {"_AIMS_PAX_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    code = "import sys; sys.argv[0] = 'aims-pax'; from aims_pax.cli.main import run_program; run_program()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ | asked
    )
    assert set(done.stdout.split()) == words


def test_evaluate_without_models_is_a_usage_error() -> None:
    done = aims_pax("evaluate", "--data", "frames.extxyz")
    assert done.returncode == 2
    assert "--models: no model file was given" in done.stderr
