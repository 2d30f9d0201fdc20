import errno
import os
import signal
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from aims_pax.cli.boundary import guarded, sigterm_unwinds
from aims_pax.errors import CampaignStopped, Problem, SettingsError
from aims_pax.report.logs import open_logs


def run(error: BaseException, *, log_folder: Path | None = None) -> Result:
    """What a command that raises `error` looks like from outside."""

    @guarded
    def command() -> None:
        if log_folder is not None:
            open_logs(log_folder, Console(quiet=True))
        raise error

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, [])


def test_user_error_lists_all_problems_and_exits_with_2() -> None:
    problems = [
        Problem("aims_PAX.yaml, line 3: MD.timestep", "is -1", "0 < fs <= 10", "Use 0.5."),
        Problem("mace.yaml, line 1: GENERAL.seed", "is not an integer"),
    ]
    result = run(SettingsError(problems))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "2 problems; nothing was started." in result.stderr
    assert "aims_PAX.yaml, line 3: MD.timestep: is -1\n  Allowed: 0 < fs <= 10\n  Use 0.5." in result.stderr
    assert "mace.yaml, line 1: GENERAL.seed: is not an integer" in result.stderr
    assert "Traceback" not in result.stderr


def test_failed_campaign_says_why_and_exits_with_1() -> None:
    result = run(CampaignStopped("every trajectory has failed too often in a row"))
    assert result.exit_code == 1
    assert result.stderr == "aims-pax stopped: every trajectory has failed too often in a row\n"


def test_ctrl_c_says_how_to_go_on_and_exits_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/aims-pax", "run", "my project"])
    result = run(KeyboardInterrupt(), log_folder=tmp_path)
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert "aims-pax run 'my project'" in result.stderr


def test_ctrl_c_before_a_run_has_begun_promises_nothing() -> None:
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "\nInterrupted before anything was started.\n"


def test_sigterm_unwinds_like_ctrl_c_and_exits_with_143() -> None:
    unwound = []

    @guarded
    def command() -> None:
        with sigterm_unwinds():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                signal.pause()
            finally:
                unwound.append(True)

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    before = signal.getsignal(signal.SIGTERM)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 143
    assert "Terminated" in result.stderr
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_full_disk_says_what_to_do_and_is_no_defect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/aims-pax", "run", "project"])
    result = run(OSError(errno.ENOSPC, "No space left on device", "run/committee.pt"), log_folder=tmp_path)
    assert result.exit_code == 1
    assert "No space left on device: run/committee.pt." in result.stderr
    assert "aims-pax run project" in result.stderr
    assert "defect" not in result.stderr


def test_unforeseen_error_keeps_its_traceback_in_the_diary(tmp_path: Path) -> None:
    result = run(ZeroDivisionError("division by zero"), log_folder=tmp_path)
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "Traceback" not in result.stderr
    log_file = tmp_path / "aims_pax.log"
    assert str(log_file) in result.stderr
    assert "Traceback (most recent call last)" in log_file.read_text(encoding="utf-8")


def test_unforeseen_error_without_a_diary_keeps_its_traceback_in_a_file_of_its_own() -> None:
    result = run(ZeroDivisionError("division by zero"))
    log_file = Path(result.stderr.rstrip().rsplit(" ", 1)[1])
    try:
        assert "ZeroDivisionError: division by zero" in log_file.read_text(encoding="utf-8")
    finally:
        log_file.unlink()
