"""A campaign's output when whoever read it is gone: real terminals and pipes, in programs of their own."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import logging, os, sys, time
from pathlib import Path
from rich.console import Console
from aims_pax.protocols import Status
from aims_pax.report.live import LiveView
from aims_pax.report.logs import open_logs
from aims_pax.report.outlet import Outlet

folder = Path(sys.argv[1])
console = Console(file=Outlet(sys.stdout))
open_logs(folder, console)
diary = logging.getLogger("aims_pax")
status = Status("active", 1, 0, 0, 0, 9, 9, 0, 8, 1, None, 100, 4, 0.1, 0.2, 0.3, "sampling")
with LiveView(console, title="copper") as view:
    view.show(status)
    diary.info("it is read")
    while not (folder / "gone").exists():
        time.sleep(0.01)
    for step in range(5):
        diary.info("nobody reads step %d", step)
        view.show(status)
        time.sleep(0.1)
print("the end")
"""


@pytest.mark.parametrize("reader", ["terminal", "pipe"])
def test_program_goes_on_when_nobody_reads_it_any_more(reader: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty() if reader == "terminal" else os.pipe()
    errors = theirs if reader == "terminal" else subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=errors
    )
    os.close(theirs)
    said = b""
    while b"it is read" not in said:
        said += os.read(ours, 65536)
    os.close(ours)
    time.sleep(0.1)
    (tmp_path / "gone").touch()
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err or b"") == (0, b"")
    assert "nobody reads step 4" in (tmp_path / "aims_pax.log").read_text(encoding="utf-8")
