import signal
import subprocess
import sys

import pytest

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
    for command in ("init", "check", "run", "idg", "al", "evaluate", "schema"):
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


def test_evaluate_without_models_is_a_usage_error() -> None:
    done = aims_pax("evaluate", "--data", "frames.extxyz")
    assert done.returncode == 2
    assert "--models: no model file was given" in done.stderr
