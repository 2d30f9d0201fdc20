import errno
import os
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from aims_pax.cli.boundary import guarded, kept_words
from aims_pax.departure import Departed, Reason
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


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (KeyboardInterrupt(), "Ctrl-C", 130),
        (Departed(Reason.INTERRUPTED), "Ctrl-C", 130),
        (Departed(Reason.TERMINATED), "SIGTERM", 143),
        (Departed(Reason.WARNED), "SIGUSR1", 75),
        (Departed(Reason.WALLTIME), "the end of the walltime", 75),
    ],
)
def test_campaign_that_was_asked_to_leave_says_how_to_go_on(
    error: BaseException, reason: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/aims-pax", "run", "my project"])
    result = run(error, log_folder=tmp_path)
    assert result.exit_code == code
    assert result.stderr == (
        f"\nLeft because of {reason}. What was committed is kept; the same command goes on from there:\n"
        "  aims-pax run 'my project'\n"
    )
    assert f"run ended: {reason}" in (tmp_path / "aims_pax.log").read_text(encoding="utf-8")


def test_run_that_was_left_says_how_to_have_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/aims-pax-al", "my project"])
    assert kept_words(Path("my project")).splitlines()[1:] == [
        "  aims-pax-al 'my project'",
        "Models, datasets and figures as they are now:",
        "  aims-pax export --models 'my project'",
    ]


def test_ctrl_c_before_a_run_has_begun_promises_nothing() -> None:
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "\nLeft because of Ctrl-C, before anything was started.\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_disk_that_refuses_says_what_to_do_and_is_no_defect(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/aims-pax", "run", "project"])
    result = run(OSError(number, os.strerror(number), "run/committee.pt"), log_folder=tmp_path)
    assert result.exit_code == 1
    assert f"{os.strerror(number)}: run/committee.pt." in result.stderr
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
