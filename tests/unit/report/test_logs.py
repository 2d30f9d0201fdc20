import io
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from aims_pax.report.logs import LOG_FILE, close_logs, log_failure, open_logs


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_logs()


def terminal() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=60, color_system=None), stream


def test_diary_line_goes_to_file_and_terminal_unbroken(tmp_path: Path) -> None:
    console, stream = terminal()
    path = open_logs(tmp_path / "logs", console)
    line = "traj 07  step 12 400  deviation 0.214 > 0.180 eV/Å  -> label 63 [in brackets]"
    logging.getLogger("aims_pax.campaign").info(line)
    assert path.read_text(encoding="utf-8").rstrip("\n").endswith(line)
    assert stream.getvalue().rstrip("\n").endswith(line)


def test_warning_is_marked(tmp_path: Path) -> None:
    console, stream = terminal()
    path = open_logs(tmp_path, console)
    logging.getLogger("aims_pax").warning("label 3 failed")
    assert "WARNING: label 3 failed" in path.read_text(encoding="utf-8")
    assert "warning: label 3 failed" in stream.getvalue()


def test_library_warnings_stay_off_the_terminal(tmp_path: Path) -> None:
    console, stream = terminal()
    path = open_logs(tmp_path, console)
    warnings.warn("tensors will change", FutureWarning, stacklevel=1)
    logging.getLogger("some_library").warning("block lost")
    assert stream.getvalue() == ""
    text = path.read_text(encoding="utf-8")
    assert "[py.warnings]" in text
    assert "tensors will change" in text
    assert "[some_library] block lost" in text


def test_checks_appear_at_debug_level_only(tmp_path: Path) -> None:
    console, stream = terminal()
    for level, expected in (("INFO", 0), ("DEBUG", 1)):
        path = open_logs(tmp_path / level, console, level=level)
        logging.getLogger("aims_pax").debug("check 17")
        assert path.read_text(encoding="utf-8").count("check 17") == expected
    assert "check 17" not in stream.getvalue(), "the terminal has the live view for that"


def test_opening_again_goes_on_with_the_same_diary(tmp_path: Path) -> None:
    console, stream = terminal()
    for word in ("first", "second"):
        path = open_logs(tmp_path, console)
        logging.getLogger("aims_pax").info(word)
    assert [line.split()[-1] for line in path.read_text(encoding="utf-8").splitlines()] == ["first", "second"]
    assert stream.getvalue().count("second") == 1


def test_every_line_appears_once_although_a_model_was_loaded_before(tmp_path: Path, mace_model: Path) -> None:
    script = f"""
import logging, sys
from pathlib import Path
from rich.console import Console
from aims_pax.reference.registry import build_reference
from aims_pax.report.logs import close_logs, open_logs
from aims_pax.settings.methods.reference import TeacherSettings
build_reference(TeacherSettings(model_path={str(mace_model)!r})).isolated_atom_energy(1, folder=Path({str(tmp_path)!r}))
before = list(logging.getLogger().handlers)
open_logs(Path({str(tmp_path)!r}), Console(file=sys.stderr, width=80))
logging.getLogger("aims_pax.active").info("label 63 arrived")
close_logs()
print(len(before), logging.getLogger().handlers == before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split()[-2:] == ["1", "True"], "MACE no longer logs by itself: this test shows nothing"
    assert done.stderr.count("label 63 arrived") == 1


def test_closing_restores_the_logging_of_the_process(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers), logging.getLogger("aims_pax").level
    open_logs(tmp_path, terminal()[0])
    close_logs()
    assert (list(logging.getLogger().handlers), logging.getLogger("aims_pax").level) == before


def test_failure_goes_to_the_open_diary_only(tmp_path: Path) -> None:
    assert log_failure("nowhere to write") is None
    console, stream = terminal()
    path = open_logs(tmp_path, console)
    assert log_failure("Traceback ...") == path.resolve()
    assert log_failure("interrupted", level=logging.INFO) == path.resolve()
    text = path.read_text(encoding="utf-8")
    assert "  ERROR: run ended: Traceback ..." in text
    assert "  run ended: interrupted" in text
    assert "run ended: Traceback ..." in path.read_text(encoding="utf-8")
    assert stream.getvalue() == ""


def test_full_disk_is_no_flood_of_tracebacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console, stream = terminal()
    (tmp_path / LOG_FILE).symlink_to("/dev/full")
    open_logs(tmp_path, console)
    logging.getLogger("aims_pax").info("label 63 arrived")
    close_logs()
    assert "label 63 arrived" in stream.getvalue()
    assert capsys.readouterr().err == ""
    assert logging.raiseExceptions, "other programs of this process see their own mistakes"
